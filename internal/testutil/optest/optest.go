// Package optest runs operators through the worlds that every operator must survive: batches of one, three and all
// rows; strings plain, dictionary-encoded and both by turns; columns with offsets; Close before the first Next and in
// the middle; a cancelled context; inputs that fail; Next after the end; memory that is refused; too little memory with a scratch disk, which works or fails. In every world the rows must be
// those that the case wants, in the same order with and without the scratch disk, batches must stay valid after Close,
// and in the end no Arrow memory, no reservation and no scratch file may be left.
package optest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// Table is an input: rows of text, values separated by '|', under a schema like "k string, v bigint not null".
type Table struct {
	Schema string
	Rows   []string
}

// Case is an operator over inputs and what should come of it.
type Case struct {
	Inputs []Table
	// Build makes the operator. It is called once per world, with inputs and an Env of that world.
	Build func(env operator.Env, inputs []operator.Operator) (operator.Operator, error)
	// Want is the output in the text form of the inputs; as a set of rows unless Ordered.
	Want    []string
	Ordered bool
	// WantError, if set, is what errors.Is should find in the error that ends the output, or a *plan.Failure of whose
	// kind that error should be.
	WantError error
	Caller    operator.Caller
	Rejects   operator.Rejects
	// Unspillable is for operators that may fail for want of memory in spite of a scratch disk.
	Unspillable bool
	// Spills says that without any memory something must go to the scratch disk.
	Spills bool
}

// TB is the part of testing.TB and of rapid's T that is needed here.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Run runs a case in all worlds.
func Run(t TB, c Case) {
	t.Helper()
	for i := range Worlds {
		w := newWorld(t, c, i)
		w.drain()
		w.endEarly(0)
		w.endEarly(1)
		w.cancelled()
		w.cancelledBetween()
		w.failing()
		w.refused()
		w.spilled()
		w.spillEarlyEnd()
		w.scratchFails()
	}
}

// Worlds is how many ways there are to cut and lay out a case's inputs.
const Worlds = 12

// RunIn runs a case to its end in one world, a number below Worlds. Property tests, which draw many cases, draw the
// world as well.
func RunIn(t TB, c Case, number int) {
	t.Helper()
	w := newWorld(t, c, number)
	w.drain()
	w.spilled()
}

func newWorld(t TB, c Case, number int) *world {
	size, l := []int{1, 3, 0}[number%3], layouts[number/3]
	return &world{t: t, c: c, name: fmt.Sprintf("batches of %d rows, %s", size, l), size: size, layout: l}
}

// world is one way to feed a case.
type world struct {
	t      TB
	c      Case
	name   string
	size   int // rows per batch; 0 for all
	layout layout

	mem     *memory.CheckedAllocator
	budget  *budget
	scratch *scratch
	sources []*source

	diskless bool // open gives operators no scratch disk
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s: %s", w.name, fmt.Sprintf(format, args...))
}

// open builds the operator anew.
func (w *world) open() operator.Operator {
	w.t.Helper()
	w.mem = memory.NewCheckedAllocator(recycle.Poison())
	w.budget = &budget{}
	w.scratch = &scratch{mem: w.mem}
	w.sources = nil
	inputs := make([]operator.Operator, len(w.c.Inputs))
	for i, table := range w.c.Inputs {
		s, err := newSource(w.mem, table, w.size, w.layout)
		if err != nil {
			w.failf("input %d: %v", i, err)
		}
		w.sources = append(w.sources, s)
		inputs[i] = s
	}
	env := operator.Env{Mem: w.mem, Memory: w.budget, Scratch: w.scratch, Caller: w.c.Caller, Rejects: w.c.Rejects, BatchRows: w.size}
	if w.diskless {
		env.Scratch = nil
	}
	op, err := w.c.Build(env, inputs)
	if err != nil {
		w.failf("build: %v", err)
	}
	return op
}

// shut closes the operator, twice, and looks for what it left behind.
func (w *world) shut(op operator.Operator) {
	w.t.Helper()
	for range 2 {
		if err := op.Close(); err != nil {
			w.failf("close: %v", err)
		}
	}
	if _, err := op.Next(context.Background()); err == nil {
		w.failf("Next after Close gave a batch")
	}
	for i, s := range w.sources {
		if !s.closed {
			w.failf("input %d was not closed", i)
		}
	}
	if w.budget.held != 0 {
		w.failf("%d bytes still reserved", w.budget.held)
	}
	if w.scratch.files != 0 || w.scratch.readers != 0 || w.scratch.misuse != nil {
		w.failf("scratch disk: %d files, %d readers left; %v", w.scratch.files, w.scratch.readers, w.scratch.misuse)
	}
}

func (w *world) checkMemory() {
	w.t.Helper()
	if n := w.mem.CurrentAlloc(); n != 0 {
		w.failf("%d bytes leaked", n)
	}
}

// read takes batches until an error, which it returns; it keeps them for release by the caller.
func (w *world) read(ctx context.Context, op operator.Operator) ([]arrow.Record, error) {
	w.t.Helper()
	var recs []arrow.Record
	for {
		rec, err := op.Next(ctx)
		if err != nil {
			if _, again := op.Next(ctx); !errors.Is(again, err) && again.Error() != err.Error() {
				w.failf("Next said %v, then %v", err, again)
			}
			return recs, err
		}
		w.checkBatch(op.Schema(), rec)
		recs = append(recs, rec)
	}
}

