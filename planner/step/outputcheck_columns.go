package step

import (
	"errors"
	"fmt"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var nullsCheck = &Kind{
	Name:    "nulls",
	Summary: "The share of rows in which a column is NULL.",
	Fields: []Field{
		{Name: "column", Type: "column", Required: true, Doc: "the column"},
		{Name: "max", Type: "number from 0 to 1", Doc: "at most this share; default 0"},
	},
	Example: `- nulls: {column: country, max: 0.01}`,
	Notes:   "`nulls: COLUMN` is short for `nulls: {column: COLUMN}`. NaN is not NULL. Of no rows the share is 0.",
	Short:   "column",
	readCheck: func(o *options) measurer {
		return &nulls{column: o.text("column"), max: o.real("max", 0, 1, 0)}
	},
}

type nulls struct {
	column jobfile.Value
	max    float64
}

func (c *nulls) check(p *checkPlanning, out *relation) plan.Check {
	col := p.column(out, c.column)
	p.measure(out, "rows", "count(*)")
	p.measure(out, "nulls", fmt.Sprintf("count_if(%s IS NULL)", ident(col.Name)))
	return plan.Check{Name: "nulls of " + col.Name, Columns: []string{col.Name}, Max: &c.max}
}

var uniqueCheck = &Kind{
	Name:    "unique",
	Summary: "No two rows have the same values.",
	Fields: []Field{
		{Name: "columns", Type: "list of columns", Required: true, Doc: "the columns; NULL is a value like others"},
	},
	Example:   `- unique: [request_id, item_id]`,
	Notes:     "`unique: [COLUMN, …]` is short for `unique: {columns: [COLUMN, …]}`.",
	Short:     "columns",
	readCheck: func(o *options) measurer { return &unique{columns: o.names("columns")} },
}

type unique struct{ columns []jobfile.Value }

func (c *unique) check(p *checkPlanning, out *relation) plan.Check {
	cols := p.keys(out, c.columns)
	keys := idents("", cols)
	p.apart(fmt.Sprintf("(SELECT %s AS key, count(*) AS n FROM input GROUP BY %s HAVING count(*) > 1)", shown(cols), keys),
		map[string]*relation{"input": out}, "keys", "count(*)", "rows", "coalesce(sum(n), 0)", "example", "min(coalesce(key, 'NULL'))")
	return plan.Check{Name: "unique " + titles(cols), Columns: columnNames(cols)}
}

var rangeCheck = &Kind{
	Name:    "range",
	Summary: "A column's values lie between two bounds.",
	Fields: []Field{
		{Name: "column", Type: "column", Required: true, Doc: "the column"},
		{Name: "min", Type: "value", Doc: "the least value, written as CAST reads it into the column's type: `0`, `2001-01-10`, `${ds}`"},
		{Name: "max", Type: "value", Doc: "the greatest value"},
	},
	Example: `- range: {column: age, min: 0, max: 120}`,
	Notes: "Both bounds belong to the range. NULL is not looked at: see `nulls`. NaN is greater than all other numbers. Bounds that need computing " +
		"go into `where`.",
	readCheck: func(o *options) measurer {
		c := &between{column: o.text("column"), min: o.get("min"), max: o.get("max"), options: o}
		if c.min == nil && c.max == nil {
			o.fail(o.at, "range needs min, max or both")
		}
		return c
	},
}

type between struct {
	column   jobfile.Value
	min, max *jobfile.Tree
	options  *options
}

func (c *between) check(p *checkPlanning, out *relation) plan.Check {
	col := p.key(out, c.column)
	name := ident(col.Name)
	def := plan.Check{Name: "range of " + col.Name, Columns: []string{col.Name}}
	p.measure(out, "rows", "count(*)")
	bound := func(t *jobfile.Tree, measure, compare, word string) {
		if t == nil || p.err != nil {
			return
		}
		text := p.value(c.options, t, col)
		p.measure(out, measure, fmt.Sprintf("count_if(%s %s %s)", name, compare, text.sql))
		def.Name += " " + word + " " + text.shown
	}
	bound(c.min, "below", "<", "from")
	bound(c.max, "above", ">", "to")
	p.measure(out, "least", fmt.Sprintf("CAST(min(%s) AS STRING)", name))
	p.measure(out, "greatest", fmt.Sprintf("CAST(max(%s) AS STRING)", name))
	return def
}

var acceptedCheck = &Kind{
	Name:    "accepted",
	Summary: "A column has none but certain values.",
	Fields: []Field{
		{Name: "column", Type: "column", Required: true, Doc: "the column"},
		{Name: "values", Type: "list of values", Required: true, Doc: "the values, each written as CAST reads it into the column's type"},
	},
	Example: `- accepted: {column: split, values: [train, validation, test]}`,
	Notes:   "NULL is not looked at: see `nulls`.",
	readCheck: func(o *options) measurer {
		return &accepted{column: o.text("column"), values: o.list("values"), options: o}
	},
}

type accepted struct {
	column  jobfile.Value
	values  []*jobfile.Tree
	options *options
}

func (c *accepted) check(p *checkPlanning, out *relation) plan.Check {
	col := p.key(out, c.column)
	var list []string
	for _, t := range c.values {
		list = append(list, p.value(c.options, t, col).sql)
	}
	other := fmt.Sprintf("%s NOT IN (%s)", ident(col.Name), strings.Join(list, ", "))
	p.measure(out, "rows", "count(*)")
	p.measure(out, "others", fmt.Sprintf("count_if(%s)", other))
	p.measure(out, "example", fmt.Sprintf("left(CAST(min(CASE WHEN %s THEN %s END) AS STRING), 100)", other, ident(col.Name)))
	return plan.Check{Name: "accepted values of " + col.Name, Columns: []string{col.Name}}
}

// constant is a value of a column's type.
type constant struct{ sql, shown string }

// value reads a value of the job file as one of a column's type. Parameters are replaced in it.
func (p *checkPlanning) value(o *options, t *jobfile.Tree, col logical.Column) constant {
	if p.err != nil {
		return constant{}
	}
	if t.Form == jobfile.List || t.Form == jobfile.Mapping || t.Form == jobfile.Nothing {
		p.fail(t.Value, "a value of %s must be a single value, found %s", col.Name, t)
		return constant{}
	}
	text, err := o.params.Text(o.file, t.Value)
	if e := (*source.Error)(nil); errors.As(err, &e) {
		p.err = e
		return constant{}
	}
	_, err = compute.Fold(compute.Cast(plan.StringLiteral(text), col.Type), p.env.Session)
	if err != nil || !compute.CanCast(plan.String, col.Type) {
		p.fail(t.Value, "%q is no value of the column %s, which is of type %s", text, col.Name, col.Type)
	}
	return constant{sql: fmt.Sprintf("CAST(%s AS %s)", quote(text), col.Type), shown: text}
}
