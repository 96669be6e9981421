package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/task"
)

// Why an attempt was cancelled, for logs.
var (
	errStopped   = errors.New("the coordinator stopped the attempt")
	errForgotten = errors.New("the run is over")
)

// attempts is the worker's book of the attempts it answers for:
//
//	admit ──▶ live (waits for its slot or runs) ──end──▶ unreported ──settle──▶ gone
//
// Heartbeats name both live and unreported ones, so that a leader does not take a finished attempt, whose report is
// still on its way, for a lost one. It is safe for concurrent use.
type attempts struct {
	slots int

	mu    sync.Mutex
	held  map[plan.AttemptID]*attempt // guarded by mu
	live  int                         // guarded by mu: slots of admitted ones that have not given them back
	epoch uint64                      // guarded by mu: the newest leader's
	// runs has every run that the worker has worked for and has not been told to forget; true when that was asked while
	// attempts of it were live. Guarded by mu.
	runs map[string]bool
	// freed has an item when slots may have become free since it was last drained.
	freed chan struct{}
	// begun has an item when a run was new since it was last drained.
	begun chan struct{}
}

type attempt struct {
	cancel context.CancelCauseFunc
	ended  bool
	meter  task.Meter
}

func newAttempts(slots int) *attempts {
	return &attempts{
		slots: slots, held: make(map[plan.AttemptID]*attempt), runs: make(map[string]bool), freed: make(chan struct{}, 1), begun: make(chan struct{}, 1),
	}
}

// verdict is what the book says to an assignment.
type verdict int

const (
	admitted  verdict = iota
	duplicate         // the attempt is held already: a repeated answer
	outdated          // granted by a leader older than the newest one seen
)

// weight is how many slots an attempt takes: all of them if it is to be alone.
func (a *attempts) weight(as api.Assignment) int {
	if as.Exclusive {
		return a.slots
	}
	return 1
}

// admit enters an attempt. cancel stops it.
func (a *attempts) admit(as api.Assignment, cancel context.CancelCauseFunc) verdict {
	id, epoch := as.AttemptID, as.Epoch
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.held[id]; ok {
		return duplicate
	}
	if epoch < a.epoch {
		return outdated
	}
	a.epoch = epoch
	a.held[id] = &attempt{cancel: cancel}
	a.live += a.weight(as)
	if _, known := a.runs[id.Run]; !known {
		a.runs[id.Run] = false
		select {
		case a.begun <- struct{}{}:
		default:
		}
	}
	return admitted
}

// end notes that an attempt is over. It returns whether its run can be forgotten now.
func (a *attempts) end(id plan.AttemptID) (forget bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held, ok := a.held[id]
	if !ok || held.ended {
		return false
	}
	held.ended = true
	if a.runs[id.Run] && !a.liveLocked(id.Run) {
		delete(a.runs, id.Run)
		return true
	}
	return false
}

// release notes that the slots of an attempt that has ended are free.
func (a *attempts) release(as api.Assignment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live -= a.weight(as)
	select {
	case a.freed <- struct{}{}:
	default:
	}
}

// holds reports an attempt that runs, or whose report the leader has not taken yet.
func (a *attempts) holds(id plan.AttemptID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.held[id]
	return ok
}

// settle notes that the leader has taken the attempt's report.
func (a *attempts) settle(id plan.AttemptID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.held, id)
}

// free is how many slots have nothing to do.
func (a *attempts) free() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(0, a.slots-a.live)
}

// empty reports that there is no attempt, and no run that the worker may still hold something of.
func (a *attempts) empty() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.held) == 0 && len(a.runs) == 0
}

// list names the attempts held, in order.
func (a *attempts) list() []plan.AttemptID {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := make([]plan.AttemptID, 0, len(a.held))
	for id := range a.held {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, compareAttempts)
	return ids
}

// meter is that of an attempt that is held.
func (a *attempts) meter(id plan.AttemptID) *task.Meter {
	a.mu.Lock()
	defer a.mu.Unlock()
	if held, ok := a.held[id]; ok {
		return &held.meter
	}
	return nil
}

// progress is how far the attempts have come that are live and have something to show, in order.
func (a *attempts) progress() []api.AttemptProgress {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []api.AttemptProgress
	for id, held := range a.held {
		if live := held.meter.Live(); !held.ended && live != (api.Live{}) {
			list = append(list, api.AttemptProgress{AttemptID: id, Live: live})
		}
	}
	slices.SortFunc(list, func(a, b api.AttemptProgress) int { return compareAttempts(a.AttemptID, b.AttemptID) })
	return list
}

// stop cancels an attempt if it is live.
func (a *attempts) stop(id plan.AttemptID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if held, ok := a.held[id]; ok {
		held.cancel(errStopped)
	}
}

// forget cancels what is live of a run and returns whether its data can go now; if not, the end of its last attempt
// will say so. Runs that the worker has done nothing for, or has forgotten, are not its business.
func (a *attempts) forget(run string) (now bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.runs[run]; !known {
		return false
	}
	if !a.liveLocked(run) {
		delete(a.runs, run)
		return true
	}
	a.runs[run] = true
	for id, held := range a.held {
		if id.Run == run {
			held.cancel(errForgotten)
		}
	}
	return false
}

// liveLocked reports live attempts of a run. REQUIRES: a.mu is held.
func (a *attempts) liveLocked(run string) bool {
	for id, held := range a.held {
		if id.Run == run && !held.ended {
			return true
		}
	}
	return false
}

func compareAttempts(a, b plan.AttemptID) int {
	if c := strings.Compare(a.Run, b.Run); c != 0 {
		return c
	}
	for _, d := range []int{a.Stage - b.Stage, a.Task - b.Task, a.Attempt - b.Attempt} {
		if d != 0 {
			return d
		}
	}
	return 0
}
