package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/host"
)

// udfTrial is a function of a plugin that is tried on a file.
type udfTrial struct {
	plugin, export, input string
	args, by, order       []string
	options               string
	place                 pluginFlags
	formats               []string // options of the file's format
	pairs                 []string // of side files
	limit                 int64

	files map[string]string
	asked *plugin
	fn    plan.Function
}

func (u *udfTrial) register(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&u.args, "args", nil, "arguments of a scalar or aggregate function, as SQL over the file's columns")
	cmd.Flags().StringSliceVar(&u.by, "by", nil, "columns that make the groups of an aggregate function, or of a table function per group")
	cmd.Flags().StringSliceVar(&u.order, "order-by", nil, "the order of rows for a table function")
	cmd.Flags().StringVar(&u.options, "options", "", "options of the function, as a JSON object")
	cmd.Flags().StringArrayVar(&u.pairs, "file", nil, "side file, name=path; repeatable")
	cmd.Flags().StringArrayVar(&u.formats, "format-option", nil, "option of the file's format, such as header=true; repeatable")
	u.place.register(cmd)
}

func udfArgs(_ *cobra.Command, args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return fmt.Errorf("expected a plugin, a function, and for all but source functions a file; got %d arguments", len(args))
	}
	return nil
}

// open starts the plugin and binds the function.
func (u *udfTrial) open(ctx context.Context, args []string) (err error) {
	u.plugin, u.export, u.input = args[0], args[1], strings.Join(args[2:], "")
	u.files = map[string]string{}
	var readable []string
	for _, pair := range u.pairs {
		name, path, ok := strings.Cut(pair, "=")
		if !ok || name == "" || path == "" {
			return usageError{fmt.Errorf("--file %s: write name=path", pair)}
		}
		u.files[name] = path
		readable = append(readable, path)
	}
	exe, err := u.place.find(ctx, u.plugin, "")
	if err != nil {
		return err
	}
	if u.asked, err = askPlugin(ctx, exe, readable); err != nil {
		return err
	}
	names := make([]string, len(u.asked.offered))
	for i, f := range u.asked.offered {
		names[i] = f.Export
	}
	if !slices.Contains(names, u.export) {
		return usageError{fmt.Errorf("plugin %s has no function %s; it offers %s", u.plugin, u.export, strings.Join(names, ", "))}
	}
	u.fn, err = u.asked.asked.Bind(ctx, u.export, u.options, u.files)
	var no *host.Refusal
	if errors.As(err, &no) {
		return usageError{fmt.Errorf("function %s: %s", u.export, no.Message)}
	}
	return err
}

func (u *udfTrial) close() {
	if u.asked != nil {
		u.asked.asked.Close()
	}
}

// query is a statement over the input, which is the table input.
func (u *udfTrial) query(statement string) (*api.Query, error) {
	q := queryFlags{}
	if u.input != "" {
		q.tables = []string{"input=" + u.input}
		for _, o := range u.formats {
			q.options = append(q.options, "input."+o)
		}
	}
	return q.request(statement)
}

// statement shows what the function gives.
func (u *udfTrial) statement() (string, error) {
	list := func(items []string) string { return strings.Join(items, ", ") }
	if u.fn.Is(plan.FunctionSource) != (u.input == "") {
		return "", usageError{fmt.Errorf("function %s is a %s function: %s", u.export, kindOf(u.fn), map[bool]string{true: "it reads no file", false: "give it a file to read"}[u.fn.Is(plan.FunctionSource)])}
	}
	call := u.export + "(" + list(u.args) + ")"
	if (u.fn.Is(plan.FunctionScalar) || u.fn.Is(plan.FunctionAggregate)) && len(u.args) != len(u.fn.Args) {
		return "", usageError{fmt.Errorf("function %s is %s: give it %d arguments by --args, as SQL over the file's columns", u.export, u.fn.Signature(), len(u.fn.Args))}
	}
	limit := fmt.Sprintf(" LIMIT %d", u.limit)
	switch u.fn.Kind {
	case plan.FunctionSource:
		return "SELECT * FROM " + u.export + "()" + limit, nil
	case plan.FunctionAggregate:
		if len(u.by) == 0 {
			return "SELECT " + call + " FROM input", nil
		}
		return "SELECT " + list(u.by) + ", " + call + " FROM input GROUP BY " + list(u.by) + limit, nil
	case plan.FunctionTable:
		return "SELECT * FROM " + u.tableCall() + limit, nil
	}
	return "SELECT " + list(u.args) + ", " + call + " FROM input" + limit, nil
}

