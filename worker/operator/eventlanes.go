package operator

import (
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// eventLane follows one thing through the rows: what the events in a window have in common. Several features may be made
// of what it notes for each row of a chunk.
type eventLane interface {
	// fold goes through the rows of a chunk.
	fold(c *eventChunk) error
	// need is the first position of which more will be wanted than the window itself does.
	need() int64
	// held is the memory that grows with the window.
	held() int64
}

// laneBase is a lane that needs and holds nothing of its own.
type laneBase struct{ spans *eventSpans }

func (laneBase) need() int64 { return math.MaxInt64 }

func (laneBase) held() int64 { return 0 }

// laneKey says which features share a lane.
type laneKey struct {
	kind  string
	spans *eventSpans
	in    *eventInput
	param int64
}

// laneMaker makes the lanes of the features.
type laneMaker struct {
	o     *EventWindows
	lanes map[laneKey]eventLane
}

// makeLanes makes windows, inputs, lanes, and what makes columns of them.
func (o *EventWindows) makeLanes() error {
	m := &laneMaker{o: o, lanes: map[laneKey]eventLane{}}
	for i := range o.plan.Features {
		f := &o.plan.Features[i]
		if f.Window < 0 || f.Window >= len(o.plan.Windows) {
			return fmt.Errorf("event windows: feature %d in window %d of %d", i, f.Window, len(o.plan.Windows))
		}
		column, err := m.feature(f)
		if err != nil {
			return fmt.Errorf("event windows: %s: %w", f.Func, err)
		}
		o.features = append(o.features, column)
	}
	return nil
}

// eventColumn makes the column of a feature in the rows of a chunk that has gone through.
type eventColumn = func(c *eventChunk) (arrow.Array, error)

func (m *laneMaker) feature(f *plan.EventFeature) (eventColumn, error) {
	if make := m.maker(f); make != nil {
		if column, err := make(f); column != nil || err != nil {
			return column, err
		}
	}
	return nil, fmt.Errorf("no such feature over %v with result %s", f.ArgTypes, f.Type)
}

// maker is what makes a feature of a function, nil if there is none.
func (m *laneMaker) maker(f *plan.EventFeature) func(f *plan.EventFeature) (eventColumn, error) {
	switch f.Func {
	case "count":
		if f.Distinct {
			return m.distinct
		}
		return m.count
	case "sum", "avg":
		return m.sum
	case "min", "max":
		return m.extreme
	case "var_pop", "var_samp", "stddev_pop", "stddev_samp":
		return m.variance
	case "first", "last":
		return m.one
	case "first_k", "last_k":
		return m.some
	case "ages":
		return m.ages
	case "top_k":
		return m.top
	case "percentile_approx":
		return m.percentile
	case "approx_count_distinct":
		return m.approxDistinct
	case "histogram":
		return m.histogram
	case "bucket_counts":
		return m.buckets
	case "decayed_sum":
		return m.decayed
	}
	return nil
}

// spans is a window, shared by all features that have it.
func (m *laneMaker) spans(w plan.EventWindow) *eventSpans {
	w.Preset = ""
	for _, s := range m.o.spans {
		if s.window == w {
			return s
		}
	}
	s := &eventSpans{window: w, late: m.o.plan.Available > 0}
	s.moves = s.late
	m.o.spans = append(m.o.spans, s)
	return s
}

func (m *laneMaker) window(f *plan.EventFeature) *eventSpans {
	return m.spans(m.o.plan.Windows[f.Window])
}

// moving is a feature's window for a lane that follows what enters and leaves.
func (m *laneMaker) moving(f *plan.EventFeature) *eventSpans {
	s := m.window(f)
	s.moves = true
	return s
}

// input is the values of columns as lanes want them, shared by all that want the same.
func (m *laneMaker) input(f *plan.EventFeature, cols []int, form inputForm, skip bool) *eventInput {
	in := newEventInput(m.o.events.schema, cols, f.Filter-1, form, skip)
	for _, x := range m.o.events.inputs {
		if slices.Equal(x.cols, in.cols) && x.filter == in.filter && x.form == in.form && x.skip == in.skip {
			return x
		}
	}
	m.o.events.inputs = append(m.o.events.inputs, in)
	return in
}

// sharedLane is the lane of a key, which make makes unless there is one.
func sharedLane[L eventLane](m *laneMaker, key laneKey, make func() L) L {
	if l, ok := m.lanes[key].(L); ok {
		return l
	}
	l := make()
	m.lanes[key] = l
	m.o.lanes = append(m.o.lanes, l)
	return l
}

// zeroIfEmpty reports whether a feature of no events is 0 or has no elements.
func zeroIfEmpty(f *plan.EventFeature) bool {
	if f.Empty != "" {
		return f.Empty == plan.EmptyZero
	}
	return f.Func == "count" || f.Func == "approx_count_distinct"
}
