package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/lease"
	"github.com/quern-engine/quern/coordinator/schedule"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// leader is one term of leading: what package coordinator does around the pure rooms, without its goroutines.
type leader struct {
	log     *raftLog
	s       *Sim
	node    *node
	term    uint64
	over    bool // somebody else leads, or nobody; it may not know yet
	book    *lease.Book
	waiters []*poll
	active  map[string]bool // runs with a step under way
	busy    bool            // a dispatch waits or is under way
}

// poll is a lease request that waits.
type poll struct {
	worker *worker
	free   int
	reply  func([]grant)
}

// grant is an assignment, with the places of its inputs, which a real worker would ask for.
type grant struct {
	api.Assignment
	inputs []api.StageOutputs
}

func newLeader(l *raftLog, n *node, term uint64) *leader {
	return &leader{log: l, s: l.s, node: n, term: term, book: lease.NewBook(leaseTerm, grace), active: map[string]bool{}}
}

func (l *leader) machine() *state.Machine { return l.node.machine }

// acts reports that the leader's own timers run: the process is there and does not stand still.
func (l *leader) acts() bool { return l.node.alive && !l.node.stalled && l.node.led == l && !l.over }

func (l *leader) begin() {
	for _, w := range l.machine().Workers() {
		l.book.Heard(w.ID, l.s.wall())
	}
	l.expire()
	l.changed()
}

func (l *leader) propose(done func([]state.Result, error), commands ...state.Command) {
	l.log.propose(l, commands, done)
}

// changed is called after each entry: there may be something to give out or to finish.
func (l *leader) changed() {
	if l.busy || !l.acts() {
		return
	}
	l.busy = true
	l.s.after(time.Millisecond, func() {
		l.busy = false
		if l.acts() {
			l.adapt()
			l.dispatch()
			l.finish()
		}
	})
}

func (l *leader) adapt() {
	for _, z := range l.machine().Adaptable() {
		c := schedule.Adapt(z)
		c.At = l.s.wall()
		if len(c.Tasks) > 0 {
			l.s.note("stage %s/%d: %s", c.RunID, c.Stage, c.Note)
		}
		l.propose(func([]state.Result, error) {}, state.Command{Adapt: &c})
	}
}

func (l *leader) dispatch() {
	if len(l.waiters) == 0 {
		return
	}
	var free []schedule.Slot
	for _, p := range l.waiters {
		if w, ok := l.machine().Worker(p.worker.id); ok {
			if n := min(p.free, w.Free); n > 0 {
				free = append(free, schedule.Slot{Worker: w.ID, Free: n, Memory: w.Memory, Idle: len(w.Attempts) == 0 && p.free >= w.Slots})
			}
		}
	}
	chosen := schedule.Next(l.machine().View(state.Look{Ready: 50, Active: 2, Now: l.s.wall()}), free)
	if len(chosen) == 0 {
		return
	}
	g := &state.Grant{Epoch: l.term, At: l.s.wall()}
	served := map[string]*poll{}
	for _, a := range chosen {
		g.Attempts = append(g.Attempts, state.Granted{AttemptID: a.AttemptID, Worker: a.Worker, Twin: a.Twin, Exclusive: a.Alone})
		i := slices.IndexFunc(l.waiters, func(p *poll) bool { return p.worker.id == a.Worker })
		if i >= 0 {
			served[a.Worker] = l.waiters[i]
			l.waiters = slices.Delete(l.waiters, i, i+1)
		}
	}
	order := slices.Sorted(keys(served))
	l.propose(func(results []state.Result, err error) {
		given := map[string][]grant{}
		for i := range g.Attempts {
			if err == nil && results[0].Granted[i] {
				if a, ok := l.machine().Assignment(g.Attempts[i].AttemptID, g.Attempts[i].Worker); ok {
					given[g.Attempts[i].Worker] = append(given[g.Attempts[i].Worker], l.located(a))
				}
			}
		}
		for _, id := range order {
			served[id].reply(given[id])
		}
	}, state.Command{Grant: g})
}

// located adds where the inputs are.
func (l *leader) located(a api.Assignment) grant {
	g := grant{Assignment: a}
	for _, in := range a.Inputs {
		out, ok := l.machine().Locations(a.Run, in.Stage)
		if !ok {
			l.s.violated("%v was granted while its input %d is nowhere", a.AttemptID, in.Stage)
		}
		g.inputs = append(g.inputs, out)
	}
	return g
}

// expire gives up silent workers, now and again.
func (l *leader) expire() {
	if l.over || l.node.led != l {
		return
	}
	l.s.after(leaseTerm/8, l.expire)
	if !l.acts() {
		return
	}
	var known []string
	for _, w := range l.machine().Workers() {
		known = append(known, w.ID)
	}
	for _, id := range l.book.Silent(known, l.s.wall()) {
		l.s.note("%s is silent", id)
		l.propose(func([]state.Result, error) {}, state.Command{WorkerLost: &state.WorkerLost{ID: id, At: l.s.wall()}})
		l.book.Forget(id)
	}
	l.changed() // slow tasks
}

// finish does what runs ask for. Each step takes a while, and may be done again by the next leader.
func (l *leader) finish() {
	for _, d := range l.machine().Due() {
		if l.active[d.Run] {
			continue
		}
		l.active[d.Run] = true
		l.s.after(time.Duration(1+l.s.rng.IntN(200))*time.Millisecond, func() { l.step(d) })
	}
}

