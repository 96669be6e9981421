package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/cmd/quern/assembly"
)

func newRunCommand() *cobra.Command {
	var (
		flags  clusterFlags
		output outputFlag
		source jobFlags
		quiet  bool
	)
	cmd := &cobra.Command{
		Use:     "run JOB.yaml",
		Short:   "Run a job here, with no server to start",
		Long:    "Run a job on a coordinator and workers inside this process.\n\nExit status: 0 succeeded, 1 the run failed, 2 the job or the command line is wrong, 4 blocked by its checks, 130 cancelled.",
		Example: "  quern run testdata/jobs/flight_delay.yaml -p ds=2001-01-10",
		Args:    oneArg("a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			start := time.Now()
			job, err := prepareJob(cmd.Context(), args[0], source)
			if err != nil {
				return err
			}
			return withEmbedded(&flags, func(e *assembly.Embedded) error {
				if _, err := job.submit(cmd.Context(), e.Client); err != nil {
					return err
				}
				status, err := follow(cmd.Context(), e.Client, job.request.RunID, newProgress(os.Stderr, quiet))
				if err != nil {
					return err
				}
				err = finish(cmd.OutOrStdout(), status, time.Since(start), output.json())
				if flags.state != "" {
					pointToLogs(status, " --state "+flags.state)
				}
				if status.State == api.RunBlocked {
					if given := giveUpBlocked(cmd.Context(), e.Client, status, flags.state); given != nil {
						return given
					}
				}
				return err
			})
		},
	}
	flags.register(cmd)
	output.register(cmd)
	source.register(cmd)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	return cmd
}

// giveUpBlocked cancels a run that its checks have blocked, and so deletes what it wrote, where nobody could release it
// later: the state goes with this process.
func giveUpBlocked(ctx context.Context, c *client.Client, status *api.RunStatus, state string) error {
	if state != "" {
		fmt.Fprintf(os.Stderr, "To publish it all the same: quern release %s --state %s --because …\n", status.RunID, state)
		return nil
	}
	fmt.Fprintln(os.Stderr, "What it wrote is deleted, since without --state it cannot be released later.")
	_, err := cancelAndWait(ctx, c, status.RunID, noProgress{})
	return err
}
