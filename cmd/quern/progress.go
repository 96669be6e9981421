package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/quern-engine/quern/api"
)

// progress shows a run while it goes on.
type progress interface {
	update(*api.RunStatus)
	done()
}

// newProgress is a bar per stage on a terminal, a line per finished stage otherwise, and nothing when quiet.
func newProgress(w *os.File, quiet bool) progress {
	width, _, err := term.GetSize(int(w.Fd()))
	switch {
	case quiet:
		return noProgress{}
	case err == nil && width > 0: // a terminal, and one that has room for bars
		return &barProgress{container: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40)), bars: map[int]*mpb.Bar{}, last: map[int]api.StageStatus{}}
	}
	return &lineProgress{w: w, finished: map[int]bool{}}
}

type noProgress struct{}

func (noProgress) update(*api.RunStatus) {}
func (noProgress) done()                 {}

// patience is how long a run may wait before its reason is worth a line: short waits between tasks are normal.
const patience = 2 * time.Second

// lineProgress prints a line when a stage ends, and the reason when the run waits for long.
type lineProgress struct {
	w        io.Writer
	finished map[int]bool
	reason   string
	since    time.Time // when reason was first seen
	told     bool
}

func (p *lineProgress) update(status *api.RunStatus) {
	if status.Reason != p.reason {
		p.reason, p.since, p.told = status.Reason, time.Now(), false
	}
	if p.reason != "" && !p.told && time.Since(p.since) > patience {
		p.told = true
		fmt.Fprintf(p.w, "waiting: %s\n", p.reason)
	}
	for _, s := range status.Stages {
		if s.Done == s.Tasks && !p.finished[s.ID] {
			p.finished[s.ID] = true
			fmt.Fprintln(p.w, stageLine(s))
		}
	}
}

func (p *lineProgress) done() {}

// stageLine is a stage's progress in words.
func stageLine(s api.StageStatus) string {
	in := s.Counts.RowsRead + s.Counts.RowsIn
	return fmt.Sprintf("stage %d  %-34s %d/%d tasks  %s rows in, %s out (%s)", s.ID, s.Label, s.Done, s.Tasks,
		humanize.Comma(in), humanize.Comma(s.Counts.RowsOut), humanize.IBytes(uint64(max(s.Counts.BytesOut, 0))))
}

// barProgress draws a bar per stage.
type barProgress struct {
	container *mpb.Progress
	bars      map[int]*mpb.Bar

	mu   sync.Mutex              // the bars render in goroutines of their own
	last map[int]api.StageStatus // guarded by mu
}

func (p *barProgress) update(status *api.RunStatus) {
	for _, s := range status.Stages {
		p.mu.Lock()
		p.last[s.ID] = s
		p.mu.Unlock()
		if p.bars[s.ID] == nil {
			p.addBar(s)
		}
		p.bars[s.ID].SetCurrent(int64(s.Done))
	}
	if status.State.Terminal() && status.State != api.RunSucceeded {
		for _, b := range p.bars {
			b.Abort(false)
		}
	}
}

func (p *barProgress) addBar(s api.StageStatus) {
	id := s.ID
	p.bars[id] = p.container.AddBar(int64(s.Tasks),
		mpb.PrependDecorators(decor.Name(fmt.Sprintf("stage %d  %s", s.ID, s.Label), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(
			decor.CountersNoUnit("%d/%d tasks", decor.WCSyncSpace),
			decor.Any(func(decor.Statistics) string { return p.rates(id) }, decor.WCSyncSpaceR),
		))
}

func (p *barProgress) rates(id int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.last[id]
	return fmt.Sprintf("  %s rows", humanize.Comma(s.Counts.RowsRead+s.Counts.RowsIn))
}

func (p *barProgress) done() {
	for _, b := range p.bars {
		if !b.Completed() {
			b.Abort(false)
		}
	}
	p.container.Wait()
}
