package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/quern-engine/quern/api"
)

// The columns of a stage's row, from left to right, without its name and bar.
const (
	columnTasks = iota
	columnRunning
	columnFailed
	columnRows
	columnBytes
	columnSpill
	columnTime
	columns
)

// columnsByNeed are the columns in the order in which a terminal that is too narrow keeps them.
var columnsByNeed = [columns]int{columnTasks, columnTime, columnFailed, columnRunning, columnRows, columnSpill, columnBytes}

// usualWidth is what columns need most of the time, so that the bars do not change their length with every number.
var usualWidth = [columns]int{columnTasks: 5, columnRunning: 9, columnRows: 12, columnBytes: 10, columnTime: 9}

// Bounds of a row's parts, in characters.
const (
	leastName, leastBar, mostBar = 9, 8, 30
	roomyName                    = 18 // before a column is shown that matters less, the name has this much
)

// stageRow is a stage as a row of text.
type stageRow struct {
	name  string
	part  float64 // of the stage that is done
	color text.Color
	cells [columns]string
}

// newStageRow makes the row of a stage. seen is nil if the stage has not begun.
func newStageRow(s *api.StageStatus, seen *stagePace, state api.RunState) stageRow {
	row := stageRow{name: fmt.Sprintf("%d %s", s.ID, s.Label), part: partDone(s)}
	row.cells[columnTasks] = fmt.Sprintf("%d/%d", s.Done, s.Tasks)
	if s.Running > 0 {
		row.cells[columnRunning] = fmt.Sprintf("%d running", s.Running)
	}
	if s.Failures > 0 {
		row.cells[columnFailed] = text.FgRed.Sprintf("%d failed", s.Failures)
	}
	if n := s.Spilled(); n > 0 {
		row.cells[columnSpill] = "spill " + shortBytes(float64(n))
	}
	if seen != nil {
		rows, bytes := seen.rate()
		if rows > 0 || (s.Running > 0 && seen.halts()) {
			row.cells[columnRows] = shortCount(rows) + " rows/s"
		}
		if bytes > 0 {
			row.cells[columnBytes] = shortBytes(bytes) + "/s"
		}
	}
	row.color, row.cells[columnTime] = rowTime(s, seen, state)
	return row
}

// plain is the row without colours.
func (r stageRow) plain() stageRow {
	r.color = 0
	r.cells[columnFailed] = text.StripEscape(r.cells[columnFailed])
	return r
}

// rowTime is what a row says of time, and the colour that goes with it.
func rowTime(s *api.StageStatus, seen *stagePace, state api.RunState) (text.Color, string) {
	failed := state == api.RunFailed || state == api.RunCancelled
	switch {
	case s.Done == s.Tasks && seen != nil:
		return text.FgGreen, "in " + shortDuration(seen.ended.Sub(seen.began))
	case failed && seen != nil:
		return text.FgRed, "stopped"
	case failed:
		return text.FgRed, ""
	case seen == nil:
		return text.FgCyan, "waits"
	}
	if left, known := seen.left(); known {
		return text.FgCyan, "ETA " + shortDuration(left)
	}
	return text.FgCyan, ""
}

