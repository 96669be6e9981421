package state

import (
	"cmp"
	"slices"
	"time"

	"github.com/quern-engine/quern/plan"
)

// View is what the scheduler looks at. It shares nothing with the machine.
type View struct {
	Runs    []RunView // live runs with something to grant, in the order in which they are served
	Workers int       // how many take work
}

// RunView is a run's share of a view.
type RunView struct {
	ID       string
	Priority int
	Weight   int
	Running  int         // attempts that run now
	Ready    []ReadyTask // in order of stage and task
	Slow     []ReadyTask // second attempts of tasks that take much longer than others of their stage
	Excluded []string    // workers that the run keeps away from
}

// ReadyTask is a task that can be granted.
type ReadyTask struct {
	plan.AttemptID        // the attempt that would be granted
	Avoid          string // the worker on which the last attempt failed; of a twin, where the first one runs
	Held           []Held // workers that hold much of its inputs, most first
	Alone          bool   // it wants a worker to itself
	Floor          int64  // and one with more bytes of memory than this
}

// Held is how many bytes of something a worker has on its disk.
type Held struct {
	Worker string
	Bytes  int64
}

// Look says what a view shows.
type Look struct {
	Ready  int       // most tasks of each run
	Active int       // most runs: those first in line; 0 is all
	Now    time.Time // for telling which tasks are slow; zero shows none
}

// View shows what can be granted.
func (m *Machine) View(look Look) View {
	v := View{}
	for _, w := range m.doc.Workers {
		if !w.Draining {
			v.Workers++
		}
	}
	for _, r := range m.line(look.Active) {
		if rv := r.view(look); len(rv.Ready)+len(rv.Slow) > 0 {
			v.Runs = append(v.Runs, rv)
		}
	}
	return v
}

// line is the first live runs, those of the highest priority first, in order of submission.
func (m *Machine) line(limit int) []*run {
	var line []*run
	for _, r := range m.doc.Runs {
		if r.live() {
			line = append(line, r)
		}
	}
	slices.SortStableFunc(line, func(a, b *run) int { return cmp.Compare(b.Priority, a.Priority) })
	if limit > 0 && len(line) > limit {
		line = line[:limit]
	}
	return line
}

// Live is how many runs take grants.
func (m *Machine) Live() int {
	n := 0
	for _, r := range m.doc.Runs {
		if r.live() {
			n++
		}
	}
	return n
}

// Ahead is how many runs are served before a live one.
func (m *Machine) Ahead(id string) int {
	return max(0, slices.IndexFunc(m.line(0), func(r *run) bool { return r.ID == id }))
}

func (r *run) view(look Look) RunView {
	v := RunView{ID: r.ID, Priority: r.Priority, Weight: r.Weight}
	for _, w := range r.Workers {
		if w.Excluded {
			v.Excluded = append(v.Excluded, w.ID)
		}
	}
	for i, s := range r.Stages {
		v.Running += len(s.live)
		if !look.Now.IsZero() {
			v.Slow = append(v.Slow, r.slow(i, look.Now)...)
		}
		if s.Done+len(s.live) == s.Tasks || len(v.Ready) >= look.Ready || s.waits() || !r.ready(i) {
			continue
		}
		for j := s.cursor; j < len(s.List) && len(v.Ready) < look.Ready; j++ {
			if t := &s.List[j]; t.State == taskPending {
				v.Ready = append(v.Ready, ReadyTask{
					AttemptID: r.next(i, j), Avoid: r.worker(t.Worker), Held: s.prefer, Alone: t.alone(), Floor: t.floor(),
				})
			}
		}
	}
	return v
}

// next is the attempt of a task that would be granted.
func (r *run) next(stage, task int) plan.AttemptID {
	return plan.AttemptID{TaskID: plan.TaskID{Run: r.ID, Stage: stage, Task: task}, Attempt: int(r.Stages[stage].List[task].Next)}
}

// A task is slow when three quarters of its stage are done, or all others, and it has run half as long again as the
// median of these, and for a second at least.
const slowAtLeast = time.Second

// slow lists second attempts for the slow tasks of a stage: for one in ten at most, so that a stage whose tasks are all
// slower than the first ones is not run twice.
func (r *run) slow(i int, now time.Time) []ReadyTask {
	s := r.Stages[i]
	most := 4*s.Done >= 3*s.Tasks || s.Done == s.Tasks-1
	if len(s.live) == 0 || s.Done == 0 || !most || !r.ready(i) {
		return nil
	}
	limit := max(slowAtLeast.Milliseconds(), s.Took.median()*3/2)
	room := max(1, s.Tasks/10)
	var list []ReadyTask
	for _, j := range s.running() {
		t := &s.List[j]
		if t.TwinWorker != 0 {
			room--
		} else if now.UnixMilli()-t.Since > limit && !t.alone() {
			list = append(list, ReadyTask{AttemptID: r.next(i, j), Avoid: r.worker(t.Worker), Held: s.prefer})
		}
	}
	return list[:max(0, min(len(list), room))]
}
