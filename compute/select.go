package compute

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// Select lists the rows where a boolean program is true, in order, overwriting dst. Operands of AND narrow the rows one
// after the other: a later one is evaluated on the rows left only, if it can fail or if few are left.
func (p *Program) Select(mem memory.Allocator, rec arrow.Record, dst []int32) ([]int32, error) {
	if p.root.typ().Kind != plan.KindBoolean {
		return nil, defect("select by an expression of type %s", p.root.typ())
	}
	f := &frame{mem: mem, rec: rec, n: int(rec.NumRows())}
	dst = dst[:0]
	for i, c := range p.conjuncts {
		var err error
		switch {
		case i == 0:
			var t truth
			if t, err = evalTruth(c, f, nil); err == nil {
				dst = t.rows(dst, f.n)
			}
		case c.fails() || len(dst) < f.n/4:
			dst, err = keepAmong(c, f, dst)
		default:
			dst, err = keepWhole(c, f, dst)
		}
		if err != nil {
			return nil, err
		}
		if len(dst) == 0 {
			break
		}
	}
	return dst, nil
}

// rows appends the rows that are true.
func (t truth) rows(dst []int32, n int) []int32 {
	for i, b := range t.yes {
		for ; b != 0; b &= b - 1 {
			if row := i<<3 + bits.TrailingZeros8(b); row < n {
				dst = append(dst, int32(row))
			}
		}
	}
	return dst
}

// keepAmong evaluates a predicate at the selected rows.
func keepAmong(c node, f *frame, sel []int32) ([]int32, error) {
	part := f.narrow(sel)
	defer part.close()
	t, err := evalTruth(c, part, nil)
	if err != nil {
		return nil, err
	}
	kept := 0
	for j, row := range sel {
		sel[kept] = row
		if t.isTrue(j) {
			kept++
		}
	}
	return sel[:kept], nil
}

// keepWhole evaluates a predicate at every row.
func keepWhole(c node, f *frame, sel []int32) ([]int32, error) {
	t, err := evalTruth(c, f, nil)
	if err != nil {
		return nil, err
	}
	kept := 0
	for _, row := range sel {
		sel[kept] = row
		if t.isTrue(int(row)) {
			kept++
		}
	}
	return sel[:kept], nil
}