func (u *udfTrial) tableCall() string {
	text := u.export + "(TABLE(input)"
	if len(u.by) > 0 {
		text += " PARTITION BY " + strings.Join(u.by, ", ")
	} else if u.fn.Per == plan.PerPartition {
		text += " WITH SINGLE PARTITION"
	}
	if len(u.order) > 0 {
		text += " ORDER BY " + strings.Join(u.order, ", ")
	}
	return text + ")"
}

func kindOf(f plan.Function) plan.FunctionKind {
	if f.Kind == "" {
		return plan.FunctionScalar
	}
	return f.Kind
}

// run runs a statement that may call the function, to its end, and has the rows of its result read.
func (u *udfTrial) run(ctx context.Context, e *assembly.Embedded, statement string, read func(status *api.RunStatus) error) error {
	q, err := u.query(statement)
	if err != nil {
		return err
	}
	p := &prepared{blobs: map[string]string{u.asked.asked.SHA256: u.asked.asked.Path}}
	for _, f := range u.fn.Files {
		p.blobs[f.SHA256] = u.files[f.Name]
	}
	p.request = api.SubmitRequest{RunID: newRunID(), Query: q, Functions: []plan.Function{u.fn}}
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
	return read(status)
}

func newUDFTestCommand() *cobra.Command {
	var (
		trial  udfTrial
		flags  clusterFlags
		format string
	)
	cmd := &cobra.Command{
		Use:   "test PLUGIN FUNCTION [FILE]",
		Short: "Run a function of a plugin on a file, and show rows",
		Long: "Run a function of a plugin on a file or folder of Parquet, CSV, JSON lines or Arrow, in an engine inside this process, and show rows. A\n" +
			"table function reads the file's columns by their names; a source function reads no file.",
		Example: "  quern udf test testdata/plugins/distance distance_bucket testdata/flights --args distance\n" +
			"  quern udf test testdata/plugins/flights gaps testdata/flights --by origin --order-by date\n" +
			"  quern udf test testdata/plugins/flights calendar --options '{\"from\":\"2001-01-01\",\"to\":\"2001-01-31\"}'",
		Args: udfArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			encode, ok := resultFormats[format]
			if !ok || format == "parquet" {
				return usageError{fmt.Errorf("--format %s: use table, csv or json", format)}
			}
			if trial.limit < 1 {
				return usageError{fmt.Errorf("--rows %d: show at least one", trial.limit)}
			}
			defer trial.close()
			if err := trial.open(cmd.Context(), args); err != nil {
				return err
			}
			statement, err := trial.statement()
			if err != nil {
				return err
			}
			return withEmbedded(&flags, func(e *assembly.Embedded) error {
				return trial.run(cmd.Context(), e, statement, func(status *api.RunStatus) error {
					rows := e.Rows(status)
					defer rows.Close()
					return encode(cmd.Context(), cmd.OutOrStdout(), resultInfo{status.ResultSchema, time.UTC}, rows)
				})
			})
		},
	}
	trial.register(cmd)
	flags.register(cmd)
	cmd.Flags().Int64Var(&trial.limit, "rows", 10, "how many rows to show")
	cmd.Flags().StringVar(&format, "format", "table", "table, csv or json (one object a line)")
	return cmd
}

