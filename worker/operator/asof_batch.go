package operator

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
)

// asofWaiting is what a join that has to wait for rows holds in any case, whatever other operators of its task have left.
const asofWaiting = 16 << 20

// asofBatch is a batch of either side with what its rows are compared by.
type asofBatch struct {
	rec    arrow.Record
	keys   asofKeys
	fresh  []bool // rows whose key is not that of the row before; the first always
	times  clock
	entry  clock  // of the right side: what its rows are sorted by within a key
	lonely []bool // rows with a NULL among keys and times, which have no partner
	ticks  ticks
	valid  []vector.Validity // of the right side: of the columns that cursors look at, by cursor
	ties   []vector.Comparer // among its own rows; nil before they are asked for
	first  int64             // number of its first row
	size   int64
	refs   int // how often cursors refer to its rows
}

// fill takes over a batch. times are the columns of the row's time and, where it is another, of its entry.
func (b *asofBatch) fill(rec arrow.Record, keys, times []int, r reach) {
	rows := int(rec.NumRows())
	*b = asofBatch{
		rec: rec, keys: newAsofKeys(rec, keys), lonely: make([]bool, rows), times: newClock(rec, times[0]), ticks: r.ticks(rec.Column(times[0])),
	}
	b.fresh = b.keys.fresh(rows)
	b.entry = b.times
	if len(times) > 1 {
		b.entry = newClock(rec, times[1])
	}
	for _, c := range append(times, keys...) {
		if v := vector.ValidityOf(rec.Column(c)); !v.AllValid() {
			for i := range b.lonely {
				b.lonely[i] = b.lonely[i] || v.IsNull(i)
			}
		}
	}
	b.size = vector.Size(rec) + b.keys.bytes() + b.times.bytes() + b.entry.bytes() + 2*rec.NumRows()
}

func (b *asofBatch) release() {
	if b.rec != nil {
		b.rec.Release()
		b.rec = nil
	}
}

// asofWindow is the part of the right input that is still of use, and the place up to which it has been looked at. Rows
// have numbers from 0.
type asofWindow struct {
	o       *AsofJoin
	batches []*asofBatch
	rows    int64 // loaded so far
	held    int64
	end     bool

	b        *asofBatch // the next row is its row i; nil before the first
	i        int
	compared bool // relation is that of the next row
	relation int  // of its key to the current left row's
}

// inKey reports whether the next row is of the current left row's key, after having gone past the smaller ones and those
// that have no partner.
func (w *asofWindow) inKey(ctx context.Context) (bool, error) {
	for {
		if w.b == nil || w.i == len(w.b.fresh) {
			if err := w.nextBatch(ctx); err == io.EOF {
				return false, nil
			} else if err != nil {
				return false, err
			}
		}
		if w.b.lonely[w.i] {
			w.step()
			continue
		}
		if !w.compared {
			w.relation = w.b.keys.compare(w.i, w.o.key, 0)
			w.compared = true
		}
		if w.relation >= 0 {
			return w.relation == 0, nil
		}
		w.step()
	}
}

// step goes past the next row.
func (w *asofWindow) step() {
	w.i++
	w.compared = w.compared && w.i < len(w.b.fresh) && !w.b.fresh[w.i]
}

// nextBatch goes to the next batch, and lets go of those that nobody refers to.
func (w *asofWindow) nextBatch(ctx context.Context) error {
	kept := w.batches[:0]
	for _, b := range w.batches {
		if b.refs > 0 {
			kept = append(kept, b)
			continue
		}
		w.drop(b)
	}
	clear(w.batches[len(kept):])
	w.batches, w.b = kept, nil
	if err := w.load(ctx); err != nil {
		return err
	}
	w.b, w.i, w.compared = w.batches[len(w.batches)-1], 0, false
	return nil
}

// load appends a batch; io.EOF if there is none.
func (w *asofWindow) load(ctx context.Context) error {
	if w.end {
		return io.EOF
	}
	rec, err := w.o.pull(ctx, 1)
	w.end = err == io.EOF
	if err != nil {
		return err
	}
	p := w.o.plan
	times := []int{p.RightTime}
	if p.Visible > 0 {
		times = append(times, p.Visible-1)
	}
	b := &asofBatch{}
	b.fill(rec, p.RightKeys, times, w.o.reach)
	b.first = w.rows
	for _, c := range w.o.cursors {
		v := vector.Validity{}
		if c.column >= 0 {
			v = vector.ValidityOf(rec.Column(c.column))
		}
		b.valid = append(b.valid, v)
	}
	w.batches = append(w.batches, b)
	w.rows += rec.NumRows()
	w.held += b.size
	if w.o.bounded() {
		return nil
	}
	held := w.bytes()
	if held > asofWaiting {
		return w.o.hold(held)
	}
	w.o.mustHold(held)
	return nil
}

func (w *asofWindow) drop(b *asofBatch) {
	w.held -= b.size
	b.release()
}

// bytes is what the window and the rows that wait for their time take.
func (w *asofWindow) bytes() int64 {
	n := w.held
	for i := range w.o.cursors {
		n += int64(cap(w.o.cursors[i].ahead)) * asofRefBytes
	}
	return n
}

func (w *asofWindow) release() {
	for _, b := range w.batches {
		b.release()
	}
	w.batches, w.b, w.end = nil, nil, true
}
