package lines

import (
	"context"
	"log/slog"
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// TextKey is the attribute that becomes the text of a line.
const TextKey = "text"

// Handler is where an attempt logs to: its buffer, and the log of the process, which is told which attempt it is.
type Handler struct {
	Attempt plan.AttemptID
	Worker  string
	Buffer  *Buffer
	// Next is the process's log. Nothing is done for it before there is a line: most attempts have none.
	Next slog.Handler

	attrs []slog.Attr // of this logger
	group string      // prefix of the names of attributes to come
}

var _ slog.Handler = (*Handler)(nil)

// Enabled is true: the buffer takes all levels.
func (h *Handler) Enabled(context.Context, slog.Level) bool { return true }

// Handle takes in a record.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	l := api.LogLine{Time: now(), Level: level(r.Level), Worker: h.Worker, Message: r.Message}
	l.Of(h.Attempt)
	put := func(a slog.Attr) bool {
		if a.Key == TextKey {
			l.Text = a.Value.String()
			return true
		}
		if l.Attributes == nil {
			l.Attributes = map[string]string{}
		}
		l.Attributes[a.Key] = a.Value.String()
		return true
	}
	for _, a := range h.attrs {
		put(a)
	}
	r.Attrs(func(a slog.Attr) bool { return put(h.named(a)) })
	h.Buffer.Add(l)
	if !h.Next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Next.WithAttrs(Place(h.Attempt)).WithAttrs(h.attrs).Handle(ctx, r)
}

// level is the name of a level: the highest that the level reaches.
func level(l slog.Level) string {
	for _, known := range []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo} {
		if l >= known {
			return known.String()
		}
	}
	return slog.LevelDebug.String()
}

// Place is an attempt as attributes of log lines, everywhere.
func Place(id plan.AttemptID) []slog.Attr {
	return []slog.Attr{slog.String("run", id.Run), slog.Int("stage", id.Stage), slog.Int("task", id.Task), slog.Int("attempt", id.Attempt)}
}

// Of is a log whose lines are about an attempt.
func Of(log *slog.Logger, id plan.AttemptID) *slog.Logger {
	return slog.New(log.Handler().WithAttrs(Place(id)))
}

func (h *Handler) named(a slog.Attr) slog.Attr {
	a.Key = h.group + a.Key
	return a
}

// WithAttrs is a handler whose lines have these attributes.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		c.attrs = append(c.attrs, h.named(a))
	}
	return &c
}

// WithGroup is a handler whose further attributes have names below the group's.
func (h *Handler) WithGroup(name string) slog.Handler {
	c := *h
	c.group += name + "."
	return &c
}
