package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/quern-engine/quern/api/client"
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

// withState calls f with a client of what 'quern run --state' has left in a folder. There are no workers: nothing that was
// broken off goes on.
func withState(state string, f func(*client.Client) error) (err error) {
	if _, err := os.Stat(state); err != nil {
		return usageError{fmt.Errorf("--state: %w", err)}
	}
	e, err := assembly.StartEmbedded(assembly.Options{Memory: lookingMemory, State: state, Log: newLogger(false)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return f(e.Client)
}

// lookingMemory is for a coordinator that only reads its state.
const lookingMemory = 1 << 30

// newLogger logs to standard error: everything when verbose, else only what somebody should look at.
func newLogger(verbose bool) *slog.Logger {
	level := slog.LevelError
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
