package plan

import (
	"fmt"
	"math"
	"strings"
)

// EventWindows adds columns to each left row: what is to be said of the events (the second input) that have the row's
// keys and lie in windows of time that trail the row's time. Both inputs come sorted by their keys, then time; events then
// by all that says which of two at the same time is the later one, as far as features ask for that. NULL keys and times
// match nothing. Output: the left columns, then one for each feature, exactly one row for each left row, in their order.
type EventWindows struct {
	LeftKeys  []int `json:"left_keys"`
	EventKeys []int `json:"event_keys"`
	LeftTime  int   `json:"left_time"`
	EventTime int   `json:"event_time"`
	// Available is 1 + the ordinal of the event column that says when an event was known; a row sees only events with
	// available + Latency <= its time. 0: all are known at once. Times are in microseconds, or in the unit of the columns
	// where these are bigint.
	Available int   `json:"available,omitempty"`
	Latency   int64 `json:"latency,omitempty"`

	Windows  []EventWindow  `json:"windows"`
	Features []EventFeature `json:"features"`
}

// EventFeature is one column: an aggregate of the events of a window. Beside SQL's count, sum, avg, min, max, var_pop,
// var_samp, stddev_pop, stddev_samp, first, last, approx_count_distinct and percentile_approx, which have SQL's types and
// parameters, and count DISTINCT, there are
//
//   - first_k, last_k (parameters: k, and whether NULLs are left out): the values of the first or last k events, oldest first
//   - ages (parameter: k): how much older than the row these events are, for last_k without leaving out
//   - top_k (values, what they are ordered by; parameter: k): the values of the k greatest, greatest first, later ones first among equals
//   - histogram: from each value to how many events have it, in order of values
//   - bucket_counts (parameter: boundaries, ascending): how many values lie below the first, from the first to below the second, …
//   - decayed_sum (parameter: the half-life): values that have lost half their weight after a half-life, and so on
//
// Sums of doubles and all that is made of them are exact until they are rounded, once, to a double: the order of the
// events and the way in which windows move do not show.
type EventFeature struct {
	Agg
	Window int `json:"window"` // place in Windows
	// Empty says what a window without events (without values, for functions that leave out NULLs) gives: EmptyNull, or
	// EmptyZero for 0 of counts and sums, and a list or map without elements. The zero value is EmptyZero for counts alone.
	Empty string `json:"empty,omitempty"`
	// DedupeBy are event columns: of events that are equal in them the latest in the window counts. For last_k and ages.
	DedupeBy []int `json:"dedupe_by,omitempty"`
}

// What features of no events are.
const (
	EmptyNull = "null"
	EmptyZero = "zero"
)

// EventWindow is a window of time that trails a row at time q: with q rounded down to a multiple of Snap and put back by
// Delay, the events from q - Width, rounded down to a multiple of Hop, up to q.
type EventWindow struct {
	Preset string `json:"preset"` // for people: see logical.NewEventWindow
	Width  int64  `json:"width,omitempty"`
	// Unbounded windows reach back to the first event.
	Unbounded bool  `json:"unbounded,omitempty"`
	Delay     int64 `json:"delay,omitempty"`
	Snap      int64 `json:"snap,omitempty"`
	Hop       int64 `json:"hop,omitempty"`
	OpenStart bool  `json:"open_start,omitempty"` // an event exactly at the start does not belong to it
	ClosedEnd bool  `json:"closed_end,omitempty"` // one exactly at the end does
}

// Bounds are the times of the events of a row at time q: from <= t < to. Both ascend with q.
func (w *EventWindow) Bounds(q int64) (from, to int64) {
	end := saturatedSum(floorTo(q, w.Snap), -w.Delay)
	from = math.MinInt64
	if !w.Unbounded {
		from = floorTo(saturatedSum(end, -w.Width), w.Hop)
		if w.OpenStart {
			from = saturatedSum(from, 1)
		}
	}
	if w.ClosedEnd {
		end = saturatedSum(end, 1)
	}
	return from, end
}

// floorTo rounds down to a multiple of step; 0 leaves a value as it is.
func floorTo(v, step int64) int64 {
	if step == 0 {
		return v
	}
	rest := v % step
	if rest < 0 {
		rest += step
	}
	if v < math.MinInt64+rest {
		return math.MinInt64
	}
	return v - rest
}

func saturatedSum(a, b int64) int64 {
	switch sum := a + b; {
	case b > 0 && sum < a:
		return math.MaxInt64
	case b < 0 && sum > a:
		return math.MinInt64
	default:
		return sum
	}
}

func (n *EventWindows) validate(left, events int) error {
	if len(n.LeftKeys) != len(n.EventKeys) {
		return fmt.Errorf("event windows: %d keys of rows, %d of events", len(n.LeftKeys), len(n.EventKeys))
	}
	if err := checkOrdinals("event windows: row key or time", append([]int{n.LeftTime}, n.LeftKeys...), left); err != nil {
		return err
	}
	cols := append([]int{n.EventTime}, n.EventKeys...)
	if n.Available > 0 {
		cols = append(cols, n.Available-1)
	}
	for i, f := range n.Features {
		if f.Window < 0 || f.Window >= len(n.Windows) {
			return fmt.Errorf("event windows: feature %d in window %d of %d", i, f.Window, len(n.Windows))
		}
		cols = append(append(cols, f.Args...), f.DedupeBy...)
		if f.Filter > 0 {
			cols = append(cols, f.Filter-1)
		}
	}
	return checkOrdinals("event windows: event column", cols, events)
}

func (n *Node) eventWindowsText() string {
	w, left, events := n.EventWindows, n.Inputs[0].Schema, n.Inputs[1].Schema
	text := fmt.Sprintf("[%s] = [%s], %s over %s", columnNames(left, w.LeftKeys), columnNames(events, w.EventKeys),
		columnNames(left, []int{w.LeftTime}), columnNames(events, []int{w.EventTime}))
	if w.Available > 0 {
		text += fmt.Sprintf(" known at %s", columnNames(events, []int{w.Available - 1}))
		if w.Latency != 0 {
			text += fmt.Sprintf(" + %d", w.Latency)
		}
	}
	features := make([]string, len(w.Features))
	for i, f := range w.Features {
		args := columnNames(events, f.Args)
		switch {
		case f.Distinct:
			args = "distinct " + args
		case len(f.Args) == 0:
			args = "*"
		}
		features[i] = f.Func + "(" + args + ")" + exprList(" params ", f.Params)
		if len(f.DedupeBy) > 0 {
			features[i] += " dedupe " + columnNames(events, f.DedupeBy)
		}
		if f.Filter > 0 {
			features[i] += " filter " + columnNames(events, []int{f.Filter - 1})
		}
		features[i] += " in " + w.Windows[f.Window].String()
	}
	return text + " [" + strings.Join(features, ", ") + "]"
}

// String is the window as its preset and its width.
func (w EventWindow) String() string {
	text := w.Preset
	if w.Unbounded {
		text += " unbounded"
	} else {
		text += fmt.Sprintf(" %d", w.Width)
	}
	if w.Delay != 0 {
		text += fmt.Sprintf(" delayed %d", w.Delay)
	}
	return text
}
