package step

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var referencesCheck = &Kind{
	Name:    "references",
	Summary: "The share of rows that have a partner elsewhere.",
	Fields: []Field{
		{Name: "columns", Type: "list of columns", Required: true, Doc: "columns of the output"},
		{Name: "to", Type: "output, step or source", Required: true, Doc: "where the partners are. Of an output the written files are read, a step is computed again"},
		{Name: "key", Type: "list of columns", Doc: "the columns there, in the same order; default: those of the same names"},
		{Name: "min", Type: "number from 0 to 1", Doc: "at least this share; default 1"},
	},
	Example: `- references: {columns: [item_id], to: items, key: [id], min: 0.99}`,
	Notes:   "Rows in which one of `columns` is NULL refer to nothing, and are not counted. Of no rows the share is 1.",
	readCheck: func(o *options) measurer {
		c := &references{columns: o.names("columns"), to: o.text("to"), key: o.names("key"), min: o.real("min", 0, 1, 1)}
		if !o.has("key") {
			c.key = c.columns
		}
		if len(c.key) != len(c.columns) {
			o.fail(o.place("key"), "key of references has another number of columns than columns")
		}
		return c
	},
}

type references struct {
	columns, key []jobfile.Value
	to           jobfile.Value
	min          float64
}

func (c *references) check(p *checkPlanning, out *relation) plan.Check {
	def := plan.Check{Min: &c.min}
	cols := p.keys(out, c.columns)
	to := p.partner(c.to)
	keys := p.keys(to, c.key)
	if p.err != nil {
		return def
	}
	var on, there []string
	for i := range cols {
		if !comparable(cols[i].Type, keys[i].Type) {
			p.fail(c.columns[i], "the column %q is %s, and %q of %s is %s: they cannot be compared", cols[i].Name, cols[i].Type, keys[i].Name, c.to.Text, keys[i].Type)
			return def
		}
		on = append(on, fmt.Sprintf("o.%s = r.`__k%d`", ident(cols[i].Name), i))
		there = append(there, fmt.Sprintf("%s AS `__k%d`", ident(keys[i].Name), i))
	}
	present := strings.Join(presence(cols), " AND ")
	from := fmt.Sprintf("(SELECT %s AS shown, r.`__there` AS found FROM (SELECT * FROM input WHERE %s) o LEFT JOIN (SELECT DISTINCT %s, true AS `__there` FROM partner) r ON %s)",
		shown(cols), present, strings.Join(there, ", "), strings.Join(on, " AND "))
	p.apart(from, map[string]*relation{"input": out, "partner": to}, "rows", "count(*)", "found", "count(found)",
		"example", "min(CASE WHEN found IS NULL THEN shown END)")
	def.Name, def.Columns = fmt.Sprintf("references of %s to %s", titles(cols), c.to.Text), columnNames(cols)
	return def
}

// partner is what an output refers to: another output as it was written, else a source or step.
func (p *checkPlanning) partner(name jobfile.Value) *relation {
	if hasOutput(p.file, name.Text) {
		return p.output(name)
	}
	return p.input(name)
}

// comparable reports types whose values = compares without one side failing on the other's: the same, or two numbers.
func comparable(a, b plan.Type) bool {
	return a.Equal(b) || (a.IsNumeric() && b.IsNumeric()) || (a.Kind == b.Kind && !a.IsNested())
}

func presence(cols []logical.Column) []string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = ident(c.Name) + " IS NOT NULL"
	}
	return out
}

var disjointCheck = &Kind{
	Name:    "disjoint",
	Summary: "No entity is in two sets: sets of one output, or two outputs.",
	Fields: []Field{
		{Name: "entity", Type: "list of columns", Required: true, Doc: "what must be in one set only: a user, a household. NULL is a value"},
		{Name: "split", Type: "column", Doc: "names the set of a row; rows in which it is NULL are in none"},
		{Name: "from", Type: "output", Doc: "another output, with columns of the same names, that must have none of the entities"},
	},
	Example: `- disjoint: {entity: [user_id], split: split}`,
	readCheck: func(o *options) measurer {
		o.oneOf("split", "from")
		return &disjoint{entity: o.names("entity"), split: o.text("split"), from: o.text("from"), across: o.has("from")}
	},
}

type disjoint struct {
	entity      []jobfile.Value
	split, from jobfile.Value
	across      bool
}

func (c *disjoint) check(p *checkPlanning, out *relation) plan.Check {
	entity := p.keys(out, c.entity)
	def := plan.Check{Name: "disjoint " + titles(entity), Columns: columnNames(entity)}
	relations := map[string]*relation{"input": out}
	var from string
	if c.across {
		if !hasOutput(p.file, c.from.Text) {
			p.fail(c.from, "there is no output %q", c.from.Text)
			return def
		}
		other := p.partner(c.from)
		for i, col := range p.keys(other, c.entity) {
			if p.err == nil && !comparable(entity[i].Type, col.Type) {
				p.fail(c.entity[i], "the column %q is %s, and %s in %s", col.Name, entity[i].Type, col.Type, c.from.Text)
			}
		}
		def.Name += " from " + c.from.Text
		relations["other"] = other
		keys := idents("", entity)
		from = fmt.Sprintf("(SELECT %s, 1 AS `__set` FROM input UNION ALL SELECT %s, 2 FROM other)", keys, keys)
	} else {
		set := p.key(out, c.split)
		def.Name += " over " + set.Name
		from = fmt.Sprintf("(SELECT %s, %s AS `__set` FROM input)", idents("", entity), ident(set.Name))
	}
	p.apart(fmt.Sprintf("(SELECT %s AS key FROM %s GROUP BY %s HAVING count(DISTINCT `__set`) > 1)", shown(entity), from, idents("", entity)),
		relations, "shared", "count(*)", "example", "min(coalesce(key, 'NULL'))")
	return def
}
