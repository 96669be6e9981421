package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// EventWindows aggregates, for each left row, the events of its keys in windows of time that trail the row's (see
// plan.EventWindows). Both inputs come sorted by keys and time, so that windows only move forward: each event enters and
// leaves each window once. Of the events it holds those that some window still has, not all of a key.
//
// Rows go through in chunks of which all events have come. A chunk is gone through several times, each time in one loop
// over values of one type: once for each window to find what enters and leaves it at which row, and once for each lane,
// which is what one or several features are computed from.
type EventWindows struct {
	stream
	plan     *plan.EventWindows
	events   *eventBuffer
	spans    []*eventSpans
	lanes    []eventLane
	features []eventColumn

	left    eventRows
	lastKey []byte // of the last row that went through
	begun   bool
}

var _ Operator = (*EventWindows)(nil)

const (
	// eventsHeld is up to how many bytes of events are held without asking: the rest is what windows need.
	eventsHeld = 16 << 20
	// eventsAhead is how many batches of events are read to have many rows in a chunk.
	eventsAhead = 16
)

// NewEventWindows makes the operator over rows and events to schema.
func NewEventWindows(env Env, left, events Operator, w *plan.EventWindows, schema plan.Schema) (*EventWindows, error) {
	l, r := left.Schema(), events.Schema()
	if len(schema.Fields) != len(l.Fields)+len(w.Features) {
		return nil, fmt.Errorf("event windows: %d columns and %d features to %d columns", len(l.Fields), len(w.Features), len(schema.Fields))
	}
	if len(w.LeftKeys) != len(w.EventKeys) {
		return nil, fmt.Errorf("event windows: %d keys of rows, %d of events", len(w.LeftKeys), len(w.EventKeys))
	}
	for i, c := range append([]int{w.LeftTime}, w.LeftKeys...) {
		d := append([]int{w.EventTime}, w.EventKeys...)[i]
		if lt, rt := l.Fields[c].Type, r.Fields[d].Type; !lt.Equal(rt) {
			return nil, fmt.Errorf("event windows: %s is %s in rows and %s in events", l.Fields[c].Name, lt, rt)
		}
	}
	times := []plan.Type{l.Fields[w.LeftTime].Type}
	if w.Available > 0 {
		times = append(times, r.Fields[w.Available-1].Type)
	}
	for _, t := range times {
		if t.Kind != plan.KindTimestamp && t.Kind != plan.KindTimestampNTZ && t.Kind != plan.KindInt64 {
			return nil, fmt.Errorf("event windows: a time of type %s", t)
		}
	}
	o := &EventWindows{stream: newStream(env, schema, left, events), plan: w}
	o.events = &eventBuffer{plan: w, schema: r, env: o.env}
	if err := o.makeLanes(); err != nil {
		return nil, err
	}
	return o, nil
}

// Next returns the next rows with their features.
func (o *EventWindows) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *EventWindows) next(ctx context.Context) (arrow.Record, error) {
	if o.left.rest() == 0 {
		if err := o.nextLeft(ctx); err != nil {
			return nil, err
		}
	}
	rows := o.covered()
	for rows == 0 || rows < o.left.rest() && o.mayReadAhead() {
		if rows == 0 {
			if err := o.passThrough(); err != nil {
				return nil, err
			}
		}
		if err := o.readEvents(ctx); err != nil {
			return nil, err
		}
		rows = o.covered()
	}
	c := o.chunk(rows)
	if err := o.fold(c); err != nil {
		return nil, err
	}
	rec, err := o.output(c)
	if err != nil {
		return nil, err
	}
	o.left.row += rows
	o.trim()
	if err := o.account(); err != nil {
		rec.Release()
		return nil, err
	}
	return rec, nil
}

