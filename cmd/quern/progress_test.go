package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/testutil/golden"
)

var testStart = time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)

// testRun is a run of four stages: one ended, one that runs, spills and has failed once, two to come.
func testRun() *api.RunStatus {
	return &api.RunStatus{
		RunID: "nightly-2026-01-08", State: api.RunRunning, Submitted: testStart,
		Stages: []api.StageStatus{
			{ID: 0, Label: "scan impressions → aggregate → shuffle", Tasks: 16, Done: 16, Counts: api.Counts{RowsRead: 10_000_000, BytesRead: 400 << 20, RowsOut: 9_000_000, BytesOut: 300 << 20}},
			{
				ID: 1, Label: "read 0 → aggregate → shuffle", Tasks: 40, Running: 4, Done: 10, Failures: 1,
				Counts: api.Counts{RowsIn: 2_000_000, Operators: []api.OperatorCounts{{Spilled: 64 << 20}}}, Live: &api.Live{RowsIn: 400_000, Spilled: 6 << 20},
			},
			{ID: 2, Label: "read 1 → sort → write examples", Tasks: 8},
			{ID: 3, Label: "read 1 → report", Tasks: 1},
		},
	}
}

// observed is the pace of a run that began 20 seconds before.
func observed(status *api.RunStatus) (*pace, time.Time) {
	p := newPace()
	early := *status
	early.Stages = slices.Clone(status.Stages)
	early.Stages[0].Done, early.Stages[0].Running = 8, 2
	early.Stages[0].Counts = api.Counts{RowsRead: 5_000_000, BytesRead: 200 << 20}
	early.Stages[1] = api.StageStatus{ID: 1, Tasks: 40, Running: 4}
	p.observe(testStart, &early)
	later := *status
	later.Stages = slices.Clone(status.Stages)
	later.Stages[1].Counts.RowsIn, later.Stages[1].Live = 1_300_000, nil
	p.observe(testStart.Add(16*time.Second), &later)
	now := testStart.Add(20 * time.Second)
	p.observe(now, status)
	return p, now
}

// TestProgressRows draws a run at several widths: nothing is wider than the terminal, and the columns stand below each other.
func TestProgressRows(t *testing.T) {
	text.DisableColors()
	defer text.EnableColors()
	status := testRun()
	p, now := observed(status)
	var out strings.Builder
	for _, width := range []int{140, 120, 80, 60, 40, 20} {
		fmt.Fprintf(&out, "%d columns\n%s\n", width, text.Snip(headLine(status, 0, now), width, "…"))
		var rows []stageRow
		for i := range status.Stages {
			rows = append(rows, newStageRow(&status.Stages[i], p.stages[i], status.State))
		}
		for _, line := range renderRows(rows, width) {
			if n := text.StringWidthWithoutEscSequences(line); n > width {
				t.Errorf("a line of %d characters on %d columns: %s", n, width, line)
			}
			fmt.Fprintln(&out, line)
		}
		out.WriteString("\n")
	}
	golden.Check(t, "testdata/progress.txt", out.String())
}

func TestProgressColors(t *testing.T) {
	status := testRun()
	p, _ := observed(status)
	row := func() string {
		return renderRows([]stageRow{newStageRow(&status.Stages[1], p.stages[1], status.State)}, 120)[0]
	}
	text.EnableColors()
	if line := row(); !strings.Contains(line, "\x1b[31m1 failed\x1b[0m") || text.StringWidthWithoutEscSequences(line) > 120 {
		t.Errorf("with colours: %q", line)
	}
	text.DisableColors()
	defer text.EnableColors()
	if line := row(); strings.Contains(line, "\x1b") {
		t.Errorf("without: %q", line)
	}
}

// Before a worker has said how far it is, and from one word alone, there is no rate; one that reads no more has the rate 0.
func TestNoRateBeforeThereIsOne(t *testing.T) {
	status := &api.RunStatus{State: api.RunRunning, Stages: []api.StageStatus{{Label: "sort", Tasks: 1, Running: 1}}}
	p := newPace()
	for i, c := range []struct {
		rows int64
		want string
	}{{0, ""}, {0, ""}, {1000, "500 rows/s"}, {1000, "333 rows/s"}} {
		status.Stages[0].Live = &api.Live{RowsIn: c.rows}
		p.observe(testStart.Add(time.Duration(i)*time.Second), status)
		if got := newStageRow(&status.Stages[0], p.stages[0], status.State).cells[columnRows]; got != c.want {
			t.Errorf("after %d s: %q, want %q", i, got, c.want)
		}
	}
	p.observe(testStart.Add(10*time.Second), status)
	p.observe(testStart.Add(11*time.Second), status)
	if got := newStageRow(&status.Stages[0], p.stages[0], status.State).cells[columnRows]; got != "0 rows/s" {
		t.Errorf("of a stage that reads no more: %q", got)
	}
	late := newPace() // somebody who begins to look now
	late.observe(testStart, status)
	if got := newStageRow(&status.Stages[0], late.stages[0], status.State).cells[columnRows]; got != "" {
		t.Errorf("at first sight: %q", got)
	}
}

