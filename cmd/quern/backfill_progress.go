package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/quern-engine/quern/api"
)

// backfillProgress shows a backfill while it goes on. It is safe for concurrent use.
type backfillProgress interface {
	say(text string)
	// begin says that a date runs; what it gives shows the run.
	begin(d *dateRun) progress
	end(d *dateRun)
	done()
}

// newBackfillProgress is a bar per date that runs on a terminal, a line per event otherwise, and nothing when quiet.
func newBackfillProgress(w *os.File, quiet bool, due int) backfillProgress {
	switch {
	case quiet:
		return &backfillLines{w: io.Discard}
	case drawable(w):
		b := &backfillBars{due: due, began: time.Now()}
		b.screen = newScreen(w, b.frame)
		return b
	}
	return &backfillLines{w: w}
}

// endLine says how a date has ended.
func (d *dateRun) endLine() string {
	line := fmt.Sprintf("%s %s %s", d.Date, strings.ReplaceAll(d.State, "_", " "), d.RunID)
	if d.Seconds > 0 {
		line += " in " + shortDuration(time.Duration(d.Seconds*float64(time.Second)))
	}
	return line
}

// backfillLines prints a line for each date that begins or ends.
type backfillLines struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (b *backfillLines) say(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintln(b.w, text)
}

func (b *backfillLines) begin(d *dateRun) progress {
	b.say(d.Date + " begins " + d.request.RunID)
	return noProgress{}
}

func (b *backfillLines) end(d *dateRun) { b.say(d.endLine()) }
func (b *backfillLines) done()          {}

// backfillBars draws a line about all dates, and a bar for each that runs.
type backfillBars struct {
	screen *screen
	due    int // dates to run
	began  time.Time

	mu            sync.Mutex
	running       []*dateBar // in order of their beginning; guarded by mu
	ended, failed int        // guarded by mu
}

// dateBar is a date that runs.
type dateBar struct {
	board  *backfillBars
	date   string
	pace   *pace          // guarded by board.mu
	status *api.RunStatus // guarded by board.mu; nil before the first
}

func (b *backfillBars) say(text string) { b.screen.say(text) }

func (b *backfillBars) begin(d *dateRun) progress {
	bar := &dateBar{board: b, date: d.Date, pace: newPace()}
	b.mu.Lock()
	b.running = append(b.running, bar)
	b.mu.Unlock()
	b.screen.begin()
	return bar
}

func (b *backfillBars) end(d *dateRun) {
	b.say(d.endLine())
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, bar := range b.running {
		if bar.date == d.Date {
			b.running = append(b.running[:i], b.running[i+1:]...)
			break
		}
	}
	b.ended++
	if d.State != "succeeded" && d.State != "attached" {
		b.failed++
	}
}

func (b *backfillBars) done() { b.screen.end() }

func (b *backfillBars) frame(room int, now time.Time) frame {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := frame{head: fmt.Sprintf("%d of %s, %d running, %s", b.ended, counted(b.due, "date"), len(b.running), shortDuration(now.Sub(b.began)))}
	if b.failed > 0 {
		f.head += fmt.Sprintf(", %d failed", b.failed)
	}
	part := float64(b.ended)
	var rows []stageRow
	for i, bar := range b.running {
		row := bar.row(now)
		part += row.part
		if i < room {
			rows = append(rows, row)
		}
	}
	f.lines = func(width int) []string { return renderRows(rows, width) }
	if took := now.Sub(b.began); part > 0 && part < float64(b.due) && took > time.Second {
		f.head += ", ETA " + shortDuration(time.Duration(float64(took)*(float64(b.due)-part)/part))
	}
	return f
}

// row is the bar of a date. REQUIRES: board.mu is held.
func (d *dateBar) row(now time.Time) stageRow {
	row := stageRow{name: d.date, color: text.FgCyan}
	if d.status == nil {
		return row
	}
	var sum api.StageStatus
	done, rate := 0.0, 0.0
	for i := range d.status.Stages {
		s := &d.status.Stages[i]
		sum.Tasks, sum.Done, sum.Running, sum.Failures = sum.Tasks+s.Tasks, sum.Done+s.Done, sum.Running+s.Running, sum.Failures+s.Failures
		done += partDone(s) * float64(s.Tasks)
		if seen := d.pace.stages[s.ID]; seen != nil && s.Running > 0 {
			rows, _ := seen.rate()
			rate += rows
		}
	}
	// A date is a row like a stage, of the tasks of all stages.
	state := d.status.State
	row = newStageRow(&sum, nil, state)
	row.name, row.part, row.color = d.date, done/float64(max(sum.Tasks, 1)), text.FgCyan
	if rate > 0 {
		row.cells[columnRows] = shortCount(rate) + " rows/s"
	}
	row.cells[columnTime] = shortDuration(age(d.status, now))
	if d.status.Reason != "" {
		row.name += " " + d.status.Reason
	}
	return row
}

func (d *dateBar) update(status *api.RunStatus) {
	d.board.mu.Lock()
	defer d.board.mu.Unlock()
	d.pace.observe(time.Now(), status)
	d.status = status
}

func (d *dateBar) say(text string) { d.board.say(d.date + ": " + text) }
func (d *dateBar) done()           {}