func (o *EventWindows) nextLeft(ctx context.Context) error {
	o.left.release()
	rec, err := o.pull(ctx, 0)
	if err == io.EOF {
		if err := o.rest(ctx, 1); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	o.left = newEventRows(rec, o.plan)
	return nil
}

func (o *EventWindows) readEvents(ctx context.Context) error {
	rec, err := o.pull(ctx, 1)
	switch {
	case err == io.EOF:
		o.events.ended = true
		return nil
	case err != nil:
		return err
	}
	defer rec.Release()
	if err := o.events.add(rec); err != nil {
		return err
	}
	return o.account()
}

// mayReadAhead allows to read events for more rows, as long as that holds little.
func (o *EventWindows) mayReadAhead() bool {
	return len(o.events.times) < eventsAhead*o.env.BatchRows && o.events.bytes() < eventsHeld
}

// account reserves what is held: a little in any case, and more if there is room for it.
func (o *EventWindows) account() error {
	held := o.events.bytes() + o.left.bytes
	for _, s := range o.spans {
		held += s.held()
	}
	for _, l := range o.lanes {
		held += l.held()
	}
	if held <= eventsHeld {
		o.mustHold(held)
		return nil
	}
	err := o.hold(held)
	var f *plan.Failure
	if errors.As(err, &f) && f.Kind == plan.FailureOutOfMemory {
		return plan.Failf(f.Kind, "windows hold %d events of one key at a time, which do not go to disk (shorter windows hold fewer): %w", len(o.events.times), err)
	}
	return err
}

// covered is how many of the rows that come next have all the events that any of their windows can have.
func (o *EventWindows) covered() int {
	rest := o.left.rest()
	if o.events.ended || rest == 0 {
		return rest
	}
	if !o.events.seen {
		return 0
	}
	return sort.Search(rest, func(i int) bool {
		row := o.left.row + i
		order := bytes.Compare(o.left.keys.At(row), o.events.lastKey)
		return order > 0 || order == 0 && !o.left.isNull(row) && o.latest(o.left.times[row]) > o.events.lastTime
	})
}

// latest is the end of the window that reaches furthest.
func (o *EventWindows) latest(q int64) int64 {
	end := int64(0)
	for i := range o.plan.Windows {
		if _, to := o.plan.Windows[i].Bounds(q); i == 0 || to > end {
			end = to
		}
	}
	return end
}

// passThrough lets the events that are here go through the windows of the next row, for which more must come, and lets
// go of those that it does not need: so a row far away, or a window without a start, holds no more than it must.
func (o *EventWindows) passThrough() error {
	if len(o.events.times) == 0 {
		return nil
	}
	c := o.chunk(1)
	if err := o.fold(c); err != nil {
		return err
	}
	o.trim()
	return o.account()
}

// fold brings the windows and the lanes to the rows of a chunk.
func (o *EventWindows) fold(c *eventChunk) error {
	for _, s := range o.spans {
		s.build(c)
	}
	for _, l := range o.lanes {
		if err := l.fold(c); err != nil {
			return err
		}
	}
	o.lastKey, o.begun = append(o.lastKey[:0], o.left.keys.At(o.left.row+c.rows-1)...), true
	return nil
}

// trim drops the events that no window and no lane looks at again.
func (o *EventWindows) trim() {
	need := o.events.end()
	for _, s := range o.spans {
		need = min(need, s.need())
	}
	for _, l := range o.lanes {
		need = min(need, l.need())
	}
	o.events.drop(need)
}

// output is the rows of a chunk with their features.
func (o *EventWindows) output(c *eventChunk) (arrow.Record, error) {
	left := vector.Slice(o.left.rec, o.left.row, o.left.row+c.rows)
	defer left.Release()
	cols := append(make([]arrow.Array, 0, len(o.schema.Fields)), left.Columns()...)
	var made []arrow.Array
	defer func() { releaseArrays(made) }()
	for _, f := range o.features {
		col, err := f(c)
		if err != nil {
			return nil, err
		}
		made = append(made, col)
	}
	return vector.NewRecord(o.schema, append(cols, made...), c.rows), nil
}

// Close drops what is held and closes both inputs.
func (o *EventWindows) Close() error {
	o.left.release()
	o.events.release()
	return o.stream.Close()
}

// eventRows is a batch of left rows.
type eventRows struct {
	rec   arrow.Record // nil before the first batch and after the last
	keys  *sortkey.Keys
	times []int64
	nulls vector.Validity // of times
	row   int             // the first that has not gone through
	bytes int64
}

// newEventRows takes over a batch.
func newEventRows(rec arrow.Record, w *plan.EventWindows) eventRows {
	time := rec.Column(w.LeftTime)
	r := eventRows{rec: rec, keys: keysOf(rec, w.LeftKeys), times: vector.Int64s(time), nulls: vector.ValidityOf(time)}
	r.bytes = vector.Size(rec) + r.keys.Bytes()
	return r
}

// keysOf encodes the keys of each row, so that bytes compare as the rows come.
func keysOf(rec arrow.Record, cols []int) *sortkey.Keys {
	order := make([]plan.SortKey, len(cols))
	for i, c := range cols {
		order[i].Column = c
	}
	return sortkey.Encode(rec, order)
}

func (r *eventRows) isNull(row int) bool { return r.nulls.IsNull(row) }

// rest is how many rows have not gone through.
func (r *eventRows) rest() int {
	if r.rec == nil {
		return 0
	}
	return int(r.rec.NumRows()) - r.row
}

func (r *eventRows) release() {
	if r.rec != nil {
		r.rec.Release()
		*r = eventRows{}
	}
}

// eventChunk is some rows and where the events of their keys lie.
type eventChunk struct {
	rows   int
	times  []int64
	nulls  []bool // rows without a time; nil for none
	newKey []bool // rows whose key is not that of the row before
	// start and end are the positions of the events of each row's keys, as far as they have come.
	start, end []int64
	events     *eventBuffer
}

// chunk is the next rows.
func (o *EventWindows) chunk(rows int) *eventChunk {
	r, b := &o.left, o.events
	c := &eventChunk{
		rows: rows, times: r.times[r.row : r.row+rows], events: b,
		newKey: make([]bool, rows), start: make([]int64, rows), end: make([]int64, rows),
	}
	if !r.nulls.AllValid() {
		c.nulls = make([]bool, rows)
	}
	last, run := o.lastKey, 0
	for i := range rows {
		key := r.keys.At(r.row + i)
		if i > 0 && !bytes.Equal(key, last) || i == 0 && !(o.begun && bytes.Equal(key, last)) {
			c.newKey[i] = true
		}
		last = key
		if c.newKey[i] || i == 0 {
			run = b.find(key, run)
			c.start[i], c.end[i] = b.extent(key, run)
		} else {
			c.start[i], c.end[i] = c.start[i-1], c.end[i-1]
		}
		if c.nulls != nil {
			c.nulls[i] = r.isNull(r.row + i)
		}
	}
	return c
}
