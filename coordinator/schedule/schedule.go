// Package schedule decides which worker runs which ready task. It is pure: it looks at a view of the state and at the
// slots that workers offer, and returns a decision. The state machine checks every decision again when it is applied,
// so one that was made from an old view does no harm.
package schedule

import (
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// Slot is what a worker offers.
type Slot struct {
	Worker string
	Free   int
}

// Assignment gives an attempt to a worker.
type Assignment struct {
	plan.AttemptID
	Worker string
}

// Next fills free slots. Runs take turns: the next task comes from the run that has the fewest running, the oldest
// first among equals, so that a long run does not hold up a short one. Inside a run tasks go in order of stage and
// task, so that early stages make room for late ones. A task goes to the worker that
//
//  1. is not the one where its last attempt failed (unless there is no other worker at all; with others busy it waits,
//     since a worker that fails fast would otherwise use up every attempt),
//  2. holds most bytes of its inputs,
//  3. offers most slots, and
//  4. comes first in free.
func Next(v state.View, free []Slot) []Assignment {
	p := picker{free: append([]Slot(nil), free...), strict: v.Workers > 1}
	running := make([]int, len(v.Runs))
	next := make([]int, len(v.Runs))
	for i, r := range v.Runs {
		running[i] = r.Running
	}
	var out []Assignment
	for p.left() > 0 {
		i := fewest(v, running, next)
		if i < 0 {
			break
		}
		t := v.Runs[i].Ready[next[i]]
		next[i]++
		if w, ok := p.pick(t); ok {
			running[i]++
			out = append(out, Assignment{AttemptID: t.AttemptID, Worker: w})
		}
	}
	return out
}

// fewest is the run with the fewest running tasks among those that have one to offer, or -1.
func fewest(v state.View, running, next []int) int {
	best := -1
	for i, r := range v.Runs {
		if next[i] < len(r.Ready) && (best < 0 || running[i] < running[best]) {
			best = i
		}
	}
	return best
}

type picker struct {
	free   []Slot
	strict bool // there is more than one worker: wait for another rather than repeat a failure
}

func (p *picker) left() int {
	n := 0
	for _, s := range p.free {
		n += max(0, s.Free)
	}
	return n
}

func (p *picker) pick(t state.ReadyTask) (string, bool) {
	best, bestHeld := -1, int64(0)
	for i, s := range p.free {
		if s.Free < 1 || (p.strict && s.Worker == t.Avoid) {
			continue
		}
		h := held(t.Held, s.Worker)
		if best < 0 || h > bestHeld || (h == bestHeld && s.Free > p.free[best].Free) {
			best, bestHeld = i, h
		}
	}
	if best < 0 {
		return "", false
	}
	p.free[best].Free--
	return p.free[best].Worker, true
}

func held(list []state.Held, worker string) int64 {
	for _, h := range list {
		if h.Worker == worker {
			return h.Bytes
		}
	}
	return 0
}
