package step

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var mapKind = &Kind{
	Name:    "map",
	Summary: "Calls a table function of a plugin: rows in, any number of rows out.",
	Fields: []Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows"},
		{Name: "function", Type: "name", Required: true, Doc: "a table function, of the job's `functions`"},
		{Name: "per", Type: "`row`, `group`, `partition` or `all`", Doc: "which rows it sees together; default: what it declares. `all` is all rows, in one task, for a function that declares `partition`"},
		{Name: "by", Type: "list of columns", Doc: "per group: rows with the same values here are a group"},
		{Name: "order_by", Type: "list of columns", Doc: "`[column [asc|desc] [nulls first|last], …]`: the order of the rows of a group, or of all"},
	},
	Example: `- name: gaps
  map:
    from: flights
    function: gaps
    per: group
    by: [origin]
    order_by: [date]`,
	Notes: "The function finds its columns by name in `from`, and the step has the columns that the function gives and no others: see [udf.md](udf.md#kinds-of-function). " +
		"It is what SQL calls `FROM gaps(TABLE(flights) PARTITION BY origin ORDER BY date)`. " +
		"Per partition, the rows are those of a task, of which plan and data decide how many there are.",
	read: readMap,
}

// mapStep is a call of a table function.
type mapStep struct {
	from, function, per jobfile.Value
	by                  []jobfile.Value
	orderBy             []order
	orderAt             jobfile.Value
}

func readMap(o *options) planner {
	s := &mapStep{from: o.text("from"), function: o.text("function"), by: o.names("by"), orderBy: o.orders("order_by"), orderAt: o.place("order_by")}
	if o.has("per") {
		s.per = o.place("per")
		s.per.Text = o.choice("per", perRow, perGroup, perPartition, perAll)
	}
	return s
}

// What a function sees together, as the step's option says it.
const (
	perRow       = "row"
	perGroup     = "group"
	perPartition = "partition"
	perAll       = "all"
)

func (s *mapStep) plan(p *planning) logical.Node {
	in := p.input(s.from)
	f := s.called(p)
	per := s.sees(p, f)
	s.checkKeys(p, f, per)
	for _, field := range f.Input {
		s.reads(p, in, f, field)
	}
	call := "TABLE(input)"
	switch {
	case per == perAll:
		call += " WITH SINGLE PARTITION"
	case len(s.by) > 0:
		call += " PARTITION BY " + idents("", p.keys(in, s.by))
	}
	if len(s.orderBy) > 0 {
		call += " ORDER BY " + p.totalOrder(in, s.orderBy, false)
	}
	in.node = p.counted(in.node, plan.RowsIn)
	return p.counted(p.sql("SELECT * FROM "+ident(f.Name)+"("+call+")", map[string]*relation{"input": in}), plan.RowsOut)
}

// called finds the function.
func (s *mapStep) called(p *planning) plan.Function {
	var tables []string
	for _, f := range p.env.Functions {
		switch {
		case f.Is(plan.FunctionTable) && strings.EqualFold(f.Name, s.function.Text):
			return f
		case f.Is(plan.FunctionTable):
			tables = append(tables, f.Name)
		case p.err == nil && strings.EqualFold(f.Name, s.function.Text):
			p.fail(s.function, "function %s is no table function", f.Name).WithHint("%s", otherUse(f))
		}
	}
	if p.err == nil {
		otherwise := "bind one under functions:"
		if len(tables) > 0 {
			otherwise = "there are: " + strings.Join(tables, ", ")
		}
		hint(p.fail(s.function, "there is no function %q", s.function.Text), s.function.Text, tables, otherwise)
	}
	return plan.Function{}
}

// otherUse says how a function that is not for tables is called.
func otherUse(f plan.Function) string {
	switch {
	case f.Is(plan.FunctionSource):
		return "it makes rows of nothing: SELECT … FROM " + f.Name + "() in a step with sql"
	case f.Is(plan.FunctionAggregate):
		return "it gives a value for each group: call it in a step with sql, with GROUP BY"
	}
	return "it gives a value for each row: call it in a step with sql"
}

// sees is which rows the function sees together.
func (s *mapStep) sees(p *planning, f plan.Function) string {
	declared := map[plan.Per]string{plan.PerBatch: perRow, plan.PerGroup: perGroup, plan.PerPartition: perPartition}[f.Per]
	switch per := s.per.Text; {
	case p.err != nil, per == "", per == declared:
		return declared
	case per == perAll && declared == perPartition:
		return perAll
	case per == perAll:
		p.fail(s.per, "function %s is called per %s, and not with all rows", f.Name, declared)
	default:
		p.fail(s.per, "function %s is called per %s, not per %s", f.Name, declared, per)
	}
	return declared
}

// checkKeys compares by and order_by with what the function sees together.
func (s *mapStep) checkKeys(p *planning, f plan.Function, per string) {
	switch {
	case p.err != nil:
	case per == perGroup && len(s.by) == 0:
		p.fail(s.function, "function %s is called per group, and the step does not say of what", f.Name).WithHint("by: [column, …]")
	case per != perGroup && len(s.by) > 0:
		p.fail(s.by[0], "function %s is called per %s, not for each group of rows", f.Name, per).WithHint("leave by out, or have the plugin declare it per group")
	case per == perRow && len(s.orderBy) > 0:
		p.fail(s.orderAt, "function %s looks at one row at a time: an order changes nothing", f.Name).WithHint("leave order_by out")
	case per == perPartition && len(s.orderBy) > 0:
		p.fail(s.orderAt, "order_by is the order of a group or of all rows, and function %s is called for each task", f.Name).WithHint("per: all")
	}
}

// reads makes sure that the function finds a column. Whether its type will do is for the analysis of the call to say.
func (s *mapStep) reads(p *planning, in *relation, f plan.Function, field plan.Field) {
	for _, c := range in.cols {
		if strings.EqualFold(c.Name, field.Name) {
			return
		}
	}
	if p.err != nil {
		return
	}
	err := p.fail(s.from, "function %s reads a column %q of type %s, which %s does not have", f.Name, field.Name, field.Type, in.name)
	if near := source.Nearest(field.Name, in.names()); near != "" {
		err.WithHint("did you mean %q? A step before can rename it with AS", near)
	} else {
		err.WithHint("there are: %s", strings.Join(in.names(), ", "))
	}
}
