package operator

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// AsofJoin gives each left row the nearest right row of equal keys (see plan.AsofJoin). Both inputs come sorted by keys,
// NULLs first, then time, the right one then by its ties, so it is a merge: of the right input it holds little more than
// a batch, but with a condition all rows of a key within the tolerance, which memory must have room for.
type AsofJoin struct {
	stream
	plan      *plan.AsofJoin
	reach     reach
	condition *residual // nil without one

	left  asofBatch // the current left batch; its rec is nil before the first and after the last
	row   int       // its first row not yet put out
	right asofWindow
	cur   int64 // right rows before it come before the current left row, as the direction has it
	last  int64 // backward: the last of them that has a time; -1 for none. forward: the last row of the run at cur
	low   int64 // with a condition: the first right row within the tolerance
	high  int64 // with a condition, forward: behind the last one
	none  arrow.Record
}

var _ Operator = (*AsofJoin)(nil)

// asofHeld bounds the right batches that one output batch refers to.
const asofHeld = 16 << 20

// NewAsofJoin makes an as-of join of left and right to schema.
func NewAsofJoin(env Env, left, right Operator, j *plan.AsofJoin, schema plan.Schema) (*AsofJoin, error) {
	l, r := left.Schema(), right.Schema()
	if len(schema.Fields) != len(l.Fields)+len(r.Fields) {
		return nil, fmt.Errorf("asof join: %d columns out, schema has %d", len(l.Fields)+len(r.Fields), len(schema.Fields))
	}
	if len(j.LeftKeys) != len(j.RightKeys) {
		return nil, fmt.Errorf("asof join: %d keys on the left, %d on the right", len(j.LeftKeys), len(j.RightKeys))
	}
	for i, c := range append([]int{j.LeftTime}, j.LeftKeys...) {
		d := append([]int{j.RightTime}, j.RightKeys...)[i]
		if lt, rt := l.Fields[c].Type, r.Fields[d].Type; !lt.Equal(rt) {
			return nil, fmt.Errorf("asof join: %s is %s on the left and %s on the right", l.Fields[c].Name, lt, rt)
		}
	}
	if j.Direction != "backward" && j.Direction != "forward" {
		return nil, fmt.Errorf("asof join: unknown direction %q", j.Direction)
	}
	o := &AsofJoin{stream: newStream(env, schema, left, right), plan: j, last: -1}
	var err error
	if o.reach, err = newReach(j.Tolerance, l.Fields[j.LeftTime].Type); err != nil {
		return nil, err
	}
	if j.Condition != nil {
		if o.condition, err = newResidual(j.Condition, l, r, env.Session); err != nil {
			return nil, err
		}
	}
	o.right = asofWindow{o: o}
	return o, nil
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
			out, err = o.someConditional(ctx)
		} else {
			out, err = o.some(ctx)
		}
		if out != nil || err != nil {
			return out, err
		}
	}
}

func (o *AsofJoin) nextLeft(ctx context.Context) error {
	o.left.release()
	rec, err := o.pull(ctx, 0)
	if err != nil {
		return err
	}
	o.left, o.row = newAsofBatch(rec, o.plan.LeftKeys, o.plan.LeftTime, o.reach), 0
	if o.none == nil {
		var cols []arrow.Array
		for _, f := range o.inputs[1].Schema().Fields {
			cols = append(cols, vector.FromLiteral(o.env.Mem, f.Type, plan.Literal{Null: true}, 1))
		}
		defer releaseArrays(cols)
		o.none = vector.NewRecord(o.inputs[1].Schema(), cols, 1)
	}
	return nil
}

// some puts out rows of the current left batch, each with the right row that its place alone decides; nil for none.
func (o *AsofJoin) some(ctx context.Context) (arrow.Record, error) {
	out := o.newOutput()
	defer out.release()
	for ; o.row < int(o.left.rec.NumRows()) && out.held < asofHeld; o.row++ {
		partner, err := o.partner(ctx)
		if err != nil {
			return nil, err
		}
		out.add(o.row, partner)
	}
	o.mustHold(out.held + o.right.bytes())
	return out.record()
}

// partner is the right row of the current left row, -1 for none.
func (o *AsofJoin) partner(ctx context.Context) (int64, error) {
	if o.left.lonely[o.row] {
		return -1, nil
	}
	if err := o.advance(ctx); err != nil {
		return -1, err
	}
	candidate := o.last
	if o.plan.Direction == "forward" {
		var err error
		if candidate, err = o.runEnd(ctx); err != nil {
			return -1, err
		}
	}
	if candidate < 0 || !o.right.reachable(&o.left, o.row, candidate) {
		return -1, nil
	}
	return candidate, nil
}

