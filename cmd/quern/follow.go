package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/plan"
)

// cancelPatience bounds how long an interrupted caller waits for the run to end.
const cancelPatience = 15 * time.Second

// follow shows a run until it ends. When ctx is done it cancels the run and still waits for its end.
func follow(ctx context.Context, c *client.Client, id string, show progress) (*api.RunStatus, error) {
	defer show.done()
	status, err := assembly.Wait(ctx, c, id, show.update)
	if err != nil && ctx.Err() != nil {
		show.say("cancelling the run; Ctrl-C again ends this command at once")
		return cancelAndWait(ctx, c, id, show)
	}
	return status, err
}

// cancelAndWait cancels a run for a caller who was interrupted, and waits for its end.
func cancelAndWait(ctx context.Context, c *client.Client, id string, show progress) (*api.RunStatus, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelPatience)
	defer stop()
	_, err := c.Cancel(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("cancel run %s: %w", id, err)
	}
	status, err := assembly.Wait(ctx, c, id, show.update)
	if err != nil {
		return nil, fmt.Errorf("cancel run %s: %w", id, err)
	}
	return status, nil
}

// runResult is the object that -o json prints: a contract.
type runResult struct {
	RunID   string                      `json:"run_id"`
	State   api.RunState                `json:"state"`
	Seconds float64                     `json:"seconds"`
	Outputs map[string]api.OutputStatus `json:"outputs"`
	Failure *plan.Failure               `json:"failure,omitempty"`
	Checks  []api.CheckResult           `json:"checks,omitempty"`
}

// finish prints how a run ended and gives the error that carries its exit status.
func finish(w io.Writer, status *api.RunStatus, took time.Duration, asJSON bool) error {
	if asJSON {
		result := runResult{RunID: status.RunID, State: status.State, Seconds: took.Seconds(), Outputs: status.Outputs, Failure: status.Failure, Checks: status.Checks}
		if result.Outputs == nil {
			result.Outputs = map[string]api.OutputStatus{} // an object, also when there are none
		}
		if err := printJSON(w, result); err != nil {
			return err
		}
	} else {
		if status.State == api.RunSucceeded {
			printSummary(w, status, took)
		}
		printChecks(w, status)
	}
	return outcome(status)
}

var errBlocked = errors.New("a check does not hold")

// outcome is nil for a run that succeeded; otherwise an error with the exit status, already explained to the user.
func outcome(status *api.RunStatus) error {
	switch status.State {
	case api.RunSucceeded:
		return nil
	case api.RunBlocked:
		fmt.Fprintf(os.Stderr, "quern: run %s is blocked: %s\n", status.RunID, status.Reason)
		return silentError{exitBlocked, errBlocked}
	case api.RunCancelled:
		fmt.Fprintf(os.Stderr, "quern: run %s was cancelled\n", status.RunID)
		return silentError{exitCancelled, context.Canceled}
	}
	err := errors.New("the run failed")
	if status.Failure != nil {
		err = status.Failure
	}
	fmt.Fprintf(os.Stderr, "quern: run %s failed: %s\n", status.RunID, err)
	return silentError{exitFailed, err}
}

func printSummary(w io.Writer, status *api.RunStatus, took time.Duration) {
	var read, kept, written, rejected int64
	for _, s := range status.Stages {
		read += s.Counts.RowsRead
		kept += s.Counts.RowsKept
		rejected += s.Counts.RowsRejected
	}
	for _, o := range status.Outputs {
		written += o.Rows
	}
	fmt.Fprintf(w, "run %s succeeded in %s\n", status.RunID, took.Round(time.Millisecond))
	fmt.Fprintf(w, "rows  read %s, kept %s, written %s\n", humanize.Comma(read), humanize.Comma(kept), humanize.Comma(written))
	if rejected > 0 {
		fmt.Fprintf(w, "%s rows rejected by plugin functions: see _rejects in the folders below\n", humanize.Comma(rejected))
	}
	for _, name := range slices.Sorted(maps.Keys(status.Outputs)) {
		o := status.Outputs[name]
		fmt.Fprintf(w, "%s: %s rows in %d shards\n  %s\n", name, humanize.Comma(o.Rows), o.Shards, o.VersionPath)
	}
}
