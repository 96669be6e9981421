package logical

import (
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
)

const day = 24 * time.Hour

// The start of a window is that of Chronon's code, as measured: for a row at 12:01:01.923, windows of one and of seven days
// reach back 61.923 s more than they say, one of thirty days 43 261.923 s.
func TestEventWindowPresets(t *testing.T) {
	at := time.Date(2023, 7, 14, 12, 1, 1, 923_000_000, time.UTC)
	midnight := time.Date(2023, 7, 14, 0, 0, 0, 0, time.UTC)
	const tick = time.Microsecond
	for _, c := range []struct {
		spec     EventWindowSpec
		width    time.Duration
		from, to time.Time
	}{
		{EventWindowSpec{}, day, at.Add(-day), at},
		{EventWindowSpec{Preset: "exact"}, 90 * time.Second, at.Add(-90 * time.Second), at},
		{EventWindowSpec{Preset: "chronon"}, time.Hour, time.Date(2023, 7, 14, 11, 0, 0, 0, time.UTC), at},
		{EventWindowSpec{Preset: "chronon"}, day, at.Add(-day - 61_923*time.Millisecond), at},
		{EventWindowSpec{Preset: "chronon"}, 7 * day, at.Add(-7*day - 61_923*time.Millisecond), at},
		{EventWindowSpec{Preset: "chronon"}, 30 * day, at.Add(-30*day - 43_261_923*time.Millisecond), at},
		{EventWindowSpec{Preset: "zipline"}, 7 * day, at.Add(-7*day - 61_923*time.Millisecond), at.Add(tick)},
		{EventWindowSpec{Preset: "chronon_snapshot"}, 7 * day, midnight.Add(-7 * day), midnight},
		{EventWindowSpec{Preset: "feathr", Delay: time.Hour.Microseconds()}, day, at.Add(-time.Hour - day + tick), at.Add(-time.Hour + tick)},
		{EventWindowSpec{Preset: "sql_range"}, day, at.Add(-day), at.Add(tick)},
		{EventWindowSpec{Preset: "sql_range", ExcludeGroup: true}, day, at.Add(-day), at},
		{EventWindowSpec{Preset: "pandas_rolling"}, day, at.Add(-day + tick), at.Add(tick)},
		{EventWindowSpec{Preset: "pandas_rolling", Closed: "right"}, day, at.Add(-day + tick), at.Add(tick)},
		{EventWindowSpec{Preset: "pandas_rolling", Closed: "left"}, day, at.Add(-day), at},
		{EventWindowSpec{Preset: "pandas_rolling", Closed: "both"}, day, at.Add(-day), at.Add(tick)},
		{EventWindowSpec{Preset: "pandas_rolling", Closed: "neither"}, day, at.Add(-day + tick), at},
	} {
		c.spec.Width = c.width.Microseconds()
		w, err := c.spec.Window()
		if err != nil {
			t.Errorf("%+v: %v", c.spec, err)
			continue
		}
		from, to := w.Bounds(at.UnixMicro())
		if from != c.from.UnixMicro() || to != c.to.UnixMicro() {
			t.Errorf("%+v: from %v to %v, want %v to %v", c.spec, time.UnixMicro(from).UTC(), time.UnixMicro(to).UTC(), c.from, c.to)
		}
	}
	before := time.Date(1969, 12, 31, 23, 59, 0, 0, time.UTC)
	w, _ := EventWindowSpec{Preset: "chronon", Width: time.Minute.Microseconds()}.Window()
	if from, _ := w.Bounds(before.UnixMicro()); from != before.Add(-4*time.Minute).UnixMicro() {
		t.Errorf("before 1970 a window begins at %v", time.UnixMicro(from).UTC())
	}
}

func TestEventWindowSpecErrors(t *testing.T) {
	for _, c := range []struct {
		spec EventWindowSpec
		want string
	}{
		{EventWindowSpec{}, "must be positive"},
		{EventWindowSpec{Preset: "spark", Width: 1}, "no preset \"spark\""},
		{EventWindowSpec{Width: 1, Unbounded: true}, "both have a width"},
		{EventWindowSpec{Preset: "exact", Width: 1, Delay: 1}, "goes with preset feathr"},
		{EventWindowSpec{Preset: "feathr", Width: 1, Delay: -1}, "must not be negative"},
		{EventWindowSpec{Preset: "exact", Width: 1, Closed: "left"}, "goes with preset pandas_rolling"},
		{EventWindowSpec{Preset: "pandas_rolling", Width: 1, Closed: "up"}, "closed on \"up\""},
		{EventWindowSpec{Preset: "exact", Width: 1, ExcludeGroup: true}, "goes with preset sql_range"},
		{EventWindowSpec{Preset: "chronon_snapshot", Width: 1}, "whole days"},
	} {
		if _, err := c.spec.Window(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error with %q", c.spec, err, c.want)
		}
	}
}

// eventSides is rows and events of a key, a time and two more columns.
func eventSides(ids *IDs) (rows, events *Values) {
	side := func() *Values {
		v := &Values{}
		for _, f := range []plan.Field{
			{Name: "k", Type: plan.String, Nullable: true}, {Name: "t", Type: plan.Timestamp, Nullable: true},
			{Name: "n", Type: plan.Int32, Nullable: true}, {Name: "m", Type: plan.Map(plan.String, plan.Int64, false), Nullable: true},
		} {
			v.Cols = append(v.Cols, ids.Column(f))
		}
		return v
	}
	return side(), side()
}

