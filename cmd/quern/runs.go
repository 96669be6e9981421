package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
)

func newRunsCommand() *cobra.Command {
	var (
		cluster target
		output  outputFlag
		limit   int
		states  []string
	)
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List the runs of a cluster, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			wanted, err := parseStates(states)
			if err != nil {
				return err
			}
			if limit < 1 || limit > maxRuns {
				return usageError{fmt.Errorf("--limit %d: use 1 to %d", limit, maxRuns)}
			}
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			list, err := c.RunsIn(cmd.Context(), limit, wanted...)
			if err != nil {
				return err
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), list)
			}
			w := cmd.OutOrStdout()
			if len(list.Runs) == 0 {
				_, err := fmt.Fprintln(w, "no runs")
				return err
			}
			width := outputWidth(w)
			return printTable(w, runsTable(list.Runs, time.Now(), width), width)
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, fmt.Sprintf("how many, %d at most", maxRuns))
	cmd.Flags().StringSliceVar(&states, "state", nil, "only those in these states, comma separated: queued, running, checking, blocked, publishing, succeeded, failed, cancelled, or live for all that have not ended")
	return cmd
}

// maxRuns is how many runs a coordinator lists at most.
const maxRuns = 200

// parseStates reads names of states; "live" stands for those of runs that have not ended.
func parseStates(names []string) ([]api.RunState, error) {
	var states []api.RunState
	for _, name := range names {
		state := api.RunState(strings.TrimSpace(name))
		switch {
		case state == "live":
			states = append(states, liveStates()...)
		case slices.Contains(api.RunStates(), state):
			states = append(states, state)
		default:
			return nil, usageError{fmt.Errorf("--state %s: there are %v, and live", name, api.RunStates())}
		}
	}
	return states, nil
}

// liveStates are those of runs that have not ended.
func liveStates() []api.RunState {
	return slices.DeleteFunc(api.RunStates(), api.RunState.Terminal)
}

func newStatusCommand() *cobra.Command {
	return oneRunCommand("status RUN", "Show the state of a run", func(cmd *cobra.Command, c *client.Client, id string) (*api.RunStatus, error) {
		return c.Status(cmd.Context(), id, 0, 0)
	})
}

func newCancelCommand() *cobra.Command {
	return oneRunCommand("cancel RUN", "Cancel a run", func(cmd *cobra.Command, c *client.Client, id string) (*api.RunStatus, error) {
		return c.Cancel(cmd.Context(), id)
	})
}

func newPurgeCommand() *cobra.Command {
	var cluster target
	cmd := &cobra.Command{
		Use:   "purge RUN…",
		Short: "Forget runs that have ended; their outputs stay",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			for _, id := range args {
				if err := c.Purge(cmd.Context(), id); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cluster.register(cmd)
	return cmd
}

func newWorkersCommand() *cobra.Command {
	var (
		cluster target
		output  outputFlag
	)
	cmd := &cobra.Command{
		Use:   "workers",
		Short: "List the workers of a cluster",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			list, err := c.Workers(cmd.Context())
			if err != nil {
				return err
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), list)
			}
			w := cmd.OutOrStdout()
			if len(list.Workers) == 0 {
				_, err := fmt.Fprintln(w, "no workers")
				return err
			}
			return printTable(w, workersTable(list.Workers), outputWidth(w))
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	return cmd
}

// oneRunCommand is a verb about one run that prints its status afterwards.
func oneRunCommand(use, short string, act func(*cobra.Command, *client.Client, string) (*api.RunStatus, error)) *cobra.Command {
	var (
		cluster target
		output  outputFlag
	)
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  oneArg("a run id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			status, err := act(cmd, c, args[0])
			if err != nil {
				return err
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), status)
			}
			printStatus(cmd.OutOrStdout(), status)
			return nil
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	return cmd
}

func printStatus(w io.Writer, s *api.RunStatus) {
	now := time.Now()
	fmt.Fprintf(w, "run %s (%s): %s, %s\n", s.RunID, s.Name, s.State, stateTimes(s, now))
	if s.Reason != "" {
		fmt.Fprintf(w, "%s%s\n", waitingWord(s), s.Reason)
	}
	if s.RetryOf != "" {
		fmt.Fprintf(w, "it repeats %s\n", s.RetryOf)
	}
	if s.ChecksOf != "" {
		fmt.Fprintf(w, "it measures for the checks of %s\n", s.ChecksOf)
	}
	if s.Failure != nil {
		fmt.Fprintf(w, "failure (%s): %s\n", s.Failure.Kind, s.Failure.Message)
	}
	if len(s.Stages) > 0 {
		fmt.Fprintln(w)
		_ = printTable(w, stagesTable(s.Stages), outputWidth(w))
	}
	for _, stage := range s.Stages {
		if stage.Adapted != "" {
			fmt.Fprintf(w, "stage %d was adapted: %s\n", stage.ID, stage.Adapted)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
		o := s.Outputs[name]
		fmt.Fprintf(w, "output %s: %s rows in %s, %s\n", name, humanize.Comma(o.Rows), counted(o.Shards, "shard"), o.VersionPath)
	}
	printChecks(w, s)
}

// printJSON prints an object, indented.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}
