package coordinator

import (
	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// spoken is what a worker's last heartbeat told beyond its lease.
type spoken struct {
	progress []api.AttemptProgress
	memory   int64
}

// note keeps what a worker's heartbeat tells of its attempts, until the next one.
func (t *term) note(r api.HeartbeatRequest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[r.WorkerID] = spoken{progress: r.Progress, memory: r.MemoryUsed}
}

// memoryUsed is what a worker's operators held when it last spoke.
func (t *term) memoryUsed(worker string) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.live[worker].memory
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
