package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/cmd/quern/dataset"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/scan"
)

// maxDates bounds a range: more is a mistyped year.
const maxDates = 4000

// backfillFlags are those of the command.
type backfillFlags struct {
	cluster         target
	embedded        clusterFlags
	output          outputFlag
	job             jobFlags
	from, to, every string
	param           string
	parallel        int
	cache           string
	dryRun, quiet   bool
}

func newBackfillCommand() *cobra.Command {
	var f backfillFlags
	cmd := &cobra.Command{
		Use:   "backfill JOB.yaml --from DATE --to DATE",
		Short: "Run a job for each date of a range, leaving out what is there already",
		Long: "Run a job for each date from --from to --to, both included. All dates are planned before anything runs, over one look at the sources.\n" +
			"A date whose outputs are published by the very same plan (job, parameters, inputs, plugins) is left alone; the run of a date that\n" +
			"goes on is waited for; the others run, at most --parallel at a time. Interrupted or failed, the same command goes on where it was.\n\n" +
			"With --coordinator the dates run on a cluster, else here.\n\n" +
			"Exit status: 0 all dates are there, 1 some failed, 2 the job or the command line is wrong, 3 no coordinator reachable, 130 cancelled.",
		Example: "  quern backfill testdata/jobs/flight_delay.yaml --from 2001-01-08 --to 2001-01-12 --dry-run",
		Args:    oneArg("a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0], cmd.OutOrStdout())
		},
	}
	f.cluster.register(cmd)
	f.embedded.register(cmd)
	f.output.register(cmd)
	f.job.register(cmd)
	cmd.Flags().StringVar(&f.from, "from", "", "first date, such as 2001-01-08")
	cmd.Flags().StringVar(&f.to, "to", "", "last date")
	cmd.Flags().StringVar(&f.every, "every", "1d", "from one date to the next: 1d, 7d, 2w")
	cmd.Flags().StringVar(&f.param, "date-param", "", "parameter that takes the date (default: the only one of type date)")
	cmd.Flags().IntVar(&f.parallel, "parallel", 2, "runs at a time")
	cmd.Flags().StringVar(&f.cache, "input-cache", "10GiB", "scratch space for objects of blob stores that several dates read; 0 for none (not with --coordinator)")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would run")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	return cmd
}

// dates expands the range.
func (f *backfillFlags) dates() ([]string, error) {
	if f.from == "" || f.to == "" {
		return nil, usageError{errors.New("give --from and --to")}
	}
	var ends [2]time.Time
	for i, text := range []string{f.from, f.to} {
		var err error
		if ends[i], err = time.Parse(time.DateOnly, text); err != nil {
			return nil, usageError{fmt.Errorf("%q is not a date; write one such as 2001-01-31", text)}
		}
	}
	m := regexp.MustCompile(`^([1-9][0-9]{0,3})(d|w)$`).FindStringSubmatch(f.every)
	if m == nil {
		return nil, usageError{fmt.Errorf("--every %s: write a number of days or weeks: 1d, 7d, 2w", f.every)}
	}
	days, err := strconv.Atoi(m[1])
	if err != nil {
		return nil, usageError{err}
	}
	if m[2] == "w" {
		days *= 7
	}
	if ends[1].Before(ends[0]) {
		return nil, usageError{fmt.Errorf("--to %s is before --from %s", f.to, f.from)}
	}
	var out []string
	for d := ends[0]; !d.After(ends[1]); d = d.AddDate(0, 0, days) {
		if out = append(out, d.Format(time.DateOnly)); len(out) > maxDates {
			return nil, usageError{fmt.Errorf("from %s to %s are more than %s dates", f.from, f.to, humanize.Comma(maxDates))}
		}
	}
	return out, nil
}

func (f *backfillFlags) run(ctx context.Context, path string, w io.Writer) error {
	dates, err := f.dates()
	if err != nil {
		return err
	}
	if f.parallel < 1 {
		return usageError{fmt.Errorf("--parallel %d: at least 1", f.parallel)}
	}
	if len(f.cluster.coordinators) > 0 {
		c, err := f.cluster.connect()
		if err != nil {
			return err
		}
		if _, err := c.Workers(ctx); err != nil { // planning many dates for a cluster that is not there takes long
			return err
		}
		store := storage.New()
		defer store.Close()
		return f.over(ctx, path, dates, c, store, assembly.Snapshot(scan.NewCatalog(store)), w)
	}
	f.embedded.snapshot = true
	if f.embedded.inputCache, err = parseCache(f.cache); err != nil {
		return err
	}
	return withEmbedded(&f.embedded, func(e *assembly.Embedded) error {
		return f.over(ctx, path, dates, e.Client, e.Store(), e.Catalog(), w)
	})
}

