package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// newTable is a table for people: a line of names, two blanks between columns, no lines around, columns of nothing left out.
func newTable(header ...any) table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatUpper
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Box.UnfinishedRow = "…"
	t.SetStyle(style)
	t.SuppressEmptyColumns()
	t.AppendHeader(header)
	return t
}

// alignRight has columns of numbers, from 1, stand to the right.
func alignRight(t table.Writer, columns ...int) {
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		configs[i] = table.ColumnConfig{Number: c, Align: text.AlignRight, AlignHeader: text.AlignRight}
	}
	t.SetColumnConfigs(configs)
}

// tableLines are the lines of a table, cut to a width; 0 does not cut.
func tableLines(t table.Writer, width int) []string {
	lines := strings.Split(t.Render(), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, " ")
		if width > 0 {
			line = text.Snip(line, width, "…")
		}
		lines[i] = line
	}
	return lines
}

func printTable(w io.Writer, t table.Writer, width int) error {
	for _, line := range tableLines(t, width) {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// outputWidth is how wide lines may be: as the terminal is, or 0 where there is none.
func outputWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// runsTable lists runs, for a terminal of a width with colours; 0 is none.
func runsTable(runs []api.RunStatus, now time.Time, width int) table.Writer {
	t := newTable("run", "state", "stages", "tasks", "age", "took", "name", "why")
	alignRight(t, 3, 4, 5, 6)
	for i := range runs {
		r := &runs[i]
		stages, tasks := progressOf(r)
		state := string(r.State)
		if width > 0 {
			state = paintState(r.State)
		}
		t.AppendRow(table.Row{
			r.RunID, state, stages, tasks, shortDuration(max(now.Sub(r.Submitted), 0)), shortDuration(age(r, now)), r.Name, why(r),
		})
	}
	return t
}

// progressOf is how many stages and tasks of a run are done.
func progressOf(r *api.RunStatus) (stages, tasks string) {
	ended, done, all := 0, 0, 0
	for _, s := range r.Stages {
		done += s.Done
		all += s.Tasks
		if s.Done == s.Tasks {
			ended++
		}
	}
	return fmt.Sprintf("%d/%d", ended, len(r.Stages)), fmt.Sprintf("%d/%d", done, all)
}

// why is in one line what a run waits for, or what it failed of.
func why(r *api.RunStatus) string {
	text := r.Reason
	if r.Failure != nil && r.State == api.RunFailed {
		text = r.Failure.Message
	}
	text, _, _ = strings.Cut(text, "\n")
	return text
}

func paintState(s api.RunState) string {
	switch s {
	case api.RunFailed:
		return text.FgRed.Sprint(s)
	case api.RunBlocked, api.RunCancelled:
		return text.FgYellow.Sprint(s)
	case api.RunSucceeded:
		return text.FgGreen.Sprint(s)
	}
	return string(s)
}

// stateTimes says when a run was submitted, and how long it took.
func stateTimes(r *api.RunStatus, now time.Time) string {
	submitted := "submitted " + r.Submitted.UTC().Format(time.DateTime) + " UTC"
	if r.State.Terminal() {
		return fmt.Sprintf("%s, took %s", submitted, shortDuration(age(r, now)))
	}
	return fmt.Sprintf("%s, %s ago", submitted, shortDuration(age(r, now)))
}

// stagesTable lists the stages of a run.
func stagesTable(stages []api.StageStatus) table.Writer {
	t := newTable("stage", "does", "tasks", "running", "failed", "twins", "rows in", "rows out", "bytes out", "spilled", "median", "slowest")
	alignRight(t, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	for i := range stages {
		s := &stages[i]
		t.AppendRow(table.Row{
			s.ID, s.Label, fmt.Sprintf("%d/%d", s.Done, s.Tasks), unlessZero(s.Running), unlessZero(s.Failures), unlessZero(s.Twins),
			commaUnlessZero(rowsIn(s)), commaUnlessZero(rowsOut(s)), bytesUnlessZero(s.Counts.BytesOut), bytesUnlessZero(s.Spilled()),
			secondsUnlessZero(s.Median), secondsUnlessZero(s.Slowest),
		})
	}
	return t
}

// rowsOut is what a stage has put out.
func rowsOut(s *api.StageStatus) int64 {
	n := s.Counts.RowsOut
	if s.Live != nil {
		n += s.Live.RowsOut
	}
	return n
}

func unlessZero(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func commaUnlessZero(n int64) string {
	if n == 0 {
		return ""
	}
	return humanize.Comma(n)
}

func bytesUnlessZero(n int64) string {
	if n <= 0 {
		return ""
	}
	return humanize.IBytes(uint64(n))
}

func secondsUnlessZero(s float64) string {
	if s == 0 {
		return ""
	}
	return shortDuration(time.Duration(s * float64(time.Second)))
}

// workersTable lists workers.
func workersTable(workers []api.WorkerStatus) table.Writer {
	t := newTable("worker", "address", "slots", "memory", "heard", "runs", "note")
	alignRight(t, 3, 4, 5)
	for _, w := range workers {
		t.AppendRow(table.Row{
			w.WorkerID, w.Address, fmt.Sprintf("%d of %d", len(w.Running), w.Slots),
			fmt.Sprintf("%s of %s", humanize.IBytes(uint64(max(w.MemoryUsed, 0))), humanize.IBytes(uint64(max(w.Memory, 0)))),
			shortDuration(w.Silent) + " ago", runsWhat(w.Running), workerNote(w),
		})
	}
	return t
}

// runsWhat says which stages a worker works for: "nightly 2, 3; other 0".
func runsWhat(attempts []plan.AttemptID) string {
	var parts []string
	stages := map[string][]string{}
	for _, id := range attempts {
		if stages[id.Run] == nil {
			parts = append(parts, id.Run)
		}
		if stage := fmt.Sprint(id.Stage); !slices.Contains(stages[id.Run], stage) {
			stages[id.Run] = append(stages[id.Run], stage)
		}
	}
	for i, run := range parts {
		parts[i] = run + ": stage " + strings.Join(stages[run], ", ")
	}
	return strings.Join(parts, "; ")
}

func workerNote(w api.WorkerStatus) string {
	switch {
	case w.Draining:
		return "draining"
	case !w.Quarantine.IsZero():
		return "in quarantine until " + w.Quarantine.Format(time.DateTime)
	}
	return ""
}
