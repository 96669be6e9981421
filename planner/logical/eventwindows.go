package logical

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
)

// EventWindows adds to each left row features of the events of equal keys in windows of time that trail the row's; see
// plan.EventWindows. NewEventWindows makes it.
type EventWindows struct {
	Left, Events        Node
	LeftKeys, EventKeys []*plan.Expr // in pairs, of equal types
	LeftTime, EventTime *plan.Expr
	Available           *plan.Expr // over the events; nil where all are known at once
	Latency             int64
	// Ties say, after the time, which of two events is the later one. Empty where no feature asks.
	Ties     []*plan.Expr
	Windows  []plan.EventWindow
	Features []EventFeature
}

// EventFeature is a column of EventWindows: a call over the events.
type EventFeature struct {
	AggCall
	Window   int // place in Windows
	Empty    string
	DedupeBy []*plan.Expr
}

var _ Node = (*EventWindows)(nil)

// Columns implements Node.
func (n *EventWindows) Columns() []Column {
	cols := slices.Clone(n.Left.Columns())
	for _, f := range n.Features {
		cols = append(cols, f.Column)
	}
	return cols
}

// Inputs implements Node.
func (n *EventWindows) Inputs() []Node { return []Node{n.Left, n.Events} }

func (n *EventWindows) withInputs(in []Node) Node {
	c := *n
	c.Left, c.Events = in[0], in[1]
	return &c
}

func (n *EventWindows) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.LeftKeys, c.EventKeys, c.Ties = mapAll(n.LeftKeys, f), mapAll(n.EventKeys, f), mapAll(n.Ties, f)
	c.LeftTime, c.EventTime = f(n.LeftTime), f(n.EventTime)
	if n.Available != nil {
		c.Available = f(n.Available)
	}
	c.Features = make([]EventFeature, len(n.Features))
	for i, x := range n.Features {
		x.AggCall, x.DedupeBy = x.AggCall.mapExprs(f), mapAll(x.DedupeBy, f)
		c.Features[i] = x
	}
	return &c
}

// With is the node with some of its features.
func (n *EventWindows) With(features []EventFeature) *EventWindows {
	c := *n
	c.Features = features
	if !slices.ContainsFunc(features, func(f EventFeature) bool { return orderedFeatures[f.Func] }) {
		c.Ties = nil
	}
	return &c
}

// orderedFeatures are the functions that depend on the order of events of the same time.
var orderedFeatures = map[string]bool{
	"first": true, "last": true, "first_k": true, "last_k": true, "top_k": true, "ages": true,
}

func (n *EventWindows) verify() error {
	if len(n.LeftKeys) != len(n.EventKeys) {
		return fmt.Errorf("%d keys of rows but %d of events", len(n.LeftKeys), len(n.EventKeys))
	}
	left, events := append([]*plan.Expr{n.LeftTime}, n.LeftKeys...), append([]*plan.Expr{n.EventTime}, n.EventKeys...)
	if n.Available != nil {
		left, events = append(left, n.LeftTime), append(events, n.Available)
	}
	for i, l := range left {
		if !l.Type.Equal(events[i].Type) {
			return fmt.Errorf("%s is %s but %s is %s", l, l.Type, events[i], events[i].Type)
		}
	}
	for _, f := range n.Features {
		if f.Window < 0 || f.Window >= len(n.Windows) {
			return fmt.Errorf("%s in window %d of %d", f.Func, f.Window, len(n.Windows))
		}
		if err := verifyCondition("filter of "+f.Func, f.Filter); err != nil {
			return err
		}
	}
	return nil
}

func describeEventWindows(n *EventWindows) string {
	text := fmt.Sprintf("EventWindows [%s] = [%s], %s over %s", exprTexts(n.LeftKeys), exprTexts(n.EventKeys), n.LeftTime, n.EventTime)
	if n.Available != nil {
		text += " known at " + n.Available.String()
		if n.Latency != 0 {
			text += fmt.Sprintf(" + %d", n.Latency)
		}
	}
	if len(n.Ties) > 0 {
		text += " ties [" + exprTexts(n.Ties) + "]"
	}
	features := make([]string, len(n.Features))
	for i, f := range n.Features {
		features[i] = f.call()
		if len(f.DedupeBy) > 0 {
			features[i] += " dedupe [" + exprTexts(f.DedupeBy) + "]"
		}
		features[i] += " in " + n.Windows[f.Window].String() + " as " + f.Ref().String()
	}
	return text + " [" + strings.Join(features, ", ") + "]"
}

