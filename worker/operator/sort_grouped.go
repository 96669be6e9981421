package operator

import (
	"io"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
)

// group puts many rows near their places before they are sorted, where memory has room for them a second time. It gives the same
// order as [Sort.sorted] does.
func (o *Sort) group() (done bool, err error) {
	if o.left < math.MaxInt64 {
		return false, nil
	}
	groups, ok := sortkey.GroupRows(o.batches, o.keys)
	if !ok {
		return false, nil
	}
	before := o.held
	if o.hold(o.bytes+o.bytes-perSortedRow*o.rows) != nil {
		return false, nil // taken in order from where they are
	}
	rec, err := vector.GroupRecords(o.env.Mem, o.schema, o.batches, groups.Groups)
	if err != nil {
		return false, err
	}
	o.drop()
	o.grouped = rec
	o.rowsOf = groups.Order(rec)
	return true, o.hold(min(before, o.held))
}

func (o *Sort) nextGrouped() (arrow.Record, error) {
	rows := o.rowsOf[:min(len(o.rowsOf), o.env.BatchRows)]
	if len(rows) == 0 {
		return nil, io.EOF
	}
	o.rowsOf = o.rowsOf[len(rows):]
	return vector.TakeRecord(o.env.Mem, o.grouped, rows), nil
}
