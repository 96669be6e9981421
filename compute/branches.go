package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// branches collects which of several values each row takes.
type branches struct {
	f    *frame
	pick []int32   // per row the branch, or -1
	rows [][]int32 // per branch its rows
	left []int32
}

func newBranches(f *frame, n int) *branches {
	b := &branches{f: f, pick: make([]int32, f.n), rows: make([][]int32, n), left: make([]int32, f.n)}
	for i := range b.pick {
		b.pick[i] = -1
		b.left[i] = int32(i)
	}
	return b
}

// open lists the rows that have no branch yet.
func (b *branches) open() []int32 {
	out := make([]int32, 0, len(b.left))
	for _, i := range b.left {
		if b.pick[i] < 0 {
			out = append(out, i)
		}
	}
	b.left = out
	return out
}

func (b *branches) take(row int32, branch int) {
	b.pick[row] = int32(branch)
	b.rows[branch] = append(b.rows[branch], row)
}

// assemble evaluates each value where it is needed (or whole, where it cannot fail) and puts the rows together.
func (b *branches) assemble(values []node) (value, error) {
	p := newParts(b.f)
	defer p.release()
	for k, rows := range b.rows {
		if len(rows) == 0 {
			continue
		}
		if err := p.add(values[k], rows); err != nil {
			return value{}, err
		}
	}
	return p.join(values[0].typ())
}

// parts joins pieces of columns: row i of the result is row index[i] of all pieces laid end to end.
type parts struct {
	f      *frame
	pieces []arrow.Array
	index  []int32
	length int
}

func newParts(f *frame) *parts {
	p := &parts{f: f, index: make([]int32, f.n)}
	for i := range p.index {
		p.index[i] = -1
	}
	return p
}

func (p *parts) release() {
	for _, a := range p.pieces {
		a.Release()
	}
}

// add evaluates a node for some rows. It looks at those alone if the node can fail, or if they are few.
func (p *parts) add(n node, rows []int32) error {
	f := p.f
	narrow := len(rows) < f.n && (n.fails() || len(rows) < f.n/4)
	if narrow {
		f = f.narrow(rows)
		defer f.close()
	}
	v, err := n.eval(f)
	if err != nil {
		return err
	}
	p.place(v, rows, narrow)
	return nil
}

// place takes over a value: piece row j belongs to rows[j] if compact, else to row j.
func (p *parts) place(v value, rows []int32, compact bool) {
	base := int32(p.length)
	for j, i := range rows {
		switch {
		case v.constant:
			p.index[i] = base
		case compact:
			p.index[i] = base + int32(j)
		default:
			p.index[i] = base + i
		}
	}
	p.pieces = append(p.pieces, v.arr)
	p.length += v.arr.Len()
}

func (p *parts) join(t plan.Type) (value, error) {
	if len(p.pieces) == 0 {
		return value{arr: vector.FromLiteral(p.f.mem, t, plan.Literal{Null: true}, p.f.n)}, nil
	}
	if len(p.pieces) == 1 && p.pieces[0].Len() == p.f.n && p.identity() {
		p.pieces[0].Retain()
		return value{arr: p.pieces[0]}, nil
	}
	if p.length == len(p.pieces) && p.f.n > 4*p.length && (t.Kind == plan.KindString || t.Kind == plan.KindBinary) {
		return p.joinConstants(t)
	}
	all, err := vector.Concat(p.f.mem, p.pieces)
	if err != nil {
		return value{}, err
	}
	defer all.Release()
	return value{arr: vector.Take(p.f.mem, all, p.index)}, nil
}

// joinConstants makes a dictionary of pieces of one string each.
func (p *parts) joinConstants(t plan.Type) (value, error) {
	all, err := vector.Concat(heap(), p.pieces)
	if err != nil {
		return value{}, err
	}
	m := distinct(all, t)
	buf, codes := vector.Alloc[int32](p.f.mem, p.f.n)
	var valid validity
	for i, at := range p.index {
		codes[i] = 0
		if at >= 0 {
			at = m.codes[at]
		}
		if at < 0 {
			valid.clear(p.f.mem, i, p.f.n)
			continue
		}
		codes[i] = at
	}
	return value{arr: m.column(p.f.n, valid, buf)}, nil
}

func (p *parts) identity() bool {
	for i, at := range p.index {
		if int(at) != i {
			return false
		}
	}
	return true
}

// stillNull lists those of the rows just placed that are NULL.
func (p *parts) stillNull(rows []int32) []int32 {
	last := p.pieces[len(p.pieces)-1]
	valid, base := vector.ValidityOf(last), p.length-last.Len()
	if valid.AllValid() {
		return nil
	}
	var out []int32
	for _, i := range rows {
		if valid.IsNull(int(p.index[i]) - base) {
			out = append(out, i)
		}
	}
	return out
}
