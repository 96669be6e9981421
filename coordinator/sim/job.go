package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// job is a run as its caller knows it. A row is a number; every stage passes on the rows of the first stage that it
// reads, and reads the others for their presence only. So the files at the end hold each of the first stage's rows once.
type job struct {
	id     string
	stages []state.Shape
	skew   bool
	acked  bool
	want   uint64 // sum of the rows
	count  int
	checks *checks // nil: it has none
}

// checks is what a job's checks will come to, and what somebody does about a run that they block.
type checks struct {
	measures *job // reads a first stage's rows and reports their sum
	hold     bool
	release  bool // a blocked run; otherwise it is cancelled
}

func (s *Sim) addJob(i int) {
	j := &job{id: fmt.Sprintf("r%d", i), skew: s.rng.IntN(2) == 0}
	n := 2 + s.rng.IntN(3)
	for k := range n {
		shape := state.Shape{Label: fmt.Sprint("s", k), Tasks: 1 + s.rng.IntN(8), Sink: plan.SinkShuffle, Partitions: 1 + s.rng.IntN(4)}
		if k > 0 {
			j.reads(s, &shape, k)
		}
		if k == n-1 {
			shape.Sink, shape.Partitions, shape.Output, shape.Adapt = plan.SinkFile, 0, "out", nil
		}
		j.stages = append(j.stages, shape)
	}
	for t := range j.stages[0].Tasks {
		rows := j.leaf(0, t)
		j.want += sum(rows)
		j.count += len(rows)
	}
	if s.rng.IntN(3) == 0 {
		j.checks = &checks{measures: newMeasuring(j.id, 1+s.rng.IntN(3)), hold: s.rng.IntN(2) == 0, release: s.rng.IntN(2) == 0}
	}
	s.jobs = append(s.jobs, j)
	s.after(s.exponential(3*time.Second), func() { s.submit(j) })
	if s.rng.IntN(6) == 0 {
		s.after(s.exponential(5*time.Second), func() { s.cancel(j) })
	}
}

// newMeasuring is a job that measures for checks.
func newMeasuring(id string, tasks int) *job {
	j := &job{id: state.ChecksRun(id), stages: []state.Shape{
		{Label: "scan", Tasks: tasks, Sink: plan.SinkShuffle, Partitions: 1},
		{Label: "measure", Tasks: 1, Inputs: []int{0}, Sink: plan.SinkReport},
	}}
	for t := range tasks {
		j.want += sum(j.leaf(0, t))
	}
	return j
}

// reads has stage k read the one before it, and perhaps a second one of as many partitions.
func (j *job) reads(s *Sim, shape *state.Shape, k int) {
	shape.Inputs = []int{k - 1}
	shape.Tasks = j.stages[k-1].Partitions
	target := int64(20 + s.rng.IntN(300))
	in := plan.AdaptInput{Stage: k - 1, RowBytes: 1, Splits: s.rng.IntN(2) == 0, Slices: s.rng.IntN(3) == 0}
	shape.Adapt = &plan.Adapt{Target: target, Inputs: []plan.AdaptInput{in}, Shares: s.rng.IntN(2) == 0}
	if k >= 2 && j.stages[k-2].Partitions == shape.Tasks {
		shape.Inputs = []int{k - 2, k - 1}
		shape.Adapt.Inputs = []plan.AdaptInput{{Stage: k - 2, RowBytes: 1}, shape.Adapt.Inputs[0]}
	}
	if s.rng.IntN(3) == 0 || shape.Tasks < 2 {
		shape.Adapt = nil
	}
}

func (s *Sim) job(run string) *job {
	run, measures := strings.CutSuffix(run, state.ChecksSuffix)
	run = strings.TrimSuffix(run, again)
	j := s.jobs[slices.IndexFunc(s.jobs, func(j *job) bool { return j.id == run })]
	if measures {
		return j.checks.measures
	}
	return j
}

// leaf is the rows that a task of a first stage makes.
func (j *job) leaf(stage, task int) []uint64 {
	n := 20 + int(mix64(uint64(stage*31+task))%60)
	rows := make([]uint64, n)
	for i := range rows {
		rows[i] = mix64(uint64(stage)<<40 | uint64(task)<<20 | uint64(i))
		if j.skew && i%5 < 3 {
			rows[i] &^= 3 // all of these go to the first partitions
		}
	}
	return rows
}

// rows is what an attempt reads of the stage before its own, in order.
func (j *job) rows(s *Sim, a *attempt) []uint64 {
	if a.Stage == 0 {
		return j.leaf(0, a.Task)
	}
	var rows []uint64
	for k, in := range a.Inputs {
		if in.Stage != a.Stage-1 {
			continue
		}
		sel := api.Selection{From: a.Task, To: a.Task + 1}
		if in.Part != nil {
			sel = *in.Part
		}
		out := a.inputs[k]
		for p := sel.From; p < sel.To; p++ {
			before := len(rows)
			for task, loc := range out.Tasks {
				id := plan.AttemptID{TaskID: plan.TaskID{Run: a.Run, Stage: in.Stage, Task: task}, Attempt: loc.Attempt}
				part := s.segment(out.Workers[loc.Worker], id)[p]
				rows = append(rows, between(part, sel, task)...)
			}
			rows = append(rows[:before], of(rows[before:], sel)...)
		}
	}
	return rows
}

