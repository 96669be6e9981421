package main

import (
	"os"
	"sync"
	"time"

	"github.com/quern-engine/quern/api"
)

// barProgress draws a line about the run and a bar per stage below it, of as many stages as the terminal is high.
type barProgress struct {
	screen *screen

	mu     sync.Mutex     // frames are drawn in a goroutine of their own
	pace   *pace          // guarded by mu
	status *api.RunStatus // guarded by mu; nil before the first
}

func newBarProgress(w *os.File) *barProgress {
	p := &barProgress{pace: newPace()}
	p.screen = newScreen(w, p.frame)
	return p
}

func (p *barProgress) update(status *api.RunStatus) {
	p.mu.Lock()
	p.pace.observe(time.Now(), status)
	p.status = status
	p.mu.Unlock()
	p.screen.begin()
}

func (p *barProgress) frame(room int, now time.Time) frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := visibleStages(p.status.Stages, room)
	var rows []stageRow
	for _, i := range shown {
		s := &p.status.Stages[i]
		rows = append(rows, newStageRow(s, p.pace.stages[s.ID], p.status.State))
	}
	return frame{
		head:  headLine(p.status, len(p.status.Stages)-len(shown), now),
		lines: func(width int) []string { return renderRows(rows, width) },
	}
}

func (p *barProgress) say(text string) { p.screen.say(text) }

func (p *barProgress) done() { p.screen.end() }
