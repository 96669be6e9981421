package step

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var asofKind = &Kind{
	Name:    "as_of_join",
	Summary: "Gives each row what was known of its keys at its time: the point-in-time join of feature tables.",
	Fields: []Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows: each comes out once"},
		{Name: "by", Type: "list of columns", Doc: "the keys, for tables that do not name theirs"},
		{Name: "time", Type: "column", Required: true, Doc: "the time of a row"},
		{Name: "tables", Type: "list of mappings", Required: true, Doc: "the feature tables", Fields: []Field{
			{Name: "from", Type: "step or source", Required: true, Doc: "the table"},
			{Name: "by", Type: "list of columns, or mapping", Doc: "the keys; `{item_id: id}` where the rows call item_id what the table calls id"},
			{Name: "time", Type: "column", Required: true, Doc: "when a row of the table came to hold"},
			{Name: "available_at", Type: "column", Doc: "when it became known: rows of before do not see it, even if it is about an earlier time"},
			{Name: "latency", Type: "duration", Doc: "how much later than available_at (or time) it could be used"},
			{Name: "tolerance", Type: "duration", Doc: "how far off in time it may be, inclusive; without it, any age will do"},
			{Name: "direction", Type: "`backward`, `forward` or `nearest`", Doc: "the newest row that is not later, the oldest that is not earlier, or whichever is closer; default `backward`"},
			{Name: "equidistant", Type: "`backward` or `forward`", Doc: "which of two rows that are as near `nearest` takes; default `backward`"},
			{Name: "strict", Type: "true or false", Doc: "a row of exactly the same time does not count"},
			{Name: "order_by", Type: "list of columns", Doc: "which of the rows of one time is the newest: the greatest in these; then by available_at, before them, and by all other columns"},
			{Name: "skip_nulls", Type: "list of columns", Doc: "their values come from the newest row in which they are not NULL"},
			{Name: "columns", Type: "list of columns", Doc: "what to take; default: all but the keys, the time and available_at"},
			{Name: "prefix", Type: "text", Doc: "put before the names of the columns taken"},
			{Name: "age", Type: "name", Doc: "a column for how old what was found is: microseconds, negative for what is later"},
			{Name: "matched", Type: "name", Doc: "a column that says whether anything was found"},
			{Name: "required", Type: "true or false", Doc: "rows without a match are left out"},
		}},
	},
	Example: `- name: with_features
  as_of_join:
    from: impressions
    time: shown_at
    tables:
      - {from: item_features, by: [item_id], time: feature_time, available_at: available_at, tolerance: 7d, prefix: item_}
      - {from: user_features, by: [user_id], time: feature_time, available_at: available_at, latency: 5m, age: user_age}`,
	Notes: "Every row of `from` comes out exactly once (but for `required`), which is counted while it runs; without a match the columns are NULL. All columns of a table come from one row, NULLs included, but for `skip_nulls`. " +
		"NULL keys and NULL times match nothing. Where a time has several rows, the greatest `available_at`, then `order_by`, then the other columns decide. Without `tolerance` all of a table's past is read: " +
		"filter it in a step before where that is long. Tables by the same keys share one shuffle of the rows.",
	read: readAsof,
}

type asofTable struct {
	from, time, available jobfile.Value
	by                    []pair
	latency               int64
	tolerance             *int64
	direction             plan.AsofDirection
	preferForward, strict bool
	ties                  []jobfile.Value
	skipNulls             []jobfile.Value
	columns               []jobfile.Value
	prefix                string
	age, matched          jobfile.Value
	required              bool
}

type asofJoin struct {
	from, time jobfile.Value
	tables     []asofTable
}

func readAsof(o *options) planner {
	s := &asofJoin{from: o.text("from"), time: o.text("time")}
	common := same(o.names("by"))
	for _, part := range o.parts("tables", "a table of as_of_join") {
		t := asofTable{
			from: part.text("from"), time: part.text("time"), available: part.text("available_at"), by: part.pairs("by"),
			latency: part.duration("latency", 0), direction: plan.AsofDirection(part.choice("direction", "backward", "forward", "nearest")),
			preferForward: part.choice("equidistant", "backward", "forward") == "forward", strict: part.flag("strict"),
			ties: part.names("order_by"), skipNulls: part.names("skip_nulls"), columns: part.names("columns"), prefix: part.seed("prefix", ""),
			age: part.text("age"), matched: part.text("matched"), required: part.flag("required"),
		}
		if part.has("tolerance") {
			tolerance := part.duration("tolerance", 0)
			t.tolerance = &tolerance
		} else if t.direction != plan.AsofForward {
			part.doubt(part.at, "%s is joined without a tolerance: a value of any age will do, and all of its past is read", t.from.Text).
				WithHint("say how old a value may be: tolerance: 30d")
		}
		if !part.has("by") {
			t.by = common
		}
		switch {
		case len(t.by) == 0:
			part.fail(part.at, "a table of as_of_join needs keys: by, here or for all tables")
		case part.has("equidistant") && t.direction != plan.AsofNearest:
			part.fail(part.place("equidistant"), "equidistant goes with the direction nearest")
		case t.direction != plan.AsofBackward && (part.has("available_at") || part.has("latency")):
			part.fail(part.place("direction"), "a table with the direction %s has rows that lie ahead: available_at and latency have no meaning for them", t.direction)
		}
		s.tables = append(s.tables, t)
	}
	return s
}

