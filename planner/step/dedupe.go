package step

import (
	"fmt"

	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var dedupeKind = &Kind{
	Name:    "dedupe",
	Summary: "Keeps one row of those that have the same keys.",
	Fields: []Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows"},
		{Name: "keys", Type: "list of columns", Required: true, Doc: "rows with the same values here are the same; NULL is a value"},
		{Name: "order_by", Type: "list of columns", Doc: "the order of rows with the same keys, each `column [asc|desc] [nulls first|last]`; then by all other columns"},
		{Name: "keep", Type: "`first` or `last`", Doc: "which of them is kept; default `first`"},
		{Name: "horizon", Type: "duration", Doc: "only rows at most this far behind the one before are the same: for logs that repeat themselves within minutes, with keys that come back later"},
		{Name: "time", Type: "column", Doc: "the time that horizon goes by"},
	},
	Example: `- name: clicks_once
  dedupe:
    from: clicks
    keys: [event_id]
    order_by: [received_at desc]`,
	Notes: "The order is total: rows that are equal in `order_by` are ordered by their other columns, so the same row is kept whatever the files " +
		"and tasks. With `horizon`, rows with the same keys are taken in the order of `time`; one begins anew, and is kept, when the one before " +
		"it, kept or not, is `horizon` or more away.",
	read: readDedupe,
}

type dedupe struct {
	from    jobfile.Value
	keys    []jobfile.Value
	orderBy []order
	keep    string
	horizon int64
	time    jobfile.Value
}

func readDedupe(o *options) planner {
	d := &dedupe{
		from: o.text("from"), keys: o.names("keys"), orderBy: o.orders("order_by"), keep: o.choice("keep", "first", "last"),
		horizon: o.positive("horizon"), time: o.text("time"),
	}
	switch {
	case o.has("horizon") != o.has("time"):
		o.fail(o.at, "dedupe: horizon and time go together")
	case o.has("horizon") && o.has("order_by"):
		o.fail(o.place("order_by"), "dedupe: with a horizon the order is that of time")
	}
	return d
}

func (d *dedupe) plan(p *planning) logical.Node {
	in := p.input(d.from)
	keys, last := idents("", p.keys(in, d.keys)), d.keep == "last"
	cols := idents("", in.cols)
	relations := map[string]*relation{"input": in}
	if d.horizon == 0 {
		return p.kept(fmt.Sprintf("SELECT *, row_number() OVER (PARTITION BY %s ORDER BY %s) = 1 AS `__kept` FROM input",
			keys, p.totalOrder(in, d.orderBy, last)), cols, relations, out("__kept", "dropped"))
	}
	t := p.time(in, d.time)
	over := fmt.Sprintf("OVER (PARTITION BY %s ORDER BY %s)", keys, p.totalOrder(in, []order{{column: d.time}}, last))
	return p.kept(fmt.Sprintf(
		"SELECT *, `__before` IS NULL OR abs(timestampdiff(MICROSECOND, `__before`, %s)) >= %d AS `__kept` FROM (SELECT *, lag(%s) %s AS `__before` FROM input)",
		ident(t.Name), d.horizon, ident(t.Name), over), cols, relations, out("__kept", "dropped"))
}
