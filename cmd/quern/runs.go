package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
)

func newRunsCommand() *cobra.Command {
	var (
		cluster target
		output  outputFlag
	)
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List the runs of a cluster, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			list, err := c.Runs(cmd.Context())
			if err != nil {
				return err
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), list)
			}
			for _, r := range list.Runs {
				fmt.Fprintf(cmd.OutOrStdout(), "%-28s %-11s %-20s %s\n", r.RunID, r.State, r.Submitted.Format(time.DateTime), r.Name)
			}
			return nil
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	return cmd
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
			for _, w := range list.Workers {
				fmt.Fprintf(cmd.OutOrStdout(), "%-24s %-22s %d of %d slots busy, heard %s ago%s\n",
					w.WorkerID, w.Address, len(w.Running), w.Slots, w.Silent.Round(100*time.Millisecond), workerNote(w))
			}
			return nil
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	return cmd
}

func workerNote(w api.WorkerStatus) string {
	switch {
	case w.Draining:
		return ", draining"
	case !w.Quarantine.IsZero():
		return ", in quarantine until " + w.Quarantine.Format(time.DateTime)
	}
	return ""
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
	fmt.Fprintf(w, "run %s (%s): %s\n", s.RunID, s.Name, s.State)
	if s.Reason != "" {
		fmt.Fprintf(w, "waiting: %s\n", s.Reason)
	}
	if s.ChecksOf != "" {
		fmt.Fprintf(w, "it measures for the checks of %s\n", s.ChecksOf)
	}
	if s.Failure != nil {
		fmt.Fprintf(w, "failure (%s): %s\n", s.Failure.Kind, s.Failure.Message)
	}
	for i := range s.Stages {
		stage := &s.Stages[i]
		fmt.Fprintln(w, stageLine(stage))
		if stage.Adapted != "" {
			fmt.Fprintf(w, "  adapted: %s\n", stage.Adapted)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
		o := s.Outputs[name]
		fmt.Fprintf(w, "output %s: %d rows in %d shards, %s\n", name, o.Rows, o.Shards, o.VersionPath)
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
