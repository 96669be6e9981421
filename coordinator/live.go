package coordinator

import (
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// spoken is what a worker's last heartbeat told beyond its lease.
type spoken struct {
	progress []api.AttemptProgress
	memory   int64
	build    string
	clock    *time.Duration // ahead of this coordinator's
}

// note keeps what a worker's heartbeat tells of its attempts, until the next one.
func (t *term) note(r api.HeartbeatRequest) {
	s := spoken{progress: r.Progress, memory: r.MemoryUsed, build: r.Build}
	if !r.Now.IsZero() {
		ahead := r.Now.Sub(t.clock.Now())
		s.clock = &ahead
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[r.WorkerID] = s
}

// showSpoken adds to a worker's status what it told when it last spoke.
func (t *term) showSpoken(w *api.WorkerStatus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.live[w.WorkerID]
	w.MemoryUsed, w.Build, w.Clock = s.memory, s.build, s.clock
}

// showLive adds to statuses how far the attempts have come that run. Of two attempts of a task the one counts that has come
// further, since only one of them will.
func (t *term) showLive(list ...*api.RunStatus) {
	stages := map[stageKey]*api.StageStatus{}
	for _, s := range list {
		for i := range s.Stages {
			if s.Stages[i].Running > 0 {
				stages[stageKey{s.RunID, s.Stages[i].ID}] = &s.Stages[i]
			}
		}
	}
	if len(stages) == 0 {
		return
	}
	for id, live := range t.furthest(stages) {
		s := stages[stageKey{id.Run, id.Stage}]
		if s.Live == nil {
			s.Live = &api.Live{}
		}
		s.Live.Add(live)
	}
}

type stageKey struct {
	run   string
	stage int
}

// furthest is the progress of each task of some stages; the attempt in its key is 0.
func (t *term) furthest(of map[stageKey]*api.StageStatus) map[plan.AttemptID]api.Live {
	t.mu.Lock()
	defer t.mu.Unlock()
	tasks := map[plan.AttemptID]api.Live{}
	for _, w := range t.live {
		for _, p := range w.progress {
			if of[stageKey{p.Run, p.Stage}] == nil {
				continue
			}
			id := p.AttemptID
			id.Attempt = 0
			if best, ok := tasks[id]; !ok || p.RowsRead+p.RowsIn > best.RowsRead+best.RowsIn {
				tasks[id] = p.Live
			}
		}
	}
	return tasks
}
