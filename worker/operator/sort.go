package operator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Sort collects its input and puts it out in order, stably. What memory has no room for goes to scratch files as sorted
// runs, which are merged in the end. With a limit it never holds many more rows than that: it sorts and cuts what it
// has when that is twice the limit, and from then on drops rows that come after the last one kept before they are
// stored.
type Sort struct {
	stream
	keys    []plan.SortKey
	left    int64 // rows still to put out; without a limit more than there can be
	batches []arrow.Record
	rows    int64
	bytes   int64
	last    []byte      // key of the last row of those that are surely enough
	bound   arrow.Array // the first of that row's keys
	order   []vector.Pick
	grouped arrow.Record // all rows, near their places: instead of batches
	rowsOf  []int32      // the order of grouped
	runs    []SpillFile
	merge   *merge
	read    bool
}

var _ Operator = (*Sort)(nil)

// perSortedRow is what sorting holds for each row beside batches: head and place, twice, and the place again.
const perSortedRow = 40

// NewSort makes a sort over input.
func NewSort(env Env, input Operator, s *plan.Sort) *Sort {
	o := &Sort{stream: newStream(env, input.Schema(), input), keys: s.Keys, left: s.Limit}
	if s.Limit < 0 {
		o.left = math.MaxInt64
	}
	return o
}

// Next returns the next rows in order; the first call reads the whole input.
func (o *Sort) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Sort) next(ctx context.Context) (arrow.Record, error) {
	if !o.read && o.left > 0 {
		if err := o.readAll(ctx); err != nil {
			return nil, err
		}
	}
	o.read = true
	if o.left <= 0 {
		return nil, io.EOF
	}
	if o.merge != nil {
		return o.nextMerged(ctx)
	}
	if o.grouped != nil {
		return o.nextGrouped()
	}
	picks := o.order[:min(int64(len(o.order)), int64(o.env.BatchRows), o.left)]
	if len(picks) == 0 {
		return nil, io.EOF
	}
	o.order = o.order[len(picks):]
	o.left -= int64(len(picks))
	return vector.InterleaveRecords(o.env.Mem, o.schema, o.batches, picks)
}

func (o *Sort) nextMerged(ctx context.Context) (arrow.Record, error) {
	rec, err := o.merge.next(ctx)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, io.EOF
	}
	if rec.NumRows() > o.left {
		defer rec.Release()
		rec = vector.Slice(rec, 0, int(o.left))
	}
	o.left -= rec.NumRows()
	return rec, nil
}

// readAll reads the input and gets ready to put out.
func (o *Sort) readAll(ctx context.Context) error {
	if err := o.each(ctx, 0, o.add); err != nil {
		return err
	}
	if len(o.runs) == 0 {
		if grouped, err := o.group(); grouped || err != nil {
			return err
		}
		o.order = o.sorted()
		return nil
	}
	if err := o.spillRun(); err != nil {
		return err
	}
	var err error
	if o.runs, err = o.reduce(ctx, o.schema, o.keys, o.runs); err != nil {
		return err
	}
	o.merge, o.runs = o.openMerge(o.schema, o.keys, o.runs), nil
	return nil
}

func (o *Sort) add(rec arrow.Record) error {
	rec.Retain()
	if rec = o.possible(rec); o.last != nil {
		rec = o.ahead(rec)
	}
	rows := rec.NumRows()
	if rows == 0 {
		rec.Release()
		return nil
	}
	size := vector.Size(rec) + perSortedRow*rows
	if err := o.makeRoom(size); err != nil {
		rec.Release()
		return err
	}
	o.batches = append(o.batches, rec)
	o.rows, o.bytes = o.rows+rows, o.bytes+size
	if o.rows-o.left >= max(o.left, int64(o.env.BatchRows)) || len(o.batches) == math.MaxInt32 {
		return o.cut()
	}
	return nil
}

// makeRoom reserves memory for a batch, if need be after what is held has gone to disk.
func (o *Sort) makeRoom(size int64) error {
	ok, err := o.tryHold(o.bytes + size)
	if ok || err != nil {
		return err
	}
	if err := o.spillRun(); err != nil {
		return err
	}
	if ok, err = o.tryHold(size); !ok && err == nil {
		o.mustHold(size)
	}
	return err
}

// ahead is the rows that come before the last one kept; a later row of the same key loses to it. It takes over rec.
func (o *Sort) ahead(rec arrow.Record) arrow.Record {
	keys := sortkey.Encode(rec, o.keys)
	var rows []int32
	for i := range keys.Len() {
		if bytes.Compare(keys.At(i), o.last) < 0 {
			rows = append(rows, int32(i))
		}
	}
	if len(rows) == keys.Len() {
		return rec
	}
	defer rec.Release()
	return vector.TakeRecord(o.env.Mem, rec, rows)
}

// sorted is the order of what is held, up to the limit.
func (o *Sort) sorted() []vector.Pick {
	order := sortkey.OrderRows(o.batches, o.keys)
	return order[:min(int64(len(order)), o.left)]
}

// cut keeps no more than the limit of what is held.
func (o *Sort) cut() error {
	order := o.sorted()
	o.remember(order)
	kept, err := vector.InterleaveRecords(o.env.Mem, o.schema, o.batches, order)
	if err != nil {
		return err
	}
	o.drop()
	o.batches = append(o.batches, kept)
	o.rows = kept.NumRows()
	o.bytes = vector.Size(kept) + perSortedRow*o.rows
	return o.hold(min(o.bytes, o.held))
}

// remember notes the last of as many sorted rows as are wanted.
func (o *Sort) remember(order []vector.Pick) {
	if int64(len(order)) < o.left {
		return
	}
	at := order[len(order)-1]
	row := vector.Slice(o.batches[at.Source], int(at.Row), int(at.Row)+1)
	defer row.Release()
	key := sortkey.Encode(row, o.keys).At(0)
	if o.last == nil || bytes.Compare(key, o.last) < 0 {
		o.last = key
		o.setBound(o.batches[at.Source], int32(at.Row))
	}
}

// spillRun writes what is held to disk, sorted, and gives its memory back.
func (o *Sort) spillRun() error {
	if o.rows == 0 {
		return nil
	}
	order := o.sorted()
	o.remember(order)
	run, err := o.spill(o.schema, o.batches, order, o.bytes)
	if err != nil {
		return err
	}
	o.runs = append(o.runs, run)
	o.drop()
	return o.hold(0)
}

// drop lets go of the batches held.
func (o *Sort) drop() {
	if o.grouped != nil {
		o.grouped.Release()
		o.grouped = nil
	}
	releaseRecords(o.batches)
	o.batches, o.rows, o.bytes = nil, 0, 0
}

// Close releases what is held, removes the runs, and closes the input.
func (o *Sort) Close() error {
	o.drop()
	o.dropBound()
	o.order, o.rowsOf = nil, nil
	err := errors.Join(o.merge.close(), removeAll(o.runs))
	o.merge, o.runs = nil, nil
	return errors.Join(err, o.stream.Close())
}
