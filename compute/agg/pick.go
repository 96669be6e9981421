package agg

import (
	"bytes"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// pick keeps the value of one row of each group: the first, the last, or the only one.
type pick struct {
	typ       plan.Type
	last      bool
	single    bool // a second row is an error
	skipNulls bool
	values    store
	chosen    []int32 // scratch: 1 + the row of this batch that a group takes
	touched   []uint32
	scratch   []byte
}

var _ Accumulator = (*pick)(nil)

func newPick(a plan.Agg) Accumulator {
	if len(a.ArgTypes) != 1 || !a.ArgTypes[0].Equal(a.Type) {
		return nil
	}
	skip := len(a.Params) > 0 && a.Params[0].IsTrue()
	return &pick{typ: a.Type, last: a.Func == "last", single: a.Func == "single_value", skipNulls: skip}
}

func (p *pick) Update(b Batch, args []arrow.Array) error { return p.choose(b, args[0], nil) }

// choose takes a row for each group; has, if given, says which rows count.
func (p *pick) choose(b Batch, arr arrow.Array, has arrow.Array) error {
	p.values.extend(b.Len)
	p.chosen = extend(p.chosen, b.Len)
	p.touched = p.touched[:0]
	valid, skip := vector.ValidityOf(arr), p.skipNulls
	counts := vector.Bits{}
	if has != nil {
		counts = vector.Bools(has)
	}
	for i, g := range b.groups() {
		if skip && valid.IsNull(i) || has != nil && !counts.At(i) {
			continue
		}
		held := p.chosen[g] != 0 || p.values.spans[g].has
		if held && p.single {
			return plan.Failf(plan.FailureUser, "[SCALAR_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery "+
				"used as an expression. Aggregate in the subquery, or limit it to one row.")
		}
		if held && !p.last {
			continue
		}
		if p.chosen[g] == 0 {
			p.touched = append(p.touched, g)
		}
		p.chosen[g] = int32(i) + 1
	}
	enc := sortkey.NewEncoder(arr, sortkey.Exact)
	for _, g := range p.touched {
		p.scratch = enc.Append(p.scratch[:0], int(p.chosen[g]-1))
		p.values.set(g, p.scratch)
		p.chosen[g] = 0
	}
	return nil
}

func (p *pick) Merge(b Batch, states []arrow.Array) error { return p.choose(b, states[0], states[1]) }

func (p *pick) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	values, err := p.Result(mem, from, to)
	if err != nil {
		return nil, err
	}
	return []arrow.Array{values, p.values.hasColumn(mem, from, to)}, nil
}

func (s *store) hasColumn(mem memory.Allocator, from, to int) arrow.Array {
	buf, bits := vector.AllocBits(mem, to-from)
	for i, v := range s.spans[from:to] {
		if v.has {
			bits[i>>3] |= 1 << (i & 7)
		}
	}
	return vector.Make(arrow.FixedWidthTypes.Boolean, to-from, nil, buf)
}

func (p *pick) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	return p.values.column(mem, p.typ, from, to)
}

func (p *pick) Bytes() int64 { return p.values.bytes() + int64(len(p.chosen)+len(p.touched))*4 }

// pickBy keeps the value of the row with the greatest or least key, of the last one among equals. Rows with a NULL key
// do not count.
type pickBy struct {
	typ, by plan.Type
	largest bool
	keys    store
	values  pick
}

var _ Accumulator = (*pickBy)(nil)

func newPickBy(a plan.Agg) Accumulator {
	if len(a.ArgTypes) != 2 || !a.ArgTypes[0].Equal(a.Type) {
		return nil
	}
	return &pickBy{typ: a.Type, by: a.ArgTypes[1], largest: a.Func == "max_by"}
}

func (p *pickBy) Update(b Batch, args []arrow.Array) error {
	p.keys.extend(b.Len)
	v := &p.values
	v.values.extend(b.Len)
	v.chosen = extend(v.chosen, b.Len)
	v.touched = v.touched[:0]
	keys := sortkey.NewEncoder(args[1], sortkey.Normal)
	for i, g := range b.groups() {
		if keys.IsNull(i) {
			continue
		}
		v.scratch = keys.Append(v.scratch[:0], i)
		if best := p.keys.at(int(g)); !bytes.Equal(v.scratch, best) {
			if !beats(v.scratch, best, p.largest) {
				continue
			}
			p.keys.set(g, v.scratch)
		}
		if v.chosen[g] == 0 {
			v.touched = append(v.touched, g)
		}
		v.chosen[g] = int32(i) + 1
	}
	values := sortkey.NewEncoder(args[0], sortkey.Exact)
	for _, g := range v.touched {
		v.scratch = values.Append(v.scratch[:0], int(v.chosen[g]-1))
		v.values.set(g, v.scratch)
		v.chosen[g] = 0
	}
	return nil
}

// beats reports whether an encoded value is to replace the best so far, nothing at first.
func beats(v, best []byte, largest bool) bool {
	order := bytes.Compare(v, best)
	return len(best) == 0 || largest && order > 0 || !largest && order < 0
}

// Merge takes states as rows: one without a value has no key either.
func (p *pickBy) Merge(b Batch, states []arrow.Array) error {
	return p.Update(b, []arrow.Array{states[0], states[2]})
}

func (p *pickBy) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	p.keys.extend(to)
	values, err := p.Result(mem, from, to)
	if err != nil {
		return nil, err
	}
	keys, err := p.keys.column(mem, p.by, from, to)
	if err != nil {
		values.Release()
		return nil, err
	}
	return []arrow.Array{values, p.keys.hasColumn(mem, from, to), keys}, nil
}

func (p *pickBy) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	return p.values.values.column(mem, p.typ, from, to)
}

func (p *pickBy) Bytes() int64 { return p.keys.bytes() + p.values.Bytes() }
