package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

var errUnknownWorker = errors.New("unknown worker")

// worker is a worker process. What it does while it stalls waits until it goes on.
type worker struct {
	s       *Sim
	id      string
	address string
	slots   int
	memory  int64

	alive    bool
	stalled  bool
	draining bool
	later    []func() // what waits for it to go on

	known   bool   // it has registered
	epoch   uint64 // the newest leader's
	held    map[plan.AttemptID]*attempt
	disk    map[plan.AttemptID][][]uint64 // rows of its segments, by partition
	outbox  []api.Report
	polls   bool // a lease request is under way
	reports bool
}

// attempt is one that a worker runs or has not yet reported.
type attempt struct {
	grant
	ended   bool
	stopped bool
}

func (s *Sim) addWorker(address string) {
	w := &worker{
		s: s, id: fmt.Sprintf("w%d", len(s.workers)+1), address: address, slots: 1 + s.rng.IntN(3), memory: int64(1+s.rng.IntN(3)) << 30,
		alive: true, held: map[plan.AttemptID]*attempt{}, disk: map[plan.AttemptID][][]uint64{},
	}
	s.workers = append(s.workers, w)
	s.note("%s starts at %s with %d slots", w.id, address, w.slots)
	w.after(s.delay(), w.register)
	w.after(heartbeats, w.beat)
}

// after has the worker do something later, if it is alive then, and when it goes on if it stalls.
func (w *worker) after(d time.Duration, do func()) { w.s.after(d, func() { w.run(do) }) }

func (w *worker) run(do func()) {
	switch {
	case !w.alive:
	case w.stalled:
		w.later = append(w.later, do)
	default:
		do()
	}
}

func (w *worker) resume() {
	w.stalled = false
	w.s.note("%s goes on", w.id)
	waited := w.later
	w.later = nil
	for _, do := range waited {
		w.run(do)
	}
}

func (w *worker) crash() {
	w.s.note("%s crashes", w.id)
	w.alive = false
	w.later = nil
}

// workerTrouble is a fault of a worker: it crashes (and may come back as another at the same address), stalls, loses a
// file, or is told to stop.
func (s *Sim) workerTrouble() {
	if s.healed {
		return
	}
	s.after(s.exponential(s.mix.workerFault), s.workerTrouble)
	w := s.workers[s.rng.IntN(len(s.workers))]
	if !w.alive || w.stalled {
		return
	}
	back := time.Duration(50+s.rng.IntN(8000)) * time.Millisecond
	switch s.rng.IntN(5) {
	case 0, 1:
		s.fault("worker crashes")
		w.crash()
		s.after(back, func() { s.addWorker(w.address) })
	case 2:
		s.fault("worker stalls")
		w.stalled = true
		s.note("%s stalls for %v", w.id, back)
		s.after(back, func() {
			if w.alive && w.stalled {
				w.resume()
			}
		})
	case 3:
		s.fault("disk loses files")
		for _, id := range sortedKeys(w.disk) {
			if s.rng.IntN(2) == 0 {
				delete(w.disk, id)
			}
		}
	case 4:
		s.fault("worker drains")
		w.draining = true
		w.after(10*time.Second, w.leave)
		s.after(back, func() { s.addWorker(fmt.Sprintf("host%d:1", len(s.workers))) })
	}
}

func (w *worker) leave() {
	w.s.note("%s leaves", w.id)
	w.crash()
}

// call sends a request to a coordinator: to the leader as a rule, which a worker finds by asking around. It may get lost
// either way; then, and when nobody leads, miss is called after a while. Requests may arrive twice and out of order.
func (w *worker) call(serve func(l *leader, reply func(func())), miss func()) {
	s := w.s
	answered := false
	reply := func(handle func()) {
		if s.chance(s.mix.loss) {
			return
		}
		s.after(s.delay(), func() {
			w.run(func() {
				if !answered {
					answered = true
					handle()
				}
			})
		})
	}
	n := s.log.nodes[s.rng.IntN(len(s.log.nodes))]
	if s.log.leader != nil && s.rng.IntN(8) > 0 {
		n = s.log.leader.node
	}
	for range 1 + s.rng.IntN(2) {
		if !s.chance(s.mix.loss) {
			s.after(s.delay(), func() {
				if n.alive && !n.stalled && n.led != nil {
					serve(n.led, reply)
				}
			})
		}
		if !s.chance(s.mix.double) {
			break
		}
	}
	w.after(callTimeout+pollTime, func() {
		if !answered {
			answered = true
			miss()
		}
	})
}

func (w *worker) register() {
	again := func() { w.after(100*time.Millisecond, w.register) }
	w.call(func(l *leader, reply func(func())) {
		l.register(w, func(err error) {
			reply(func() {
				if err != nil {
					again()
					return
				}
				w.known = true
				w.poll()
				w.send()
			})
		})
	}, again)
}

// beat is the heartbeat.
func (w *worker) beat() {
	w.after(heartbeats, w.beat)
	if !w.known {
		return
	}
	running := sortedKeys(w.held)
	w.call(func(l *leader, reply func(func())) {
		l.heartbeat(w, running, w.draining, func(stop []plan.AttemptID, forget []string, drained bool, err error) {
			reply(func() { w.told(stop, forget, drained, err) })
		})
	}, func() {})
}

func (w *worker) told(stop []plan.AttemptID, forget []string, drained bool, err error) {
	if errors.Is(err, errUnknownWorker) && w.known {
		w.known = false
		w.register()
	}
	if err != nil {
		return
	}
	for _, id := range stop {
		if a := w.held[id]; a != nil && !a.ended {
			a.stopped = true
		}
	}
	for _, run := range forget {
		for _, id := range sortedKeys(w.disk) {
			if id.Run == run {
				delete(w.disk, id)
			}
		}
	}
	if drained && len(w.held) == 0 {
		w.leave()
	}
}

