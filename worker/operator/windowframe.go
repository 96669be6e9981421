package operator

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/plan"
)

// frame says for each row of a chunk which rows its frame has: those from lo up to, not including, hi. Both ascend with
// the row, for every kind of frame.
type frame struct {
	plan       plan.Frame
	start, end *rangeBound // of offsets in values; nil for all others
	// whole says that every row's frame is its partition; growing that it begins with the partition.
	whole, growing bool
}

// farRows is more rows than there are.
const farRows = 1 << 56

func newFrame(env Env, in plan.Schema, w *plan.Window, f plan.Frame) (*frame, error) {
	out := &frame{plan: f}
	if f.Unit == "" {
		out.plan = plan.Frame{Unit: plan.FrameRange, Start: plan.FrameBound{Kind: "unbounded"}, End: plan.FrameBound{Kind: "current"}}
	}
	peers := out.plan.Unit == plan.FrameRange && len(w.OrderBy) == 0 // all rows are peers
	open := func(b plan.FrameBound) bool { return b.Kind == "unbounded" || peers && b.Kind == "current" }
	out.growing = open(out.plan.Start)
	out.whole = out.growing && open(out.plan.End)
	for i, b := range []plan.FrameBound{out.plan.Start, out.plan.End} {
		if b.Kind != "unbounded" && b.Kind != "current" && (b.Kind != "offset" || b.Offset == nil) {
			return nil, fmt.Errorf("frame bound %q", b.Kind)
		}
		if b.Kind != "offset" || out.plan.Unit != plan.FrameRange {
			continue
		}
		if len(w.OrderBy) != 1 {
			return nil, fmt.Errorf("range frame over %d sort keys", len(w.OrderBy))
		}
		bound, err := newRangeBound(env, in, w.OrderBy[0], b.Offset)
		if err != nil {
			return nil, err
		}
		if bound.inclusive = i == 1; bound.inclusive {
			out.end = bound
		} else {
			out.start = bound
		}
	}
	return out, nil
}

func (f *frame) begin(seg *segment) {
	for _, b := range []*rangeBound{f.start, f.end} {
		if b != nil {
			b.cursor, b.row, b.keys = cursor{seg: seg}, 0, nil
		}
	}
}

func (f *frame) close() error {
	var first error
	for _, b := range []*rangeBound{f.start, f.end} {
		if b != nil {
			if err := b.cursor.close(); first == nil {
				first = err
			}
			b.keys = nil
		}
	}
	return first
}

// bounds is the frame of each row of a chunk. An empty one has hi == lo.
func (f *frame) bounds(ctx context.Context, c *chunk) (lo, hi []int, err error) {
	if lo, err = f.edge(ctx, c, f.plan.Start, f.start, 0); err != nil {
		return nil, nil, err
	}
	if hi, err = f.edge(ctx, c, f.plan.End, f.end, 1); err != nil {
		return nil, nil, err
	}
	for k := range lo {
		hi[k] = max(hi[k], lo[k])
	}
	return lo, hi, nil
}

// edge is one end of each frame: end is 0 for its first row, 1 for the row after its last.
func (f *frame) edge(ctx context.Context, c *chunk, b plan.FrameBound, values *rangeBound, end int) ([]int, error) {
	n := c.to - c.from
	switch {
	case b.Kind == "unbounded" && end == 0:
		return c.partStart, nil
	case b.Kind == "unbounded":
		return append([]int(nil), c.partEnd...), nil
	case values != nil:
		return values.edge(ctx, c)
	case f.plan.Unit == plan.FrameRange && end == 0:
		return c.peerStart, nil
	case f.plan.Unit == plan.FrameRange:
		return append([]int(nil), c.peerEnd...), nil
	}
	offset := 0
	if b.Kind == "offset" {
		offset = int(max(-farRows, min(farRows, b.Offset.Value.Int)))
	}
	out := make([]int, n)
	for k := range out {
		out[k] = max(c.partStart[k], min(c.partEnd[k], c.from+k+offset+end))
	}
	return out, nil
}

// rangeBound is an end of a frame that lies so far from the sort key's value. It adds the offset to the keys of a chunk
// and walks through the segment's keys, both as normalised sort keys, so that types, directions and NULLs are all alike:
// NULL plus an offset is NULL, whose peers are the NULLs.
type rangeBound struct {
	env       Env
	key       plan.SortKey
	program   *compute.Program
	inclusive bool // the end of a frame: rows equal to the bound belong to it
	cursor    cursor
	row       int           // the bound of the row asked last
	keys      *sortkey.Keys // of the cursor's batch that has the row
	first     int           // row of the first of them
}

func newRangeBound(env Env, in plan.Schema, key plan.SortKey, offset *plan.Expr) (*rangeBound, error) {
	field := in.Fields[key.Column]
	operator := "+"
	if key.Descending {
		operator = "-"
	}
	sum, err := compute.Call(operator, plan.ColumnExpr(key.Column, field), offset)
	if err != nil {
		return nil, err
	}
	program, err := compute.Compile(compute.Cast(sum, field.Type), in, env.Session)
	if err != nil {
		return nil, err
	}
	return &rangeBound{env: env, key: key, program: program}, nil
}

func (b *rangeBound) edge(ctx context.Context, c *chunk) ([]int, error) {
	col, err := b.program.Eval(b.env.Mem, c.rec)
	if err != nil {
		return nil, err
	}
	defer col.Release()
	key := b.key
	key.Column = 0
	limits := sortkey.EncodeColumns([]arrow.Array{col}, col.Len(), []plan.SortKey{key})
	out := make([]int, c.to-c.from)
	for k := range out {
		if b.row = max(b.row, c.partStart[k]); b.row < c.partEnd[k] {
			if err := b.advance(ctx, limits.At(k), c.partEnd[k]); err != nil {
				return nil, err
			}
		}
		out[k] = b.row
	}
	return out, nil
}

// advance moves to the first row at or, if inclusive, behind the limit.
func (b *rangeBound) advance(ctx context.Context, limit []byte, end int) error {
	for ; b.row < end; b.row++ {
		if b.keys == nil || b.row >= b.first+b.keys.Len() {
			if err := b.encode(ctx); err != nil {
				return err
			}
		}
		order := bytes.Compare(b.keys.At(b.row-b.first), limit)
		if order > 0 || order == 0 && !b.inclusive {
			return nil
		}
	}
	return nil
}

func (b *rangeBound) encode(ctx context.Context) error {
	b.cursor.forget(b.row)
	if err := b.cursor.load(ctx, b.row+1); err != nil {
		return err
	}
	b.cursor.forget(b.row)
	p := b.cursor.pieces[0]
	b.keys, b.first = sortkey.Encode(p.rec, []plan.SortKey{b.key}), p.from
	return nil
}
