package udf

import (
	"fmt"
	"iter"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Per is what a table function has to see together.
type Per int

// PerPartition calls a function with all rows of a partition, PerGroup with all rows of a key, which come side by side and
// in the order that the query asks for.
const (
	PerPartition Per = iota + 1
	PerGroup
)

// Each is a table function that gives any number of rows for each row that it is given. The fields of In are columns, found by
// name in the table that the function is given, and those of Out the columns of the rows that it gives: named by a tag
// udf:"…", or else by the field's name in snake case. NULL needs a pointer. An error is that of the row; what was
// emitted for it before does not count.
func Each[In, Out any](name string, f func(ctx *Context, row In, emit func(Out)) error, opts ...Option) Function {
	in, out, fn := tableFunction[In, Out](name, udfpb.Per_PER_BATCH, opts)
	fn.open = func(ctx *Context) (*instance, error) {
		return &instance{ctx: ctx, table: func(call *tableCall) error {
			for rec := range call.batches {
				call.failures = nil
				rows, err := in.read(rec)
				if err != nil {
					return err
				}
				if err := each(call, rows, out, f); err != nil {
					return err
				}
				call.finish()
			}
			return nil
		}}, nil
	}
	return fn
}

// each gives the rows of one batch to f.
func each[In, Out any](call *tableCall, rows []In, out rowCodec[Out], f func(*Context, In, func(Out)) error) error {
	var made []Out
	emit := func(row Out) { made = append(made, row) }
	one := func(i int) (failure *udfpb.Failure) {
		defer func() {
			if p := recover(); p != nil {
				failure = panicFailure(p, i)
			}
		}()
		if err := f(call.ctx, rows[i], emit); err != nil {
			return &udfpb.Failure{Message: err.Error(), Row: int64(i)}
		}
		return nil
	}
	for i := range rows {
		if i%cancelEvery == 0 && call.ctx.Err() != nil {
			return call.ctx.Err()
		}
		before := len(made)
		if failure := one(i); failure != nil {
			made = made[:before]
			call.fail(failure)
		}
		if len(made) >= batchRows {
			call.send(out.build(made, nil))
			made = made[:0:0] // what was sent may still be read
		}
	}
	if len(made) > 0 {
		call.send(out.build(made, nil))
	}
	return nil
}

// batchRows is how many rows a batch has that is made row by row.
const batchRows = 8192

// Table is a table function that is called with all rows of a partition, or of a group of equal keys: see PerPartition and
// PerGroup, and Each for the columns. It may leave the rest of the rows unread.
func Table[In, Out any](name string, per Per, f func(ctx *Context, rows iter.Seq[In], emit func(Out)) error, opts ...Option) Function {
	in, out, fn := tableFunction[In, Out](name, perOf(per), opts)
	fn.open = func(ctx *Context) (*instance, error) {
		return &instance{ctx: ctx, table: func(call *tableCall) error {
			var made []Out
			flush := func() {
				if len(made) > 0 {
					call.send(out.build(made, nil))
					made = made[:0:0] // what was sent may still be read
				}
			}
			emit := func(row Out) {
				if made = append(made, row); len(made) == batchRows {
					flush()
				}
			}
			err := call.parts(per, func(batches iter.Seq[arrow.Record]) error {
				var bad error
				err := f(call.ctx, rowsIn(in, batches, &bad), emit)
				if bad != nil {
					return bad
				}
				return err
			})
			flush()
			return err
		}}, nil
	}
	return fn
}

// rowsIn is the rows of batches; a batch that cannot be read ends them, and is told in bad.
func rowsIn[In any](in rowCodec[In], batches iter.Seq[arrow.Record], bad *error) iter.Seq[In] {
	return func(yield func(In) bool) {
		for rec := range batches {
			rows, err := in.read(rec)
			if err != nil {
				*bad = err
				return
			}
			for _, row := range rows {
				if !yield(row) {
					return
				}
			}
		}
	}
}

// TableVector is Table over batches of Arrow columns, of the types of in, to batches of the types of out. A batch that f is
// given is its own until it asks for the next one, unless it retains it; one that it emits is not its own any more.
func TableVector(name string, per Per, in, out []Column, f func(ctx *Context, batches iter.Seq[arrow.Record], emit func(arrow.Record)) error, opts ...Option) Function {
	fn := newFunction(name, udfpb.FunctionKind_FUNCTION_KIND_TABLE, opts)
	fn.describe.Per, fn.describe.Input, fn.describe.Output = perOf(per), described(in), described(out)
	fn.open = func(ctx *Context) (*instance, error) {
		return &instance{ctx: ctx, table: func(call *tableCall) error {
			return call.parts(per, func(batches iter.Seq[arrow.Record]) error { return f(call.ctx, batches, call.send) })
		}}, nil
	}
	return fn
}

func tableFunction[In, Out any](name string, per udfpb.Per, opts []Option) (rowCodec[In], rowCodec[Out], Function) {
	fn := newFunction(name, udfpb.FunctionKind_FUNCTION_KIND_TABLE, opts)
	in, err := rowsOf[In]()
	if err != nil {
		fn.err = err
	}
	out, err := rowsOf[Out]()
	if err != nil && fn.err == nil {
		fn.err = err
	}
	fn.describe.Per, fn.describe.Input, fn.describe.Output = per, described(in.columns), described(out.columns)
	return in, out, fn
}

func perOf(per Per) udfpb.Per {
	if per == PerGroup {
		return udfpb.Per_PER_GROUP
	}
	return udfpb.Per_PER_PARTITION
}

// tableFunc runs a table function over the batches of a call.
type tableFunc func(call *tableCall) error

// tableCall is one Table call.
type tableCall struct {
	ctx     *Context
	receive func() (*tableBatch, error) // nil at the end
	reply   func(*udfpb.TableReply) error
	check   []Type // of the output

	read     uint64 // batches that were received
	done     uint64 // those that are done with
	failures []*udfpb.Failure
}

// tableBatch is a batch of the input.
type tableBatch struct {
	rec    arrow.Record
	starts []uint32
}

// broken is the panic that ends a function whose answer cannot be sent, or whose input cannot be received.
type broken struct{ err error }

// next receives a batch.
func (c *tableCall) next() (*tableBatch, bool) {
	b, err := c.receive()
	if err != nil {
		panic(broken{err})
	}
	if b == nil {
		return nil, false
	}
	c.read++
	return b, true
}

// batches is the input, whole.
func (c *tableCall) batches(yield func(arrow.Record) bool) {
	for {
		b, ok := c.next()
		if !ok {
			return
		}
		more := yield(b.rec)
		b.rec.Release()
		if !more {
			return
		}
	}
}

// partitionBatches is batches that are told to be read.
func (c *tableCall) partitionBatches(yield func(arrow.Record) bool) {
	for rec := range c.batches {
		if !yield(rec) {
			return
		}
		c.finish()
	}
}

// parts calls f with the batches of each part of the input: with those of the partition, or of each group.
func (c *tableCall) parts(per Per, f func(batches iter.Seq[arrow.Record]) error) error {
	if per != PerGroup {
		return f(c.partitionBatches)
	}
	g := &groups{call: c}
	defer g.release()
	for g.more() {
		if err := f(g.batches); err != nil {
			return err
		}
		g.skip()
	}
	return nil
}

// groups cuts batches where groups begin.
type groups struct {
	call *tableCall
	now  *tableBatch
	at   int64 // the row of now that is next
	cut  int   // the entry of now.starts that is next
}

// more finds the next group's first row.
func (g *groups) more() bool {
	for g.now == nil || g.at == g.now.rec.NumRows() {
		if !g.load() {
			return false
		}
	}
	if g.cut < len(g.now.starts) && int64(g.now.starts[g.cut]) == g.at {
		g.cut++
	}
	return true
}

// load goes to the next batch.
func (g *groups) load() bool {
	g.release()
	b, ok := g.call.next()
	g.now, g.at, g.cut = b, 0, 0
	return ok
}

func (g *groups) release() {
	if g.now != nil {
		g.now.rec.Release()
		g.call.finish()
		g.now = nil
	}
}

// batches is the rest of the group.
func (g *groups) batches(yield func(arrow.Record) bool) {
	for {
		end, last := g.now.rec.NumRows(), false
		if g.cut < len(g.now.starts) {
			end, last = int64(g.now.starts[g.cut]), true
		}
		if end > g.at {
			part := g.now.rec.NewSlice(g.at, end)
			g.at = end
			more := yield(part)
			part.Release()
			if !more {
				return
			}
		}
		if last || !g.load() {
			return
		}
	}
}

// skip leaves what was not read of the group.
func (g *groups) skip() {
	if g.now == nil {
		return
	}
	for range g.batches {
	}
}

// send sends a batch, which it takes over.
func (c *tableCall) send(rec arrow.Record) {
	defer rec.Release()
	if err := checkBatch(rec, c.check); err != nil {
		panic(broken{err})
	}
	if rec.NumRows() == 0 {
		return
	}
	err := sendParts(rec, func(p *udfpb.Payload) error { return c.reply(&udfpb.TableReply{Rows: p, Done: c.done}) })
	if err != nil {
		panic(broken{err})
	}
}

// fail tells of a row of the batch that was received last.
func (c *tableCall) fail(f *udfpb.Failure) {
	f.Batch = c.read - 1
	c.failures = append(c.failures, f)
}

// finish says that the batch received last is done with.
func (c *tableCall) finish() {
	c.done = c.read
	if err := c.reply(&udfpb.TableReply{Done: c.done, Failures: c.failures, Report: c.ctx.told.take()}); err != nil {
		panic(broken{err})
	}
	c.failures = nil
}

// checkBatch refuses a batch of other columns than declared.
func checkBatch(rec arrow.Record, types []Type) error {
	if int(rec.NumCols()) != len(types) {
		return fmt.Errorf("the function gave a batch of %d columns, not %d", rec.NumCols(), len(types))
	}
	for i, t := range types {
		if !arrow.TypeEqual(rec.Column(i).DataType(), t.Arrow()) {
			return fmt.Errorf("the function gave column %s as %s, not %s", rec.ColumnName(i), rec.Column(i).DataType(), t)
		}
	}
	return nil
}
