package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/udfpb"
)

// Fold is a call of an aggregate function.
type Fold struct {
	// Rows has, behind a column of ints that says of which group a row is, the function's arguments; with Merge, its state.
	Rows arrow.Record
	// Groups is how many groups there are.
	Groups int
	Merge  bool // the rows are states
	Finish bool // results are wanted instead of states
}

// Fold folds rows into the states of groups, and returns a row for each: the columns of the state, or the result. The caller owns
// it.
func (f *Functions) Fold(ctx context.Context, function string, fold Fold) (arrow.Record, error) {
	fn, ok := f.byName[function]
	if !ok || !fn.Is(plan.FunctionAggregate) {
		return nil, plan.Failf(plan.FailureInternal, "no plugin aggregate function %s in this job", function)
	}
	c, err := f.begin(ctx, fn)
	if err != nil {
		return nil, err
	}
	defer c.end()
	req := &udfpb.FoldRequest{Instance: c.instance, Step: udfpb.Step_STEP_UPDATE, Groups: uint32(fold.Groups), Finish: fold.Finish}
	give, err := c.packFold(req, fold.Rows)
	if errors.Is(err, udfpb.ErrTooLarge) {
		return f.foldHalves(ctx, fn, fold)
	}
	if err != nil {
		return nil, plan.Failf(plan.FailureInternal, "%s: %w", label(fn), err)
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	if fold.Merge {
		req.Step = udfpb.Step_STEP_MERGE
	}
	reply, err := c.run.rpc.Fold(limited, req)
	if err != nil {
		give() // before the memory goes with the process
		return nil, c.rpcFailure(ctx, limited, err)
	}
	defer give()
	c.functions.told.take(fn.Name, reply.GetReport())
	if failed := reply.GetFailures(); len(failed) > 0 {
		return nil, c.functionFailure(failed[0], withoutGroups(fold.Rows))
	}
	want := fn.State
	if fold.Finish {
		want = []plan.Field{{Name: "result", Type: fn.Returns, Nullable: fn.Nullable}}
	}
	rec, err := c.result(req.GetRoom(), reply.GetSharedGroups(), reply.GetGroups(), want...)
	if err == nil {
		rec, err = checkRows(rec, want)
	}
	if err == nil && rec.NumRows() != int64(fold.Groups) {
		err = fmt.Errorf("%d rows for %d groups", rec.NumRows(), fold.Groups)
		rec.Release()
	}
	if err != nil {
		c.run.unfit.Store(true)
		return nil, plan.Failf(plan.FailurePlugin, "%s: result refused: %w", label(fn), err)
	}
	return rec, nil
}

// packFold puts rows into a request: into shared memory if the process takes them there, a slot is free, and they fit. Give that back
// when the reply has been read.
func (c *call) packFold(req *udfpb.FoldRequest, rows arrow.Record) (give func(), err error) {
	if c.run.folds {
		if req.SharedRows, req.Room, give = c.share(rows); req.SharedRows != nil {
			return give, nil
		}
	}
	req.Rows, err = udfpb.NewPayload(rows)
	return func() {}, err
}

// foldHalves folds rows that are too large for a message: half of them, the other half, and what comes of both.
func (f *Functions) foldHalves(ctx context.Context, fn plan.Function, fold Fold) (arrow.Record, error) {
	rows := fold.Rows.NumRows()
	if fold.Merge || rows < 2 {
		return nil, plan.Failf(plan.FailureUser, "%s: a row or the states of a few groups are larger than %d MiB", label(fn), udfpb.MaxPayload>>20)
	}
	var halves []arrow.Record
	defer func() {
		for _, h := range halves {
			h.Release()
		}
	}()
	for _, bounds := range [][2]int64{{0, rows / 2}, {rows / 2, rows}} {
		part := fold.Rows.NewSlice(bounds[0], bounds[1])
		states, err := f.Fold(ctx, fn.Name, Fold{Rows: part, Groups: fold.Groups})
		part.Release()
		if err != nil {
			return nil, err
		}
		halves = append(halves, states)
	}
	both, err := f.inGroups(halves)
	if err != nil {
		return nil, err
	}
	defer both.Release()
	return f.Fold(ctx, fn.Name, Fold{Rows: both, Groups: fold.Groups, Merge: true, Finish: fold.Finish})
}

// inGroups puts the states of the same groups one after the other, behind the groups' numbers.
func (f *Functions) inGroups(states []arrow.Record) (arrow.Record, error) {
	numbers := array.NewInt32Builder(heap)
	defer numbers.Release()
	for _, s := range states {
		for g := range int32(s.NumRows()) {
			numbers.Append(g)
		}
	}
	cols := []arrow.Array{numbers.NewArray()}
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	fields := []arrow.Field{{Name: "group", Type: arrow.PrimitiveTypes.Int32}}
	for i, field := range states[0].Schema().Fields() {
		parts := make([]arrow.Array, len(states))
		for k, s := range states {
			parts[k] = s.Column(i)
		}
		col, err := array.Concatenate(parts, heap)
		if err != nil {
			return nil, fmt.Errorf("merge states: %w", err)
		}
		cols, fields = append(cols, col), append(fields, field)
	}
	return borrowed(fields, cols, int64(cols[0].Len())), nil
}

// withoutGroups is the arguments alone, borrowed, to show one in a message.
func withoutGroups(rec arrow.Record) arrow.Record {
	return borrowed(rec.Schema().Fields()[1:], rec.Columns()[1:], rec.NumRows())
}

// rows checks a batch that a plugin sends against the columns that it has to have.
func (c *call) rows(payload *udfpb.Payload, want []plan.Field) (arrow.Record, error) {
	rec, err := payload.Record(c.host.opts.Mem)
	if err != nil {
		return nil, err
	}
	return checkRows(rec, want)
}

// checkRows compares a batch with the columns that it has to have, and gives it up if they differ.
func checkRows(rec arrow.Record, want []plan.Field) (_ arrow.Record, err error) {
	if int(rec.NumCols()) != len(want) {
		rec.Release()
		return nil, fmt.Errorf("%d columns, not %d", rec.NumCols(), len(want))
	}
	for i, f := range want {
		col := rec.Column(i)
		switch {
		case !arrow.TypeEqual(col.DataType(), f.Type.Arrow()):
			err = fmt.Errorf("column %s is of %s, not %s", f.Name, col.DataType(), f.Type)
		case !f.Nullable && col.NullN() > 0:
			err = fmt.Errorf("NULL in column %s, from a function that never gives NULL there", f.Name)
		default:
			continue
		}
		rec.Release()
		return nil, err
	}
	return rec, nil
}
