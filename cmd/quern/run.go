package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/cmd/quern/assembly"
)

func newRunCommand() *cobra.Command {
	var (
		flags  clusterFlags
		output outputFlag
		params []string
		quiet  bool
	)
	cmd := &cobra.Command{
		Use:     "run JOB.yaml",
		Short:   "Run a job here, with no server to start",
		Long:    "Run a job on a coordinator and workers inside this process.\n\nExit status: 0 succeeded, 1 the run failed, 2 the job or the command line is wrong, 130 cancelled.",
		Example: "  quern run testdata/jobs/flight_delay.yaml -p ds=2001-01-10",
		Args:    oneArg("a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			start := time.Now()
			job, err := prepareJob(cmd.Context(), args[0], params)
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
				return finish(cmd.OutOrStdout(), status, time.Since(start), output.json())
			})
		},
	}
	flags.register(cmd)
	output.register(cmd)
	cmd.Flags().StringArrayVarP(&params, "param", "p", nil, "job parameter, name=value; repeatable")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	return cmd
}