func (s *asofJoin) plan(p *planning) logical.Node {
	in := p.input(s.from)
	time := p.time(in, s.time)
	out := &asofResult{planning: p, left: in, time: time, node: in.node, hidden: map[int]string{}, taken: slices.Clone(in.cols), selected: []string{idents("", in.cols)}, where: "true"}
	for i := range s.tables {
		out.join(i, &s.tables[i])
	}
	joined := made(s.from.Text, out.renamed())
	rows := p.sql(fmt.Sprintf("SELECT %s FROM joined WHERE %s", strings.Join(out.selected, ", "), out.where), map[string]*relation{"joined": joined})
	return p.counted(rows, plan.RowsOut)
}

// asofResult is the rows with the tables joined so far.
type asofResult struct {
	*planning
	left     *relation
	time     logical.Column
	node     logical.Node
	hidden   map[int]string   // the columns of tables by id, each with a name of its own
	taken    []logical.Column // those that come out
	selected []string         // and their expressions
	where    string
}

// renamed is the rows with no name twice.
func (r *asofResult) renamed() logical.Node {
	project := &logical.Project{Input: r.node}
	for _, c := range r.node.Columns() {
		d := logical.Definition{Column: r.env.IDs.Column(c.Field), Expr: c.Ref()}
		if name, ok := r.hidden[c.ID]; ok {
			d.Name = name
		}
		project.Defs = append(project.Defs, d)
	}
	return project
}

// add selects a column.
func (r *asofResult) add(expr string, as jobfile.Value) {
	r.free(&relation{name: r.left.name + " with the tables before", cols: r.taken}, as)
	r.taken = append(r.taken, logical.Column{Field: plan.Field{Name: as.Text}})
	r.selected = append(r.selected, expr+" AS "+ident(as.Text))
}

func (r *asofResult) join(i int, t *asofTable) {
	table := r.input(t.from)
	right, known := r.planning.time(table, t.time), logical.Column{}
	r.sameTime(r.time, right, t.time)
	if t.available.Text != "" {
		known = r.planning.time(table, t.available)
		r.sameTime(r.time, known, t.available)
	}
	leftKeys, rightKeys := r.pairs(r.left, table, t.by)
	columns := t.takes(r.planning, table, append(slices.Clone(rightKeys), right, known))
	spec := logical.AsofTable{
		Node: table.node, Keys: exprs(rightKeys), Time: right.Ref(), Ties: exprs(r.keys(table, t.ties)), SkipNulls: exprs(r.columns(table, t.skipNulls)),
		Direction: t.direction, Strict: t.strict, PreferForward: t.preferForward, Tolerance: t.tolerance, Latency: t.latency, Inner: t.required,
	}
	switch {
	case t.available.Text != "":
		spec.Available = known.Ref()
	case t.latency > 0:
		spec.Available = right.Ref() // what is used late was known at its time
	}
	if r.err != nil {
		return
	}
	hidden := func(c logical.Column) string { return fmt.Sprintf("__%d_%s", i, c.Name) }
	for _, c := range table.cols {
		r.hidden[c.ID] = hidden(c)
	}
	found := ident(hidden(right)) + " IS NOT NULL"
	for _, c := range columns {
		r.add(ident(hidden(c)), jobfile.Value{Text: t.prefix + c.Name, Span: t.from.Span})
	}
	if t.age.Text != "" {
		r.add(fmt.Sprintf("timestampdiff(MICROSECOND, %s, %s)", ident(hidden(right)), ident(r.time.Name)), t.age)
	}
	if t.matched.Text != "" {
		r.add(found, t.matched)
	}
	if r.err != nil {
		return
	}
	info := plan.TallyInfo{Where: []string{r.called(t) + " matched"}, Else: []string{r.called(t) + " unmatched"}}
	if i == 0 {
		info.All = plan.RowsIn
	}
	spec.Tally = r.number(info)
	node, err := logical.NewAsofJoin(r.node, exprs(leftKeys), r.time.Ref(), spec)
	if err != nil {
		r.err = fmt.Errorf("step %s: %w", r.step.Name.Text, err)
		return
	}
	r.node = node
}

// called is the name of a table in counts, which another may have, too.
func (r *asofResult) called(t *asofTable) string {
	name, n := t.from.Text, 1
	for _, info := range r.tallies {
		if slices.Contains(info.Where, name+" matched") {
			n++
			name = fmt.Sprintf("%s %d", t.from.Text, n)
		}
	}
	return name
}

// takes are the columns of the table that come out.
func (t *asofTable) takes(p *planning, table *relation, without []logical.Column) []logical.Column {
	if len(t.columns) > 0 {
		return p.columns(table, t.columns)
	}
	return slices.DeleteFunc(slices.Clone(table.cols), func(c logical.Column) bool {
		return slices.ContainsFunc(without, func(w logical.Column) bool { return w.ID == c.ID })
	})
}
