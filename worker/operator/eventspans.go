package operator

import (
	"math"

	"github.com/quern-engine/quern/plan"
)

// eventSpans finds, for the rows of a chunk, which events lie in a window and which come into it and go at each row.
type eventSpans struct {
	window plan.EventWindow
	late   bool // events are known from a time on only
	moves  bool // some lane wants to know what enters and leaves

	// Of the last row that went through: its window, and its time.
	from, to int64
	last     int64
	waiting  []waitingEvent // late: a heap of events in the window that are not known yet, by when they will be

	// Of the rows of the chunk at hand. A row's window has the events lo <= position < hi; late, those of them that are
	// known.
	lo, hi []int64
	// fresh says that nothing of the row before is in the window any more.
	fresh []bool
	// enter has the events that enter, by place in the buffer, those of row i up to enterTo[i]; leave those that leave and
	// had entered, but for rows that are fresh.
	enter, leave     []int32
	enterTo, leaveTo []int32
}

// waitingEvent is an event that will be known.
type waitingEvent struct {
	ready, position int64
}

// build looks at the rows of a chunk.
func (s *eventSpans) build(c *eventChunk) {
	s.lo, s.hi, s.fresh = resized(s.lo, c.rows), resized(s.hi, c.rows), resized(s.fresh, c.rows)
	s.enter, s.leave = s.enter[:0], s.leave[:0]
	s.enterTo, s.leaveTo = resized(s.enterTo, c.rows), resized(s.leaveTo, c.rows)
	if s.late {
		s.buildLate(c)
		return
	}
	first, times := c.events.first, c.events.times
	for i := range c.rows {
		begin := s.step(c, i)
		lo, hi, end := int(s.from-first), int(s.to-first), int(c.end[i]-first)
		from, to := s.bounds(c, i)
		before := hi
		for hi < end && times[hi] < to {
			hi++
		}
		if !s.window.Unbounded {
			leaving := max(lo, 0)
			for leaving < hi && times[leaving] < from {
				leaving++
			}
			if begin = begin || leaving >= before; !begin && s.moves {
				for p := lo; p < leaving; p++ {
					s.leave = append(s.leave, int32(p))
				}
			}
			lo = leaving
		}
		if s.moves {
			for p := max(before, lo); p < hi; p++ {
				s.enter = append(s.enter, int32(p))
			}
		}
		s.done(i, begin, first+int64(lo), first+int64(hi))
	}
}

// step goes to the events of a row's key, and reports whether that is another key.
func (s *eventSpans) step(c *eventChunk, i int) bool {
	if !c.newKey[i] && s.to >= c.start[i] {
		return false
	}
	s.from, s.to, s.last = c.start[i], c.start[i], math.MinInt64
	s.waiting = s.waiting[:0]
	return true
}

// bounds are the times of a row's window.
func (s *eventSpans) bounds(c *eventChunk, i int) (from, to int64) {
	if c.nulls != nil && c.nulls[i] {
		return math.MinInt64, math.MinInt64
	}
	return s.window.Bounds(c.times[i])
}

func (s *eventSpans) done(i int, fresh bool, lo, hi int64) {
	s.from, s.to = lo, hi
	s.lo[i], s.hi[i], s.fresh[i] = lo, hi, fresh
	s.enterTo[i], s.leaveTo[i] = int32(len(s.enter)), int32(len(s.leave))
}

// buildLate is build where events are known from some time on: each enters at the first row that knows it.
func (s *eventSpans) buildLate(c *eventChunk) {
	first, times, ready := c.events.first, c.events.times, c.events.ready
	for i := range c.rows {
		begin := s.step(c, i)
		lo, hi, end := int(s.from-first), int(s.to-first), int(c.end[i]-first)
		from, to := s.bounds(c, i)
		now := int64(math.MinInt64)
		if c.nulls == nil || !c.nulls[i] {
			now = c.times[i]
		}
		before := hi
		for ; hi < end && times[hi] < to; hi++ {
			switch {
			case ready[hi] > now:
				s.wait(times[hi], waitingEvent{ready[hi], first + int64(hi)})
			case times[hi] >= from:
				s.enter = append(s.enter, int32(hi))
			}
		}
		for len(s.waiting) > 0 && s.waiting[0].ready <= now {
			p := s.known() - first
			if p >= int64(max(lo, 0)) && times[p] >= from {
				s.enter = append(s.enter, int32(p))
			}
		}
		if !s.window.Unbounded {
			leaving := max(lo, 0)
			for leaving < hi && times[leaving] < from {
				leaving++
			}
			if begin = begin || leaving >= before; !begin {
				for p := lo; p < leaving; p++ {
					if ready[p] <= s.last {
						s.leave = append(s.leave, int32(p))
					}
				}
			}
			lo = leaving
		}
		s.last = now
		s.done(i, begin, first+int64(lo), first+int64(hi))
	}
}

// wait puts an event aside until it is known, unless the window will have passed by then.
func (s *eventSpans) wait(time int64, e waitingEvent) {
	if e.ready == math.MaxInt64 {
		return
	}
	if from, _ := s.window.Bounds(e.ready); from > time {
		return
	}
	s.waiting = append(s.waiting, e)
	for i := len(s.waiting) - 1; i > 0; {
		parent := (i - 1) / 2
		if s.waiting[parent].ready <= s.waiting[i].ready {
			return
		}
		s.waiting[parent], s.waiting[i] = s.waiting[i], s.waiting[parent]
		i = parent
	}
}

// known takes the event that is known first off the heap.
func (s *eventSpans) known() int64 {
	w := s.waiting
	out := w[0].position
	last := len(w) - 1
	w[0] = w[last]
	w = w[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && w[child+1].ready < w[child].ready {
			child++
		}
		if w[i].ready <= w[child].ready {
			break
		}
		w[i], w[child] = w[child], w[i]
		i = child
	}
	s.waiting = w
	return out
}

// need is the first position that may be looked at again: events of a window leave it one day, and may still be unknown.
func (s *eventSpans) need() int64 {
	if !s.window.Unbounded {
		return s.from
	}
	need := s.to
	for _, e := range s.waiting {
		need = min(need, e.position)
	}
	return need
}

func (s *eventSpans) held() int64 { return int64(cap(s.waiting)) * 16 }

// resized is a slice of n elements, which keep no values that mean anything.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