func TestPace(t *testing.T) {
	status := testRun()
	p, _ := observed(status)
	if rows, bytes := p.stages[0].rate(); rows != 10_000_000/16 || bytes != 400<<20/16 {
		t.Errorf("of a stage that has ended: %v rows/s, %v bytes/s", rows, bytes)
	}
	// 4 running tasks have read 400,000 rows of the 200,000 that each of the others has read: two tasks' worth, 12 of 40.
	if part := partDone(&status.Stages[1]); part != 12.0/40 {
		t.Errorf("done: %v", part)
	}
	left, known := p.stages[1].left()
	if !known || left.Round(time.Second) != 47*time.Second { // 20 s for 12, 28 are left
		t.Errorf("left: %v, %v", left, known)
	}
	if _, known := p.stages[0].left(); known {
		t.Error("a stage that has ended has time left")
	}
	// Counts that fall, since an attempt has failed, are no negative rate.
	fallen := testRun()
	fallen.Stages[1].Live = nil
	p.observe(testStart.Add(21*time.Second), fallen)
	if rows, _ := p.stages[1].rate(); rows < 0 {
		t.Errorf("rate %v", rows)
	}
}

func TestVisibleStages(t *testing.T) {
	var stages []api.StageStatus
	for i := range 100 { // 40 ended, 3 running, 57 to come
		s := api.StageStatus{ID: i, Tasks: 2}
		switch {
		case i < 40:
			s.Done = 2
		case i < 43:
			s.Running = 1
		}
		stages = append(stages, s)
	}
	for room, want := range map[int][]int{
		0: {}, 2: {40, 41}, 3: {40, 41, 42}, 4: {39, 40, 41, 42}, 5: {39, 40, 41, 42, 43}, 7: {37, 38, 39, 40, 41, 42, 43},
	} {
		if got := visibleStages(stages, room); !slices.Equal(got, want) {
			t.Errorf("room for %d: %v, want %v", room, got, want)
		}
	}
	if got := visibleStages(stages[:5], 10); len(got) != 5 {
		t.Errorf("room for all: %v", got)
	}
}

// TestProgressLines feeds a run to what pipes get, and compares the lines.
func TestProgressLines(t *testing.T) {
	var out strings.Builder
	now := testStart
	p := newLineProgress(&out)
	p.now = func() time.Time { return now }
	after := func(d time.Duration, change func(*api.RunStatus), status *api.RunStatus) {
		now = now.Add(d)
		change(status)
		p.update(status)
	}
	s := testRun()
	s.State, s.Reason = api.RunQueued, "no worker has joined yet"
	s.Stages = s.Stages[:2]
	s.Stages[0] = api.StageStatus{ID: 0, Label: "scan impressions → shuffle", Tasks: 2}
	s.Stages[1] = api.StageStatus{ID: 1, Label: "read 0 → write examples", Tasks: 1}
	after(0, func(*api.RunStatus) {}, s)
	after(time.Second, func(*api.RunStatus) {}, s)
	after(2*time.Second, func(*api.RunStatus) {}, s)
	after(time.Second, func(s *api.RunStatus) { s.State, s.Reason, s.Stages[0].Running = api.RunRunning, "", 2 }, s)
	after(10*time.Second, func(s *api.RunStatus) {
		s.Stages[0].Done, s.Stages[0].Running, s.Stages[0].Counts.RowsRead = 1, 1, 4000
	}, s)
	after(20*time.Second, func(s *api.RunStatus) { s.Stages[0].Live = &api.Live{RowsRead: 1000, Spilled: 5 << 20} }, s)
	after(time.Second, func(s *api.RunStatus) { s.Stages[0].Failures, s.Stages[0].Live = 1, nil }, s)
	after(9*time.Second, func(s *api.RunStatus) {
		s.Stages[0].Done, s.Stages[0].Running, s.Stages[0].Counts.RowsRead = 2, 0, 8000
	}, s)
	after(time.Second, func(s *api.RunStatus) { s.Stages[0].Done, s.Stages[1].Running, s.Stages[0].Failures = 1, 0, 3 }, s)
	after(time.Second, func(s *api.RunStatus) { s.Stages[0].Done, s.Stages[1].Running = 2, 1 }, s)
	after(time.Second, func(s *api.RunStatus) { s.Stages[1].Done, s.Stages[1].Running, s.State = 1, 0, api.RunPublishing }, s)
	after(time.Second, func(s *api.RunStatus) { s.State = api.RunSucceeded }, s)
	golden.Check(t, "testdata/progress_lines.txt", out.String())
}

func TestShortNumbers(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 999: "999", 1000: "1k", 12_345: "12.3k", 4_100_000: "4.1M", 2.5e9: "2.5G"} {
		if got := shortCount(n); got != want {
			t.Errorf("%v: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		1234 * time.Millisecond: "1.2s", 59 * time.Second: "59s", 192 * time.Second: "3m12s", 125 * time.Minute: "2h05m", 76 * time.Hour: "3d4h",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