// over plans all dates, runs those that need it, and shows what came of each.
func (f *backfillFlags) over(ctx context.Context, path string, dates []string, c *client.Client, store *storage.Store, catalog planner.Catalog, w io.Writer) error {
	job, err := readJob(path, f.job)
	if err != nil {
		return err
	}
	dated, err := planner.FunctionsTakeParams(job.request.Job.File, job.request.Job.Text)
	if err != nil {
		return err
	}
	if !dated {
		if err := job.addFunctions(ctx); err != nil {
			return err
		}
	}
	b := &backfill{client: c, job: job, dated: dated, parallel: f.parallel, dryRun: f.dryRun}
	b.volatile = len(f.cluster.coordinators) == 0 && f.embedded.state == ""
	if b.param, err = f.dateParam(job); err != nil {
		return err
	}
	if err := b.plan(ctx, dates, catalog, dataset.NewIndex(store)); err != nil {
		return err
	}
	b.show = newBackfillProgress(os.Stderr, f.quiet, len(b.due()))
	b.shareOut()
	if !f.dryRun {
		b.run(ctx)
	}
	b.show.done()
	if f.output.json() {
		err = printJSON(w, map[string]any{"dates": b.dates})
	} else {
		err = b.print(w)
	}
	return errors.Join(err, b.outcome(ctx))
}

// dateParam is the parameter that takes the date.
func (f *backfillFlags) dateParam(job *prepared) (string, error) {
	params, err := planner.Params(job.request.Job.File, job.request.Job.Text)
	if err != nil {
		return "", err
	}
	var names []string
	for _, p := range params {
		if p.Type.Kind == plan.KindDate {
			names = append(names, p.Name)
		}
	}
	_, given := job.request.Job.Params[f.param]
	switch {
	case f.param != "" && !slices.Contains(names, f.param):
		return "", usageError{fmt.Errorf("--date-param %s: the job has no parameter of type date with this name; there are: %s", f.param, strings.Join(names, ", "))}
	case f.param != "" && given:
		return "", usageError{fmt.Errorf("-p %s=…: the range gives its value", f.param)}
	case f.param != "":
		return f.param, nil
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, given := job.request.Job.Params[name]; return given })
	if len(names) != 1 {
		return "", usageError{fmt.Errorf("the job has %d parameters of type date without a value; say which one takes the date: --date-param NAME", len(names))}
	}
	return names[0], nil
}

// backfill is a job over a range of dates.
type backfill struct {
	client   *client.Client
	job      *prepared
	dated    bool // functions' options or files go by the date
	param    string
	parallel int
	dryRun   bool
	volatile bool // the state goes with this process
	dates    []*dateRun
	show     backfillProgress
}

// dateRun is a date and what becomes of it; -o json prints it: a contract.
type dateRun struct {
	Date    string        `json:"date"`
	State   string        `json:"state"` // published, to_run, succeeded, attached, blocked, failed, cancelled, not_run
	Reason  string        `json:"reason,omitempty"`
	RunID   string        `json:"run_id,omitempty"`
	Rows    int64         `json:"rows"`
	Seconds float64       `json:"seconds"`
	Failure *plan.Failure `json:"failure,omitempty"`
	request api.SubmitRequest
	outputs []string
}

// plan plans all dates and finds out which are there already.
func (b *backfill) plan(ctx context.Context, dates []string, catalog planner.Catalog, index *dataset.Index) error {
	for _, date := range dates {
		d := &dateRun{Date: date, State: "published", request: b.job.request}
		j := *b.job.request.Job
		j.Params = maps.Clone(j.Params)
		j.Params[b.param] = date
		d.request.Job, d.request.RunID, d.request.Attach = &j, newRunID(), true
		if b.dated {
			p := &prepared{request: d.request, blobs: b.job.blobs, registry: b.job.registry}
			if err := p.addFunctions(ctx); err != nil {
				return err
			}
			d.request.Functions = p.request.Functions
		}
		request, err := assembly.PlannerRequest(d.request)
		if err != nil {
			return err
		}
		planned, err := planner.Plan(ctx, request, catalog)
		if err != nil {
			return fmt.Errorf("%s=%s: %w", b.param, date, err)
		}
		if err := d.compare(ctx, planned, index); err != nil {
			return err
		}
		b.dates = append(b.dates, d)
	}
	return nil
}

// compare finds out whether the outputs of a date are there already.
func (d *dateRun) compare(ctx context.Context, planned *plan.Job, index *dataset.Index) error {
	encoded, err := planned.Encode()
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	for _, o := range planned.Outputs {
		d.outputs = append(d.outputs, o.URL)
		fill, err := index.Fill(ctx, planned, o, plan.Digest(encoded))
		if err != nil {
			return err
		}
		if fill.Version != nil {
			d.RunID = fill.Version.ID
			d.Rows += fill.Version.Manifest.Rows
			continue
		}
		d.State, d.Reason = "to_run", fill.Reason
	}
	if d.State == "to_run" {
		d.RunID, d.Rows = "", 0
	}
	return nil
}