func (w *worker) free() int {
	n := w.slots
	for _, a := range w.held {
		switch {
		case a.ended:
		case a.Exclusive:
			return 0
		default:
			n--
		}
	}
	return n
}

// poll asks for work.
func (w *worker) poll() {
	free := w.free()
	if w.polls || !w.known || w.draining || free < 1 {
		return
	}
	w.polls = true
	over := func() { w.polls = false; w.after(10*time.Millisecond, w.poll) }
	w.call(func(l *leader, reply func(func())) {
		if !l.machine().Known(w.id) {
			return
		}
		l.lease(&poll{worker: w, free: free, reply: func(list []grant) {
			reply(func() {
				for _, g := range list {
					w.begin(g)
				}
				over()
			})
		}})
	}, over)
}

// begin starts an attempt, unless an older leader than the newest known has granted it.
func (w *worker) begin(g grant) {
	if g.Epoch < w.epoch || w.held[g.AttemptID] != nil {
		return
	}
	w.epoch = g.Epoch
	a := &attempt{grant: g}
	w.held[g.AttemptID] = a
	w.s.checkBegun(w, a)
	d := time.Duration(5+w.s.rng.IntN(1500)) * time.Millisecond
	if w.s.chance(w.s.mix.straggles) {
		d *= 20
	}
	w.after(d, func() { w.end(a) })
}

// end finishes an attempt and reports it.
func (w *worker) end(a *attempt) {
	a.ended = true
	r := api.Report{AttemptID: a.AttemptID}
	if f := w.outcome(a); f != nil {
		r.Failure = f
	} else {
		w.make(a, &r)
	}
	w.outbox = append(w.outbox, r)
	w.send()
	w.poll()
}

// outcome is how an attempt fails, if it does.
func (w *worker) outcome(a *attempt) *plan.Failure {
	s := w.s
	if a.stopped {
		return plan.Failf(plan.FailureCancelled, "stopped")
	}
	for _, in := range a.inputs {
		for task, loc := range in.Tasks {
			id := plan.AttemptID{TaskID: plan.TaskID{Run: a.Run, Stage: in.Stage, Task: task}, Attempt: loc.Attempt}
			if s.segment(in.Workers[loc.Worker], id) == nil {
				f := plan.Failf(plan.FailureFetch, "%v is not at %s", id, in.Workers[loc.Worker])
				f.LostStage, f.LostTask, f.LostAttempt = in.Stage, task, loc.Attempt
				return f
			}
		}
	}
	if s.chance(s.mix.oom) && !a.Exclusive {
		return plan.Failf(plan.FailureOutOfMemory, "too much")
	}
	if s.chance(s.mix.taskFails) {
		kinds := []plan.FailureKind{plan.FailureInternal, plan.FailureStorage, plan.FailurePlugin}
		return plan.Failf(kinds[s.rng.IntN(len(kinds))], "bad luck")
	}
	return nil
}

// segment is what the process at an address has of an attempt's output.
func (s *Sim) segment(address string, id plan.AttemptID) [][]uint64 {
	for _, w := range slices.Backward(s.workers) {
		if w.address == address && w.alive && !w.stalled {
			return w.disk[id]
		}
	}
	return nil
}

// make computes what a task puts out: it keeps the rows, or writes them to a file.
func (w *worker) make(a *attempt, r *api.Report) {
	j := w.s.job(a.Run)
	rows := j.rows(w.s, a)
	st := j.stages[a.Stage]
	if st.Sink == plan.SinkFile {
		name := plan.ShardName(a.Task, st.Tasks, a.Attempt, "parquet")
		w.s.files[a.Run+"/"+name] = rows
		r.File = &api.FileInfo{Name: name, Rows: int64(len(rows)), Bytes: int64(8 * len(rows)), SHA256: fmt.Sprint(sum(rows))}
		return
	}
	if st.Sink == plan.SinkReport {
		r.Lines = []string{fmt.Sprint(sum(rows))}
		return
	}
	parts := divided(rows, max(1, st.Partitions))
	w.disk[a.AttemptID] = parts
	for _, p := range parts {
		r.Partitions = append(r.Partitions, api.PartitionInfo{Rows: int64(len(p)), Bytes: int64(8 * len(p)), Checksum: fmt.Sprint(sum(p)), Keys: frequent(p)})
	}
	r.Counts.RowsOut = int64(len(rows))
}

// send reports what has ended until a leader has taken it.
func (w *worker) send() {
	if w.reports || !w.known || len(w.outbox) == 0 {
		return
	}
	w.reports = true
	list := slices.Clone(w.outbox)
	again := func() { w.reports = false; w.after(50*time.Millisecond, w.send) }
	w.call(func(l *leader, reply func(func())) {
		if !l.machine().Known(w.id) {
			return
		}
		l.reports(w, list, func(_ []bool, err error) {
			reply(func() {
				if err == nil {
					w.outbox = w.outbox[len(list):]
					for _, r := range list {
						delete(w.held, r.AttemptID)
					}
				}
				again()
			})
		})
	}, again)
}

func sortedKeys[V any](m map[plan.AttemptID]V) []plan.AttemptID {
	list := make([]plan.AttemptID, 0, len(m))
	for id := range m {
		list = append(list, id)
	}
	slices.SortFunc(list, func(a, b plan.AttemptID) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Task, b.Task), cmp.Compare(a.Attempt, b.Attempt))
	})
	return list
}