// benchResult is the object that -o json prints: a contract.
type benchResult struct {
	Function      string  `json:"function"`
	Rows          int64   `json:"rows"`
	RowsPerSecond float64 `json:"rows_per_second"`
	// Of scalar and aggregate functions: what calls of one process take, one after the other, and how much of that is the function's.
	NanosPerRow      float64 `json:"nanos_per_row,omitempty"`
	FunctionNanos    float64 `json:"function_nanos_per_row,omitempty"`
	BoundaryNanos    float64 `json:"boundary_nanos_per_row,omitempty"`
	BytesPerRow      float64 `json:"bytes_per_row,omitempty"`
	BoundaryBytesSec float64 `json:"boundary_bytes_per_second,omitempty"`
	RowsPerCall      float64 `json:"rows_per_call,omitempty"`
	SharedMemory     bool    `json:"shared_memory,omitempty"`
	// The same with every batch in a message of its own, which a run does only where there is no shared memory.
	Messages *benchMessages `json:"messages,omitempty"`
	// Of other functions: a query with the function.
	Seconds float64 `json:"seconds,omitempty"`
}

// benchMessages is part of benchResult.
type benchMessages struct {
	RowsPerSecond float64 `json:"rows_per_second"`
	NanosPerRow   float64 `json:"nanos_per_row"`
	BoundaryNanos float64 `json:"boundary_nanos_per_row"`
	RowsPerCall   float64 `json:"rows_per_call"`
}

func newUDFBenchCommand() *cobra.Command {
	var (
		trial  udfTrial
		flags  clusterFlags
		output outputFlag
		least  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "bench PLUGIN FUNCTION [FILE]",
		Short: "Measure a function of a plugin: rows a second, and what the boundary costs",
		Long: "Measure a function of a plugin on the rows of a file. Of scalar and aggregate functions it says how long one process takes for a row, and\n" +
			"how much of that is the function's own work; the rest is the boundary: copying or encoding, sending, checking. That is measured as runs do it, and\n" +
			"besides with a message for each batch. Of other functions it times a query.",
		Example: "  quern udf bench testdata/plugins/distance distance_bucket testdata/flights --args distance",
		Args:    udfArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			defer trial.close()
			if err := trial.open(cmd.Context(), args); err != nil {
				return err
			}
			if _, err := trial.statement(); err != nil {
				return err
			}
			var result *benchResult
			err := withEmbedded(&flags, func(e *assembly.Embedded) (err error) {
				result, err = trial.bench(cmd.Context(), e, least)
				return err
			})
			if err != nil {
				return err
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), result)
			}
			return result.print(cmd.OutOrStdout())
		},
	}
	trial.register(cmd)
	flags.register(cmd)
	output.register(cmd)
	cmd.Flags().Int64Var(&trial.limit, "rows", 1_000_000, "how many rows of the file to use at most")
	cmd.Flags().DurationVar(&least, "time", 2*time.Second, "how long to measure")
	return cmd
}

func (u *udfTrial) bench(ctx context.Context, e *assembly.Embedded, least time.Duration) (*benchResult, error) {
	r := &benchResult{Function: u.export}
	if !u.fn.Is(plan.FunctionScalar) && !u.fn.Is(plan.FunctionAggregate) {
		from := u.export + "()"
		if u.fn.Is(plan.FunctionTable) {
			from = u.tableCall()
		}
		for range 2 { // the first starts the process
			begun := time.Now()
			err := u.run(ctx, e, "SELECT count(*) FROM "+from, func(status *api.RunStatus) error { return nil })
			if err != nil {
				return nil, err
			}
			r.Seconds = time.Since(begun).Seconds()
		}
		rows, err := u.count(ctx, e, from)
		if err != nil {
			return nil, err
		}
		r.Rows, r.RowsPerSecond = rows, float64(rows)/r.Seconds
		return r, nil
	}
	batches, err := u.batches(ctx, e)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, b := range batches {
			b.Release()
		}
	}()
	m, messages, err := u.asked.asked.Measure(ctx, u.fn, u.files, batches, least)
	if err != nil {
		return nil, err
	}
	if m.Rows == 0 {
		return nil, plan.Failf(plan.FailureUser, "%s has no rows to measure with", u.input)
	}
	rows, boundary := float64(m.Rows), m.Elapsed-m.Busy
	r.Rows, r.RowsPerSecond = m.Rows, rows/m.Elapsed.Seconds()
	r.NanosPerRow, r.FunctionNanos, r.BoundaryNanos = float64(m.Elapsed)/rows, float64(m.Busy)/rows, float64(boundary)/rows
	r.BytesPerRow, r.BoundaryBytesSec = float64(m.Bytes)/rows, float64(m.Bytes)/boundary.Seconds()
	r.RowsPerCall, r.SharedMemory = rows/float64(m.Calls), m.Shared
	sent := float64(messages.Rows)
	r.Messages = &benchMessages{
		RowsPerSecond: sent / messages.Elapsed.Seconds(), NanosPerRow: float64(messages.Elapsed) / sent,
		BoundaryNanos: float64(messages.Elapsed-messages.Busy) / sent, RowsPerCall: sent / float64(messages.Calls),
	}
	return r, nil
}

