package operator

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
)

// pending is a batch that is put out in parts, by operators that make more rows of a batch than it had.
type pending struct {
	rec  arrow.Record
	done int
}

// set takes a batch over; what there was is put out by then.
func (p *pending) set(rec arrow.Record) { p.rec, p.done = rec, 0 }

// next is the next part of so many rows at most, nil when nothing is left.
func (p *pending) next(rows int) arrow.Record {
	if p.rec == nil || p.done == int(p.rec.NumRows()) {
		p.drop()
		return nil
	}
	to := min(p.done+rows, int(p.rec.NumRows()))
	part := vector.Slice(p.rec, p.done, to)
	p.done = to
	return part
}

func (p *pending) drop() {
	if p.rec != nil {
		p.rec.Release()
		p.rec = nil
	}
}
