package step

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

// eventFields are the options of the events that a step looks back on.
var eventFields = []Field{
	{Name: "from", Type: "step or source", Required: true, Doc: "the events"},
	{Name: "by", Type: "list of columns, or mapping", Doc: "their keys; `{item_id: id}` where the rows call item_id what the events call id; default: as the rows"},
	{Name: "time", Type: "column", Required: true, Doc: "when an event happened"},
	{Name: "available_at", Type: "column", Doc: "when it became known: rows of before do not count it"},
	{Name: "latency", Type: "duration", Doc: "how much later than available_at it could be used"},
	{Name: "order_by", Type: "list of columns", Doc: "the order of events of one time; then by all other columns"},
}

var windowFields = []Field{
	{Name: "preset", Type: "name", Doc: "which events a window has; default `exact`"},
	{Name: "delay", Type: "duration", Doc: "of `feathr`"},
	{Name: "closed", Type: "`right`, `left`, `both` or `neither`", Doc: "of `pandas_rolling`"},
	{Name: "exclude_peers", Type: "true or false", Doc: "of `sql_range`: without the events at the very time of the row"},
}

var windowsKind = &Kind{
	Name:    "windows",
	Summary: "Adds to each row aggregates of the events of its keys in windows of time before it: many aggregates, many windows, one pass.",
	Fields: append([]Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows: each comes out once"},
		{Name: "by", Type: "list of columns", Required: true, Doc: "the keys"},
		{Name: "time", Type: "column", Required: true, Doc: "the time of a row"},
		{Name: "events", Type: "mapping", Required: true, Doc: "the events", Fields: eventFields},
		{Name: "windows", Type: "list of durations", Required: true, Doc: "how far back windows reach; `all` for the beginning of time"},
		{Name: "features", Type: "mapping of names to aggregates", Required: true, Doc: "a feature is a call, `sum(price) FILTER (WHERE price > 0)`, or a mapping", Fields: append([]Field{
			{Name: "of", Type: "call in SQL", Required: true, Doc: "the aggregate of the events"},
			{Name: "windows", Type: "list of durations", Doc: "its windows; default: those of the step"},
			{Name: "empty", Type: "`null` or `zero`", Doc: "what a window without events gives; default 0 for counts, NULL for all else"},
		}, windowFields...)},
	}, windowFields...),
	Example: `- name: with_history
  windows:
    from: impressions
    by: [item_id]
    time: shown_at
    events: {from: clicks, time: clicked_at, available_at: received_at}
    windows: [1h, 1d, 7d]
    features:
      clicks: count(*)
      buyers: count(DISTINCT user_id) FILTER (WHERE bought)
      spent: {of: sum(price), windows: [30d], empty: zero}`,
	Notes: `A feature f over the window 7d is the column ` + "`f_7d`" + `. With q the time of the row and w the width of the window, the presets are

| preset | events at t |
|---|---|
| ` + "`exact`" + ` | q - w ≤ t < q: a row never sees itself, nor what happens at its very time |
| ` + "`chronon`" + ` | floor(q - w) ≤ t < q, rounded down to days (w of 12 days or more), hours (12 hours or more) or 5 minutes |
| ` + "`chronon_snapshot`" + ` | as exact, with q rounded down to midnight UTC; w in whole days |
| ` + "`zipline`" + ` | as chronon, with t ≤ q |
| ` + "`feathr`" + ` | q - delay - w < t ≤ q - delay |
| ` + "`sql_range`" + ` | q - w ≤ t ≤ q, as RANGE BETWEEN in SQL; with exclude_peers t < q |
| ` + "`pandas_rolling`" + ` | q - w < t ≤ q, or as closed says |

The aggregates are SQL's ` + "`count`, `count(DISTINCT x)`, `sum`, `avg`, `min`, `max`, `first`, `last`, `var_pop`, `var_samp`, `stddev_pop`, `stddev_samp`, `approx_count_distinct`, `percentile_approx`" + `, and
` + "`first_k(x, k)`, `last_k(x, k)` (arrays, oldest first), `top_k(x, by, k)`, `histogram(x)` (a map), `bucket_counts(x, array(…))`, `decayed_sum(x, INTERVAL '1' DAY)`" + ` (the half-life). NULL values are
left out, but for ` + "`first`, `last`, `first_k` and `last_k`" + `, which take a further argument ` + "`true`" + ` for that, and the values of ` + "`top_k`. `empty: zero`" + ` goes with counts, sums, lists and maps.

No result depends on the order in which events arrive. Sums of doubles are exact until they are rounded, once, to the nearest double; ` + "`avg`" + ` divides that by the count. Variances are (n·Σx² - (Σx)²) / (n·n), or
/ (n·(n - 1)), whose numerator is exact until it is rounded once. ` + "`decayed_sum`" + ` is Σ x·2^(f(t))·2^(i(t) - i(q)) · 2^(-f(q)), with i and f the whole and the fractional part of a time in half-lives since 1970: the
products x·2^(f(t)) are rounded, their sum is exact until it is rounded once. ` + "`percentile_approx`" + ` is exact: the value of rank ⌈p·n⌉. ` + "`top_k`" + ` puts the later event first among equals. A ` + "`histogram`" + ` is in the order of its values.

A sketch of a distribution is ` + "`histogram(quantile_bucket(x, 0.01))`" + `: the counts of buckets that are at most a hundredth off the values in them. Sketches add up, bucket by bucket and in any order, and so do those that SQL makes
(` + "`SELECT quantile_bucket(x, 0.01) AS bucket, count(*) … GROUP BY bucket`" + `); the least bucket with p·n values in it and those below is the quantile p, at most a hundredth off the exact one.

Rows and events go to disk where they are sorted, however many there are of a key; what the windows of one key have in them at a time must fit in a task's memory. Events count there with their time and
the columns that the features read, and go as soon as no row to come can see them: a window ` + "`all`" + ` of sums, counts, extremes or the last k holds no events, but keeps every value of distinct counts, percentiles and histograms. Where they do not fit, the run
fails and says how many events there were: make windows shorter, give the worker more memory (` + "`--memory`" + `), or drop what is not asked for in a step before. Presets with ` + "`available_at`" + ` also hold events until they are known.`,
	read: readWindows,
}

