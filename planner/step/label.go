package step

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var labelKind = &Kind{
	Name:    "label",
	Summary: "Adds labels to impressions from the events that follow them, once those can be known.",
	Fields: []Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the impressions: each comes out once, or not at all where it is immature"},
		{Name: "by", Type: "list of columns", Required: true, Doc: "the keys that an event shares with its impressions"},
		{Name: "time", Type: "column", Required: true, Doc: "the time of an impression"},
		{Name: "watermark", Type: "expression", Required: true, Doc: "the time up to which all events have landed; a constant, such as `${ds} + 1`"},
		{Name: "immature", Type: "`drop` or `emit`", Doc: "what happens to impressions whose events may still come: they are left out, or come out with `label_mature` false; default `drop`"},
		{Name: "matured_after", Type: "expression", Doc: "an earlier watermark, that of the version before: what has not changed since is left out. With `drop` impressions come out that were not mature then, with `emit` those that are new and those of which a label has matured"},
		{Name: "labels", Type: "mapping of names to mappings", Required: true, Doc: "the labels", Fields: []Field{
			{Name: "from", Type: "step or source", Required: true, Doc: "the events"},
			{Name: "by", Type: "list of columns, or mapping", Doc: "their keys; `{item_id: id}` where the impressions call item_id what the events call id; default: as the impressions"},
			{Name: "time", Type: "column", Required: true, Doc: "the time of an event"},
			{Name: "within", Type: "duration", Required: true, Doc: "events count that are less than this behind the impression"},
			{Name: "after", Type: "duration", Doc: "and at least this; default 0: an event at the impression's very time counts"},
			{Name: "lag", Type: "duration", Doc: "how much later than others these events land: their watermark is so much before the step's; default 0"},
			{Name: "credit", Type: "`any`, `last_touch`, `first_touch` or `shared`", Doc: "which of several impressions an event counts for: all, the last or the first before it, or all with an equal share each; default `any`"},
			{Name: "of", Type: "call in SQL", Doc: "an aggregate of the events, `sum(price)`; without it the label is 1 if there is an event, else 0 (with `shared`: the sum of shares)"},
		}},
	},
	Example: `- name: labelled
  label:
    from: impressions
    by: [user_id, item_id]
    time: shown_at
    watermark: ${ds} + 8
    labels:
      clicked: {from: clicks, time: clicked_at, within: 1h, credit: last_touch}
      revenue: {from: conversions, time: bought_at, within: 7d, of: sum(price)}`,
	Notes: "An event at t counts for an impression at q if q + after ≤ t < q + within. A label of an impression is mature when q + within ≤ watermark - lag, the impression when all its labels are: before that a missing event means nothing, " +
		"and a model that is trained on it learns that late buyers do not buy. The column `label_version` is the watermark. With `emit` there are `label_mature`, for each label NAME`_mature`, and `observed_for`, " +
		"the microseconds from the impression to the watermark. Events behind the watermark (less the lag) do not count, so the labels of a version never change. " +
		"In `last_touch` and `first_touch` an event counts once: of impressions at one time the last in the order of all their columns.\n\n" +
		"With `emit` and `matured_after` labels come in versions: an impression comes out in the first version after it was shown, with what is known by then, and again in each that a label of it matures in, " +
		"the last time with `label_mature` true. It is new if it lies at or behind the earlier watermark; without a time it is never new. No version is ever rewritten. The newest row of each impression has the labels that a single run with the newest watermark would give, as far as these are mature: `dedupe` by the impression's key, `order_by: [label_version desc]`. Write each night into a dataset of its own, " +
		"`path: out/labels/night=${ds}`: a source with the path `out/labels` reads all of them, each in its latest version.",
	read: readLabel,
}

type labelSpec struct {
	name          jobfile.Value
	from, time    jobfile.Value
	by            []pair
	within, after int64
	lag           int64
	credit        string
	of            *jobfile.Tree
}

type label struct {
	from, time              jobfile.Value
	by                      []jobfile.Value
	watermark, maturedAfter *jobfile.Tree
	emit                    bool
	labels                  []labelSpec
}

