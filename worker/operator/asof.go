package operator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// AsofJoin gives each left row the right row of equal keys that is nearest in time (see plan.AsofJoin). Both inputs come
// sorted, so it is a merge: right rows enter when the left time reaches them, or the time from which they may be seen.
//
// What may be seen only grows while left times do, and of what is not later than the left row only the greatest row can
// ever win, so looking backward needs to keep just that one, whatever the tolerance and however late rows become
// visible. Rows that are later than the left row wait in a heap. Without Visible it holds the next time's rows; with it,
// all that is known ahead of its time, which memory must have room for. With a condition any row within the tolerance
// may win: see asof_condition.go.
type AsofJoin struct {
	stream
	plan      *plan.AsofJoin
	reach     reach
	condition *residual // nil without one
	cursors   []asofCursor
	owner     []int // of each right column: the cursor that finds its value

	left  asofBatch // the current left batch; its rec is nil before the first and after the last
	row   int       // its first row not yet put out
	key   asofKeys  // of the latest left row that can have a partner; nil before the first
	right asofWindow
	ties  tieComparer
	none  arrow.Record
	picks [][]vector.Pick // by cursor; used again for each output batch
	rows  []int32         // of the left batch, likewise

	search asofSearcher // with a condition

	taken, given int64 // left rows, and rows put out
	matched      int64 // left rows with a partner
}

var _ Operator = (*AsofJoin)(nil)

// asofHeld bounds the right batches that one output batch refers to.
const asofHeld = 16 << 20

// NewAsofJoin makes an as-of join of left and right to schema.
func NewAsofJoin(env Env, left, right Operator, j *plan.AsofJoin, schema plan.Schema) (*AsofJoin, error) {
	l, r := left.Schema(), right.Schema()
	if err := checkAsof(j, l, r, schema); err != nil {
		return nil, fmt.Errorf("asof join: %w", err)
	}
	o := &AsofJoin{stream: newStream(env, schema, left, right), plan: j, owner: make([]int, len(r.Fields))}
	var err error
	if o.reach, err = newReach(j.Tolerance, l.Fields[j.LeftTime].Type, j.Direction == plan.AsofNearest); err != nil {
		return nil, err
	}
	if j.Condition != nil {
		if o.condition, err = newResidual(j.Condition, l, r, env.Session); err != nil {
			return nil, err
		}
	}
	o.cursors = []asofCursor{{o: o, column: -1}}
	for _, c := range j.SkipNulls {
		o.owner[c] = len(o.cursors)
		o.cursors = append(o.cursors, asofCursor{o: o, column: c, number: len(o.cursors)})
	}
	o.picks = make([][]vector.Pick, len(o.cursors))
	o.right, o.search.o = asofWindow{o: o}, o
	return o, nil
}

func checkAsof(j *plan.AsofJoin, l, r, schema plan.Schema) error {
	if len(schema.Fields) != len(l.Fields)+len(r.Fields) {
		return fmt.Errorf("%d columns out, schema has %d", len(l.Fields)+len(r.Fields), len(schema.Fields))
	}
	if len(j.LeftKeys) != len(j.RightKeys) {
		return fmt.Errorf("%d keys on the left, %d on the right", len(j.LeftKeys), len(j.RightKeys))
	}
	same := func(c, d int) error {
		if lt, rt := l.Fields[c].Type, r.Fields[d].Type; !lt.Equal(rt) {
			return fmt.Errorf("%s is %s on the left and %s is %s on the right", l.Fields[c].Name, lt, r.Fields[d].Name, rt)
		}
		return nil
	}
	for i, c := range j.LeftKeys {
		if err := same(c, j.RightKeys[i]); err != nil {
			return err
		}
	}
	if j.Visible > 0 {
		if err := same(j.LeftTime, j.Visible-1); err != nil {
			return err
		}
	}
	switch j.Direction {
	case plan.AsofBackward, plan.AsofForward, plan.AsofNearest:
	default:
		return fmt.Errorf("unknown direction %q", j.Direction)
	}
	if j.Condition != nil && (j.Direction == plan.AsofNearest || j.Visible > 0 || len(j.SkipNulls) > 0) {
		return fmt.Errorf("a condition does not go with %s, visible or skip nulls", plan.AsofNearest)
	}
	return same(j.LeftTime, j.RightTime)
}

