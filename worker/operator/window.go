package operator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Window computes window functions over input that comes sorted by partition and order keys; see plan.Window. It reads
// whole partitions, as many as fill a batch, and puts their rows out as they came with a column for each call. A
// partition that memory has no room for goes to scratch and is read from there, by each call at its own pace.
type Window struct {
	stream
	partition, order []plan.SortKey
	calls            []windowFunction

	queue    []marked // rows that belong to no segment yet
	queued   int
	boundary int // where the last partition of the queue begins
	bytes    int64
	lastPart []byte // keys of the row read last; nil before the first
	lastPeer []byte
	read     bool

	seg  *segment
	main cursor
	done int // rows of the segment put out
}

// windowFunction computes one call. Segments come one after the other, and the chunks of each in order.
type windowFunction interface {
	// start prepares for a segment.
	start(ctx context.Context, seg *segment) error
	// column is the call's values in the rows of a chunk.
	column(ctx context.Context, c *chunk) (arrow.Array, error)
	// close drops what belongs to the segment. It may be called before start and more than once.
	close() error
}

var _ Operator = (*Window)(nil)

// NewWindow makes a window operator over input to schema.
func NewWindow(env Env, input Operator, w *plan.Window, schema plan.Schema) (*Window, error) {
	in := input.Schema()
	if len(schema.Fields) != len(in.Fields)+len(w.Calls) {
		return nil, fmt.Errorf("window: %d columns and %d calls to %d columns", len(in.Fields), len(w.Calls), len(schema.Fields))
	}
	o := &Window{stream: newStream(env, schema, input), order: w.OrderBy}
	for _, c := range w.PartitionBy {
		o.partition = append(o.partition, plan.SortKey{Column: c})
	}
	for _, call := range w.Calls {
		f, err := newWindowFunction(o.env, in, w, call)
		if err != nil {
			return nil, fmt.Errorf("window function %s: %w", call.Func, err)
		}
		o.calls = append(o.calls, f)
	}
	return o, nil
}

// Next returns the next rows with their window functions.
func (o *Window) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Window) next(ctx context.Context) (arrow.Record, error) {
	for {
		if o.seg != nil && o.done < o.seg.rows {
			return o.emit(ctx)
		}
		if err := o.finish(); err != nil {
			return nil, err
		}
		if o.read && o.queued == 0 {
			return nil, io.EOF
		}
		if err := o.fill(ctx); err != nil {
			return nil, err
		}
	}
}

// finish drops the segment.
func (o *Window) finish() error {
	var errs []error
	for _, f := range o.calls {
		errs = append(errs, f.close())
	}
	errs = append(errs, o.main.close())
	if o.seg != nil {
		errs = append(errs, o.seg.close())
	}
	o.seg, o.main, o.done = nil, cursor{}, 0
	return errors.Join(errs...)
}

// fill reads until there is a segment, and starts it. It may find that the input has ended.
func (o *Window) fill(ctx context.Context) error {
	if err := o.hold(o.bytes); err != nil {
		return err
	}
	for !o.read && !o.enough() {
		rec, err := o.pull(ctx, 0)
		if err == io.EOF {
			o.read = true
			break
		}
		if err != nil {
			return err
		}
		o.push(o.mark(rec))
		ok, err := o.tryHold(o.bytes)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		if o.mustHold(o.bytes); o.boundary == 0 {
			return o.spool(ctx)
		}
		break
	}
	if o.queued == 0 {
		return nil
	}
	rows := o.boundary
	if o.read {
		rows = o.queued
	}
	return o.start(ctx, o.take(rows))
}

// enough reports whole partitions in the queue that are worth a segment, or stand before one that is large.
func (o *Window) enough() bool {
	return o.boundary > 0 && (o.boundary >= o.env.BatchRows || o.queued-o.boundary >= o.env.BatchRows)
}

func (o *Window) push(m marked) {
	for i, b := range m.marks {
		if b&markPart != 0 {
			o.boundary = o.queued + i
		}
	}
	o.queue = append(o.queue, m)
	o.queued += len(m.marks)
	o.bytes += vector.Size(m.rec)
}