func readLabel(o *options) planner {
	s := &label{
		from: o.text("from"), time: o.text("time"), by: o.names("by"), watermark: o.expr("watermark"), maturedAfter: o.expr("matured_after"),
		emit: o.choice("immature", "drop", "emit") == "emit",
	}
	names, parts := o.named("labels", "the label", "")
	for i, part := range parts {
		l := labelSpec{
			name: names[i], from: part.text("from"), time: part.text("time"), by: same(s.by), within: part.positive("within"), after: part.duration("after", 0), lag: part.duration("lag", 0),
			credit: part.choice("credit", "any", "last_touch", "first_touch", "shared"), of: part.expr("of"),
		}
		if part.has("by") {
			l.by = part.pairs("by")
		}
		if l.after >= l.within && part.has("within") {
			part.fail(part.place("within"), "within must be longer than after")
		}
		s.labels = append(s.labels, l)
	}
	return s
}

func (s *label) plan(p *planning) logical.Node {
	in := p.input(s.from)
	p.unique(in, s.added())
	p.keys(in, s.by)
	time := p.time(in, s.time)
	cols := idents("", in.cols)
	p.watermark = p.constantText(in, s.watermark, time.Type)
	if s.maturedAfter != nil {
		if before := p.constantText(in, s.maturedAfter, time.Type); before != "" && p.watermark != "" && before >= p.watermark {
			p.fail(s.maturedAfter.Value, "matured_after is %s, which is not before the watermark, %s", before, p.watermark).WithHint("it is the watermark of the version before")
		}
	}
	for _, l := range s.labels {
		p.looksAhead = max(p.looksAhead, l.within)
	}
	all, in := s.matured(p, in, time)
	selected := []string{cols}
	for i := range s.labels {
		l := &s.labels[i]
		value := fmt.Sprintf("__label%d", i)
		in = l.add(p, all, in, s, value)
		selected = append(selected, ident(value)+" AS "+ident(l.name.Text))
	}
	selected = append(selected, "`__watermark` AS label_version")
	if s.emit {
		selected = append(selected, "`__mature` AS label_mature")
		for i, l := range s.labels {
			selected = append(selected, ident(matureColumn(i))+" AS "+ident(l.name.Text+"_mature"))
		}
		selected = append(selected, fmt.Sprintf("timestampdiff(MICROSECOND, %s, `__watermark`) AS observed_for", ident(time.Name)))
	}
	return p.sql("SELECT "+strings.Join(selected, ", ")+" FROM input", map[string]*relation{"input": in})
}

// bound adds a column for a time that is given, a constant, of the type of another.
func (p *planning) bound(r *relation, e *jobfile.Tree, like logical.Column) string {
	d := p.defined(r, e.SQL, p.parsed(e))
	switch {
	case p.err != nil:
	case !isTime(d.Type):
		p.fail(e.Value, "this must be a time, and is of type %s", d.Type)
	case d.Expr != nil && readsColumns(d.Expr):
		p.fail(e.Value, "this must be one time for all rows, and depends on columns").WithHint("a constant, such as ${ds} + 1")
	}
	return fmt.Sprintf("CAST(%s AS %s)", ident(d.Name), like.Type)
}

// added are the columns that the step adds, each with the place of its name.
func (s *label) added() (names []jobfile.Value) {
	own := func(name string) { names = append(names, jobfile.Value{Text: name, Span: s.from.Span}) }
	own("label_version")
	if s.emit {
		own("label_mature")
		own("observed_for")
	}
	for _, l := range s.labels {
		names = append(names, l.name)
		if s.emit {
			names = append(names, jobfile.Value{Text: l.name.Text + "_mature", Span: l.name.Span})
		}
	}
	return names
}

// matureColumn says whether a label is mature.
func matureColumn(i int) string { return fmt.Sprintf("__mature%d", i) }

// ripens is how long after an impression its label is mature.
func (l *labelSpec) ripens() int64 { return l.within + l.lag }

