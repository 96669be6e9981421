package agg

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// moment is a count, a mean and the sums of the second to fourth powers of the distance from it, updated and merged by
// the formulas of Chan, Golub and LeVeque and of Pébay, in the order of operations that Spark uses.
type moment struct{ n, avg, m2, m3, m4 float64 }

// momentParts names the state columns of the functions that are made of moments; nil for all others.
func momentParts(name string) []string {
	switch name {
	case "stddev_samp", "stddev_pop", "var_samp", "var_pop":
		return []string{"n", "avg", "m2"}
	case "skewness":
		return []string{"n", "avg", "m2", "m3"}
	case "kurtosis":
		return []string{"n", "avg", "m2", "m3", "m4"}
	case "covar_samp", "covar_pop", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_sxx", "regr_sxy", "regr_syy":
		return []string{"n", "xavg", "yavg", "ck", "xmk", "ymk"}
	}
	return nil
}

// add folds in a value; high asks for the third and fourth moments too.
func (m *moment) add(x float64, high bool) {
	m.n++
	delta := x - m.avg
	deltaN := delta / m.n
	m.avg += deltaN
	m.m2 += float64(delta * (delta - deltaN))
	if !high {
		return
	}
	delta2, deltaN2 := delta*delta, deltaN*deltaN
	m.m3 = m.m3 - float64(3*deltaN*m.m2) + float64(delta*(delta2-deltaN2))
	m.m4 = m.m4 - float64(4*deltaN*m.m3) - float64(6*deltaN2*m.m2) + float64(delta*(float64(delta*delta2)-float64(deltaN*deltaN2)))
}

func (m *moment) merge(o moment) {
	switch {
	case o.n == 0:
		return
	case m.n == 0: // bit by bit, so that a state that was put aside goes on as if it had not been
		*m = o
		return
	}
	n := m.n + o.n
	delta := o.avg - m.avg
	deltaN := delta / n
	a, b := *m, o
	m.n, m.avg = n, a.avg+deltaN*b.n
	m.m2 = a.m2 + b.m2 + delta*deltaN*a.n*b.n
	m.m3 = a.m3 + b.m3 + deltaN*deltaN*delta*a.n*b.n*(a.n-b.n) + 3*deltaN*(a.n*b.m2-b.n*a.m2)
	m.m4 = a.m4 + b.m4 + deltaN*deltaN*deltaN*delta*a.n*b.n*(a.n*a.n-a.n*b.n+b.n*b.n) +
		6*deltaN*deltaN*(a.n*a.n*b.m2+b.n*b.n*a.m2) + 4*deltaN*(a.n*b.m3-b.n*a.m3)
}

// moments is variance and all else that is made of the moments of one variable.
type moments struct {
	cells []moment
	parts int // state columns
	value func(moment) (float64, bool)
}

var _ Accumulator = (*moments)(nil)

func newMoments(a plan.Agg) Accumulator {
	if len(a.ArgTypes) != 1 || a.ArgTypes[0].Kind != plan.KindFloat64 {
		return nil
	}
	return &moments{parts: len(momentParts(a.Func)), value: momentValue(a.Func)}
}

func momentValue(name string) func(moment) (float64, bool) {
	switch name {
	case "stddev_pop":
		return func(m moment) (float64, bool) { return math.Sqrt(m.m2 / m.n), m.n > 0 }
	case "stddev_samp":
		return func(m moment) (float64, bool) { return math.Sqrt(m.m2 / (m.n - 1)), m.n > 1 }
	case "var_pop":
		return func(m moment) (float64, bool) { return m.m2 / m.n, m.n > 0 }
	case "var_samp":
		return func(m moment) (float64, bool) { return m.m2 / (m.n - 1), m.n > 1 }
	case "skewness":
		return func(m moment) (float64, bool) {
			return math.Sqrt(m.n) * m.m3 / math.Sqrt(m.m2*m.m2*m.m2), m.n > 0 && m.m2 != 0
		}
	}
	return func(m moment) (float64, bool) { return m.n*m.m4/(m.m2*m.m2) - 3, m.n > 0 && m.m2 != 0 }
}

func (m *moments) Update(b Batch, args []arrow.Array) error {
	m.cells = extend(m.cells, b.Len)
	values, valid, high := vector.Float64s(args[0]), vector.ValidityOf(args[0]), m.parts > 3
	for i, g := range b.groups() {
		if !valid.IsNull(i) {
			m.cells[g].add(values[i], high)
		}
	}
	return nil
}

func (m *moments) Merge(b Batch, states []arrow.Array) error {
	m.cells = extend(m.cells, b.Len)
	cols := make([][]float64, 5)
	for k := range cols {
		cols[k] = make([]float64, b.Rows)
		if k < len(states) {
			cols[k] = vector.Float64s(states[k])
		}
	}
	for i, g := range b.groups() {
		m.cells[g].merge(moment{cols[0][i], cols[1][i], cols[2][i], cols[3][i], cols[4][i]})
	}
	return nil
}

func (m *moments) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	m.cells = extend(m.cells, to)
	cells := m.cells[from:to]
	parts := []func(moment) float64{
		func(m moment) float64 { return m.n }, func(m moment) float64 { return m.avg }, func(m moment) float64 { return m.m2 },
		func(m moment) float64 { return m.m3 }, func(m moment) float64 { return m.m4 },
	}
	out := make([]arrow.Array, m.parts)
	for k := range out {
		out[k] = floatColumn(mem, cells, func(c moment) (float64, bool) { return parts[k](c), true })
	}
	return out, nil
}

// floatColumn is a double column of one value per cell, NULL where there is none.
func floatColumn[C any](mem memory.Allocator, cells []C, value func(C) (float64, bool)) arrow.Array {
	nulls := &vector.Nulls{Mem: mem, Rows: len(cells)}
	buf, out := vector.Alloc[float64](mem, len(cells))
	for i, c := range cells {
		v, ok := value(c)
		if !ok {
			v = 0
			nulls.Set(i)
		}
		out[i] = v
	}
	return vector.Make(arrow.PrimitiveTypes.Float64, len(cells), nulls, buf)
}

func (m *moments) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	m.cells = extend(m.cells, to)
	return floatColumn(mem, m.cells[from:to], m.value), nil
}

func (m *moments) Bytes() int64 { return int64(len(m.cells)) * 40 }