// take makes a segment of the first rows of the queue.
func (o *Window) take(rows int) *segment {
	seg := &segment{schema: o.inputs[0].Schema()}
	for seg.rows < rows {
		m := o.queue[0]
		if n := rows - seg.rows; n < len(m.marks) {
			rest := marked{vector.Slice(m.rec, n, len(m.marks)), m.marks[n:]}
			whole := m.rec
			m = marked{vector.Slice(whole, 0, n), m.marks[:n]}
			whole.Release()
			o.queue[0] = rest
		} else {
			o.queue = o.queue[1:]
		}
		seg.add(m.marks)
		seg.recs = append(seg.recs, m.rec)
	}
	seg.parts = append(seg.parts, seg.rows)
	queue := o.queue
	o.queue, o.queued, o.boundary, o.bytes = nil, 0, 0, 0
	for _, m := range queue {
		o.push(m)
	}
	return seg
}

// add counts rows in and takes note of what begins at them.
func (s *segment) add(marks []byte) {
	for i, m := range marks {
		if m&markPeer != 0 {
			s.peers.add(s.rows + i)
		}
		if m&markPart != 0 {
			s.parts = append(s.parts, s.rows+i)
		}
	}
	s.rows += len(marks)
}

// spool writes the partition at hand to scratch, what is queued of it and what still comes.
func (o *Window) spool(ctx context.Context) error {
	seg := &segment{schema: o.inputs[0].Schema()}
	var err error
	if seg.file, err = o.env.Scratch.Create(seg.schema); err != nil {
		return err
	}
	o.seg = seg // so that Close removes the file
	queue := o.queue
	o.queue, o.queued, o.boundary, o.bytes = nil, 0, 0, 0
	for _, m := range queue {
		if err == nil {
			err = seg.write(m.rec, m.marks)
		}
		m.rec.Release()
	}
	for err == nil && o.queued == 0 {
		var rec arrow.Record
		if rec, err = o.pull(ctx, 0); err == io.EOF {
			o.read, err = true, nil
			break
		}
		if err != nil {
			break
		}
		err = o.divide(seg, o.mark(rec))
		o.mustHold(o.bytes + int64(len(seg.peers))*8)
	}
	if err != nil {
		return err
	}
	seg.parts = append(seg.parts, seg.rows)
	return o.start(ctx, seg)
}

// divide writes the rows of a batch that still belong to the partition of seg, and queues the others.
func (o *Window) divide(seg *segment, m marked) error {
	defer m.rec.Release()
	end := 0
	for end < len(m.marks) && m.marks[end]&markPart == 0 {
		end++
	}
	if end > 0 {
		part := vector.Slice(m.rec, 0, end)
		err := seg.write(part, m.marks[:end])
		part.Release()
		if err != nil {
			return err
		}
	}
	if end < len(m.marks) {
		o.push(marked{vector.Slice(m.rec, end, len(m.marks)), m.marks[end:]})
	}
	return nil
}

func (s *segment) write(rec arrow.Record, marks []byte) error {
	s.add(marks)
	return s.file.Write(rec)
}

func (o *Window) start(ctx context.Context, seg *segment) error {
	o.seg, o.main, o.done = seg, cursor{seg: seg}, 0
	for _, f := range o.calls {
		if err := f.start(ctx, seg); err != nil {
			return err
		}
	}
	return nil
}

// emit puts out what is left of the batch at hand, no more than a batch should have.
func (o *Window) emit(ctx context.Context) (arrow.Record, error) {
	o.main.forget(o.done)
	if err := o.main.load(ctx, o.done+1); err != nil {
		return nil, err
	}
	p := o.main.pieces[0]
	c := &chunk{from: o.done, to: min(p.to, o.done+o.env.BatchRows)}
	c.rec = vector.Slice(p.rec, c.from-p.from, c.to-p.from)
	defer c.rec.Release()
	o.seg.describe(c)
	cols := make([]arrow.Array, 0, len(o.schema.Fields))
	defer func() { releaseArrays(cols) }()
	for _, col := range c.rec.Columns() {
		col.Retain()
		cols = append(cols, col)
	}
	for _, f := range o.calls {
		col, err := f.column(ctx, c)
		if err != nil {
			return nil, err
		}
		cols = append(cols, col)
	}
	o.done = c.to
	return vector.NewRecord(o.schema, cols, c.to-c.from), nil
}

func sliceArray(arr arrow.Array, from, to int) arrow.Array {
	return array.NewSlice(arr, int64(from), int64(to))
}

// Close drops what is held and closes the input.
func (o *Window) Close() error {
	err := o.finish()
	for _, m := range o.queue {
		m.rec.Release()
	}
	o.queue, o.queued = nil, 0
	return errors.Join(err, o.stream.Close())
}