// shareOut has dates that share a dataset run one after the other, so that its pointer names the last date, whatever takes how
// long.
func (b *backfill) shareOut() {
	seen := map[string]bool{}
	for _, d := range b.due() {
		for _, url := range d.outputs {
			if seen[url] && b.parallel > 1 {
				b.show.say(fmt.Sprintf("the dates share the dataset %s, so they run one at a time: its %s will name the last of them; ${%s} in the output's path would keep them apart",
					storage.Display(url), "_LATEST", b.param))
				b.parallel = 1
			}
			seen[url] = true
		}
	}
}

func (b *backfill) due() []*dateRun {
	return slices.DeleteFunc(slices.Clone(b.dates), func(d *dateRun) bool { return d.State != "to_run" })
}

// run runs the dates that need it, the earliest first. One that fails keeps no other from running.
func (b *backfill) run(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(b.parallel)
	for _, d := range b.due() {
		if ctx.Err() != nil {
			d.State = "not_run"
			continue
		}
		group.Go(func() error {
			start := time.Now()
			b.runDate(ctx, d, b.show.begin(d))
			d.Seconds = time.Since(start).Seconds()
			b.show.end(d)
			return nil
		})
	}
	_ = group.Wait() // no date returns an error: it is in its result
}

func (b *backfill) runDate(ctx context.Context, d *dateRun, show progress) {
	p := &prepared{request: d.request, blobs: b.job.blobs}
	status, err := p.submit(ctx, b.client)
	if err == nil {
		attached := status.RunID != d.request.RunID
		if d.RunID = status.RunID; attached { // it is somebody else's: an interrupt leaves it alone
			status, err = assembly.Wait(ctx, b.client, d.RunID, show.update)
		} else {
			status, err = follow(ctx, b.client, d.RunID, show)
		}
		if err == nil && attached && status.State == api.RunSucceeded {
			d.State = "attached"
		}
	}
	switch {
	case ctx.Err() != nil && (err != nil || status.State != api.RunSucceeded):
		d.State = "cancelled"
	case err != nil:
		d.State, d.Failure = "failed", plan.AsFailure(err)
	case status.State == api.RunBlocked:
		d.State, d.Reason = "blocked", status.Reason
		if b.volatile { // nobody could release it later
			_, err = cancelAndWait(ctx, b.client, d.RunID, noProgress{})
			d.Failure = plan.AsFailure(err)
		}
	case status.State != api.RunSucceeded:
		d.State, d.Failure = string(status.State), status.Failure
	case d.State != "attached":
		d.State = "succeeded"
	}
	if err == nil {
		for _, o := range status.Outputs {
			d.Rows += o.Rows
		}
	}
}

func (b *backfill) count(states ...string) int {
	n := 0
	for _, d := range b.dates {
		if slices.Contains(states, d.State) {
			n++
		}
	}
	return n
}

// outcome is the error that carries the exit status.
func (b *backfill) outcome(ctx context.Context) error {
	switch failed := b.count("failed"); {
	case ctx.Err() != nil || b.count("cancelled") > 0:
		fmt.Fprintln(os.Stderr, "quern: cancelled; the same command goes on with what is missing")
		return silentError{exitCancelled, context.Canceled}
	case failed > 0:
		fmt.Fprintf(os.Stderr, "quern: %s failed; the same command tries them again\n", counted(failed, "date"))
		return silentError{exitFailed, errors.New("some dates failed")}
	}
	if blocked := b.count("blocked"); blocked > 0 {
		fmt.Fprintf(os.Stderr, "quern: %s blocked by checks\n", counted(blocked, "date"))
		return silentError{exitBlocked, errBlocked}
	}
	return nil
}

func (b *backfill) print(w io.Writer) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.DrawBorder, t.Style().Options.SeparateColumns = false, false
	t.Style().Format.Header = text.FormatDefault
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 4, Align: text.AlignRight}, {Number: 5, Align: text.AlignRight}, {Number: 6, WidthMax: 100}})
	t.AppendHeader(table.Row{b.param, "state", "run", "rows", "seconds", "why"})
	for _, d := range b.dates {
		why := d.Reason
		if d.Failure != nil {
			why = d.Failure.Error()
		}
		rows, seconds := "", ""
		if d.RunID != "" {
			rows = humanize.Comma(d.Rows)
		}
		if d.Seconds > 0 {
			seconds = strconv.FormatFloat(d.Seconds, 'f', 1, 64)
		}
		t.AppendRow(table.Row{d.Date, strings.ReplaceAll(d.State, "_", " "), d.RunID, rows, seconds, why})
	}
	done := fmt.Sprintf("%d ran, %d attached", b.count("succeeded"), b.count("attached"))
	if b.dryRun {
		done = fmt.Sprintf("%d to run", b.count("to_run"))
	}
	if blocked := b.count("blocked"); blocked > 0 {
		done += fmt.Sprintf(", %d blocked", blocked)
	}
	_, err := fmt.Fprintf(w, "%s\n%s: %d published before, %s, %d failed\n", t.Render(), counted(len(b.dates), "date"), b.count("published"), done, b.count("failed"))
	return err
}