// between is what a selection takes of one map task's rows of a partition.
func between(rows []uint64, sel api.Selection, task int) []uint64 {
	from, to := 0, len(rows)
	switch {
	case task < sel.Begin.Task:
		return nil
	case task == sel.Begin.Task:
		from = int(sel.Begin.Row)
	}
	if sel.End != (api.Position{}) {
		switch {
		case task > sel.End.Task:
			return nil
		case task == sel.End.Task:
			to = int(sel.End.Row)
		}
	}
	return rows[from:to]
}

// of is what a task keeps of the rows that it has read of a partition: a slice of their order, or a share of the keys.
func of(rows []uint64, sel api.Selection) []uint64 {
	if n := sel.Slice.Of; n > 0 {
		rows = slices.Sorted(slices.Values(rows))
		rows = rows[len(rows)*sel.Slice.Number/n : len(rows)*(sel.Slice.Number+1)/n]
	}
	if n := uint64(sel.Share.Of); n > 0 {
		rows = slices.DeleteFunc(slices.Clone(rows), func(r uint64) bool { return mix64(key(r))%n != uint64(sel.Share.Number) })
	}
	return rows
}

// key is the key of a row.
func key(row uint64) uint64 { return row % 997 }

// frequent is the key that most rows have.
func frequent(rows []uint64) []api.KeyRows {
	counts := map[uint64]int64{}
	most := api.KeyRows{}
	for _, r := range rows {
		k := key(r)
		counts[k]++
		if n := counts[k]; n > most.Rows || n == most.Rows && k < most.Hash {
			most = api.KeyRows{Hash: k, Rows: n}
		}
	}
	return []api.KeyRows{most}
}

// submit asks for the run, again and again until somebody has answered.
func (s *Sim) submit(j *job) {
	if j.acked {
		return
	}
	s.after(time.Second, func() { s.submit(j) })
	l := s.log.leader
	if l == nil || s.chance(s.mix.loss) {
		return
	}
	c := &state.SubmitRun{
		RunID: j.id, Name: j.id, Request: "q", Plan: "plan of " + j.id, Stages: j.stages, At: s.wall(), Priority: s.rng.IntN(2), Weight: 1 + s.rng.IntN(3),
		Outputs: []state.Output{{Name: "out", Stage: len(j.stages) - 1}},
	}
	if j.checks != nil {
		c.Checks = 1
	}
	l.propose(func(results []state.Result, err error) {
		if err != nil || s.chance(s.mix.loss) {
			return
		}
		if o := results[0].Outcome; o != state.Applied && o != state.Repeated {
			s.violated("submit of %s: %s", j.id, o)
		}
		j.acked = true
	}, state.Command{Submit: c})
	if s.rng.IntN(4) == 0 {
		s.submitAgain(l, c)
	}
}

// again ends the id under which somebody else asks for the same.
const again = "-again"

// submitAgain asks for the same under another id. If the first run is there and goes on, nothing comes of it.
func (s *Sim) submitAgain(l *leader, first *state.SubmitRun) {
	same := *first
	same.RunID, same.Attach = first.RunID+again, true
	l.propose(func(results []state.Result, err error) {
		if err != nil {
			return
		}
		st, known := l.machine().Status(first.RunID)
		if goesOn := known && !st.State.Terminal() && st.Failure == nil; goesOn && results[0].Run == "" && results[0].Outcome == state.Applied {
			s.violated("a second submit of %s began another run", first.RunID)
		}
	}, state.Command{Submit: &same})
}

func (s *Sim) cancel(j *job) {
	l := s.log.leader
	if l == nil {
		return
	}
	s.fault("cancel")
	l.propose(func([]state.Result, error) {}, state.Command{Cancel: &state.CancelRun{RunID: j.id, At: s.wall()}})
}

// divided puts rows into partitions.
func divided(rows []uint64, n int) [][]uint64 {
	parts := make([][]uint64, n)
	for _, r := range rows {
		p := int(r % uint64(n))
		parts[p] = append(parts[p], r)
	}
	for p := range parts {
		if parts[p] == nil {
			parts[p] = []uint64{}
		}
	}
	return parts
}

func sum(rows []uint64) uint64 {
	t := uint64(0)
	for _, r := range rows {
		t += mix64(r)
	}
	return t
}

// mix64 scatters a number (the finaliser of splitmix64).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

func keys[V any](m map[string]V) func(func(string) bool) { return maps.Keys(m) }