var sequenceKind = &Kind{
	Name:    "sequence",
	Summary: "Adds to each row the last events of its keys before it, as lists of equal length.",
	Fields: append([]Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows: each comes out once"},
		{Name: "by", Type: "list of columns", Required: true, Doc: "the keys"},
		{Name: "time", Type: "column", Required: true, Doc: "the time of a row"},
		{Name: "events", Type: "mapping", Required: true, Doc: "the events", Fields: eventFields},
		{Name: "columns", Type: "list of columns", Required: true, Doc: "which columns of the events become lists"},
		{Name: "last", Type: "whole number", Required: true, Doc: "how many events there are at most"},
		{Name: "window", Type: "duration", Doc: "how far back they lie at most; default `all`"},
		{Name: "dedupe_by", Type: "list of columns", Doc: "of events that are equal in these only the latest counts"},
		{Name: "ages", Type: "name", Doc: "a list of how much older than the row the events are, in microseconds"},
		{Name: "prefix", Type: "text", Doc: "put before the names of the columns"},
	}, windowFields...),
	Example: `- name: with_sequence
  sequence:
    from: impressions
    by: [user_id]
    time: shown_at
    events: {from: clicks, time: clicked_at}
    columns: [item_id, price]
    last: 50
    window: 30d
    dedupe_by: [item_id]
    ages: click_ages
    prefix: last_`,
	Notes: "Lists go from the oldest event to the newest, have no padding, and are empty where there is no event. The presets are those of `windows`.",
	read:  readSequence,
}

// lookback is rows and the events that they look back on.
type lookback struct {
	from, time                       jobfile.Value
	events, eventTime, availableTime jobfile.Value
	by                               []pair
	latency                          int64
	ties                             []jobfile.Value
}

func readLookback(o *options) lookback {
	b := lookback{from: o.text("from"), time: o.text("time"), by: same(o.names("by"))}
	for _, e := range o.parts("events", "events of "+o.what) {
		b.events, b.eventTime, b.availableTime = e.text("from"), e.text("time"), e.text("available_at")
		b.latency, b.ties = e.duration("latency", 0), e.names("order_by")
		if e.has("by") {
			b.by = e.pairs("by")
		}
		if e.has("latency") && !e.has("available_at") {
			e.fail(e.place("latency"), "latency goes with available_at")
		}
	}
	return b
}

// preset reads what a window is beside its width. Of what is not given there, other has.
func preset(o *options, other logical.EventWindowSpec) logical.EventWindowSpec {
	w := other
	if o.has("preset") {
		w = logical.EventWindowSpec{Preset: o.choice("preset", "exact", "chronon", "chronon_snapshot", "zipline", "feathr", "sql_range", "pandas_rolling")}
	}
	w.Delay = o.duration("delay", w.Delay)
	if o.has("closed") {
		w.Closed = o.choice("closed", "right", "left", "both", "neither")
	}
	w.ExcludeGroup = w.ExcludeGroup || o.flag("exclude_peers")
	return w
}

// width is a window with its name.
type width struct {
	name   string
	window plan.EventWindow
}

// widths reads a list of windows.
func widths(o *options, name string, preset logical.EventWindowSpec) []width {
	var out []width
	for _, t := range o.list(name) {
		w := preset
		if w.Unbounded = t.Text == "all"; !w.Unbounded {
			w.Width = o.asDuration(t, name)
		}
		if *o.err != nil {
			return out
		}
		window, err := w.Window()
		if err != nil {
			o.fail(t.Value, "%s", err)
		}
		out = append(out, width{t.Text, window})
	}
	return out
}

type feature struct {
	name   jobfile.Value
	call   *jobfile.Tree
	widths []width
	empty  string
}

type windows struct {
	lookback
	features []feature
}

