package main

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/worker"
)

// A worker leaves at the second signal, at the end of its patience, or, without any, at the first signal.
func TestDrainOnSignal(t *testing.T) {
	store := storage.New()
	defer store.Close()
	for _, c := range []struct {
		what     string
		patience time.Duration
		signals  []os.Signal
		ended    bool // the worker ends by itself
		drains   bool
	}{
		{"two signals", time.Hour, []os.Signal{syscall.SIGTERM, os.Interrupt}, false, true},
		{"no time", time.Millisecond, []os.Signal{syscall.SIGTERM}, false, true},
		{"no patience", 0, []os.Signal{syscall.SIGTERM}, false, false},
		{"no signal", time.Hour, nil, true, false},
	} {
		w, err := worker.New(worker.Options{Coordinators: []string{"http://127.0.0.1:1"}, Scratch: t.TempDir(), Store: store})
		if err != nil {
			t.Fatal(err)
		}
		signals := make(chan os.Signal, 2)
		for _, s := range c.signals {
			signals <- s
		}
		ctx, cancel := context.WithCancel(t.Context())
		if c.ended {
			cancel()
		}
		var said strings.Builder
		drainOnSignal(ctx, w, c.patience, signals, &said) // returns, or the test hangs
		if got := strings.Contains(said.String(), "worker drains"); got != c.drains {
			t.Errorf("%s: said %q", c.what, said.String())
		}
		cancel()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}