// matured is all impressions, and those that come out, with the watermark and what is mature of them. An event is credited
// to one of all impressions: one that does not come out in this version has its events all the same.
func (s *label) matured(p *planning, in *relation, time logical.Column) (all, kept *relation) {
	watermark, before := p.bound(in, s.watermark, time), ""
	if s.maturedAfter != nil {
		before = ", " + p.bound(in, s.maturedAfter, time) + " AS `__before`"
	}
	counts := []counting{out("__kept", ""), {"__mature", "mature", "immature"}}
	var mature, both, matured []string
	for i, l := range s.labels {
		known := later(l.ripens(), time.Name)
		mature = append(mature, fmt.Sprintf("coalesce(%s <= `__watermark`, false) AS %s", known, ident(matureColumn(i))))
		both = append(both, ident(matureColumn(i)))
		matured = append(matured, fmt.Sprintf("%s AND %s > `__before`", ident(matureColumn(i)), known))
		if len(s.labels) > 1 {
			counts = append(counts, counting{column: matureColumn(i), name: l.name.Text + " mature"})
		}
	}
	changed := "true"
	switch {
	case before != "" && s.emit:
		changed = fmt.Sprintf("coalesce(%s >= `__before`, false) OR %s", ident(time.Name), strings.Join(matured, " OR "))
	case before != "":
		changed = "`__mature` AND (" + strings.Join(matured, " OR ") + ")"
	case !s.emit:
		changed = "`__mature`"
	}
	rows := in
	if slices.ContainsFunc(s.labels, func(l labelSpec) bool { return l.credit != "any" }) {
		// Impressions of a key and a time that are alike are told apart by a number: see ADR 13.
		rows = made(s.from.Text, p.sql(fmt.Sprintf("SELECT *, row_number() OVER (PARTITION BY %s ORDER BY %s) AS `__n` FROM input",
			idents("", p.keys(in, s.by)), p.totalOrder(in, []order{{column: s.time}}, false)), map[string]*relation{"input": in}))
	}
	return rows, made(s.from.Text, p.kept(fmt.Sprintf("SELECT *, %s AS `__kept` FROM (SELECT *, %s AS `__mature` FROM (SELECT *, %s FROM (SELECT *, %s AS `__watermark`%s FROM input)))",
		changed, strings.Join(both, " AND "), strings.Join(mature, ", "), watermark, before), "*", map[string]*relation{"input": rows}, counts...))
}

// add makes the impressions have the label, under a name of ours. all are those that events are credited to.
func (l *labelSpec) add(p *planning, all, in *relation, s *label, value string) *relation {
	events := p.input(l.from)
	time, eventTime := p.time(in, s.time), p.time(events, l.time)
	p.sameTime(time, eventTime, l.time)
	left, right := p.pairs(in, events, l.by)
	t := &touches{planning: p, labelSpec: l, shown: all, in: in, time: time.Name, eventTime: eventTime.Name, value: value}
	if l.of != nil {
		t.call = p.aggregate(events, l.of)
	} else {
		t.call = aggregate{name: "count"}
	}
	watermark := p.bound(events, s.watermark, eventTime)
	for i := range left {
		t.keys, t.eventKeys = append(t.keys, left[i].Name), append(t.eventKeys, right[i].Name)
	}
	// What lies behind the watermark has not all landed.
	t.events = t.over(events, fmt.Sprintf("SELECT * FROM input WHERE %s < timestampadd(MICROSECOND, %d, %s)", ident(eventTime.Name), -l.lag, watermark))
	if p.err != nil {
		return in
	}
	switch l.credit {
	case "last_touch", "first_touch":
		return t.credited()
	case "shared":
		t.share()
	}
	return t.all()
}

// touches is impressions and the events of a label.
type touches struct {
	*planning
	*labelSpec
	shown           *relation // the impressions that events are credited to
	in, events      *relation // the impressions that get the label; the events
	time, eventTime string
	keys, eventKeys []string
	call            aggregate
	value           string // the column to add
}

func (t *touches) over(r *relation, text string) *relation {
	return made(r.name, t.sql(text, map[string]*relation{"input": r}))
}

func refs(r *relation, names []string) []*plan.Expr {
	var out []*plan.Expr
	for _, name := range names {
		out = append(out, r.ref(name))
	}
	return out
}

// later is a time some microseconds after another, in SQL.
func later(micros int64, time string) string {
	return fmt.Sprintf("timestampadd(MICROSECOND, %d, %s)", micros, ident(time))
}

// label is the label made of what the call gave, in SQL.
func (t *touches) label(given string) string {
	switch {
	case t.of == nil && t.credit == "shared":
		return "coalesce(" + given + ", 0D)"
	case t.of == nil:
		return "CASE WHEN " + given + " > 0 THEN 1 ELSE 0 END"
	case strings.EqualFold(t.call.name, "count"):
		return "coalesce(" + given + ", 0L)"
	}
	return given
}

// all counts an event for every impression that it follows: from after to within behind the impression is the window
// before within behind it.
func (t *touches) all() *relation {
	left := t.over(t.in, "SELECT *, "+later(t.within, t.time)+" AS `__until` FROM input")
	feature := t.call.spec(t.events)
	feature.Name = "__given"
	node := t.windows(left, t.events, t.keys, t.eventKeys, "__until", t.eventTime, feature)
	return t.over(made(t.in.name, node), fmt.Sprintf("SELECT %s, %s AS %s FROM input", idents("", t.in.node.Columns()), t.label("`__given`"), ident(t.value)))
}

