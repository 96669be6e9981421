package state

import "github.com/quern-engine/quern/api"

// Census counts what there is.
type Census struct {
	Runs map[api.RunState]int // all states are there
	// Tasks of runs that take grants, by what they do.
	Waiting, Running, Done int
	Live                   int // runs that take grants
	Workers, Draining      int
	Slots, Busy            int
}

// Census counts runs, tasks and workers, in time that goes by the number of stages.
func (m *Machine) Census() Census {
	c := Census{Runs: map[api.RunState]int{
		api.RunQueued: 0, api.RunRunning: 0, api.RunChecking: 0, api.RunBlocked: 0, api.RunPublishing: 0, api.RunSucceeded: 0, api.RunFailed: 0,
		api.RunCancelled: 0,
	}}
	for _, r := range m.doc.Runs {
		c.Runs[r.State]++
		if !r.live() {
			continue
		}
		c.Live++
		for _, s := range r.Stages {
			c.Running += len(s.live)
			c.Done += s.Done
			c.Waiting += s.Tasks - s.Done - len(s.live)
		}
	}
	for _, w := range m.doc.Workers {
		c.Workers++
		if w.Draining {
			c.Draining++
		}
		c.Slots += w.Slots
		busy := len(w.Attempts)
		if w.Exclusive {
			busy = w.Slots
		}
		c.Busy += min(busy, w.Slots)
	}
	return c
}
