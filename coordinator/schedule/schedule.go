// Package schedule decides which worker runs which ready task, and how the tasks of a stage are divided once the sizes
// of its inputs are known. It is pure: it looks at a view of the state and at the slots that workers offer, and returns a
// decision. The state machine checks every decision again when it is applied, so one that was made from an old view does
// no harm.
package schedule

import (
	"slices"

	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// Slot is what a worker offers.
type Slot struct {
	Worker string
	Free   int
	Memory int64 // bytes
	Idle   bool  // all of its slots are free
}

// Assignment gives an attempt to a worker.
type Assignment struct {
	plan.AttemptID
	Worker string
	Twin   bool // a second attempt beside one that runs
	Alone  bool // it has the worker to itself
}

// Next fills free slots. Runs of the highest priority come first; among these the next task comes from the run that has
// the fewest running for its weight, the oldest first among equals, so that a long run does not hold up a short one.
// Inside a run tasks go in order of stage and task, so that early stages make room for late ones. A task goes to
//
//  1. a worker that holds much of its inputs,
//  2. else to the next worker in turn, so that tasks spread;
//
// but not to one that the run excludes, nor to the one where its last attempt failed, unless there is no other worker at
// all: with others busy it waits, since a worker that fails fast would otherwise use up every attempt. A task that wants
// a worker to itself gets an idle one with enough memory. If there is none, the largest that would do is given nothing
// else, so that it becomes idle.
//
// Slots that are left then go to second attempts of slow tasks.
func Next(v state.View, free []Slot) []Assignment {
	p := newPicker(free, v.Workers > 1)
	next := make([]int, len(v.Runs))
	running := make([]int, len(v.Runs))
	for i, r := range v.Runs {
		running[i] = r.Running
	}
	var out []Assignment
	for p.left > 0 {
		i := turn(v.Runs, running, next)
		if i < 0 {
			break
		}
		t := v.Runs[i].Ready[next[i]]
		next[i]++
		if w, ok := p.pick(v.Runs[i], t); ok {
			running[i]++
			out = append(out, Assignment{AttemptID: t.AttemptID, Worker: w, Alone: t.Alone})
		}
	}
	for _, r := range v.Runs {
		for _, t := range r.Slow {
			if w, ok := p.pick(r, t); ok {
				out = append(out, Assignment{AttemptID: t.AttemptID, Worker: w, Twin: true})
			}
		}
	}
	return out
}

// turn is the run whose turn it is among those that have a task to offer, or -1.
func turn(runs []state.RunView, running, next []int) int {
	best := -1
	for i, r := range runs {
		if next[i] == len(r.Ready) {
			continue
		}
		if best < 0 || r.Priority > runs[best].Priority ||
			(r.Priority == runs[best].Priority && running[i]*weight(runs[best]) < running[best]*weight(r)) {
			best = i
		}
	}
	return best
}

func weight(r state.RunView) int { return max(1, r.Weight) }

// picker hands out slots.
type picker struct {
	free   []Slot
	at     map[string]int // of free, by worker
	ring   int            // where the next turn begins
	left   int            // slots that are free
	strict bool           // there is more than one worker: wait for another rather than repeat a failure
}

func newPicker(free []Slot, strict bool) *picker {
	p := &picker{free: slices.Clone(free), at: make(map[string]int, len(free)), strict: strict}
	for i, s := range p.free {
		p.at[s.Worker] = i
		p.left += max(0, s.Free)
	}
	return p
}

func (p *picker) pick(r state.RunView, t state.ReadyTask) (string, bool) {
	if t.Alone {
		return p.whole(r, t)
	}
	for _, h := range t.Held {
		if i, ok := p.at[h.Worker]; ok && p.takes(i, r, t) {
			return p.take(i), true
		}
	}
	for n := range p.free {
		i := (p.ring + n) % len(p.free)
		if p.takes(i, r, t) {
			p.ring = (i + 1) % len(p.free)
			return p.take(i), true
		}
	}
	return "", false
}

// takes reports whether a worker can be given a task.
func (p *picker) takes(i int, r state.RunView, t state.ReadyTask) bool {
	s := &p.free[i]
	return s.Free > 0 && s.Memory >= t.Floor && !(p.strict && s.Worker == t.Avoid) && !slices.Contains(r.Excluded, s.Worker)
}

func (p *picker) take(i int) string {
	p.free[i].Free--
	p.free[i].Idle = false
	p.left--
	return p.free[i].Worker
}

// whole takes all slots of an idle worker, the one with most memory. A worker that is still busy is kept free of others.
func (p *picker) whole(r state.RunView, t state.ReadyTask) (string, bool) {
	best := -1
	for i, s := range p.free {
		if s.Free < 1 || (t.Floor > 0 && s.Memory <= t.Floor) || slices.Contains(r.Excluded, s.Worker) {
			continue
		}
		if best < 0 || (s.Idle && !p.free[best].Idle) || (s.Idle == p.free[best].Idle && s.Memory > p.free[best].Memory) {
			best = i
		}
	}
	if best < 0 {
		return "", false
	}
	s := &p.free[best]
	idle := s.Idle
	p.left -= s.Free
	s.Free, s.Idle = 0, false
	return s.Worker, idle
}