// EventWindowsSpec is what NewEventWindows makes a node of. The events are a plan of their own, with ids of their own: see
// Refresh where they are the left rows read once more.
type EventWindowsSpec struct {
	Left, Events        Node
	LeftKeys, EventKeys []*plan.Expr
	LeftTime, EventTime *plan.Expr
	Available           *plan.Expr // nil: every event is known at once
	Latency             int64      // how long after Available it is known: microseconds, or units of a bigint time
	// Ties order events of the same time, the latest last. Whatever ties are left are broken by all other columns in their
	// order, so that events which still tie are the same.
	Ties     []*plan.Expr
	Features []EventFeatureSpec
}

// EventFeatureSpec is a feature to be.
type EventFeatureSpec struct {
	Name string
	// Func is a function of plan.EventFeature, or another name that SQL has for one; Args are its arguments over the
	// events, constant parameters last, as SQL would have them: last_k(x, 10), percentile_approx(x, 0.5).
	Func     string
	Args     []*plan.Expr
	Distinct bool
	Filter   *plan.Expr // nil: all events count
	Window   plan.EventWindow
	Empty    string // see plan.EventFeature
	DedupeBy []*plan.Expr
}

// NewEventWindows types the features and makes the node. Its errors say which feature is wrong.
func NewEventWindows(spec EventWindowsSpec, ids *IDs) (*EventWindows, error) {
	n := &EventWindows{
		Left: spec.Left, Events: spec.Events, LeftKeys: spec.LeftKeys, EventKeys: spec.EventKeys,
		LeftTime: spec.LeftTime, EventTime: spec.EventTime, Available: spec.Available, Latency: spec.Latency,
	}
	for _, t := range []*plan.Expr{n.LeftTime, n.EventTime, n.Available} {
		if t != nil && t.Type.Kind != plan.KindTimestamp && t.Type.Kind != plan.KindTimestampNTZ && t.Type.Kind != plan.KindInt64 {
			return nil, fmt.Errorf("the time %s is %s: windows go by timestamp, timestamp_ntz or bigint", t, t.Type)
		}
	}
	n.Ties = append(n.Ties, spec.Ties...)
	for _, c := range spec.Events.Columns() {
		known := slices.Concat(n.Ties, n.EventKeys, []*plan.Expr{n.EventTime})
		if !slices.ContainsFunc(known, func(e *plan.Expr) bool { return e.Op == plan.OpColumn && e.Column == c.ID }) {
			n.Ties = append(n.Ties, c.Ref())
		}
	}
	var features []EventFeature
	for _, f := range spec.Features {
		x, err := n.feature(f)
		if err != nil {
			return nil, fmt.Errorf("feature %s: %w", f.Name, err)
		}
		x.ID = ids.New()
		features = append(features, x)
	}
	n = n.With(features)
	return n, n.verify()
}

// feature types a feature, and gives the node its window.
func (n *EventWindows) feature(f EventFeatureSpec) (EventFeature, error) {
	x := EventFeature{Empty: f.Empty, DedupeBy: f.DedupeBy}
	x.Func, x.Name, x.Distinct, x.Filter = strings.ToLower(f.Func), f.Name, f.Distinct, f.Filter
	if err := x.resolve(f.Args); err != nil {
		return x, err
	}
	switch {
	case f.Empty != "" && f.Empty != plan.EmptyNull && f.Empty != plan.EmptyZero:
		return x, fmt.Errorf("what an empty window gives is %q: %q and %q are known", f.Empty, plan.EmptyNull, plan.EmptyZero)
	case f.Empty == plan.EmptyZero && (x.Type.IsNested() || x.Func == "sum" || x.Func == "decayed_sum"):
		x.Nullable = false
	case f.Empty == plan.EmptyZero && x.Nullable:
		return x, fmt.Errorf("%s has no zero for an empty window", x.Func)
	case f.Empty == plan.EmptyNull:
		x.Nullable = true
	}
	if len(f.DedupeBy) > 0 && x.Func != "last_k" && x.Func != "ages" {
		return x, fmt.Errorf("%s does not leave out duplicates: last_k does", x.Func)
	}
	if n.LeftTime.Type.Kind == plan.KindInt64 && (f.Window.Hop > 0 || f.Window.Snap > 0) {
		return x, fmt.Errorf("windows of preset %s need timestamps, not bigint", f.Window.Preset)
	}
	if x.Window = slices.Index(n.Windows, f.Window); x.Window < 0 {
		x.Window = len(n.Windows)
		n.Windows = append(n.Windows, f.Window)
	}
	return x, nil
}

