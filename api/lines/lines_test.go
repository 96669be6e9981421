package lines

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

func fill(b *Buffer, n int, text string) {
	for i := range n {
		b.Add(api.LogLine{Message: fmt.Sprint(i + 1), Text: text})
	}
}

// However much is logged, the beginning and the end are kept, and a line says how much is missing between them.
func TestBufferIsBounded(t *testing.T) {
	begun := 0
	b := Buffer{Begun: func() { begun++ }}
	if len(b.Since(0)) > 0 || b.Last() != 0 {
		t.Error("an empty buffer has lines")
	}
	const n = 100_000
	fill(&b, n, strings.Repeat("x", 100))
	got := b.Since(0)
	if b.Last() != n || begun != 1 || b.Bytes() > headBytes+tailBytes {
		t.Errorf("last %d, begun %d times, %d bytes", b.Last(), begun, b.Bytes())
	}
	number, gaps := 0, 0
	for _, l := range got {
		if l.Message != "lines left out" {
			if number++; l.Number != number || l.Message != fmt.Sprint(number) {
				t.Fatalf("line %d is %+v", number, l)
			}
			continue
		}
		gaps++
		if want := fmt.Sprintf("%d: of an attempt", l.Number-number); !strings.HasPrefix(l.Text, want) {
			t.Errorf("%q does not begin with %q", l.Text, want)
		}
		number = l.Number
	}
	if number != n || gaps != 1 {
		t.Errorf("the last line is %d, and there are %d gaps", number, gaps)
	}
}

// Reading goes on where it was, also where what was next has been left out.
func TestSince(t *testing.T) {
	var b Buffer
	fill(&b, 1000, strings.Repeat("x", 100))
	for _, after := range []int{0, 1, 100, 500, 900, 999, 1000} {
		got := b.Since(after)
		for i, l := range got {
			if l.Number <= after || (i > 0 && l.Number <= got[i-1].Number) {
				t.Errorf("after %d, line %d is %d", after, i, l.Number)
			}
		}
		if last := len(got) - 1; after < 1000 && got[last].Number != 1000 {
			t.Errorf("after %d, the last one is %d", after, got[last].Number)
		}
	}
	if got := b.Since(500); !strings.HasPrefix(got[0].Text, fmt.Sprintf("%d: ", got[0].Number-500)) {
		t.Errorf("after 500: %+v", got[0])
	}
}

// What comes over the network is taken once, gaps included.
func TestPut(t *testing.T) {
	var from, to Buffer
	for range 50 {
		fill(&from, 40, strings.Repeat("x", 100))
		to.Put(from.Since(to.Last()))
		to.Put(from.Since(max(0, to.Last()-10))) // repeated
	}
	if to.Last() != 2000 || from.Last() != 2000 {
		t.Errorf("last %d of %d", to.Last(), from.Last())
	}
	gaps := 0
	for _, l := range to.Since(0) {
		if l.Message == "lines left out" {
			gaps++
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps", gaps)
	}
}

func TestTextsAreBounded(t *testing.T) {
	var b Buffer
	b.Add(api.LogLine{Text: strings.Repeat("é", 1<<20), Attributes: map[string]string{"a": strings.Repeat("x", 1<<20)}})
	if l := b.Since(0)[0]; len(l.Text) > mostText+3 || len(l.Attributes["a"]) > mostText+3 {
		t.Errorf("%d and %d bytes", len(l.Text), len(l.Attributes["a"]))
	}
}

// A line goes to the attempt's buffer with what it is about, and to the log of the process, with the same names.
func TestHandler(t *testing.T) {
	var b Buffer
	var text bytes.Buffer
	id := plan.AttemptID{TaskID: plan.TaskID{Run: "r", Stage: 1, Task: 2}, Attempt: 3}
	next := slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelInfo})
	log := slog.New(&Handler{Attempt: id, Worker: "w", Buffer: &b, Next: next})
	log.With("function", "f").Warn("plugin logs", "text", "slow\nrow", "rows", 7)
	log.WithGroup("g").Log(t.Context(), slog.LevelDebug-4, "quiet", "x", true)
	got := b.Since(0)
	if len(got) != 2 || b.Last() != 2 {
		t.Fatalf("%+v", got)
	}
	l := got[0]
	if l.Level != "WARN" || *l.Stage != 1 || *l.Task != 2 || *l.Attempt != 3 || l.Worker != "w" || l.Message != "plugin logs" || l.Text != "slow\nrow" ||
		l.Attributes["function"] != "f" || l.Attributes["rows"] != "7" || l.Time.IsZero() {
		t.Errorf("%+v", l)
	}
	if got[1].Level != "DEBUG" || got[1].Attributes["g.x"] != "true" {
		t.Errorf("%+v", got[1])
	}
	if want := `level=WARN msg="plugin logs" run=r stage=1 task=2 attempt=3 function=f text="slow\nrow" rows=7`; !strings.Contains(text.String(), want) || strings.Contains(text.String(), "quiet") {
		t.Errorf("the process logs %s", text.String())
	}
}
