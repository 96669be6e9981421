package operator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// DefaultBatchRows is how many rows a batch should have. Why not fewer? The cost per batch (a schema, some dozen
// allocations, a call per operator) should vanish beside the cost of the rows. Why not more? The columns that an
// expression touches should stay in the second-level cache between operators.
const DefaultBatchRows = 16384

// Env is what operators need from the task that runs them. The zero value works: it allocates from the Go heap, has
// no limit of memory, nowhere to spill, and cannot call plugin functions.
type Env struct {
	Mem     memory.Allocator // memory.DefaultAllocator if nil
	Memory  Memory           // no limit if nil
	Caller  Caller           // needed by plans with a UDF node only
	Rejects Rejects          // needed where functions quarantine rows
	// Answered is told what a plugin function has answered for a batch, as a number: the sum of a task's does not depend on how
	// its rows were cut into batches. Nil where nobody compares them.
	Answered  func(function string, sum uint64)
	BatchRows int          // DefaultBatchRows if zero
	Session   plan.Session // settings that expressions depend on
	Scratch   Scratch      // nil: nothing spills, a refused reservation is an error
	Filters   Filters      // nil: joins publish nothing
	Observer  Observer     // nil: nobody watches
	Tallies   Tallies      // nil: nobody asks for counts
	Builds    *Builds      // nil: every join makes its own build side
	// BuildKey names the build side of a join that Builds may have; empty, or nil, where it may not.
	BuildKey func(join *plan.Node) string
	// Above may put an operator of the task's above the one that a node became; nil puts none.
	Above func(n *plan.Node, made Operator, env Env) Operator

	calls *callContext // of the operator, for accumulators that call plugins
}

// callContext has the context of the Next that is under way, for parts of an operator that are not handed it.
type callContext struct{ now context.Context }

func (e Env) withDefaults() Env {
	if e.Mem == nil {
		e.Mem = memory.DefaultAllocator
	}
	if e.BatchRows <= 0 {
		e.BatchRows = DefaultBatchRows
	}
	return e
}

// errClosed is what Next says after Close.
var errClosed = errors.New("operator: next after close")

// stream is the part that every operator shares: it remembers the first error (io.EOF among them), stops when the
// context is done, closes the inputs once and gives reserved memory back.
type stream struct {
	env    Env
	schema plan.Schema
	inputs []Operator
	err    error
	closed bool
	held   int64      // bytes reserved
	node   *plan.Node // what the operator is made of; nil where nobody asks
}

func newStream(env Env, schema plan.Schema, inputs ...Operator) stream {
	env.calls = &callContext{}
	return stream{env: env.withDefaults(), schema: schema, inputs: inputs}
}

// Schema is the operator's output columns.
func (s *stream) Schema() plan.Schema { return s.schema }

// step runs an operator's own next under the rules of the Operator contract.
func (s *stream) step(ctx context.Context, next func(context.Context) (arrow.Record, error)) (arrow.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.err = context.Cause(ctx); s.err != nil {
		return nil, s.err
	}
	var rec arrow.Record
	s.env.calls.now = ctx
	if rec, s.err = next(ctx); s.err != nil {
		return nil, s.err
	}
	return rec, nil
}

// pull asks an input for its next batch; blocking operators poll the context between batches through it.
func (s *stream) pull(ctx context.Context, input int) (arrow.Record, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return s.inputs[input].Next(ctx)
}

// each hands every remaining batch of an input to visit, which does not own it.
func (s *stream) each(ctx context.Context, input int, visit func(arrow.Record) error) error {
	for {
		rec, err := s.pull(ctx, input)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		err = visit(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
}

// rest reads what an operator has no use for of an input, if something below counts it.
func (s *stream) rest(ctx context.Context, input int) error {
	counted := false
	if s.node != nil {
		s.node.Inputs[input].Walk(func(n *plan.Node) {
			counted = counted || n.Op == plan.NodeTally || n.AsofJoin != nil && n.AsofJoin.Tally > 0
		})
	}
	if !counted {
		return nil
	}
	return s.each(ctx, input, func(arrow.Record) error { return nil })
}

// hold makes the reservation n bytes in all.
func (s *stream) hold(n int64) error {
	if s.env.Memory == nil || n == s.held {
		return nil
	}
	if err := s.env.Memory.Reserve(n - s.held); err != nil {
		return err
	}
	s.held = n
	return nil
}

// grown is what to reserve for slices that grow by appending: they have up to a quarter more room than they need.
func grown(bytes int64) int64 { return bytes + bytes/4 }

// Close closes the inputs and gives back reserved memory. Operators that hold batches release them first.
func (s *stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.err == nil {
		s.err = errClosed
	}
	var errs []error
	if err := s.hold(0); err != nil {
		errs = append(errs, fmt.Errorf("give back memory: %w", err))
	}
	for _, in := range s.inputs {
		errs = append(errs, in.Close())
	}
	return errors.Join(errs...)
}

// types is the types of some columns of a schema.
func types(schema plan.Schema, cols []int) []plan.Type {
	out := make([]plan.Type, len(cols))
	for i, c := range cols {
		out[i] = schema.Fields[c].Type
	}
	return out
}

// pick is some columns of a batch, borrowed.
func pick(rec arrow.Record, cols []int) []arrow.Array {
	out := make([]arrow.Array, len(cols))
	for i, c := range cols {
		out[i] = rec.Column(c)
	}
	return out
}

func releaseArrays(arrs []arrow.Array) {
	for _, a := range arrs {
		if a != nil {
			a.Release()
		}
	}
}

func releaseRecords(recs []arrow.Record) {
	for _, r := range recs {
		r.Release()
	}
}