func readWindows(o *options) planner {
	s := &windows{lookback: readLookback(o)}
	base := preset(o, logical.EventWindowSpec{Preset: "exact"})
	common := widths(o, "windows", base)
	names, parts := o.named("features", "the feature", "of")
	for i, part := range parts {
		f := feature{name: names[i], call: part.expr("of"), widths: common, empty: part.choice("empty", "", plan.EmptyNull, plan.EmptyZero)}
		own := preset(part, base)
		switch {
		case part.has("windows"):
			f.widths = widths(part, "windows", own)
		case own != base:
			f.widths = widths(o, "windows", own)
		}
		s.features = append(s.features, f)
	}
	return s
}

func (s *windows) plan(p *planning) logical.Node {
	in, events := p.input(s.from), p.input(s.events)
	calls := make([]aggregate, len(s.features))
	for i, f := range s.features {
		calls[i] = p.aggregate(events, f.call)
	}
	var specs []logical.EventFeatureSpec
	var places []jobfile.Value
	for i, f := range s.features {
		spec := calls[i].spec(events)
		spec.Empty = f.empty
		for _, w := range f.widths {
			spec.Name, spec.Window = f.name.Text+"_"+w.name, w.window
			p.free(in, jobfile.Value{Text: spec.Name, Span: f.name.Span})
			specs, places = append(specs, spec), append(places, f.call.Value)
		}
	}
	return s.look(p, in, events, specs, places)
}

// look makes the node. places are where the features stand.
func (s *lookback) look(p *planning, in, events *relation, features []logical.EventFeatureSpec, places []jobfile.Value) logical.Node {
	time, eventTime := p.time(in, s.time), p.time(events, s.eventTime)
	p.sameTime(time, eventTime, s.eventTime)
	left, right := p.pairs(in, events, s.by)
	in.node = p.counted(in.node, plan.RowsIn)
	spec := logical.EventWindowsSpec{
		Left: in.node, Events: events.node, LeftKeys: exprs(left), EventKeys: exprs(right), LeftTime: time.Ref(), EventTime: eventTime.Ref(),
		Latency: s.latency, Ties: exprs(p.keys(events, s.ties)),
	}
	if s.availableTime.Text != "" {
		known := p.time(events, s.availableTime)
		p.sameTime(time, known, s.availableTime)
		spec.Available = known.Ref()
	}
	if p.err != nil {
		return in.node
	}
	// One by one first, to know whose a mistake is.
	for i := range features {
		spec.Features = features[i : i+1]
		if _, err := logical.NewEventWindows(spec, p.env.IDs); err != nil {
			p.fail(places[i], "%s", strings.TrimPrefix(err.Error(), "feature "+features[i].Name+": "))
			return in.node
		}
	}
	spec.Features = features
	node, err := logical.NewEventWindows(spec, p.env.IDs)
	if err != nil {
		p.err = fmt.Errorf("step %s: %w", p.step.Name.Text, err)
		return in.node
	}
	return p.counted(node, plan.RowsOut)
}

type sequence struct {
	lookback
	columns, dedupeBy []jobfile.Value
	last              int64
	window            plan.EventWindow
	ages              jobfile.Value
	prefix            string
}

// maxLast bounds the lists of sequence.
const maxLast = 100_000

func readSequence(o *options) planner {
	s := &sequence{
		lookback: readLookback(o), columns: o.names("columns"), dedupeBy: o.names("dedupe_by"), last: o.whole("last", 1, maxLast, 1),
		ages: o.text("ages"), prefix: o.seed("prefix", ""),
	}
	base := preset(o, logical.EventWindowSpec{Preset: "exact"})
	if !o.has("window") {
		base.Unbounded = true
		window, err := base.Window()
		if err != nil {
			o.fail(o.at, "%s", err)
		}
		s.window = window
	} else if w := widths(o, "window", base); len(w) == 1 {
		s.window = w[0].window
	} else {
		o.fail(o.place("window"), "sequence has one window")
	}
	return s
}

func (s *sequence) plan(p *planning) logical.Node {
	in, events := p.input(s.from), p.input(s.events)
	k := plan.Int64Literal(s.last)
	var features []logical.EventFeatureSpec
	var places []jobfile.Value
	add := func(name, at jobfile.Value, f string, args ...*plan.Expr) {
		p.free(in, jobfile.Value{Text: name.Text, Span: at.Span})
		if slices.ContainsFunc(features, func(f logical.EventFeatureSpec) bool { return strings.EqualFold(f.Name, name.Text) }) {
			p.fail(at, "two columns would be named %q", name.Text)
		}
		features = append(features, logical.EventFeatureSpec{
			Name: name.Text, Func: f, Args: append(args, k), Window: s.window, Empty: plan.EmptyZero, DedupeBy: exprs(p.keys(events, s.dedupeBy)),
		})
		places = append(places, at)
	}
	for _, v := range s.columns {
		add(jobfile.Value{Text: s.prefix + v.Text}, v, "last_k", p.column(events, v).Ref())
	}
	if s.ages.Text != "" {
		add(s.ages, s.ages, "ages")
	}
	return s.look(p, in, events, features, places)
}
