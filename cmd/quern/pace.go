package main

import (
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/quern-engine/quern/api"
)

// paceWindow is how far back a rate looks: long enough to smooth over heartbeats, which come every second or so, short enough to
// show that a stage has come to a halt.
const paceWindow = 5 * time.Second

// pace tells from the statuses of a run, one after the other, how fast its stages go. The time comes with each.
type pace struct{ stages map[int]*stagePace }

func newPace() *pace { return &pace{stages: map[int]*stagePace{}} }

// stagePace is what has been seen of a stage.
type stagePace struct {
	began, ended time.Time // when it was first seen to run, and to have ended
	from         float64   // how much of it was done when it was first seen
	now          moment
	moments      []moment // of the last paceWindow, the oldest first
	halted       bool     // the run has ended
}

// moment is how far a stage had come at a time.
type moment struct {
	at          time.Time
	rows, bytes int64
	part        float64 // of the stage, from 0 to 1
}

// observe takes in a status.
func (p *pace) observe(now time.Time, status *api.RunStatus) {
	for i := range status.Stages {
		s := &status.Stages[i]
		if s.Running == 0 && s.Done == 0 {
			continue
		}
		seen := p.stages[s.ID]
		if seen == nil {
			seen = &stagePace{began: now, from: partDone(s)}
			p.stages[s.ID] = seen
		}
		seen.add(now, s)
		seen.halted = status.Rests()
	}
}

func (p *stagePace) add(now time.Time, s *api.StageStatus) {
	m := moment{at: now, rows: rowsIn(s), bytes: bytesIn(s), part: partDone(s)}
	// What an attempt had done is not known any more once it has failed, nor to a new leader at first; a count that falls would
	// show as a halt.
	m.rows, m.bytes = max(m.rows, p.now.rows), max(m.bytes, p.now.bytes)
	p.now = m
	for len(p.moments) > 1 && now.Sub(p.moments[0].at) > paceWindow {
		p.moments = p.moments[1:]
	}
	p.moments = append(p.moments, m)
	switch {
	case s.Done < s.Tasks:
		p.ended = time.Time{} // also where finished tasks were lost and run again
	case p.ended.IsZero():
		p.ended = now
	}
}

// rate is rows and bytes per second: lately, or of all of it once it has ended. Zero where it is too early to tell.
func (p *stagePace) rate() (rows, bytes float64) {
	first, last := p.span()
	seconds := last.at.Sub(first.at).Seconds()
	if seconds < leastSpan {
		return 0, 0
	}
	return float64(last.rows-first.rows) / seconds, float64(last.bytes-first.bytes) / seconds
}

// halts reports a stage that has read something, and nothing more lately.
func (p *stagePace) halts() bool {
	first, last := p.span()
	return p.ended.IsZero() && last.rows > 0 && last.rows == first.rows && last.at.Sub(first.at).Seconds() >= leastSpan
}

// leastSpan is from how many seconds a rate is told.
const leastSpan = 0.2

// span is the time that a rate is about.
func (p *stagePace) span() (first, last moment) {
	first, last = moment{at: p.began}, p.now
	if p.ended.IsZero() {
		return p.moments[0], last
	}
	last.at = p.ended
	return first, last
}

// left is how long the stage will still take if it goes on as it has.
func (p *stagePace) left() (d time.Duration, known bool) {
	done, took := p.now.part-p.from, p.now.at.Sub(p.began)
	if p.halted || !p.ended.IsZero() || p.now.part >= 1 || done < 0.01 || took < time.Second {
		return 0, false
	}
	seconds := took.Seconds() * (1 - p.now.part) / done
	return time.Duration(math.Min(seconds, 1e6) * float64(time.Second)), true
}

// partDone is how much of a stage is done, from 0 to 1. Of the tasks that run, once some are done to compare with, it takes in what
// they have read.
func partDone(s *api.StageStatus) float64 {
	if s.Tasks == 0 {
		return 0
	}
	done := float64(s.Done)
	if read := s.Counts.RowsRead + s.Counts.RowsIn; s.Live != nil && s.Done > 0 && read > 0 {
		each := float64(read) / float64(s.Done)
		running := float64(min(s.Running, s.Tasks-s.Done))
		done += math.Min(float64(s.Live.RowsRead+s.Live.RowsIn)/each, 0.95*running)
	}
	return math.Min(done/float64(s.Tasks), 1)
}

// rowsIn is what a stage has read, from sources and from other stages.
func rowsIn(s *api.StageStatus) int64 {
	n := s.Counts.RowsRead + s.Counts.RowsIn
	if s.Live != nil {
		n += s.Live.RowsRead + s.Live.RowsIn
	}
	return n
}

// bytesIn is what a stage has read from sources, as stored.
func bytesIn(s *api.StageStatus) int64 {
	n := s.Counts.BytesRead
	if s.Live != nil {
		n += s.Live.BytesRead
	}
	return n
}

// shortCount is a number in few characters: 950, 12.3k, 4.1M.
func shortCount(n float64) string {
	if n < 1000 {
		return fmt.Sprintf("%.0f", n)
	}
	value, prefix := humanize.ComputeSI(n)
	return fmt.Sprintf("%.3g%s", value, prefix)
}

// shortBytes is a size in few characters.
func shortBytes(n float64) string { return humanize.IBytes(uint64(max(n, 0))) }

// shortDuration is a duration in few characters: 3.2s, 45s, 3m12s, 2h05m, 3d4h.
func shortDuration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}