// resolve types a call, casts its arguments and takes its parameters out of them.
func (x *EventFeature) resolve(args []*plan.Expr) error {
	sig, isParam, err := x.signature(args)
	if err != nil {
		return err
	}
	for i, e := range args {
		arg := compute.Cast(e, sig.Args[i])
		if !isParam(i) {
			x.Args = append(x.Args, arg)
			continue
		}
		if readsAny(arg) || readsVariable(arg) {
			return fmt.Errorf("argument %d of %s must be a constant", i+1, x.Func)
		}
		v, err := compute.Fold(arg, plan.Session{})
		if err != nil {
			return err
		}
		x.Params = append(x.Params, v)
	}
	x.Type, x.Nullable = sig.Returns, !sig.NeverNull
	if x.Func == "count" && !x.Distinct {
		x.Args = countArgs(x.Args)
	}
	if x.Distinct && x.Func != "count" {
		return fmt.Errorf("%s takes no DISTINCT here: count does", x.Func)
	}
	return x.checkParams()
}

// sqlFeatures are the aggregates of SQL that go over windows of events.
var sqlFeatures = map[string]bool{
	"count": true, "sum": true, "avg": true, "min": true, "max": true, "first": true, "last": true, "var_pop": true, "var_samp": true,
	"stddev_pop": true, "stddev_samp": true, "approx_count_distinct": true, "percentile_approx": true,
}

// signature types a call. Functions that SQL does not have take their constants last.
func (x *EventFeature) signature(args []*plan.Expr) (sig compute.Signature, isParam func(int) bool, err error) {
	if f, ok := compute.Lookup(x.Func); ok && sqlFeatures[f.Name] {
		x.Func = f.Name
		if x.Func == "count" && len(args) == 0 {
			return compute.Signature{Returns: plan.Int64, NeverNull: true}, f.IsParam, nil
		}
		sig, err = f.ResolveCall(args)
		return sig, f.IsParam, err
	}
	types := make([]plan.Type, len(args))
	for i, a := range args {
		types[i] = a.Type
		sig.Args = append(sig.Args, a.Type)
	}
	takes, values := map[string]string{
		"first_k": "first_k(x, k[, ignoreNulls])", "last_k": "last_k(x, k[, ignoreNulls])", "top_k": "top_k(x, by, k)", "ages": "ages(k)",
		"histogram": "histogram(x)", "bucket_counts": "bucket_counts(x, boundaries)", "decayed_sum": "decayed_sum(x, half_life)",
	}[x.Func], 1
	if takes == "" {
		return sig, nil, fmt.Errorf("no function %s over windows of events", x.Func)
	}
	fits := len(args) == 2
	switch x.Func {
	case "top_k":
		values, fits = 2, len(args) == 3 && types[1].HasOrder()
	case "first_k", "last_k":
		fits = fits || len(args) == 3
	case "ages":
		values, fits = 0, len(args) == 1
	case "histogram":
		fits = len(args) == 1 && types[0].HasOrder()
	}
	if !fits {
		return sig, nil, fmt.Errorf("%s cannot be called with %v: it is %s", x.Func, types, takes)
	}
	isParam = func(i int) bool { return i >= values }
	switch x.Func {
	case "first_k", "last_k", "top_k":
		sig.Returns = plan.Array(types[0], args[0].Nullable && x.Func == "top_k" || args[0].Nullable && !(len(args) == 3 && args[2].IsTrue()))
		sig.Args[values] = plan.Int32
	case "ages":
		sig.Returns, sig.Args[0] = plan.Array(plan.Int64, false), plan.Int32
	case "histogram":
		sig.Returns = plan.Map(types[0], plan.Int64, false)
	case "bucket_counts":
		sig.Returns, sig.Args[1] = plan.Array(plan.Int64, false), plan.Array(types[0], true)
	case "decayed_sum":
		sig.Returns, sig.Args[0] = plan.Float64, plan.Float64
		if types[1].Kind != plan.KindInt64 {
			sig.Args[1] = plan.DayTimeInterval
		}
	}
	return sig, isParam, nil
}

// checkParams judges the constants of a call.
func (x *EventFeature) checkParams() error {
	for _, p := range x.Params {
		if p.Value.Null {
			return fmt.Errorf("a constant of %s is NULL", x.Func)
		}
	}
	switch x.Func {
	case "first_k", "last_k", "top_k", "ages":
		if k := x.Params[0].Value.Int; k < 1 {
			return fmt.Errorf("%s of %d events: it takes 1 or more", x.Func, k)
		}
	case "decayed_sum":
		if h := x.Params[0].Value.Int; h < 1 {
			return fmt.Errorf("a half-life of %d: it must be positive", h)
		}
	case "bucket_counts":
		return x.checkBoundaries()
	}
	if f, ok := compute.Lookup(x.Func); ok {
		return f.CheckParams(x.Params)
	}
	return nil
}