func eventSpec(rows, events *Values) EventWindowsSpec {
	return EventWindowsSpec{
		Left: rows, Events: events, LeftKeys: []*plan.Expr{rows.Cols[0].Ref()}, EventKeys: []*plan.Expr{events.Cols[0].Ref()},
		LeftTime: rows.Cols[1].Ref(), EventTime: events.Cols[1].Ref(),
	}
}

func TestNewEventWindowsTypes(t *testing.T) {
	interval := &plan.Expr{Op: plan.OpLiteral, Type: plan.DayTimeInterval, Value: plan.Literal{Int: 5}}
	boundaries, err := compute.Call("array", &plan.Expr{Op: plan.OpLiteral, Type: plan.Int32, Value: plan.Literal{Int: 1}})
	if err != nil {
		t.Fatal(err)
	}
	k := plan.Int64Literal(3)
	for _, c := range []struct {
		text string // of the function, and the type and nullability of its result
		args func(n *plan.Expr) []*plan.Expr
		ties bool
	}{
		{"count bigint not null", func(*plan.Expr) []*plan.Expr { return nil }, false},
		{"sum bigint", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n} }, false},
		{"avg double", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n} }, false},
		{"max int", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n} }, false},
		{"stddev_pop double", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n} }, false},
		{"variance double", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n} }, false},
		{"last int", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n} }, true},
		{"last_k array<int>", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n, k} }, true},
		{"top_k array<int>", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n, n, k} }, true},
		{"ages array<bigint>", func(*plan.Expr) []*plan.Expr { return []*plan.Expr{k} }, true},
		{"histogram map<int,bigint>", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n} }, false},
		{"bucket_counts array<bigint>", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n, boundaries} }, false},
		{"decayed_sum double", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n, interval} }, false},
		{"approx_count_distinct bigint not null", func(n *plan.Expr) []*plan.Expr { return []*plan.Expr{n} }, false},
		{"percentile_approx int", func(n *plan.Expr) []*plan.Expr {
			return []*plan.Expr{n, {Op: plan.OpLiteral, Type: plan.Float64, Value: plan.Literal{Bits: 0x3fe0000000000000}}}
		}, false},
	} {
		ids := &IDs{}
		rows, events := eventSides(ids)
		spec := eventSpec(rows, events)
		window, _ := EventWindowSpec{Width: 1}.Window()
		name, typ, _ := strings.Cut(c.text, " ")
		spec.Features = []EventFeatureSpec{{Name: "f", Func: name, Args: c.args(events.Cols[2].Ref()), Window: window}}
		n, err := NewEventWindows(spec, ids)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if err := Verify(n); err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		f := n.Features[0]
		got := f.Type.String() + map[bool]string{false: " not null"}[f.Nullable]
		if got != typ {
			t.Errorf("%s: type %s", c.text, got)
		}
		if ties := len(n.Ties) > 0; ties != c.ties {
			t.Errorf("%s: ties %v", c.text, n.Ties)
		}
	}
}

func TestNewEventWindowsErrors(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(s *EventWindowsSpec, f *EventFeatureSpec, n *plan.Expr)
	}{
		{"no function kurtosis", func(_ *EventWindowsSpec, f *EventFeatureSpec, _ *plan.Expr) { f.Func = "kurtosis" }},
		{"last_k(x, k[, ignoreNulls])", func(_ *EventWindowsSpec, f *EventFeatureSpec, n *plan.Expr) { f.Func = "last_k" }},
		{"takes 1 or more", func(_ *EventWindowsSpec, f *EventFeatureSpec, n *plan.Expr) {
			f.Func, f.Args = "last_k", []*plan.Expr{n, plan.Int64Literal(0)}
		}},
		{"must be a constant", func(_ *EventWindowsSpec, f *EventFeatureSpec, n *plan.Expr) {
			f.Func, f.Args = "last_k", []*plan.Expr{n, n}
		}},
		{"sum takes no DISTINCT", func(_ *EventWindowsSpec, f *EventFeatureSpec, _ *plan.Expr) { f.Distinct = true }},
		{"max has no zero", func(_ *EventWindowsSpec, f *EventFeatureSpec, _ *plan.Expr) { f.Func, f.Empty = "max", plan.EmptyZero }},
		{"\"no\"", func(_ *EventWindowsSpec, f *EventFeatureSpec, _ *plan.Expr) { f.Empty = "no" }},
		{"last_k does", func(_ *EventWindowsSpec, f *EventFeatureSpec, n *plan.Expr) { f.DedupeBy = []*plan.Expr{n} }},
		{"windows go by timestamp", func(s *EventWindowsSpec, _ *EventFeatureSpec, n *plan.Expr) { s.EventTime = n }},
		{"is string but", func(s *EventWindowsSpec, _ *EventFeatureSpec, n *plan.Expr) { s.EventKeys = []*plan.Expr{n} }},
	} {
		ids := &IDs{}
		rows, events := eventSides(ids)
		spec := eventSpec(rows, events)
		window, _ := EventWindowSpec{Width: 1}.Window()
		f, n := EventFeatureSpec{Name: "f", Func: "sum", Args: []*plan.Expr{events.Cols[2].Ref()}, Window: window}, events.Cols[2].Ref()
		c.change(&spec, &f, n)
		spec.Features = []EventFeatureSpec{f}
		if _, err := NewEventWindows(spec, ids); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want an error with %q", err, c.want)
		}
	}
}