// windows looks back from rows on events, as far as events count.
func (t *touches) windows(rows, events *relation, keys, eventKeys []string, time, eventTime string, feature logical.EventFeatureSpec) logical.Node {
	if t.err != nil {
		return rows.node
	}
	var err error
	if feature.Window, err = (logical.EventWindowSpec{Preset: "exact", Width: t.within - t.after}).Window(); err == nil {
		var node logical.Node
		node, err = logical.NewEventWindows(logical.EventWindowsSpec{
			Left: rows.node, Events: events.node, LeftKeys: refs(rows, keys), EventKeys: refs(events, eventKeys),
			LeftTime: rows.ref(time), EventTime: events.ref(eventTime), Features: []logical.EventFeatureSpec{feature},
		}, t.env.IDs)
		if err == nil {
			return node
		}
	}
	at := t.name
	if t.of != nil {
		at = t.of.Value
	}
	t.fail(at, "%s", strings.TrimPrefix(err.Error(), "feature __given: "))
	return rows.node
}

// share gives each event its share of one impression, and has the label be the sum.
func (t *touches) share() {
	x := "1D"
	switch {
	case t.of == nil:
	case !strings.EqualFold(t.call.name, "sum") || t.call.distinct || len(t.call.args) != 1:
		t.fail(t.of.Value, "what is shared among impressions is a sum: sum(x)")
		return
	default:
		x = "CAST(" + t.call.args[0].sql() + " AS DOUBLE)"
	}
	// The impressions before an event, its own time included.
	probe := t.over(t.events, "SELECT *, "+later(1-t.after, t.eventTime)+" AS `__until` FROM input")
	impressions := t.impressions()
	node := t.windows(probe, impressions, t.eventKeys, impressionKeys(len(t.keys)), "__until", "__time", logical.EventFeatureSpec{Name: "__touched", Func: "count"})
	t.events = t.over(made(t.events.name, node), "SELECT *, "+x+" / greatest(`__touched`, 1L) AS `__share` FROM input")
	t.call = aggregate{name: "sum", args: []argument{{column: "__share"}}, filter: t.call.filter}
}

func impressionKeys(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("__key%d", i))
	}
	return names
}

// impressions are the keys, times and numbers of all impressions, under names of ours.
func (t *touches) impressions() *relation {
	var cols []string
	for i, k := range t.keys {
		cols = append(cols, fmt.Sprintf("%s AS `__key%d`", ident(k), i))
	}
	return t.over(t.shown, fmt.Sprintf("SELECT %s, %s AS `__time`, `__n` AS `__of` FROM input", strings.Join(cols, ", "), ident(t.time)))
}

// credited counts an event for one impression, the last or first that it can have followed.
func (t *touches) credited() *relation {
	direction, probe := plan.AsofBackward, -t.after
	if t.credit == "first_touch" {
		direction, probe = plan.AsofForward, 1-t.within
	}
	reach := t.within - t.after - 1
	events, impressions := t.over(t.events, "SELECT *, "+later(probe, t.eventTime)+" AS `__probe` FROM input"), t.impressions()
	if t.err != nil {
		return t.in
	}
	names := impressionKeys(len(t.keys))
	node, err := logical.NewAsofJoin(events.node, refs(events, t.eventKeys), events.ref("__probe"), logical.AsofTable{
		Node: impressions.node, Keys: refs(impressions, names), Time: impressions.ref("__time"), Ties: []*plan.Expr{impressions.ref("__of")},
		Direction: direction, Tolerance: &reach, Inner: true,
	})
	if err != nil {
		t.err = fmt.Errorf("step %s: %w", t.step.Name.Text, err)
		return t.in
	}
	keys := "`" + strings.Join(names, "`, `") + "`, `__of`"
	given := t.over(made(t.events.name, node), fmt.Sprintf("SELECT %s, %s AS `__given` FROM input GROUP BY %s", keys, t.call.sql(), keys))
	on := []string{"i.`__n` = g.`__of`"}
	for i, k := range t.keys {
		on = append(on, fmt.Sprintf("i.%s = g.`__key%d`", ident(k), i))
	}
	return made(t.in.name, t.sql(fmt.Sprintf("SELECT i.*, %s AS %s FROM input i LEFT JOIN given g ON %s", t.label("g.`__given`"), ident(t.value), strings.Join(on, " AND ")),
		map[string]*relation{"input": t.in, "given": given}))
}
