package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/scan"
)

func newExplainCommand() *cobra.Command {
	var (
		query   queryFlags
		flags   clusterFlags
		sql     string
		source  jobFlags
		analyze bool
	)
	cmd := &cobra.Command{
		Use:   `explain JOB.yaml | explain --sql "SELECT …"`,
		Short: "Show how a job or a query would run: each level of its plan",
		Example: `  quern explain testdata/jobs/flight_delay.yaml -p ds=2001-01-10
  quern explain --analyze --sql "SELECT origin, count(*) FROM f GROUP BY origin" --table f=testdata/flights`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job := &prepared{}
			switch {
			case len(args) == 1 && (sql != "" || query.file != ""):
				return usageError{fmt.Errorf("give a job file or a statement, not both")}
			case len(args) == 1:
				var err error
				if job, err = prepareJob(cmd.Context(), args[0], source); err != nil {
					return err
				}
			default:
				q, err := query.request(sql)
				if err != nil {
					return err
				}
				job.request.Query = q
			}
			if analyze {
				return withEmbedded(&flags, func(e *assembly.Embedded) error {
					return explainRun(cmd.Context(), e, job, cmd.OutOrStdout())
				})
			}
			planned, err := assembly.PlannerRequest(job.request)
			if err != nil {
				return err
			}
			store := storage.New()
			defer store.Close()
			levels, err := planner.Explain(cmd.Context(), planned, scan.NewCatalog(store))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimRight(levels.String(), "\n"))
			return err
		},
	}
	query.register(cmd)
	flags.register(cmd)
	cmd.Flags().BoolVar(&analyze, "analyze", false, "run it, and show what each operator did: rows, batches, time, memory, spilled bytes")
	cmd.Flags().StringVar(&sql, "sql", "", "the statement to explain")
	source.register(cmd)
	return cmd
}

// explainRun runs a job or a query and shows its plan with what each operator did. A job's outputs are written.
func explainRun(ctx context.Context, e *assembly.Embedded, p *prepared, w io.Writer) error {
	p.request.RunID = newRunID()
	if _, err := p.submit(ctx, e.Client); err != nil {
		return err
	}
	status, err := follow(ctx, e.Client, p.request.RunID, noProgress{})
	if err != nil {
		return err
	}
	if err := outcome(status); err != nil {
		return err
	}
	profile, err := e.Client.Profile(ctx, status.RunID)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(w, assembly.Analyzed(profile, 0))
	return err
}
