package host

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is what is written to it. Safe for concurrent use.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// A process that does not stop printing does not hold up who gives it back; what it printed before its answer is in the log.
func TestEndlessPrinting(t *testing.T) {
	var log lines
	_, f, _ := open(t, built.hostile, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	ask(t, f, "babbles", ints(t, 1))
	begin := time.Now()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took >= settleTime {
		t.Errorf("it was held for %v", took)
	}
	if !strings.Contains(log.String(), "and another thing") {
		t.Error("nothing of it is in the log")
	}
}

// What is written after one has begun to wait is not waited for, and nothing is when the reader has gone.
func TestPrintedSettles(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &printed{File: r}
	print := func(text string) {
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	print("four")
	mark := p.written()
	print("more")
	buf := make([]byte, 4)
	if _, err := p.Read(buf); err != nil || p.settled(mark) || mark != 4 {
		t.Fatalf("settled at %d before it was dealt with: %v", mark, err)
	}
	if _, err := p.Read(buf); err != nil || !p.settled(mark) {
		t.Fatalf("not settled: %v", err)
	}
	print("last")
	mark = p.written()
	if err := r.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(buf); err == nil || !p.settled(mark) {
		t.Errorf("a reader that has gone is waited for: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
