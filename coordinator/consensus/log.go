package consensus

import (
	"context"
	"io"
	"log"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// logger lets raft, which speaks hclog, write to slog. Everything is turned down a step: raft calls it an error when a
// peer does not answer, and warns of elections, which is ordinary life where coordinators are restarted. The coordinator
// tells of leadership itself, and of a node that cannot go on.
type logger struct {
	log  *slog.Logger
	name string
	args []any
}

var _ hclog.Logger = (*logger)(nil)

func newLogger(l *slog.Logger) *logger { return &logger{log: l, name: "raft"} }

func level(l hclog.Level) slog.Level {
	switch l {
	case hclog.Error:
		return slog.LevelWarn
	case hclog.Warn:
		return slog.LevelInfo
	case hclog.Info:
		return slog.LevelDebug
	}
	return slog.LevelDebug - 4
}

// Log writes a line.
func (l *logger) Log(at hclog.Level, msg string, args ...any) {
	l.log.Log(context.Background(), level(at), l.name+": "+msg, args...)
}

// Trace writes a line.
func (l *logger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }

// Debug writes a line.
func (l *logger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }

// Info writes a line.
func (l *logger) Info(msg string, args ...any) { l.Log(hclog.Info, msg, args...) }

// Warn writes a line.
func (l *logger) Warn(msg string, args ...any) { l.Log(hclog.Warn, msg, args...) }

// Error writes a line.
func (l *logger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *logger) enabled(at hclog.Level) bool { return l.log.Enabled(context.Background(), level(at)) }

// IsTrace reports whether such lines are written.
func (l *logger) IsTrace() bool { return l.enabled(hclog.Trace) }

// IsDebug reports whether such lines are written.
func (l *logger) IsDebug() bool { return l.enabled(hclog.Debug) }

// IsInfo reports whether such lines are written.
func (l *logger) IsInfo() bool { return l.enabled(hclog.Info) }

// IsWarn reports whether such lines are written.
func (l *logger) IsWarn() bool { return l.enabled(hclog.Warn) }

// IsError reports whether such lines are written.
func (l *logger) IsError() bool { return l.enabled(hclog.Error) }

// ImpliedArgs are the arguments that every line carries.
func (l *logger) ImpliedArgs() []any { return l.args }

// With adds arguments to every line.
func (l *logger) With(args ...any) hclog.Logger {
	return &logger{log: l.log.With(args...), name: l.name, args: append(append([]any(nil), l.args...), args...)}
}

// Name is what lines begin with.
func (l *logger) Name() string { return l.name }

// Named adds to the name.
func (l *logger) Named(name string) hclog.Logger { return l.ResetNamed(l.name + "." + name) }

// ResetNamed changes the name.
func (l *logger) ResetNamed(name string) hclog.Logger {
	return &logger{log: l.log, name: name, args: l.args}
}

// SetLevel does nothing: the slog handler decides.
func (l *logger) SetLevel(hclog.Level) {}

// GetLevel is the lowest that is written.
func (l *logger) GetLevel() hclog.Level {
	for _, at := range []hclog.Level{hclog.Trace, hclog.Debug, hclog.Info, hclog.Warn} {
		if l.enabled(at) {
			return at
		}
	}
	return hclog.Error
}

// StandardLogger writes through the log package.
func (l *logger) StandardLogger(o *hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(o), "", 0)
}

// StandardWriter writes each call as a line.
func (l *logger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return lineWriter{l} }

type lineWriter struct{ l *logger }

// Write writes a line.
func (w lineWriter) Write(p []byte) (int, error) {
	w.l.Info(string(p))
	return len(p), nil
}
