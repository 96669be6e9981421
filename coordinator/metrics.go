package coordinator

import (
	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/metrics"
	"github.com/quern-engine/quern/storage"
)

// measures are what a coordinator shows to Prometheus. Labels have few values: no ids of runs or workers.
type measures struct {
	set      metrics.Set
	commit   *metrics.Histogram
	attempts *metrics.Counts
}

// newMeasures names everything. What a leader knows is shown by the leader alone, so that sums over coordinators are right.
func (c *Coordinator) newMeasures() *measures {
	m := &measures{}
	s := &m.set
	s.Build(c.options.Build)
	s.Gauge("quern_coordinator_leader", "Whether this coordinator leads, 1 or 0.", func() float64 {
		if c.term.Load() != nil {
			return 1
		}
		return 0
	})
	s.Gauge("quern_coordinator_raft_applied_index", "Index of the last log entry applied.", func() (index float64) {
		c.node.Read(func(m *state.Machine) { index = float64(m.Index()) })
		return index
	})
	s.Gauge("quern_coordinator_raft_term", "Current term of Raft.", func() float64 { return float64(c.node.Term()) })
	m.commit = s.Histogram("quern_coordinator_commit_seconds", "Time from proposing commands to having applied them.", 0.0005, 14)
	m.attempts = s.Counts("quern_coordinator_attempts_total", "Attempts whose end was recorded here, by outcome; failure is the kind of a failed one.", "outcome", "failure")
	c.census(s, "quern_coordinator_runs", "Runs that are known, by state; of the leader.", []string{"state"}, func(k state.Census, emit metrics.Emit) {
		for name, n := range k.Runs {
			emit(float64(n), string(name))
		}
	})
	c.census(s, "quern_coordinator_queued_runs", "Runs in line because of --max-active; of the leader.", nil, func(k state.Census, emit metrics.Emit) {
		emit(float64(max(0, k.Live-c.options.MaxActive)))
	})
	c.census(s, "quern_coordinator_tasks", "Tasks of runs under way, by state; of the leader.", []string{"state"}, func(k state.Census, emit metrics.Emit) {
		emit(float64(k.Waiting), "waiting")
		emit(float64(k.Running), "running")
		emit(float64(k.Done), "done")
	})
	c.census(s, "quern_coordinator_workers", "Workers that are registered, by state; of the leader.", []string{"state"}, func(k state.Census, emit metrics.Emit) {
		emit(float64(k.Workers-k.Draining), "working")
		emit(float64(k.Draining), "draining")
	})
	c.census(s, "quern_coordinator_slots", "Slots of all workers, by state; of the leader.", []string{"state"}, func(k state.Census, emit metrics.Emit) {
		emit(float64(k.Busy), "busy")
		emit(float64(k.Slots-k.Busy), "free")
	})
	if store, ok := c.options.Store.(*storage.Store); ok {
		storage.Measure(s, store)
	}
	return m
}

func (c *Coordinator) census(s *metrics.Set, name, help string, labels []string, show func(state.Census, metrics.Emit)) {
	s.Family(name, help, false, labels, func(emit metrics.Emit) {
		if c.term.Load() == nil {
			return
		}
		var k state.Census
		c.node.Read(func(m *state.Machine) { k = m.Census() })
		show(k, emit)
	})
}

// recorded counts an attempt that has ended.
func (m *measures) recorded(r *api.Report) {
	if r.Failure == nil {
		m.attempts.Add(1, "succeeded", "")
		return
	}
	m.attempts.Add(1, "failed", string(r.Failure.Kind))
}
