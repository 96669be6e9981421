package step

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var driftCheck = &Kind{
	Name:    "drift",
	Summary: "The values of columns are distributed much as in the version before.",
	Fields: []Field{
		{Name: "columns", Type: "list of columns", Required: true, Doc: "numbers, dates and times; with `psi` also strings and booleans"},
		{Name: "psi", Type: "number", Doc: "the population stability index is at most this; 0.1 is often called a small change, 0.25 a large one"},
		{Name: "ks", Type: "number from 0 to 1", Doc: "the greatest distance between the cumulative distributions (Kolmogorov and Smirnov) is at most this"},
	},
	Example: `- drift: {columns: [price, country], psi: 0.2}`,
	Notes: "The earlier version is the newest whose manifest has a distribution of the column, among the last seven; without one the check is skipped. " +
		"A distribution is kept in the manifest: of columns with an order, 101 quantiles, so that both numbers are exact to about a hundredth; of others, the 50 " +
		"most frequent values, the rest being one. The index has a bin for each tenth of the earlier version (or each of its values), one for rows " +
		"without a value (NULL and NaN), and takes shares below 0.0001 for 0.0001. `ks` looks at rows that have a value.",
	readCheck: func(o *options) measurer {
		c := &drift{columns: o.names("columns"), psi: o.number("psi", 0, 100), ks: o.number("ks", 0, 1)}
		if c.psi == nil && c.ks == nil {
			o.fail(o.at, "drift needs psi, ks or both").WithHint("drift: {columns: [price], psi: 0.2}")
		}
		if len(c.columns) > maxDrifting {
			o.fail(o.at, "drift takes at most %d columns", maxDrifting)
		}
		return c
	},
}

// maxDrifting bounds the columns of one check: each has a distribution in the manifest.
const maxDrifting = 64

type drift struct {
	columns []jobfile.Value
	psi, ks *float64
}

// Bounds of a distribution; docs/checks.md has them, too.
const (
	quantileSteps  = 100
	frequentValues = 50
	valueLength    = 64
)

func (c *drift) check(p *checkPlanning, out *relation) plan.Check {
	def := plan.Check{PSI: c.psi, KS: c.ks}
	for i, v := range c.columns {
		col := p.column(out, v)
		if p.err != nil {
			return def
		}
		def.Columns = append(def.Columns, col.Name)
		name := ident(col.Name)
		if number := asNumber(col, name); number != "" {
			p.measure(out, fmt.Sprintf("%d.rows", i), "count(*)")
			p.measure(out, fmt.Sprintf("%d.missing", i), fmt.Sprintf("count(*) - count(%s)", number))
			p.measure(out, fmt.Sprintf("%d.quantiles", i),
				fmt.Sprintf("percentile_approx(%s, transform(sequence(0, %d), i -> i / %d.0D), 10000)", number, quantileSteps, quantileSteps))
			continue
		}
		if k := col.Type.Kind; c.ks != nil || (k != plan.KindString && k != plan.KindBoolean) {
			p.fail(v, "the column %q is %s, whose values have no distance", col.Name, col.Type).
				WithHint("ks takes numbers, dates and times; psi also strings and booleans")
			return def
		}
		p.frequent(out, i, name)
	}
	def.Name = "drift of " + brief(strings.Join(def.Columns, ", "))
	return def
}

// frequent measures the most frequent values of a column.
func (p *checkPlanning) frequent(out *relation, i int, name string) {
	p.measure(out, fmt.Sprintf("%d.rows", i), "count(*)")
	p.measure(out, fmt.Sprintf("%d.missing", i), fmt.Sprintf("count_if(%s IS NULL)", name))
	from := fmt.Sprintf("(SELECT left(CAST(%s AS STRING), %d) AS value, count(*) AS n FROM input WHERE %s IS NOT NULL GROUP BY 1 ORDER BY n DESC, value LIMIT %d)",
		name, valueLength, name, frequentValues)
	p.apart(from, map[string]*relation{"input": out}, fmt.Sprintf("%d.values", i),
		"transform(array_sort(collect_list(struct(-n AS n, value))), x -> struct(x.value AS value, -x.n AS `rows`))")
}

// asNumber is a column as a double, NULL where it has no value; "" for one without an order of numbers.
func asNumber(col logical.Column, name string) string {
	switch t := col.Type; {
	case t.IsFloat():
		return fmt.Sprintf("CASE WHEN NOT isnan(%s) THEN CAST(%s AS DOUBLE) END", name, name)
	case t.IsNumeric():
		return fmt.Sprintf("CAST(%s AS DOUBLE)", name)
	case t.Kind == plan.KindDate:
		return fmt.Sprintf("CAST(unix_date(%s) AS DOUBLE)", name)
	case t.Kind == plan.KindTimestamp || t.Kind == plan.KindTimestampNTZ:
		return fmt.Sprintf("CAST(unix_micros(CAST(%s AS TIMESTAMP)) AS DOUBLE)", name)
	}
	return ""
}
