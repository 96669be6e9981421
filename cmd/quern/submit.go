package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/plan"
)

func newSubmitCommand() *cobra.Command {
	var (
		cluster     target
		output      outputFlag
		source      jobFlags
		id          string
		wait, quiet bool
		again       bool
		priority    int
		weight      int
	)
	cmd := &cobra.Command{
		Use:   "submit JOB.yaml",
		Short: "Submit a job to a cluster",
		Long: "Submit a job to a cluster. Submitting the same job again, with the same parameters, inputs and plugins, attaches to the run that\n" +
			"goes on or has succeeded, unless --again or another --run-id is given. Submitting with the same --run-id attaches to that run.\n\n" +
			"Exit status: 0 submitted (with --wait: succeeded), 1 the run failed, 2 the job or the command line is wrong,\n3 no coordinator reachable, 4 blocked by its checks, 130 cancelled.",
		Args: oneArg("a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			start := time.Now()
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			job, err := prepareJob(cmd.Context(), args[0], source)
			if err != nil {
				return err
			}
			if id != "" {
				if err := plan.ValidateID("--run-id", id); err != nil {
					return usageError{err}
				}
				job.request.RunID = id
			}
			job.request.Attach = id == "" && !again
			job.request.Priority, job.request.Weight = priority, weight
			status, err := job.submit(cmd.Context(), c)
			if err != nil {
				return err
			}
			if !wait {
				if output.json() {
					return printJSON(cmd.OutOrStdout(), status)
				}
				fmt.Fprintln(cmd.OutOrStdout(), status.RunID)
				return nil
			}
			status, err = follow(cmd.Context(), c, status.RunID, newProgress(os.Stderr, quiet))
			if err != nil {
				return err
			}
			err = finish(cmd.OutOrStdout(), status, time.Since(start), output.json())
			pointToLogs(status, "")
			return err
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	source.register(cmd)
	cmd.Flags().StringVar(&id, "run-id", "", "name of the run (default: made from the time)")
	cmd.Flags().BoolVar(&again, "again", false, "begin a new run even if the same job over the same inputs goes on or has succeeded")
	cmd.Flags().IntVar(&priority, "priority", 0, "runs of a higher priority are given tasks first (-100 to 100)")
	cmd.Flags().IntVar(&weight, "weight", 1, "share of the slots among runs of one priority (1 to 1000)")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the run to end, showing its progress")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	return cmd
}