// Next returns the next left rows with their partners.
func (o *AsofJoin) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *AsofJoin) next(ctx context.Context) (arrow.Record, error) {
	for {
		if o.left.rec == nil || o.row == int(o.left.rec.NumRows()) {
			if err := o.nextLeft(ctx); err != nil {
				return nil, err
			}
		}
		var out arrow.Record
		var err error
		if o.condition != nil {
			out, err = o.search.some(ctx)
		} else {
			out, err = o.some(ctx)
		}
		if out != nil {
			o.given += out.NumRows()
		}
		if out != nil || err != nil {
			return out, err
		}
	}
}

func (o *AsofJoin) nextLeft(ctx context.Context) error {
	o.left.release()
	rec, err := o.pull(ctx, 0)
	if err == io.EOF {
		if err := errors.Join(o.checkRows(), o.rest(ctx, 1)); err != nil {
			return err
		}
		if o.plan.Tally > 0 && o.env.Tallies != nil {
			o.env.Tallies.Tally(o.node, []plan.Stratum{{Rows: o.taken, Where: []int64{o.matched}}}, false)
		}
	}
	if err != nil {
		return err
	}
	o.taken += rec.NumRows()
	o.left.fill(rec, o.plan.LeftKeys, []int{o.plan.LeftTime}, o.reach)
	o.row = 0
	if o.none == nil {
		o.none = o.nullRow()
	}
	return nil
}

// checkRows holds the operator to its contract: one row out for each left row, or at most one.
func (o *AsofJoin) checkRows() error {
	if o.given == o.taken || !o.plan.Left && o.given < o.taken {
		return nil
	}
	return plan.Failf(plan.FailureInternal, "asof join: %d rows put out for %d left rows", o.given, o.taken)
}

// nullRow is what left rows without a partner get of the right columns.
func (o *AsofJoin) nullRow() arrow.Record {
	var cols []arrow.Array
	for _, f := range o.inputs[1].Schema().Fields {
		cols = append(cols, vector.FromLiteral(o.env.Mem, f.Type, plan.Literal{Null: true}, 1))
	}
	defer releaseArrays(cols)
	return vector.NewRecord(o.inputs[1].Schema(), cols, 1)
}

// some puts out rows of the current left batch; nil for none.
func (o *AsofJoin) some(ctx context.Context) (arrow.Record, error) {
	out := o.newOutput()
	defer out.release()
	for rows := int(o.left.rec.NumRows()); o.row < rows && out.held < asofHeld; o.row++ {
		if o.left.lonely[o.row] {
			out.none(o.row)
			continue
		}
		if err := o.seek(ctx); err != nil {
			return nil, err
		}
		out.chosen(o.row)
	}
	if o.bounded() {
		o.mustHold(out.held + o.right.bytes())
	}
	return out.record()
}

// bounded reports that what waits for its time is little.
func (o *AsofJoin) bounded() bool {
	return o.condition == nil && (o.plan.Direction == plan.AsofBackward || o.plan.Visible == 0 && len(o.plan.SkipNulls) == 0)
}

// seek has the cursors know all that the current left row may see.
func (o *AsofJoin) seek(ctx context.Context) error {
	o.enterKey()
	for i := range o.cursors {
		o.cursors[i].turn(o.row)
	}
	w := &o.right
	for {
		ok, err := w.inKey(ctx)
		if err != nil || !ok {
			return err
		}
		if !o.due() {
			return nil
		}
		for i := range o.cursors {
			o.cursors[i].enter(o.row)
		}
		w.step()
	}
}

// enterKey has the cursors forget what they know when the current left row is the first of its key.
func (o *AsofJoin) enterKey() {
	if r := o.row; r > 0 && !o.left.fresh[r] && !o.left.lonely[r-1] {
		return
	}
	if o.key != nil && o.left.keys.compare(o.row, o.key, 0) == 0 {
		return
	}
	o.left.keys.copyTo(&o.key, o.row)
	o.right.compared = false
	for i := range o.cursors {
		o.cursors[i].reset()
	}
}

// due reports whether the next right row of the key is to enter now: when its time has come or, looking forward where
// rows come by their own time, until that of the next one is known to be over.
func (o *AsofJoin) due() bool {
	w := &o.right
	if w.b.entry.compare(w.i, &o.left.times, o.row) <= 0 {
		return true
	}
	if o.plan.Direction == plan.AsofBackward || o.plan.Visible > 0 {
		return false
	}
	for i := range o.cursors {
		if o.cursors[i].awaits(w.b, w.i) {
			return true
		}
	}
	return false
}

// Close releases what is held, and closes both inputs.
func (o *AsofJoin) Close() error {
	o.left.release()
	o.right.release()
	if o.none != nil {
		o.none.Release()
		o.none = nil
	}
	return o.stream.Close()
}
