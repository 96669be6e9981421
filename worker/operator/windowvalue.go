package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// placed is the part that the functions share which give the value of some other row: they find its position, and the
// value is gathered from there.
type placed struct {
	env    Env
	col    int
	nulls  bool   // rows where the value is NULL do not count
	there  bitset // with nulls: the rows that count
	values cursor
}

func (p *placed) start(ctx context.Context, seg *segment) error {
	p.values = cursor{seg: seg}
	p.there = p.there[:0]
	if !p.nulls {
		return nil
	}
	scan := cursor{seg: seg}
	err := eachPiece(ctx, &scan, func(x piece) error {
		valid := vector.ValidityOf(x.rec.Column(p.col))
		for i := range x.to - x.from {
			if !valid.IsNull(i) {
				p.there.add(x.from + i)
			}
		}
		return nil
	})
	return errors.Join(err, scan.close())
}

// eachPiece visits all batches of a segment.
func eachPiece(ctx context.Context, c *cursor, visit func(piece) error) error {
	for c.loaded < c.seg.rows {
		c.forget(c.loaded)
		if err := c.load(ctx, c.loaded+1); err != nil {
			return err
		}
		if err := visit(c.pieces[len(c.pieces)-1]); err != nil {
			return err
		}
	}
	return nil
}

func (p *placed) close() error { return p.values.close() }

// nth finds the n-th row that counts from row lo on, before row hi. It keeps the rows that count from lo on, so that
// all its calls together look at each row once.
type nth struct {
	p     *placed
	n     int
	ahead []int
	seen  int // rows before it were looked at
}

func (f *nth) at(lo, hi int) int {
	for len(f.ahead) > 0 && f.ahead[0] < lo {
		f.ahead = f.ahead[1:]
	}
	if len(f.ahead) == 0 {
		f.seen = max(f.seen, lo)
	}
	for len(f.ahead) < f.n && f.seen < hi {
		i := f.p.there.next(f.seen, hi)
		if i < hi {
			f.ahead = append(f.ahead, i)
		}
		f.seen = i + 1
	}
	f.seen = min(f.seen, max(hi, lo))
	if len(f.ahead) >= f.n && f.ahead[f.n-1] < hi {
		return f.ahead[f.n-1]
	}
	return absent
}

// latest finds the n-th row that counts before row hi, counted backwards, but not before lo.
type latest struct {
	p      *placed
	n      int
	behind []int // the last n before seen
	seen   int
}

func (f *latest) at(lo, hi int) int {
	for f.seen < hi {
		if f.p.there.has(f.seen) {
			if len(f.behind) == f.n {
				f.behind = append(f.behind[:0], f.behind[1:]...)
			}
			f.behind = append(f.behind, f.seen)
		}
		f.seen++
	}
	if len(f.behind) == f.n && f.behind[0] >= lo {
		return f.behind[0]
	}
	return absent
}

// frameValue is first_value, last_value, any_value and nth_value.
type frameValue struct {
	placed
	frame    *frame
	last     bool
	n        int
	forward  nth
	backward latest
}

func newFrameValue(env Env, call plan.WindowCall, f *frame) (*frameValue, error) {
	if len(call.Args) != 1 {
		return nil, fmt.Errorf("%d arguments", len(call.Args))
	}
	v := &frameValue{placed: placed{env: env, col: call.Args[0], nulls: call.IgnoreNulls}, frame: f, n: 1}
	v.last = call.Func == "last"
	if len(call.Params) > 0 {
		if call.Func == "nth_value" {
			v.n = int(call.Params[0].Value.Int)
		} else {
			v.nulls = v.nulls || call.Params[0].IsTrue()
		}
	}
	if v.n < 1 {
		return nil, fmt.Errorf("n is %d", v.n)
	}
	return v, nil
}

func (v *frameValue) start(ctx context.Context, seg *segment) error {
	v.frame.begin(seg)
	v.forward, v.backward = nth{p: &v.placed, n: v.n}, latest{p: &v.placed, n: 1}
	return v.placed.start(ctx, seg)
}

