package operator

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// newFrameAggregate makes what computes an aggregate over frames: of whole partitions in one go, of frames that grow
// with the row by adding to one state, of frames whose both ends move by taking away too where that is exact, and of all
// others row by row, large ones from a tree of states.
func newFrameAggregate(env Env, in plan.Schema, call plan.WindowCall, f *frame) (windowFunction, error) {
	base := windowFold{env: env, call: call.Agg, cols: call.Args, frame: f}
	if call.IgnoreNulls && len(base.call.Params) == 0 {
		base.call.Params = []*plan.Expr{plan.BoolLiteral(true)}
	}
	if _, err := base.accumulator(); err != nil {
		return nil, err
	}
	plain, ok := simpleOf(base, in)
	switch {
	case f.whole:
		return &wholeAggregate{windowFold: base}, nil
	case f.growing && ok:
		return &runner{windowFold: base, lane: lane{simple: plain, col: base.cols[0]}}, nil
	case f.growing:
		return &growingAggregate{windowFold: base}, nil
	}
	if ok {
		if m := newMover(base, plain); m != nil {
			return m, nil
		}
	}
	return &slidingAggregate{windowFold: base, sizes: defaultFrameSizes()}, nil
}

// windowFold is the part that aggregates over frames share.
type windowFold struct {
	env   Env
	call  plan.Agg
	cols  []int // of the arguments
	frame *frame
}

func (f *windowFold) accumulator() (agg.Accumulator, error) {
	return agg.NewIn(f.env.Mem, f.call, f.env.Session)
}

// inputs is the columns to read: the arguments, then the filter if there is one.
func (f *windowFold) inputs() []int {
	if f.call.Filter == 0 {
		return f.cols
	}
	return append(append([]int(nil), f.cols...), f.call.Filter-1)
}

// update folds in rows, which are the columns of inputs.
func (f *windowFold) update(acc agg.Accumulator, b agg.Batch, cols []arrow.Array) error {
	if f.call.Filter == 0 {
		return acc.Update(b, cols)
	}
	last := len(cols) - 1
	b, args := agg.Where(f.env.Mem, b, cols[:last], cols[last])
	defer releaseArrays(args)
	return acc.Update(b, args)
}

// wholeAggregate folds each partition once, when the segment starts, and repeats its result.
type wholeAggregate struct {
	windowFold
	results arrow.Array // one per partition
}

func (w *wholeAggregate) start(ctx context.Context, seg *segment) error {
	acc, err := w.accumulator()
	if err != nil {
		return err
	}
	scan, part := cursor{seg: seg}, 0
	parts := len(seg.parts) - 1
	err = eachPiece(ctx, &scan, func(p piece) error {
		b := agg.Batch{Rows: p.to - p.from, Len: parts}
		if parts > 1 {
			b.Groups = make([]uint32, b.Rows)
			for i := range b.Groups {
				for p.from+i >= seg.parts[part+1] {
					part++
				}
				b.Groups[i] = uint32(part)
			}
		}
		return w.update(acc, b, pick(p.rec, w.inputs()))
	})
	if err = errors.Join(err, scan.close()); err != nil {
		return err
	}
	w.results, err = acc.Result(w.env.Mem, 0, parts)
	return err
}

func (w *wholeAggregate) column(_ context.Context, c *chunk) (arrow.Array, error) {
	return vector.Take(w.env.Mem, w.results, c.part), nil
}

func (w *wholeAggregate) close() error {
	if w.results != nil {
		w.results.Release()
		w.results = nil
	}
	return nil
}

// growingAggregate folds the rows of a partition one after the other, and takes the result wherever a frame ends.
type growingAggregate struct {
	windowFold
	rows   cursor
	acc    agg.Accumulator
	part   int         // where the partition of acc begins, -1 for none
	folded int         // rows of the segment folded in or passed over
	result arrow.Array // of acc
}

func (g *growingAggregate) start(_ context.Context, seg *segment) error {
	g.frame.begin(seg)
	g.rows, g.acc, g.part, g.folded = cursor{seg: seg}, nil, -1, 0
	return nil
}

func (g *growingAggregate) close() error {
	if g.result != nil {
		g.result.Release()
		g.result = nil
	}
	return errors.Join(g.rows.close(), g.frame.close())
}

func (g *growingAggregate) column(ctx context.Context, c *chunk) (arrow.Array, error) {
	lo, hi, err := g.frame.bounds(ctx, c)
	if err != nil {
		return nil, err
	}
	var steps []arrow.Array
	defer func() { releaseArrays(steps) }()
	idx := make([]int32, len(lo))
	for k := range lo {
		changed := g.part != lo[k] || hi[k] > g.folded
		if g.part != lo[k] {
			if g.acc, err = g.accumulator(); err != nil {
				return nil, err
			}
			g.part, g.folded = lo[k], lo[k]
		}
		if changed {
			if err := g.step(ctx, hi[k]); err != nil {
				return nil, err
			}
		}
		if changed || k == 0 {
			g.result.Retain()
			steps = append(steps, g.result)
		}
		idx[k] = int32(len(steps) - 1)
	}
	all, err := vector.Concat(g.env.Mem, steps)
	if err != nil {
		return nil, err
	}
	defer all.Release()
	return vector.Take(g.env.Mem, all, idx), nil
}

// step folds in the rows before hi.
func (g *growingAggregate) step(ctx context.Context, hi int) error {
	if hi > g.folded {
		g.rows.forget(g.folded)
		if err := g.rows.load(ctx, hi); err != nil {
			return err
		}
		// Batch by batch, so that rows are folded in one by one whatever the batches.
		for _, p := range g.rows.pieces {
			from, to := max(g.folded, p.from), min(hi, p.to)
			if from >= to {
				continue
			}
			cols := pick(p.rec, g.inputs())
			for i, col := range cols {
				cols[i] = sliceArray(col, from-p.from, to-p.from)
			}
			err := g.update(g.acc, agg.Batch{Rows: to - from, Len: 1}, cols)
			releaseArrays(cols)
			if err != nil {
				return err
			}
		}
		g.folded = hi
	}
	if g.result != nil {
		g.result.Release()
		g.result = nil
	}
	var err error
	g.result, err = g.acc.Result(g.env.Mem, 0, 1)
	return err
}
