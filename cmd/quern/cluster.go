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
	log := flags.log.logger()
	tracer, err := flags.traces.open("quern", "", log)
	if err != nil {
		return err
	}
	defer tracer.Close() // after everything else: what ends then has spans, too
	e, err := assembly.StartEmbedded(assembly.Options{
		Workers: flags.workers, Slots: flags.slots, Memory: memory, State: flags.state, Snapshot: flags.snapshot, InputCache: flags.inputCache, Planned: flags.planned, Log: log,
		Traces: tracer, Traceparent: traceparent(),
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
	quiet := logFlags{level: levelFlag(slog.LevelError)}
	e, err := assembly.StartEmbedded(assembly.Options{Memory: lookingMemory, State: state, Log: quiet.logger()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return f(e.Client)
}

// lookingMemory is for a coordinator that only reads its state.
const lookingMemory = 1 << 30