func (l *leader) step(d state.Due) {
	if !l.node.alive || l.node.led != l {
		return
	}
	if l.node.stalled { // it goes on when the process does
		l.s.after(100*time.Millisecond, func() { l.step(d) })
		return
	}
	after := func([]state.Result, error) {
		delete(l.active, d.Run)
		l.changed()
	}
	at := l.s.wall()
	switch d.Phase {
	case state.PhaseCommit:
		l.propose(after, state.Command{Commit: &state.JobCommit{RunID: d.Run, At: at}})
	case state.PhaseMeasure:
		l.propose(after, state.Command{Submit: l.s.measuring(d.Run)})
	case state.PhaseJudge:
		results := l.s.judge(l.machine(), d.Run)
		if results == nil { // the next leader has been here
			after(nil, nil)
			return
		}
		l.propose(after, state.Command{Checked: &state.RunChecked{RunID: d.Run, Results: results, At: at}})
	case state.PhasePublish:
		made, ok := l.machine().Committed(d.Run)
		if !ok { // the next leader has been here
			after(nil, nil)
			return
		}
		l.s.publish(d.Run, made)
		l.propose(after, state.Command{Published: &state.RunPublished{RunID: d.Run, At: at}})
	case state.PhaseClean:
		l.s.clean(d.Run)
		l.propose(after, state.Command{Cleaned: &state.RunCleaned{RunID: d.Run, At: at}})
	case state.PhaseSweep:
		l.propose(after, state.Command{Cleaned: &state.RunCleaned{RunID: d.Run, At: at}})
	case state.PhaseProfile:
		l.propose(after, state.Command{Profiled: &state.RunProfiled{RunID: d.Run, Profile: plan.Digest([]byte(d.Run)), At: at}})
	}
}

// The requests of workers. Each calls reply once, or never where a real one would wait in vain.

func (l *leader) register(w *worker, reply func(error)) {
	l.book.Heard(w.id, l.s.wall())
	c := &state.RegisterWorker{ID: w.id, Address: w.address, Slots: w.slots, Memory: w.memory, At: l.s.wall()}
	l.propose(func(_ []state.Result, err error) { reply(err) }, state.Command{Register: c})
}

func (l *leader) lease(p *poll) {
	l.book.Heard(p.worker.id, l.s.wall())
	l.waiters = slices.DeleteFunc(l.waiters, func(o *poll) bool {
		if o.worker != p.worker {
			return false
		}
		o.reply(nil)
		return true
	})
	l.waiters = append(l.waiters, p)
	l.changed()
	l.s.after(pollTime, func() {
		if i := slices.Index(l.waiters, p); i >= 0 {
			l.waiters = slices.Delete(l.waiters, i, i+1)
			p.reply(nil)
		}
	})
}

func (l *leader) reports(w *worker, list []api.Report, reply func(accepted []bool, err error)) {
	l.book.Heard(w.id, l.s.wall())
	commands := make([]state.Command, len(list))
	for i, r := range list {
		c := &state.Report{Worker: w.id, Report: r, At: l.s.wall()}
		l.machine().Condense(c)
		commands[i].Report = c
	}
	l.propose(func(results []state.Result, err error) {
		var accepted []bool
		for i, r := range results {
			accepted = append(accepted, r.Outcome == state.Applied || r.Outcome == state.Repeated)
			if f := list[i].File; r.Discard && f != nil {
				delete(l.s.files, list[i].Run+"/"+f.Name)
			}
		}
		reply(accepted, err)
	}, commands...)
}

func (l *leader) heartbeat(w *worker, running []plan.AttemptID, draining bool, reply func(stop []plan.AttemptID, forget []string, drained bool, err error)) {
	known, ok := l.machine().Worker(w.id)
	if !ok {
		reply(nil, nil, false, errUnknownWorker)
		return
	}
	l.book.Heard(w.id, l.s.wall())
	if lost := l.book.Missing(w.id, known.Attempts, running, l.s.wall()); len(lost) > 0 {
		l.propose(func([]state.Result, error) {}, state.Command{Missing: &state.Missing{Worker: w.id, Attempts: lost, At: l.s.wall()}})
	}
	if draining && !known.Draining {
		l.propose(func([]state.Result, error) {}, state.Command{Drain: &state.DrainWorker{ID: w.id, At: l.s.wall()}})
	}
	var stop []plan.AttemptID
	for _, id := range running {
		if !l.machine().Current(id, w.id) {
			stop = append(stop, id)
		}
	}
	forget := l.book.ToForget(w.id, l.s.wall(), l.machine().Over(), func(skip func(string) bool) []string {
		return l.machine().FinishedFor(w.id, skip)
	})
	drained := draining && l.machine().Drained(w.id)
	if (len(stop)+len(forget) > 0 || drained) && l.over {
		reply(nil, nil, false, errNotLeader) // it asks a majority first
		return
	}
	if drained {
		l.checkDrained(w)
	}
	reply(stop, forget, drained, nil)
}

// publish writes a manifest. Another one for the same run must say the same.
func (s *Sim) publish(run string, made state.Committed) {
	s.checkPublished(run, made)
	var names []string
	for _, o := range made.Outputs {
		for _, f := range o.Files {
			names = append(names, f.Name)
		}
	}
	text := strings.Join(names, " ")
	if before, twice := s.store[run]; twice && before != text {
		s.violated("run %s was published with %s and then with %s", run, before, text)
	}
	s.store[run] = text
}

func (s *Sim) clean(run string) {
	if _, published := s.store[run]; published {
		s.violated("run %s is cleaned although it was published", run)
	}
	for name := range s.files {
		if strings.HasPrefix(name, run+"/") {
			delete(s.files, name)
		}
	}
}
