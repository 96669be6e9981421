package operator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Sort collects its input and puts it out in order, stably. With a limit it never holds many more rows than that: it
// sorts and cuts what it has when that is twice the limit, and from then on drops rows that come after the last one
// kept before they are stored.
type Sort struct {
	stream
	keys   []plan.SortKey
	limit  int64 // negative: all rows
	batch  []arrow.Record
	rows   int64
	bytes  int64
	last   []byte // key of the last row kept by the latest cut
	sorted arrow.Record
	order  []int32
	read   bool
}

var _ Operator = (*Sort)(nil)

// NewSort makes a sort over input.
func NewSort(env Env, input Operator, s *plan.Sort) *Sort {
	return &Sort{stream: newStream(env, input.Schema(), input), keys: s.Keys, limit: s.Limit}
}

// Next returns the next rows in order; the first call reads the whole input.
func (o *Sort) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Sort) next(ctx context.Context) (arrow.Record, error) {
	if !o.read && o.limit != 0 {
		if err := o.each(ctx, 0, o.add); err != nil {
			return nil, err
		}
		if err := o.sort(); err != nil {
			return nil, err
		}
	}
	o.read = true
	rows := o.order[:min(len(o.order), o.env.BatchRows)]
	if len(rows) == 0 {
		return nil, io.EOF
	}
	o.order = o.order[len(rows):]
	return vector.TakeRecord(o.env.Mem, o.sorted, rows), nil
}

func (o *Sort) add(rec arrow.Record) error {
	if o.last != nil {
		rec = o.ahead(rec)
		defer rec.Release()
		if rec.NumRows() == 0 {
			return nil
		}
	}
	size := vector.Size(rec)
	// Twice the batches: sorting copies them into one before it lets them go. Then keys and their order.
	const perRow = 48
	if err := o.hold(2*(o.bytes+size) + perRow*(o.rows+rec.NumRows())); err != nil {
		return err
	}
	rec.Retain()
	o.batch = append(o.batch, rec)
	o.rows, o.bytes = o.rows+rec.NumRows(), o.bytes+size
	if o.limit >= 0 && o.rows-o.limit >= max(o.limit, int64(o.env.BatchRows)) {
		return o.cut()
	}
	return nil
}

// ahead is the rows that come before the last one kept; a later row of the same key loses to it.
func (o *Sort) ahead(rec arrow.Record) arrow.Record {
	keys := sortkey.Encode(rec, o.keys)
	var rows []int32
	for i := range keys.Len() {
		if bytes.Compare(keys.At(i), o.last) < 0 {
			rows = append(rows, int32(i))
		}
	}
	return vector.TakeRecord(o.env.Mem, rec, rows)
}

// cut sorts what is held and keeps no more than the limit of it.
func (o *Sort) cut() error {
	if err := o.sort(); err != nil {
		return err
	}
	kept := vector.TakeRecord(o.env.Mem, o.sorted, o.order)
	o.sorted.Release()
	o.sorted, o.order = nil, nil
	o.batch = append(o.batch, kept)
	o.rows, o.bytes = kept.NumRows(), vector.Size(kept)
	if o.rows == o.limit {
		end := vector.Slice(kept, int(o.rows)-1, int(o.rows))
		o.last = sortkey.Encode(end, o.keys).At(0)
		end.Release()
	}
	return nil
}

// sort joins the batches held into one, and finds its order, up to the limit.
func (o *Sort) sort() error {
	if o.rows > math.MaxInt32 {
		return plan.Failf(plan.FailureOutOfMemory, "sort: %d rows in one task: use more partitions", o.rows)
	}
	joined, err := vector.ConcatRecords(o.env.Mem, o.schema, o.batch)
	if err != nil {
		return fmt.Errorf("sort: %w", err)
	}
	releaseRecords(o.batch)
	o.batch, o.sorted = nil, joined
	o.order = sortkey.Encode(joined, o.keys).Order()
	if o.limit >= 0 && int64(len(o.order)) > o.limit {
		o.order = o.order[:o.limit]
	}
	return nil
}

// Close releases what is held, and the input.
func (o *Sort) Close() error {
	releaseRecords(o.batch)
	o.batch = nil
	if o.sorted != nil {
		o.sorted.Release()
		o.sorted = nil
	}
	o.order = nil
	return o.stream.Close()
}