// renderRows makes lines of rows, all of them width characters at most, with the columns one below the other.
func renderRows(rows []stageRow, width int) []string {
	var widest [columns]int
	name := 0
	for _, r := range rows {
		name = max(name, text.StringWidthWithoutEscSequences(r.name))
		for c, cell := range r.cells {
			if cell != "" {
				widest[c] = max(widest[c], usualWidth[c], text.StringWidthWithoutEscSequences(cell))
			}
		}
	}
	shown, used := shownColumns(widest, name, width)
	name = min(name, max(width-used-leastBar-1, 1))
	bar := min(width-used-name-1, mostBar)
	lines := make([]string, len(rows))
	for i, r := range rows {
		var b strings.Builder
		b.WriteString(text.Pad(text.Snip(r.name, name, "…"), name, ' '))
		b.WriteByte(' ')
		b.WriteString(drawBar(r, bar))
		for _, c := range shown {
			b.WriteString("  ")
			b.WriteString(padCell(c, r.cells[c], widest[c]))
		}
		lines[i] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// shownColumns are the columns that a width has room for beside a name and a bar, and the width that they take.
func shownColumns(widest [columns]int, name, width int) (shown []int, used int) {
	for i, c := range columnsByNeed {
		if widest[c] == 0 {
			continue
		}
		room := min(name, roomyName)
		if i < 2 {
			room = min(name, leastName)
		}
		if used+2+widest[c]+room+1+leastBar > width {
			break
		}
		used += 2 + widest[c]
		shown = append(shown, c)
	}
	slices.Sort(shown)
	return shown, used
}

// padCell pads a cell: numbers to the right, times to the left.
func padCell(column int, cell string, width int) string {
	blanks := strings.Repeat(" ", max(width-text.StringWidthWithoutEscSequences(cell), 0))
	if column == columnTime {
		return cell + blanks
	}
	return blanks + cell
}

// barScale is how finely a bar is drawn.
const barScale = 1000

func drawBar(r stageRow, width int) string {
	if width < 3 {
		return ""
	}
	painted := func(s string) string {
		if r.color == 0 {
			return s
		}
		return r.color.Sprint(s)
	}
	filler := mpb.BarStyle().FillerMeta(painted).TipMeta(painted).Build()
	var b bytes.Buffer
	stat := decor.Statistics{AvailableWidth: width, Total: barScale, Current: int64(r.part * barScale), Completed: r.part >= 1}
	if err := filler.Fill(&b, stat); err != nil { // a buffer does not fail
		return ""
	}
	return b.String()
}

// headLine sums a run up in one line.
func headLine(status *api.RunStatus, hidden int, now time.Time) string {
	done, tasks, total := 0, 0, 0
	for _, s := range status.Stages {
		tasks += s.Done
		total += s.Tasks
		if s.Done == s.Tasks {
			done++
		}
	}
	line := fmt.Sprintf("run %s %s, %s, %d of %s, %d of %s", status.RunID, status.State, shortDuration(age(status, now)),
		done, counted(len(status.Stages), "stage"), tasks, counted(total, "task"))
	if hidden > 0 {
		line += fmt.Sprintf(", %s not shown", counted(hidden, "stage"))
	}
	if status.Reason != "" {
		line += "; " + waitingWord(status) + status.Reason
	}
	return line
}

// waitingWord goes before the reason of a run that waits for something.
func waitingWord(status *api.RunStatus) string {
	ending := strings.HasPrefix(status.Reason, string(api.RunCancelled)) || strings.HasPrefix(status.Reason, string(api.RunFailed))
	if ending || (status.State != api.RunQueued && status.State != api.RunRunning) {
		return ""
	}
	return "waiting: "
}

// age is how long a run has gone on, or went on. The clocks of this machine and the leader's may differ a little.
func age(status *api.RunStatus, now time.Time) time.Duration {
	if !status.Finished.IsZero() {
		now = status.Finished
	}
	return max(now.Sub(status.Submitted), 0)
}

// visibleStages are the stages to show where there is no room for all: those that run, then those that have ended last, then those
// that come next; in their order.
func visibleStages(stages []api.StageStatus, room int) []int {
	all := make([]int, len(stages))
	for i := range stages {
		all[i] = i
	}
	if len(all) <= room {
		return all
	}
	var running, ended, waiting []int
	for i, s := range stages {
		switch {
		case s.Done == s.Tasks:
			ended = append(ended, i)
		case s.Running > 0 || s.Done > 0:
			running = append(running, i)
		default:
			waiting = append(waiting, i)
		}
	}
	slices.Reverse(ended)
	// One that has ended and one to come tell where the run is, if there is room for more than what runs.
	order := slices.Concat(running, ended[:min(len(ended), 1)], waiting[:min(len(waiting), 1)], ended[min(len(ended), 1):], waiting[min(len(waiting), 1):])
	shown := order[:max(room, 0)]
	slices.Sort(shown)
	return shown
}
