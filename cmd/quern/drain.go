package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/quern-engine/quern/worker"
)

// runWorker runs a worker to its end. The first signal has it drain for as long as patience, the second has it leave at once,
// a third ends the process.
func runWorker(ctx context.Context, w *worker.Worker, patience time.Duration, stderr io.Writer) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, leave := context.WithCancel(context.WithoutCancel(ctx)) // the command's own ends with the first signal
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer leave()
		defer signal.Stop(signals)
		drainOnSignal(ctx, w, patience, signals, stderr)
	}()
	err := w.Run(ctx)
	leave()
	<-watched
	return err
}

// drainOnSignal returns when the worker is to leave, or has ended.
func drainOnSignal(ctx context.Context, w *worker.Worker, patience time.Duration, signals <-chan os.Signal, stderr io.Writer) {
	select {
	case <-signals:
	case <-ctx.Done():
		return
	}
	if patience <= 0 {
		return
	}
	fmt.Fprintf(stderr, "worker drains: it ends when no run needs it any more, at the latest in %s; another signal ends it at once\n", patience)
	w.Drain()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-signals:
	case <-timer.C:
	case <-ctx.Done():
	}
}
