package agg

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// pairCell is what covariance, correlation and regression are made of: the means of two variables, the sum of products
// of their distances from them, and the sums of squares.
type pairCell struct{ n, xavg, yavg, ck, xmk, ymk float64 }

// pairs folds the rows in which neither argument is NULL.
type pairs struct {
	cells []pairCell
	// swapped exchanges the arguments: the dependent variable comes first in a call, as y, but not in the sums.
	swapped bool
	// central takes the sum of squares of x by the formula of the variance, which rounds otherwise than the
	// correlation's.
	central bool
	value   func(pairCell) (float64, bool)
}

var _ Accumulator = (*pairs)(nil)

func newPairs(a plan.Agg) Accumulator {
	if len(a.ArgTypes) != 2 || a.ArgTypes[0].Kind != plan.KindFloat64 || a.ArgTypes[1].Kind != plan.KindFloat64 {
		return nil
	}
	switch a.Func {
	case "covar_pop":
		return &pairs{value: func(c pairCell) (float64, bool) { return c.ck / c.n, c.n > 0 }}
	case "covar_samp":
		return &pairs{value: func(c pairCell) (float64, bool) { return c.ck / (c.n - 1), c.n > 1 }}
	case "corr":
		return &pairs{value: func(c pairCell) (float64, bool) {
			d := math.Sqrt(c.xmk * c.ymk)
			return c.ck / d, c.n > 1 && d != 0
		}}
	case "regr_r2":
		return &pairs{value: func(c pairCell) (float64, bool) {
			if c.xmk == 0 {
				return 1, c.n > 0 && c.ymk != 0
			}
			r := c.ck / math.Sqrt(c.xmk*c.ymk)
			return r * r, c.n > 0 && c.ymk != 0
		}}
	case "regr_slope":
		return &pairs{swapped: true, central: true, value: func(c pairCell) (float64, bool) { return c.ck / c.xmk, c.xmk != 0 }}
	case "regr_intercept":
		return &pairs{swapped: true, central: true, value: func(c pairCell) (float64, bool) {
			return c.yavg - float64(c.ck/c.xmk*c.xavg), c.xmk != 0
		}}
	case "regr_sxy":
		return &pairs{value: func(c pairCell) (float64, bool) { return c.ck, c.n > 0 }}
	}
	return &pairs{swapped: a.Func == "regr_sxx", central: true, value: func(c pairCell) (float64, bool) { return c.xmk, c.n > 0 }}
}

func (p *pairs) Update(b Batch, args []arrow.Array) error {
	p.cells = extend(p.cells, b.Len)
	xs, ys := vector.Float64s(args[0]), vector.Float64s(args[1])
	xValid, yValid := vector.ValidityOf(args[0]), vector.ValidityOf(args[1])
	if p.swapped {
		xs, ys = ys, xs
	}
	for i, g := range b.groups() {
		if !xValid.IsNull(i) && !yValid.IsNull(i) {
			p.cells[g].add(xs[i], ys[i], p.central)
		}
	}
	return nil
}

func (c *pairCell) add(x, y float64, central bool) {
	c.n++
	dx, dy := x-c.xavg, y-c.yavg
	dxN := dx / c.n
	c.xavg += dxN
	c.yavg += dy / c.n
	c.ck += float64(dx * (y - c.yavg))
	c.ymk += float64(dy * (y - c.yavg))
	if central {
		c.xmk += float64(dx * (dx - dxN))
	} else {
		c.xmk += float64(dx * (x - c.xavg))
	}
}

func (c *pairCell) merge(o pairCell) {
	switch {
	case o.n == 0:
		return
	case c.n == 0: // bit by bit, as for moments
		*c = o
		return
	}
	n := c.n + o.n
	dx, dy := o.xavg-c.xavg, o.yavg-c.yavg
	dxN, dyN := dx/n, dy/n
	c.ck = c.ck + o.ck + dx*dyN*c.n*o.n
	c.xmk = c.xmk + o.xmk + dx*dxN*c.n*o.n
	c.ymk = c.ymk + o.ymk + dy*dyN*c.n*o.n
	c.xavg += dxN * o.n
	c.yavg += dyN * o.n
	c.n = n
}

func (p *pairs) Merge(b Batch, states []arrow.Array) error {
	p.cells = extend(p.cells, b.Len)
	var s [6][]float64
	for k := range s {
		s[k] = vector.Float64s(states[k])
	}
	for i, g := range b.groups() {
		p.cells[g].merge(pairCell{s[0][i], s[1][i], s[2][i], s[3][i], s[4][i], s[5][i]})
	}
	return nil
}

func (p *pairs) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	p.cells = extend(p.cells, to)
	parts := []func(pairCell) float64{
		func(c pairCell) float64 { return c.n }, func(c pairCell) float64 { return c.xavg },
		func(c pairCell) float64 { return c.yavg }, func(c pairCell) float64 { return c.ck },
		func(c pairCell) float64 { return c.xmk }, func(c pairCell) float64 { return c.ymk },
	}
	out := make([]arrow.Array, len(parts))
	for k, part := range parts {
		out[k] = floatColumn(mem, p.cells[from:to], func(c pairCell) (float64, bool) { return part(c), true })
	}
	return out, nil
}

func (p *pairs) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	p.cells = extend(p.cells, to)
	return floatColumn(mem, p.cells[from:to], p.value), nil
}

func (p *pairs) Bytes() int64 { return int64(len(p.cells)) * 48 }
