package step

import (
	"fmt"
	"math"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
)

var rowsCheck = &Kind{
	Name:    "rows",
	Summary: "The number of rows, by itself or against earlier versions.",
	Fields: []Field{
		{Name: "min", Type: "number", Doc: "at least so many"},
		{Name: "max", Type: "number", Doc: "at most so many"},
		{Name: "vs_median", Type: "mapping", Doc: "against the median of earlier versions", Fields: medianFields},
	},
	Example: `- output: examples
  rows: {min: 1000, vs_median: {of: 7, min: 0.5, max: 2}}`,
	Notes: "Without an earlier version `vs_median` holds. Fewer than `of` are used if there are not as many.",
	readCheck: func(o *options) measurer {
		c := &rows{}
		c.min, c.max = o.bounds(0, math.Inf(1))
		if t := o.get("vs_median"); t != nil {
			m := o.part("vs_median", medianFields, t)
			c.median = &plan.MedianBounds{Of: int(m.whole("of", 1, 100, 7))}
			c.median.Min, c.median.Max = m.bounds(0, math.Inf(1))
			if c.median.Min == nil && c.median.Max == nil {
				m.fail(m.at, "vs_median needs min, max or both").WithHint("vs_median: {min: 0.5, max: 2}")
			}
		}
		if c.min == nil && c.max == nil && c.median == nil {
			o.fail(o.at, "rows needs min, max or vs_median").WithHint("rows: {min: 1}")
		}
		return c
	},
}

var medianFields = []Field{
	{Name: "of", Type: "number", Doc: "how many of the newest earlier versions; default 7"},
	{Name: "min", Type: "number", Doc: "at least so many times the median"},
	{Name: "max", Type: "number", Doc: "at most so many times the median"},
}

type rows struct {
	min, max *float64
	median   *plan.MedianBounds
}

func (c *rows) check(p *checkPlanning, out *relation) plan.Check {
	p.measure(out, "rows", "count(*)")
	return plan.Check{Name: "rows", Min: c.min, Max: c.max, Median: c.median}
}

var whereCheck = &Kind{
	Name:    "where",
	Summary: "A condition that holds for each row.",
	Fields: []Field{
		{Name: "condition", Type: "condition", Required: true, Doc: "what must be true; a row for which it is false or NULL counts against it"},
		{Name: "max", Type: "number", Doc: "how many rows may count against it; default 0"},
	},
	Example: `- where: feature_time IS NULL OR feature_time < shown_at`,
	Notes: "`where: CONDITION` is short for `where: {condition: CONDITION}`. Leaks are checked so: a feature's time must lie before the time that it " +
		"is a feature of, a label's behind it.",
	Short: "condition",
	readCheck: func(o *options) measurer {
		return &where{condition: o.expr("condition"), max: o.real("max", 0, math.Inf(1), 0)}
	},
}

type where struct {
	condition *jobfile.Tree
	max       float64
}

func (c *where) check(p *checkPlanning, out *relation) plan.Check {
	holds := ident(p.condition(out, c.condition))
	p.measure(out, "rows", "count(*)")
	p.measure(out, "against", fmt.Sprintf("count_if(NOT coalesce(%s, false))", holds))
	return plan.Check{Name: "where " + brief(c.condition.Text), Max: &c.max}
}

var rateCheck = &Kind{
	Name:    "rate",
	Summary: "The share of rows for which a condition holds, such as that of positive labels, in each stratum.",
	Fields: []Field{
		{Name: "of", Type: "condition", Required: true, Doc: "rows for which it is true are counted; NULL is not true"},
		{Name: "by", Type: "list of columns", Doc: "rows with the same values here are a stratum; NULL is a value. Without it all rows are one"},
		{Name: "min", Type: "number from 0 to 1", Doc: "at least this share"},
		{Name: "max", Type: "number from 0 to 1", Doc: "at most this share"},
	},
	Example: `- rate: {of: label > 0, by: [country], min: 0.001, max: 0.2}`,
	Notes:   "The check fails for the worst stratum, which the message names.",
	readCheck: func(o *options) measurer {
		c := &rate{of: o.expr("of"), by: o.names("by")}
		if c.min, c.max = o.bounds(0, 1); c.min == nil && c.max == nil {
			o.fail(o.at, "rate needs min, max or both")
		}
		return c
	},
}

type rate struct {
	of       *jobfile.Tree
	by       []jobfile.Value
	min, max *float64
}

func (c *rate) check(p *checkPlanning, out *relation) plan.Check {
	by := p.keys(out, c.by)
	holds := ident(p.condition(out, c.of))
	def := plan.Check{Name: "rate of " + brief(c.of.Text), Columns: columnNames(by), Min: c.min, Max: c.max}
	share, group, stratum := fmt.Sprintf("count_if(%s) / nullif(count(*), 0)", holds), "", "''"
	if len(by) > 0 {
		def.Name += " by " + titles(by)
		group, stratum = " GROUP BY "+idents("", by), fmt.Sprintf("coalesce(%s, 'NULL')", shown(by))
	}
	p.apart(fmt.Sprintf("(SELECT %s AS stratum, %s AS share FROM input%s)", stratum, share, group), map[string]*relation{"input": out},
		"strata", "count(share)", "least", "min(share)", "greatest", "max(share)",
		"least_in", "min_by(stratum, share)", "greatest_in", "max_by(stratum, share)")
	return def
}

// brief is an expression in a title.
func brief(text string) string {
	const most = 60
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
