package operator

import (
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// asofRef is a right row; without a batch it is none.
type asofRef struct {
	b   *asofBatch
	row int
}

const asofRefBytes = 16

// asofCursor finds the right rows of left rows that come in order of time. All cursors of a join see the same right rows,
// but for one that looks for values of a column: it passes over those in which that is NULL.
type asofCursor struct {
	o      *AsofJoin
	column int // that must not be NULL; -1 for none
	number int

	best  asofRef   // the greatest row that is earlier than the left row or, where that counts, of its time
	equal asofRef   // the greatest row of the left row's time, which counts for later left rows only
	ahead []asofRef // a heap: rows that are later, or of the same time and not in best or equal; the least first
}

// reset forgets the rows of the last key.
func (c *asofCursor) reset() {
	c.best.set(asofRef{})
	c.equal.set(asofRef{})
	for _, r := range c.ahead {
		r.b.refs--
	}
	c.ahead = c.ahead[:0]
}

// set refers to another row.
func (r *asofRef) set(to asofRef) {
	if to.b != nil {
		to.b.refs++
	}
	if r.b != nil {
		r.b.refs--
	}
	*r = to
}

// turn goes on to a left row.
func (c *asofCursor) turn(left int) {
	if c.equal.b != nil && c.equal.after(&c.o.left, left) < 0 {
		c.improve(&c.best, c.equal)
		c.equal.set(asofRef{})
	}
	for len(c.ahead) > 0 && c.place(c.ahead[0], left) {
		c.pop()
	}
}

// enter takes notice of the right input's next row.
func (c *asofCursor) enter(left int) {
	w := &c.o.right
	if c.column >= 0 && w.b.valid[c.number].IsNull(w.i) {
		return
	}
	if r := (asofRef{w.b, w.i}); !c.place(r, left) {
		c.push(r)
	}
}

// after compares a right row's time with a left one's.
func (r asofRef) after(left *asofBatch, row int) int {
	return r.b.times.compare(r.row, &left.times, row)
}

// place puts a row where it belongs that is not later than the left row; false if it is to wait.
func (c *asofCursor) place(r asofRef, left int) bool {
	p := c.o.plan
	order := r.after(&c.o.left, left)
	switch {
	case order > 0:
		return false
	case order == 0 && !p.Exact:
		if p.Direction != plan.AsofForward {
			c.improve(&c.equal, r)
		}
	case order == 0 && (p.Direction == plan.AsofForward || p.Direction == plan.AsofNearest && p.PreferForward):
		return false
	case p.Direction != plan.AsofForward:
		c.improve(&c.best, r)
	}
	return true
}

// improve puts the greater of two rows in the first one's place.
func (c *asofCursor) improve(best *asofRef, r asofRef) {
	if best.b == nil || c.o.compare(*best, r) < 0 {
		best.set(r)
	}
}

// awaits reports whether a row, the next by time, may be the first of those ahead.
func (c *asofCursor) awaits(b *asofBatch, row int) bool {
	return len(c.ahead) == 0 || c.ahead[0].b.times.compare(c.ahead[0].row, &b.times, row) >= 0
}

// choose is the left row's partner.
func (c *asofCursor) choose(left int) asofRef {
	r := c.best
	if c.o.plan.Direction != plan.AsofBackward && len(c.ahead) > 0 && (r.b == nil || c.aheadIsNearer(left)) {
		r = c.ahead[0]
	}
	if r.b == nil || !c.o.reach.within(&c.o.left.ticks, left, &r.b.ticks, r.row) {
		return asofRef{}
	}
	return r
}

// aheadIsNearer decides between the best row and the first one ahead.
func (c *asofCursor) aheadIsNearer(left int) bool {
	r, l := &c.o.reach, &c.o.left.ticks
	nearer := r.compareGaps(l, left, &c.ahead[0].b.ticks, c.ahead[0].row, &c.best.b.ticks, c.best.row)
	return nearer < 0 || nearer == 0 && c.o.plan.PreferForward
}

func (c *asofCursor) push(r asofRef) {
	r.b.refs++
	h := append(c.ahead, r)
	at := len(h) - 1
	for at > 0 && c.o.compare(r, h[(at-1)/2]) < 0 {
		h[at] = h[(at-1)/2]
		at = (at - 1) / 2
	}
	h[at] = r
	c.ahead = h
}

func (c *asofCursor) pop() {
	h := c.ahead
	h[0].b.refs--
	last := len(h) - 1
	r := h[last]
	h[last] = asofRef{}
	h = h[:last]
	at := 0
	for {
		child := 2*at + 1
		if child >= last {
			break
		}
		if child+1 < last && c.o.compare(h[child+1], h[child]) < 0 {
			child++
		}
		if c.o.compare(r, h[child]) <= 0 {
			break
		}
		h[at] = h[child]
		at = child
	}
	if last > 0 {
		h[at] = r
	}
	c.ahead = h
}

// compare is the order of right rows: by time, then by the ties.
func (o *AsofJoin) compare(x, y asofRef) int {
	if order := x.b.times.compare(x.row, &y.b.times, y.row); order != 0 {
		return order
	}
	return o.ties.compare(o.plan.Ties, x, y)
}

// tieComparer compares rows of equal keys and times, which most data has few of: so nothing is prepared for it before two
// of them meet.
type tieComparer struct {
	x, y *asofBatch
	pair []vector.Comparer // of these two
}

func (t *tieComparer) compare(columns []int, x, y asofRef) int {
	comparers := x.b.ties
	switch {
	case x.b != y.b:
		if t.x != x.b || t.y != y.b {
			t.x, t.y, t.pair = x.b, y.b, comparersOf(columns, x.b, y.b)
		}
		comparers = t.pair
	case comparers == nil:
		comparers = comparersOf(columns, x.b, x.b)
		x.b.ties = comparers
	}
	for _, compare := range comparers {
		if order := compare(x.row, y.row); order != 0 {
			return order
		}
	}
	return 0
}

func comparersOf(columns []int, x, y *asofBatch) []vector.Comparer {
	out := make([]vector.Comparer, len(columns))
	for i, c := range columns {
		out[i] = vector.NewComparer(x.rec.Column(c), y.rec.Column(c))
	}
	return out
}