// advance moves cur behind the right rows that come before the current left row: those of smaller keys and, of the same
// keys, those of an earlier time; backward, exact matches are among them, forward, they are when they do not count.
func (o *AsofJoin) advance(ctx context.Context) error {
	backward := o.plan.Direction == "backward"
	equalGoes := backward == o.plan.Exact
	for {
		ok, err := o.right.load(ctx, o.cur)
		if err != nil || !ok {
			return err
		}
		b, i := o.right.at(o.cur)
		order := bytes.Compare(b.keys.At(i), o.left.keys.At(o.row))
		if order == 0 {
			order = bytes.Compare(b.times.At(i), o.left.times.At(o.row))
			if order == 0 && equalGoes {
				order = -1
			}
		}
		if order >= 0 {
			return nil
		}
		if backward && !b.lonely[i] {
			o.last = o.cur
		}
		o.cur++
		if o.condition == nil {
			o.right.trim(o.needed())
		}
	}
}

// needed is the first right row that may be looked at again.
func (o *AsofJoin) needed() int64 {
	if o.last >= 0 && o.plan.Direction == "backward" {
		return o.last
	}
	return o.cur
}

// runEnd is the last of the right rows at cur that have the same keys and time: the one that wins among them. -1 stands
// for no row.
func (o *AsofJoin) runEnd(ctx context.Context) (int64, error) {
	if o.last >= o.cur {
		return o.last, nil // found for an earlier left row
	}
	end := o.cur
	for {
		ok, err := o.right.load(ctx, end)
		if err != nil {
			return -1, err
		}
		if !ok || end > o.cur && !o.right.sameTime(end-1, end) {
			break
		}
		end++
	}
	if end == o.cur {
		return -1, nil
	}
	o.last = end - 1
	return o.last, nil
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

// asofBatch is a batch of either side with what its rows are compared by.
type asofBatch struct {
	rec    arrow.Record
	keys   *sortkey.Keys
	times  *sortkey.Keys
	lonely []bool // rows with a NULL among keys and time, which have no partner
	ticks  ticks
	first  int64 // number of its first row
	size   int64
}

// newAsofBatch takes over a batch.
func newAsofBatch(rec arrow.Record, keys []int, time int, r reach) asofBatch {
	order := make([]plan.SortKey, len(keys))
	for i, k := range keys {
		order[i].Column = k
	}
	b := asofBatch{
		rec: rec, keys: sortkey.Encode(rec, order), times: sortkey.Encode(rec, []plan.SortKey{{Column: time}}),
		lonely: make([]bool, rec.NumRows()), ticks: r.ticks(rec.Column(time)),
	}
	with, _ := anyNull(rec, append([]int{time}, keys...), nil)
	for _, i := range with {
		b.lonely[i] = true
	}
	b.size = vector.Size(rec) + b.keys.Bytes() + b.times.Bytes() + 9*rec.NumRows()
	return b
}

func (b *asofBatch) release() {
	if b.rec != nil {
		b.rec.Release()
		b.rec = nil
	}
}

// asofWindow is the part of the right input that may still be looked at. Rows have numbers from 0.
type asofWindow struct {
	o       *AsofJoin
	batches []asofBatch
	rows    int64 // loaded so far
	held    int64
	end     bool
}

// load makes sure that a row is there; false if the input has no such row.
func (w *asofWindow) load(ctx context.Context, row int64) (bool, error) {
	for row >= w.rows && !w.end {
		rec, err := w.o.pull(ctx, 1)
		if err == io.EOF {
			w.end = true
			break
		}
		if err != nil {
			return false, err
		}
		b := newAsofBatch(rec, w.o.plan.RightKeys, w.o.plan.RightTime, w.o.reach)
		b.first = w.rows
		w.batches = append(w.batches, b)
		w.rows += rec.NumRows()
		w.held += b.size
		if w.o.condition != nil {
			if err := w.o.hold(w.held); err != nil {
				return false, err
			}
		}
	}
	return row < w.rows, nil
}

// at finds a row that is loaded and not trimmed.
func (w *asofWindow) at(row int64) (*asofBatch, int) {
	k := len(w.batches) - 1
	for w.batches[k].first > row {
		k--
	}
	return &w.batches[k], int(row - w.batches[k].first)
}

// trim lets go of the batches before a row.
func (w *asofWindow) trim(row int64) {
	for len(w.batches) > 0 && w.batches[0].first+w.batches[0].rec.NumRows() <= row {
		w.held -= w.batches[0].size
		w.batches[0].release()
		w.batches = w.batches[1:]
	}
}

func (w *asofWindow) bytes() int64 { return w.held }

// sameTime reports two rows of the same keys and time.
func (w *asofWindow) sameTime(a, b int64) bool {
	x, i := w.at(a)
	y, k := w.at(b)
	return bytes.Equal(x.keys.At(i), y.keys.At(k)) && bytes.Equal(x.times.At(i), y.times.At(k))
}

// reachable reports whether a right row has the keys of a left one, a time, and lies within the tolerance.
func (w *asofWindow) reachable(left *asofBatch, row int, right int64) bool {
	b, i := w.at(right)
	return !b.lonely[i] && bytes.Equal(b.keys.At(i), left.keys.At(row)) && w.o.reach.within(left.ticks, row, b.ticks, i)
}

func (w *asofWindow) release() {
	for i := range w.batches {
		w.batches[i].release()
	}
	w.batches = nil
}
