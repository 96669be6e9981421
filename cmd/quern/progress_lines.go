package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/quern-engine/quern/api"
)

const (
	// patience is how long a run may wait before its reason is worth a line: short waits between tasks are normal.
	patience = 2 * time.Second
	// lineEvery is how often a stage that goes on is worth a line: a log should show that it does, and not fill up.
	lineEvery = 30 * time.Second
)

// lineProgress prints a line for each event: a stage that begins or ends, an attempt that fails, a run that waits for long.
type lineProgress struct {
	w      io.Writer
	now    func() time.Time
	pace   *pace
	state  api.RunState
	stages map[int]lineStage
	reason string
	since  time.Time // when reason was first seen
	told   bool
}

// lineStage is what has been printed of a stage.
type lineStage struct {
	ended    bool
	failures int
	spoken   time.Time // when the last line was printed
}

func newLineProgress(w io.Writer) *lineProgress {
	return &lineProgress{w: w, now: time.Now, pace: newPace(), stages: map[int]lineStage{}}
}

func (p *lineProgress) update(status *api.RunStatus) {
	now := p.now()
	p.pace.observe(now, status)
	changed := status.State != p.state && !status.Rests()
	p.state = status.State
	early := status.State == api.RunQueued || status.State == api.RunRunning
	if changed && early {
		fmt.Fprintf(p.w, "run %s: %s\n", status.RunID, status.State)
	}
	if status.Reason != p.reason {
		p.reason, p.since, p.told = status.Reason, now, false
	}
	if p.reason != "" && !p.told && now.Sub(p.since) > patience && !status.Rests() {
		p.told = true
		fmt.Fprintf(p.w, "%s%s\n", waitingWord(status), p.reason)
	}
	for i := range status.Stages {
		s := &status.Stages[i]
		if s.Running > 0 || s.Done > 0 {
			p.stage(now, s)
		}
	}
	if changed && !early { // what its last stage did comes first
		fmt.Fprintf(p.w, "run %s: %s\n", status.RunID, status.State)
	}
}

// stage prints what has come about in a stage that has begun.
func (p *lineProgress) stage(now time.Time, s *api.StageStatus) {
	told, known := p.stages[s.ID]
	seen := p.pace.stages[s.ID]
	switch {
	case s.Done == s.Tasks && !told.ended:
		told.ended = true
		fmt.Fprintln(p.w, stageLine(s)+took(seen))
	case s.Done < s.Tasks && told.ended:
		told.ended = false
		fmt.Fprintf(p.w, "stage %d  runs again in part: %d of %s done\n", s.ID, s.Done, counted(s.Tasks, "task"))
	case !known:
		fmt.Fprintf(p.w, "stage %d  %-34s begins, %s\n", s.ID, s.Label, counted(s.Tasks, "task"))
	case s.Done < s.Tasks && now.Sub(told.spoken) >= lineEvery:
		fmt.Fprintln(p.w, goingOn(s, seen))
	default:
		now = told.spoken
	}
	if s.Failures > told.failures {
		fmt.Fprintf(p.w, "stage %d  %s failed, %d in all\n", s.ID, counted(s.Failures-told.failures, "attempt"), s.Failures)
	}
	told.failures, told.spoken = s.Failures, now
	p.stages[s.ID] = told
}

// goingOn says how far a stage is that goes on.
func goingOn(s *api.StageStatus, seen *stagePace) string {
	row := newStageRow(s, seen, api.RunRunning)
	parts := []string{fmt.Sprintf("stage %d  %d of %s", s.ID, s.Done, counted(s.Tasks, "task"))}
	for _, c := range []int{columnRunning, columnRows, columnBytes, columnSpill, columnTime} {
		if row.cells[c] != "" {
			parts = append(parts, row.cells[c])
		}
	}
	return strings.Join(parts, ", ")
}

func took(seen *stagePace) string {
	if seen == nil || seen.ended.IsZero() || seen.ended.Equal(seen.began) { // it was over when it was first seen
		return ""
	}
	return ", in " + shortDuration(seen.ended.Sub(seen.began))
}

func (p *lineProgress) say(text string) { fmt.Fprintln(p.w, text) }

func (p *lineProgress) done() {}

// stageLine is a stage's progress in words.
func stageLine(s *api.StageStatus) string {
	line := fmt.Sprintf("stage %d  %-34s %d/%d tasks  %s rows in, %s out (%s)", s.ID, s.Label, s.Done, s.Tasks,
		humanize.Comma(rowsIn(s)), humanize.Comma(s.Counts.RowsOut), humanize.IBytes(uint64(max(s.Counts.BytesOut, 0))))
	if n := s.Spilled(); n > 0 {
		line += ", spilled " + humanize.IBytes(uint64(n))
	}
	return line
}