func (w *world) checkBatch(schema plan.Schema, rec arrow.Record) {
	w.t.Helper()
	if rec.NumRows() == 0 {
		w.failf("an empty batch")
	}
	if w.size > 0 && rec.NumRows() > int64(w.size) {
		w.failf("a batch of %d rows", rec.NumRows())
	}
	if int(rec.NumCols()) != len(schema.Fields) {
		w.failf("%d columns, schema %s", rec.NumCols(), schema)
	}
	for i, col := range rec.Columns() {
		f := schema.Fields[i]
		if typ, err := plan.TypeOf(col.DataType()); err != nil || !typ.Equal(f.Type) {
			w.failf("column %s is %s, not %s", f.Name, col.DataType(), f.Type)
		}
		if !f.Nullable && col.NullN() > 0 {
			w.failf("NULL in column %s, which is not nullable", f.Name)
		}
	}
}

func release(recs []arrow.Record) {
	for _, r := range recs {
		r.Release()
	}
}

// drain reads everything and compares the rows, after Close.
func (w *world) drain() {
	w.t.Helper()
	op := w.open()
	recs, err := w.read(context.Background(), op)
	w.shut(op)
	var got []string
	for _, r := range recs {
		got = append(got, columns.Rows(r)...)
	}
	release(recs)
	w.checkMemory()
	if !w.ended(err) {
		w.failf("ended with %v, want %v", err, w.c.WantError)
	}
	if w.c.WantError != nil {
		return
	}
	want := slices.Clone(w.c.Want)
	if !w.c.Ordered {
		slices.Sort(got)
		slices.Sort(want)
	}
	if !slices.Equal(got, want) {
		w.failf("rows\n%q\nwant\n%q", got, want)
	}
}

// ended reports whether err is the end that the case wants.
func (w *world) ended(err error) bool {
	if w.c.WantError == nil {
		return err == io.EOF
	}
	var want *plan.Failure
	if errors.As(w.c.WantError, &want) {
		var got *plan.Failure
		return errors.As(err, &got) && got.Kind == want.Kind
	}
	return errors.Is(err, w.c.WantError)
}

// endEarly closes after some batches.
func (w *world) endEarly(batches int) {
	w.t.Helper()
	op := w.open()
	for range batches {
		rec, err := op.Next(context.Background())
		if err != nil {
			break
		}
		rec.Release()
	}
	w.shut(op)
	w.checkMemory()
}

func (w *world) cancelled() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	op := w.open()
	recs, err := w.read(ctx, op)
	if len(recs) > 0 || !errors.Is(err, context.Canceled) {
		w.failf("%d batches and %v under a cancelled context", len(recs), err)
	}
	w.shut(op)
	w.checkMemory()
}

// cancelledBetween cancels when an input is asked for its second batch. The operator may finish the batch that it is
// about.
func (w *world) cancelledBetween() {
	w.t.Helper()
	for i := range w.c.Inputs {
		ctx, cancel := context.WithCancel(context.Background())
		op := w.open()
		w.sources[i].before = func(call int) error {
			if call == 1 {
				cancel()
			}
			return nil
		}
		late := 0
		for {
			stopped := ctx.Err() != nil
			rec, err := op.Next(ctx)
			if err != nil {
				if ctx.Err() != nil && !errors.Is(err, context.Canceled) && err != io.EOF && !w.ended(err) {
					w.failf("%v after cancelling", err)
				}
				break
			}
			rec.Release()
			if stopped {
				late++
			}
		}
		if late > 0 {
			w.failf("%d batches after cancelling", late)
		}
		cancel()
		w.shut(op)
		w.checkMemory()
	}
}

// failing injects an error into each input, at its first, second and third batch.
func (w *world) failing() {
	w.t.Helper()
	for i := range w.c.Inputs {
		for at := range 3 {
			injected := fmt.Errorf("injected at batch %d of input %d", at, i)
			op, hit := w.open(), false
			w.sources[i].before = func(call int) error {
				if call < at {
					return nil
				}
				hit = true
				return injected
			}
			recs, err := w.read(context.Background(), op)
			if hit && !errors.Is(err, injected) && !w.ended(err) || hit && err == io.EOF {
				w.failf("ended with %v, want %v", err, injected)
			}
			release(recs)
			w.shut(op)
			w.checkMemory()
		}
	}
}

// refused allows no reservation at all: operators that hold rows must fail with the refusal.
func (w *world) refused() {
	w.t.Helper()
	w.diskless = true
	op := w.open()
	w.diskless = false
	w.budget.refusal = plan.Failf(plan.FailureOutOfMemory, "refused")
	recs, err := w.read(context.Background(), op)
	if w.budget.hit && !errors.Is(err, w.budget.refusal) {
		w.failf("ended with %v though memory was refused", err)
	}
	release(recs)
	w.shut(op)
	w.checkMemory()
}

// budget counts reservations, and refuses them if told to.
type budget struct {
	held    int64
	refusal error
	hit     bool
	limited bool
	limit   int64
}

var _ operator.Memory = (*budget)(nil)

// Reserve counts.
func (b *budget) Reserve(n int64) error {
	if b.refusal != nil && n > 0 {
		b.hit = true
		return b.refusal
	}
	if b.limited && n > 0 && b.held+n > b.limit {
		return plan.Failf(plan.FailureOutOfMemory, "%d bytes more than %d of %d", n, b.held, b.limit)
	}
	b.held += n
	return nil
}

// Take counts.
func (b *budget) Take(n int64) { b.held += n }
