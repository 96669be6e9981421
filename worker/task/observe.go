package task

import (
	"context"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// profile counts what each operator of an attempt does, by its place in the stage's tree, parents first. It costs two
// looks at the clock for a batch.
type profile struct {
	counts []api.OperatorCounts
	place  map[*plan.Node]int
	meter  *Meter
}

var _ operator.Observer = (*profile)(nil)

func newProfile(root *plan.Node, meter *Meter) *profile {
	p := &profile{place: map[*plan.Node]int{}, meter: meter}
	root.Walk(func(n *plan.Node) { p.place[n] = len(p.place) })
	p.counts = make([]api.OperatorCounts, len(p.place))
	return p
}

// Env has the operator's memory and scratch files counted.
func (p *profile) Env(n *plan.Node, env operator.Env) operator.Env {
	counts := &p.counts[p.place[n]]
	if env.Memory != nil {
		env.Memory = &countedMemory{Memory: env.Memory, counts: counts}
	}
	if env.Scratch != nil {
		env.Scratch = &countedScratch{Scratch: env.Scratch, counts: counts, meter: p.meter}
	}
	return env
}

// Wrap has the operator's batches and time counted.
func (p *profile) Wrap(n *plan.Node, op operator.Operator) operator.Operator {
	return &observed{Operator: op, counts: &p.counts[p.place[n]]}
}

// rows is what an operator has put out.
func (p *profile) rows(n *plan.Node) int64 { return p.counts[p.place[n]].Rows }

type observed struct {
	operator.Operator
	counts *api.OperatorCounts
}

func (o *observed) Next(ctx context.Context) (arrow.Record, error) {
	start := time.Now()
	batch, err := o.Operator.Next(ctx)
	o.counts.Nanos += int64(time.Since(start))
	if err == nil {
		o.counts.Rows += batch.NumRows()
		o.counts.Batches++
	}
	return batch, err
}

// countedMemory keeps the most that its operator has held.
type countedMemory struct {
	operator.Memory
	counts *api.OperatorCounts
	held   int64
}

func (m *countedMemory) Reserve(n int64) error {
	if err := m.Memory.Reserve(n); err != nil {
		return err
	}
	m.add(n)
	return nil
}

func (m *countedMemory) Take(n int64) {
	m.Memory.Take(n)
	m.add(n)
}

func (m *countedMemory) add(n int64) {
	m.held += n
	m.counts.Peak = max(m.counts.Peak, m.held)
}

// countedScratch counts what goes to disk.
type countedScratch struct {
	operator.Scratch
	counts *api.OperatorCounts
	meter  *Meter
}

func (s *countedScratch) Create(schema plan.Schema) (operator.SpillFile, error) {
	file, err := s.Scratch.Create(schema)
	if err != nil {
		return nil, err
	}
	return &countedFile{file, s.counts, s.meter}, nil
}

type countedFile struct {
	operator.SpillFile
	counts *api.OperatorCounts
	meter  *Meter
}

func (f *countedFile) Write(rec arrow.Record) error {
	before := f.Bytes()
	err := f.SpillFile.Write(rec)
	grown := f.Bytes() - before
	f.counts.Spilled += grown
	f.meter.spilled.Add(grown)
	f.counts.Needed += vector.Size(rec) // and what was held beside it: see end
	return err
}

// end completes the counts once the operators are closed: what an operator has spilled would have needed room beside what it
// held. Rows that are spilled again count again, so it is about what would have been needed.
func (p *profile) end() []api.OperatorCounts {
	for i := range p.counts {
		if c := &p.counts[i]; c.Needed > 0 {
			c.Needed += c.Peak
		}
	}
	return p.counts
}
