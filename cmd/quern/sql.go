package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
)

func newSQLCommand() *cobra.Command {
	var (
		flags  clusterFlags
		query  queryFlags
		format string
		out    string
	)
	cmd := &cobra.Command{
		Use:     `sql "SELECT …"`,
		Short:   "Run one SQL query and print its rows",
		Example: `  quern sql "SELECT origin, count(*) FROM f GROUP BY origin" --table f=testdata/flights`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := query.request(strings.Join(args, ""))
			if err != nil {
				return err
			}
			encode, ok := resultFormats[format]
			if !ok {
				return usageError{fmt.Errorf("--format %s: use table, csv, json or parquet", format)}
			}
			if format == "parquet" && out == "" {
				return usageError{fmt.Errorf("--format parquet needs --out FILE")}
			}
			return withEmbedded(&flags, func(e *assembly.Embedded) error {
				return runQuery(cmd.Context(), e, q, encode, out, cmd.OutOrStdout())
			})
		},
	}
	flags.register(cmd)
	query.register(cmd)
	cmd.Flags().StringVar(&format, "format", "table", "table, csv, json (one object a line) or parquet")
	cmd.Flags().StringVar(&out, "out", "", "write the rows to a file")
	return cmd
}

// runQuery submits the query, waits, and streams the result's rows to the encoder.
func runQuery(ctx context.Context, e *assembly.Embedded, q *api.Query, encode resultFormat, out string, stdout io.Writer) error {
	request := api.SubmitRequest{RunID: newRunID(), Query: q}
	if _, err := e.Client.Submit(ctx, request); err != nil {
		return err
	}
	status, err := follow(ctx, e.Client, request.RunID, noProgress{})
	if err != nil {
		return err
	}
	if err := outcome(status); err != nil {
		return err
	}
	rows := e.Rows(status)
	defer rows.Close()
	return writeResult(ctx, out, stdout, func(w io.Writer) error {
		return encode(ctx, w, status.ResultSchema, rows)
	})
}

// writeResult gives write the file or standard output. A file that could not be finished is removed.
func writeResult(ctx context.Context, path string, stdout io.Writer, write func(io.Writer) error) error {
	if path == "" {
		return write(stdout)
	}
	f, err := os.Create(path)
	if err != nil {
		return usageError{fmt.Errorf("create result: %w", err)}
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