// checkBoundaries wants boundaries that ascend.
func (x *EventFeature) checkBoundaries() error {
	t, items := x.Params[0].Type.Element().Type, x.Params[0].Value.Items
	if len(items) == 0 {
		return fmt.Errorf("bucket_counts without boundaries")
	}
	for i, v := range items {
		if v.Null {
			return fmt.Errorf("boundary %d of bucket_counts is NULL", i+1)
		}
		if i == 0 {
			continue
		}
		less, err := compute.Call("<", &plan.Expr{Op: plan.OpLiteral, Type: t, Value: items[i-1]}, &plan.Expr{Op: plan.OpLiteral, Type: t, Value: v})
		if err != nil {
			return err
		}
		if less, err = compute.Fold(less, plan.Session{}); err != nil {
			return err
		}
		if !less.IsTrue() {
			return fmt.Errorf("the boundaries of bucket_counts must ascend; number %d does not", i+1)
		}
	}
	return nil
}

const (
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 60 * microsPerMinute
)

// EventWindowSpec is a window by the name of the convention that it follows.
type EventWindowSpec struct {
	Preset    string
	Width     int64  // microseconds, or units of a bigint time
	Unbounded bool   // no width: from the first event on
	Delay     int64  // of feathr
	Closed    string // of pandas_rolling: "right" (if empty), "left", "both" or "neither"
	// ExcludeGroup leaves out, of sql_range, the events at the very time of the row.
	ExcludeGroup bool
}

// Window is the window.
func (s EventWindowSpec) Window() (plan.EventWindow, error) {
	w := plan.EventWindow{Preset: s.Preset, Width: s.Width, Unbounded: s.Unbounded}
	switch {
	case !s.Unbounded && s.Width < 1:
		return w, fmt.Errorf("a window of width %d: it must be positive", s.Width)
	case s.Unbounded && s.Width != 0:
		return w, fmt.Errorf("a window cannot both have a width and be unbounded")
	case s.Delay != 0 && s.Preset != "feathr":
		return w, fmt.Errorf("a delay goes with preset feathr, not %s", s.Preset)
	case s.Closed != "" && s.Preset != "pandas_rolling":
		return w, fmt.Errorf("a closed end goes with preset pandas_rolling, not %s", s.Preset)
	case s.ExcludeGroup && s.Preset != "sql_range":
		return w, fmt.Errorf("excluding the group goes with preset sql_range, not %s", s.Preset)
	case s.Delay < 0:
		return w, fmt.Errorf("a delay of %d: it must not be negative", s.Delay)
	}
	switch s.Preset {
	case "", "exact":
		w.Preset = "exact"
	case "chronon":
		w.Hop = chrononHop(s)
	case "zipline":
		w.Hop, w.ClosedEnd = chrononHop(s), true
	case "chronon_snapshot":
		if w.Snap = microsPerDay; s.Width%microsPerDay != 0 {
			return w, fmt.Errorf("preset chronon_snapshot counts whole days; the window is %s", plan.FormatLiteral(plan.DayTimeInterval, plan.Literal{Int: s.Width}))
		}
	case "feathr":
		w.Delay, w.OpenStart, w.ClosedEnd = s.Delay, true, true
	case "sql_range":
		w.ClosedEnd = !s.ExcludeGroup
	case "pandas_rolling":
		open, known := map[string]bool{"": true, "right": true, "left": false, "both": false, "neither": true}[s.Closed]
		if !known {
			return w, fmt.Errorf("a window closed on %q: pandas knows right, left, both and neither", s.Closed)
		}
		w.OpenStart, w.ClosedEnd = open, s.Closed != "left" && s.Closed != "neither"
	default:
		return w, fmt.Errorf("no preset %q: exact, chronon, chronon_snapshot, zipline, feathr, sql_range and pandas_rolling are known", s.Preset)
	}
	return w, nil
}

// chrononHop is to what Chronon rounds the start of a window down, by its width.
func chrononHop(s EventWindowSpec) int64 {
	switch {
	case s.Unbounded:
		return 0
	case s.Width >= 12*microsPerDay:
		return microsPerDay
	case s.Width >= 12*microsPerHour:
		return microsPerHour
	}
	return 5 * microsPerMinute
}
