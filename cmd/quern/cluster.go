package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/quern-engine/quern/cmd/quern/assembly"
)

// withEmbedded runs f on a fresh embedded cluster.
func withEmbedded(flags *clusterFlags, f func(*assembly.Embedded) error) (err error) {
	memory, err := flags.validate()
	if err != nil {
		return err
	}
	e, err := assembly.StartEmbedded(assembly.Options{
		Workers: flags.workers, Slots: flags.slots, Memory: memory, State: flags.state, Snapshot: flags.snapshot, InputCache: flags.inputCache, Planned: flags.planned, Log: newLogger(flags.verbose),
	})
	if err != nil {
		return err
	}
	defer func() {
		if closing := e.Close(); err == nil && closing != nil {
			err = fmt.Errorf("stop the embedded cluster: %w", closing)
		}
	}()
	return f(e)
}

// newLogger logs to standard error: everything when verbose, else only what somebody should look at.
func newLogger(verbose bool) *slog.Logger {
	level := slog.LevelError
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
