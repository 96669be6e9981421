package operator

import (
	"bytes"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// eventBuffer is the events that windows may still look at. Events have positions from 0, in the order in which they
// come, through all keys; those without a key or a time have none. All slices begin with the event at first.
type eventBuffer struct {
	plan   *plan.EventWindows
	schema plan.Schema
	env    Env

	first  int64
	times  []int64
	within kept[int64] // where times are
	ready  []int64     // from when on an event is known; nil where all are at once
	inputs []*eventInput
	runs   []eventRun // the last one stays, also when its events are dropped

	keepsRows bool         // some feature wants more of events than inputs have
	batches   []eventBatch // then, the batches

	seen     bool // some event has come
	ended    bool
	lastKey  []byte // of the event that came last, with a time or not
	lastTime int64
}

// eventRun is where the events of a key begin.
type eventRun struct {
	start int64
	key   []byte
}

type eventBatch struct {
	rec   arrow.Record
	first int64
	size  int64
}

func (b *eventBatch) end() int64 { return b.first + b.rec.NumRows() }

// kept is values of which the oldest are dropped and the latest are appended, in memory that is used again for that: values
// stay where they are until there is no room behind them.
type kept[T any] struct{ all []T }

// room is what is left of the values, with room for n more behind.
func (k *kept[T]) room(left []T, n int) []T {
	if cap(left)-len(left) >= n {
		return left
	}
	if size := len(left) + n; cap(k.all) < 2*size { // so that values move once while as many come
		k.all = make([]T, 0, 3*size)
	}
	return append(k.all[:0], left...)
}

// end is the position behind the last event.
func (b *eventBuffer) end() int64 { return b.first + int64(len(b.times)) }

// add takes in a batch of events, which it does not own.
func (b *eventBuffer) add(rec arrow.Record) error {
	b.seen = true
	keys := keysOf(rec, b.plan.EventKeys)
	last := int(rec.NumRows()) - 1
	b.lastKey, b.lastTime = keys.At(last), math.MinInt64
	if time := rec.Column(b.plan.EventTime); !vector.ValidityOf(time).IsNull(last) {
		b.lastTime = vector.Int64s(time)[last]
	}
	lonely, with := anyNull(rec, append([]int{b.plan.EventTime}, b.plan.EventKeys...), nil)
	rec.Retain()
	if len(lonely) > 0 {
		some := vector.TakeRecord(b.env.Mem, rec, with)
		rec.Release()
		rec = some
		keys = keysOf(rec, b.plan.EventKeys)
	}
	defer rec.Release()
	if rec.NumRows() == 0 {
		return nil
	}
	at := b.end()
	for i := range keys.Len() {
		if i > 0 && bytes.Equal(keys.At(i), keys.At(i-1)) || i == 0 && len(b.runs) > 0 && bytes.Equal(keys.At(0), b.runs[len(b.runs)-1].key) {
			continue
		}
		b.runs = append(b.runs, eventRun{start: at + int64(i), key: keys.At(i)})
	}
	b.times = append(b.within.room(b.times, int(rec.NumRows())), vector.Int64s(rec.Column(b.plan.EventTime))...)
	if b.plan.Available > 0 {
		b.addReady(rec.Column(b.plan.Available - 1))
	}
	for _, in := range b.inputs {
		in.add(rec)
	}
	if b.keepsRows {
		rec.Retain()
		b.batches = append(b.batches, eventBatch{rec: rec, first: at, size: vector.Size(rec)})
	}
	return nil
}

// addReady notes from when on events are known; one whose time of that is NULL never is.
func (b *eventBuffer) addReady(arr arrow.Array) {
	valid := vector.ValidityOf(arr)
	for i, v := range vector.Int64s(arr) {
		ready := v + b.plan.Latency
		if valid.IsNull(i) || b.plan.Latency > 0 && ready < v {
			ready = math.MaxInt64
		} else if b.plan.Latency < 0 && ready > v {
			ready = math.MinInt64
		}
		b.ready = append(b.ready, ready)
	}
}

// drop lets go of the events before a position.
func (b *eventBuffer) drop(position int64) {
	n := int(position - b.first)
	if n <= 0 {
		return
	}
	b.first = position
	b.times = b.times[n:]
	if b.ready != nil {
		b.ready = b.ready[n:]
	}
	for _, in := range b.inputs {
		in.drop(n)
	}
	runs := 0
	for runs+1 < len(b.runs) && b.runs[runs+1].start <= position {
		runs++
	}
	b.runs = b.runs[runs:]
	batches := 0
	for batches < len(b.batches) && b.batches[batches].end() <= position {
		b.batches[batches].rec.Release()
		batches++
	}
	b.batches = b.batches[batches:]
}

func (b *eventBuffer) release() {
	for _, x := range b.batches {
		x.rec.Release()
	}
	b.batches = nil
}

// find is the first run from one on whose key is not less.
func (b *eventBuffer) find(key []byte, run int) int {
	for run < len(b.runs) && bytes.Compare(b.runs[run].key, key) < 0 {
		run++
	}
	return run
}

// extent is the positions of a key's events, which begin at a run if there are any.
func (b *eventBuffer) extent(key []byte, run int) (start, end int64) {
	if run == len(b.runs) {
		return b.end(), b.end()
	}
	start = max(b.runs[run].start, b.first)
	if !bytes.Equal(b.runs[run].key, key) {
		return start, start
	}
	if run+1 < len(b.runs) {
		return start, b.runs[run+1].start
	}
	return start, b.end()
}

func (b *eventBuffer) bytes() int64 {
	n := int64(cap(b.within.all)+cap(b.ready)) * 8
	for _, in := range b.inputs {
		n += in.bytes()
	}
	for _, x := range b.batches {
		n += x.size
	}
	for _, r := range b.runs {
		n += 40 + int64(len(r.key))
	}
	return n
}
