package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

func newRetryCommand() *cobra.Command {
	var (
		cluster     target
		output      outputFlag
		id          string
		wait, quiet bool
	)
	cmd := &cobra.Command{
		Use:   "retry RUN",
		Short: "Run again what a run was asked for that failed or was cancelled",
		Long: "Submit once more what a run was asked for that failed or was cancelled, as a new run: the job file and the parameters as they were, with the\n" +
			"very plugins that were uploaded then. The sources are looked at anew. If a run that does the same goes on or has succeeded, it is attached to.\n" +
			"After a change to the job file or to a plugin, submit that instead.\n\n" +
			"Exit status: 0 submitted (with --wait: succeeded), 1 the run failed, 2 there is no such run, or it cannot be retried,\n3 no coordinator reachable, 4 blocked by its checks, 130 cancelled.",
		Args: oneArg("a run id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			start := time.Now()
			if id == "" {
				id = newRunID()
			} else if err := plan.ValidateID("--run-id", id); err != nil {
				return usageError{err}
			}
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			status, err := c.Retry(cmd.Context(), args[0], api.RetryRequest{RunID: id})
			if err != nil {
				return err
			}
			if wait {
				if status, err = follow(cmd.Context(), c, status.RunID, newProgress(os.Stderr, quiet)); err != nil {
					return err
				}
				return finish(cmd.OutOrStdout(), status, time.Since(start), output.json())
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), status)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), status.RunID)
			return err
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	cmd.Flags().StringVar(&id, "run-id", "", "name of the new run (default: made from the time)")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the run to end, showing its progress")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	return cmd
}