// count is how many rows a query reads of what comes from a table function: those that it gives.
func (u *udfTrial) count(ctx context.Context, e *assembly.Embedded, from string) (n int64, err error) {
	err = u.run(ctx, e, "SELECT count(*) FROM "+from, func(status *api.RunStatus) error {
		rows := e.Rows(status)
		defer rows.Close()
		return eachBatch(ctx, rows, func(rec arrow.Record) error {
			n += vector.Int64s(rec.Column(0))[0]
			return nil
		})
	})
	return n, err
}

// batches are the function's arguments, as the engine makes them of the file.
func (u *udfTrial) batches(ctx context.Context, e *assembly.Embedded) (batches []arrow.Record, err error) {
	var columns []string
	if u.fn.Is(plan.FunctionAggregate) {
		columns = append(columns, "CAST(0 AS INT) AS of_group")
	}
	for i, a := range u.args {
		columns = append(columns, fmt.Sprintf("CAST(%s AS %s) AS a%d", a, strings.ToUpper(u.fn.Args[i].String()), i))
	}
	statement := fmt.Sprintf("SELECT %s FROM input LIMIT %d", strings.Join(columns, ", "), u.limit)
	err = u.run(ctx, e, statement, func(status *api.RunStatus) error {
		rows := e.Rows(status)
		defer rows.Close()
		return eachBatch(ctx, rows, func(rec arrow.Record) error {
			batches = append(batches, vector.DecodeRecord(memory.DefaultAllocator, rec))
			return nil
		})
	})
	return batches, err
}

func (r *benchResult) print(w io.Writer) error {
	fast := humanize.CommafWithDigits(r.RowsPerSecond, 0)
	if r.Seconds > 0 {
		_, err := fmt.Fprintf(w, "%s: %s rows in %.3g s, %s rows/s\n", r.Function, humanize.Comma(r.Rows), r.Seconds, fast)
		return err
	}
	by := "in messages"
	if r.SharedMemory {
		by = "in shared memory"
	}
	_, err := fmt.Fprintf(w, "%s: %s rows/s in one process\n  %.1f ns a row: %.1f in the function, %.1f at the boundary\n"+
		"  %s rows a call, %s; %.1f bytes a row both ways, %s/s\n  a message for each batch of %s rows: %s rows/s, %.1f ns a row, %.1f at the boundary\n",
		r.Function, fast, r.NanosPerRow, r.FunctionNanos, r.BoundaryNanos,
		humanize.CommafWithDigits(r.RowsPerCall, 0), by, r.BytesPerRow, humanize.IBytes(uint64(r.BoundaryBytesSec)),
		humanize.CommafWithDigits(r.Messages.RowsPerCall, 0), humanize.CommafWithDigits(r.Messages.RowsPerSecond, 0), r.Messages.NanosPerRow, r.Messages.BoundaryNanos)
	return err
}