func (v *frameValue) close() error { return errors.Join(v.placed.close(), v.frame.close()) }

func (v *frameValue) column(ctx context.Context, c *chunk) (arrow.Array, error) {
	lo, hi, err := v.frame.bounds(ctx, c)
	if err != nil {
		return nil, err
	}
	positions := make([]int, len(lo))
	for k := range positions {
		switch {
		case lo[k] == hi[k]:
			positions[k] = absent
		case v.nulls && v.last:
			positions[k] = v.backward.at(lo[k], hi[k])
		case v.nulls:
			positions[k] = v.forward.at(lo[k], hi[k])
		case v.last:
			positions[k] = hi[k] - 1
		case lo[k]+v.n <= hi[k]:
			positions[k] = lo[k] + v.n - 1
		default:
			positions[k] = absent
		}
	}
	return v.values.gather(ctx, v.env.Mem, v.col, positions)
}

// offset is lag and lead.
type offset struct {
	placed
	by       int // rows ahead, negative for behind
	fallback int // column of the default, -1 for none
	constant *plan.Expr
	forward  nth
	backward latest
}

func newOffset(env Env, call plan.WindowCall) (*offset, error) {
	if len(call.Args) < 1 || len(call.Args) > 2 {
		return nil, fmt.Errorf("%d arguments", len(call.Args))
	}
	o := &offset{placed: placed{env: env, col: call.Args[0], nulls: call.IgnoreNulls}, by: 1, fallback: -1}
	if len(call.Args) == 2 {
		o.fallback = call.Args[1]
	}
	if len(call.Params) > 0 {
		o.by = int(max(-farRows, min(farRows, call.Params[0].Value.Int)))
	}
	if len(call.Params) > 1 && !call.Params[1].Value.Null {
		o.constant = call.Params[1]
	}
	if call.Func == "lag" {
		o.by = -o.by
	}
	return o, nil
}

func (o *offset) start(ctx context.Context, seg *segment) error {
	o.forward, o.backward = nth{p: &o.placed, n: o.by}, latest{p: &o.placed, n: -o.by}
	return o.placed.start(ctx, seg)
}

func (o *offset) column(ctx context.Context, c *chunk) (arrow.Array, error) {
	positions, missing := make([]int, c.to-c.from), false
	for k := range positions {
		i := c.from + k
		switch {
		case !o.nulls || o.by == 0:
			if positions[k] = i + o.by; positions[k] < c.partStart[k] || positions[k] >= c.partEnd[k] {
				positions[k] = absent
			}
		case o.by > 0:
			positions[k] = o.forward.at(i+1, c.partEnd[k])
		default:
			positions[k] = o.backward.at(c.partStart[k], i)
		}
		missing = missing || positions[k] == absent
	}
	col, err := o.values.gather(ctx, o.env.Mem, o.col, positions)
	if err != nil || !missing || o.fallback < 0 && o.constant == nil {
		return col, err
	}
	defer col.Release()
	return o.withDefault(c, col, positions)
}

// withDefault puts the default where there is no row.
func (o *offset) withDefault(c *chunk, col arrow.Array, positions []int) (arrow.Array, error) {
	var other arrow.Array
	if o.constant != nil {
		other = vector.FromLiteral(o.env.Mem, o.constant.Type, o.constant.Value, len(positions))
	} else {
		other = c.rec.Column(o.fallback)
		other.Retain()
	}
	defer other.Release()
	both, err := vector.Concat(o.env.Mem, []arrow.Array{col, other})
	if err != nil {
		return nil, err
	}
	defer both.Release()
	idx := make([]int32, len(positions))
	for k := range idx {
		if idx[k] = int32(k); positions[k] == absent {
			idx[k] += int32(len(positions))
		}
	}
	return vector.Take(o.env.Mem, both, idx), nil
}
