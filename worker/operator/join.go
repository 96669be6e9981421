package operator

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// HashJoin joins by equal keys: the right input is read whole and indexed at the first Next, the left one streams
// through. However many matches a row has, no more than a batch of pairs exists at a time.
type HashJoin struct {
	stream
	plan      *plan.Join
	condition *residual // nil without one

	build   arrow.Record
	index   *group.Multimap
	matched []bool // full: build rows that found a partner
	probe   probe
	orphans int // full: the first build row not yet looked at for want of a partner
	drained bool
}

var _ Operator = (*HashJoin)(nil)

// NewHashJoin makes a join of left (probe) and right (build) to schema.
func NewHashJoin(env Env, left, right Operator, j *plan.Join, schema plan.Schema) (*HashJoin, error) {
	l, r := left.Schema(), right.Schema()
	if len(j.LeftKeys) != len(j.RightKeys) {
		return nil, fmt.Errorf("join: %d keys on the left, %d on the right", len(j.LeftKeys), len(j.RightKeys))
	}
	for i, c := range j.LeftKeys {
		lt, rt := l.Fields[c].Type, r.Fields[j.RightKeys[i]].Type
		if !lt.Equal(rt) {
			return nil, fmt.Errorf("join: key %d is %s on the left and %s on the right", i+1, lt, rt)
		}
	}
	want := len(l.Fields)
	switch j.Type {
	case plan.JoinInner, plan.JoinLeft, plan.JoinFull, plan.JoinCross:
		want += len(r.Fields)
	case plan.JoinLeftSemi, plan.JoinLeftAnti:
	default:
		return nil, fmt.Errorf("join of unknown type %q", j.Type)
	}
	if len(schema.Fields) != want {
		return nil, fmt.Errorf("%s join: %d columns out, schema has %d", j.Type, want, len(schema.Fields))
	}
	o := &HashJoin{stream: newStream(env, schema, left, right), plan: j}
	if j.Condition != nil {
		var err error
		if o.condition, err = newResidual(j.Condition, l, r); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Next returns the next joined rows; the first call reads the right input.
func (o *HashJoin) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *HashJoin) next(ctx context.Context) (arrow.Record, error) {
	if o.index == nil {
		if err := o.readBuild(ctx); err != nil {
			return nil, err
		}
	}
	for !o.drained {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if o.probe.done() {
			if err := o.nextProbe(ctx); err != nil {
				return nil, err
			}
			continue
		}
		out, err := o.joinSome()
		if out != nil || err != nil {
			return out, err
		}
	}
	return o.nextOrphans()
}

func (o *HashJoin) readBuild(ctx context.Context) error {
	var batches []arrow.Record
	defer func() { releaseRecords(batches) }()
	held, rows := int64(0), 0
	err := o.each(ctx, 1, func(rec arrow.Record) error {
		rec.Retain()
		batches = append(batches, rec)
		// Batches, their joined copy, and an index of some 32 bytes a row.
		held += 2*vector.Size(rec) + 32*rec.NumRows()
		rows += int(rec.NumRows())
		return o.hold(held)
	})
	if err != nil {
		return err
	}
	schema := o.inputs[1].Schema()
	if o.build, err = vector.ConcatRecords(o.env.Mem, schema, batches); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	keys := types(schema, o.plan.RightKeys)
	o.index, err = group.NewMultimap(keys, o.plan.NullSafe, pick(o.build, o.plan.RightKeys), rows)
	if err != nil {
		return err
	}
	if o.plan.Type == plan.JoinFull {
		o.matched = make([]bool, rows)
	}
	return o.hold(vector.Size(o.build) + o.index.Bytes() + int64(len(o.matched)))
}

// nextProbe takes the next left batch. Without build rows a join that needs a partner has no rows at all.
func (o *HashJoin) nextProbe(ctx context.Context) error {
	o.probe.release()
	needsPartner := o.plan.Type == plan.JoinInner || o.plan.Type == plan.JoinCross || o.plan.Type == plan.JoinLeftSemi
	if needsPartner && o.build.NumRows() == 0 {
		o.drained = true
		return nil
	}
	rec, err := o.pull(ctx, 0)
	if err == io.EOF {
		o.drained = true
		return nil
	}
	if err != nil {
		return err
	}
	return o.probe.start(rec, o.index, o.plan.LeftKeys)
}

// joinSome produces output from the next pairs of the current left batch; nil if none of them survives.
func (o *HashJoin) joinSome() (arrow.Record, error) {
	p := &o.probe
	semi := o.plan.Type == plan.JoinLeftSemi || o.plan.Type == plan.JoinLeftAnti
	if semi && o.condition == nil {
		return o.takeLeft(p.byPartner(o.plan.Type == plan.JoinLeftSemi)), nil
	}
	p.pairs(o.index, o.env.BatchRows)
	keep, err := o.condition.holds(o.env, p, o.build)
	if err != nil {
		return nil, err
	}
	p.decide(o.plan.Type, keep, o.matched)
	if semi {
		return o.takeLeft(p.left), nil
	}
	return o.takePairs(p.rec, p.left, p.right), nil
}

func (o *HashJoin) takeLeft(rows []int32) arrow.Record {
	if len(rows) == 0 {
		return nil
	}
	if len(rows) == int(o.probe.rec.NumRows()) {
		o.probe.rec.Retain()
		return o.probe.rec
	}
	return vector.TakeRecord(o.env.Mem, o.probe.rec, rows)
}

// takePairs is left rows beside build rows; row -1 is NULL in every column, as is a left batch of nil.
func (o *HashJoin) takePairs(rec arrow.Record, left, right []int32) arrow.Record {
	if len(right) == 0 {
		return nil
	}
	cols := make([]arrow.Array, 0, len(o.schema.Fields))
	defer func() { releaseArrays(cols) }()
	for i, f := range o.inputs[0].Schema().Fields {
		switch {
		case rec == nil:
			cols = append(cols, vector.FromLiteral(o.env.Mem, f.Type, plan.Literal{Null: true}, len(right)))
		case whole(left, rec):
			rec.Column(i).Retain()
			cols = append(cols, rec.Column(i))
		default:
			cols = append(cols, vector.Take(o.env.Mem, rec.Column(i), left))
		}
	}
	for _, c := range o.build.Columns() {
		cols = append(cols, vector.Take(o.env.Mem, c, right))
	}
	return vector.NewRecord(o.schema, cols, len(right))
}

// whole reports that rows are all rows of a batch once, in order, as they are when every row has one partner.
func whole(rows []int32, rec arrow.Record) bool {
	if len(rows) != int(rec.NumRows()) {
		return false
	}
	for i, r := range rows {
		if r != int32(i) {
			return false
		}
	}
	return true
}

// nextOrphans is the rest of a full join: build rows without a partner, in their order.
func (o *HashJoin) nextOrphans() (arrow.Record, error) {
	var rows []int32
	for ; o.orphans < len(o.matched) && len(rows) < o.env.BatchRows; o.orphans++ {
		if !o.matched[o.orphans] {
			rows = append(rows, int32(o.orphans))
		}
	}
	if len(rows) == 0 {
		return nil, io.EOF
	}
	return o.takePairs(nil, nil, rows), nil
}

// Close releases the build side and the current left batch, and closes both inputs.
func (o *HashJoin) Close() error {
	o.probe.release()
	if o.build != nil {
		o.build.Release()
		o.build = nil
	}
	o.index, o.matched = nil, nil
	return o.stream.Close()
}
