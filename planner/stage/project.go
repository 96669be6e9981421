package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

func (c *cutter) project(n *logical.Project) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	hashed, sorted := passHashed(f.hashed, n.Defs), passSorted(f.sorted, n.Defs)
	if len(n.Defs) == 0 {
		// Only the number of rows matters above: the columns that are there stay, out of sight.
		f.ids = slices.Repeat([]int{hidden}, len(f.ids))
		return f, nil
	}
	exprs := make([]*plan.Expr, len(n.Defs))
	for i, d := range n.Defs {
		exprs[i] = d.Expr
	}
	f, exprs, err = compute(f, exprs)
	if err != nil {
		return f, err
	}
	f = projected(f, exprs, schemaOf(n.Columns()), idsOf(n.Columns()))
	f.hashed, f.sorted = hashed, sorted
	return f, nil
}

// passHashed follows the hashed columns through definitions; each must come through under some id.
func passHashed(hashed [][]int, defs []logical.Definition) [][]int {
	var out [][]int
	for _, key := range hashed {
		var ids []int
		for _, d := range defs {
			if d.Expr.Op == plan.OpColumn && slices.Contains(key, d.Expr.Column) {
				ids = append(ids, d.ID)
			}
		}
		if ids == nil {
			return nil
		}
		out = append(out, ids)
	}
	return out
}

// passSorted follows the sorted columns through definitions, up to the first that does not come through.
func passSorted(sorted []order, defs []logical.Definition) []order {
	var out []order
	for _, o := range sorted {
		i := slices.IndexFunc(defs, func(d logical.Definition) bool {
			return d.Expr.Op == plan.OpColumn && d.Expr.Column == o.id
		})
		if i < 0 {
			return out
		}
		o.id = defs[i].ID
		out = append(out, o)
	}
	return out
}

// projected computes bound expressions, unless they are just the columns that are there.
func projected(f fragment, exprs []*plan.Expr, schema plan.Schema, ids []int) fragment {
	f.ids = ids
	return f.each(func(root *plan.Node) *plan.Node { return projectNode(root, exprs, schema) })
}

func projectNode(root *plan.Node, exprs []*plan.Expr, schema plan.Schema) *plan.Node {
	if below := root; below.Op == plan.NodeProject && onlyReorders(below.Project.Exprs) {
		through := make([]*plan.Expr, len(exprs))
		for i, e := range exprs {
			through[i] = e.Transform(func(x *plan.Expr) *plan.Expr {
				if x.Op == plan.OpColumn {
					return below.Project.Exprs[x.Column]
				}
				return x
			})
		}
		root, exprs = below.Inputs[0], through
	}
	if isIdentity(exprs, schema, root.Schema) {
		return root
	}
	return &plan.Node{Op: plan.NodeProject, Inputs: []*plan.Node{root}, Schema: schema, Project: &plan.Project{Exprs: exprs}}
}

// onlyReorders reports a projection that computes nothing.
func onlyReorders(exprs []*plan.Expr) bool {
	return !slices.ContainsFunc(exprs, func(e *plan.Expr) bool { return e.Op != plan.OpColumn })
}

func isIdentity(exprs []*plan.Expr, schema, in plan.Schema) bool {
	if len(exprs) != len(in.Fields) {
		return false
	}
	for i, e := range exprs {
		if e.Op != plan.OpColumn || e.Column != i || schema.Fields[i].Name != in.Fields[i].Name {
			return false
		}
	}
	return true
}

// trim takes away columns that are not among cols, and puts them into that order.
func trim(f fragment, cols []logical.Column) fragment {
	ids := idsOf(cols)
	if slices.Equal(f.ids, ids) {
		return f
	}
	exprs := make([]*plan.Expr, len(cols))
	for i, c := range cols {
		o := slices.Index(f.ids, c.ID)
		exprs[i] = plan.ColumnExpr(o, f.schema().Fields[o])
	}
	return projected(f, exprs, schemaOf(cols), ids)
}

// compute makes expressions over column ids ready to evaluate over a fragment: ids become ordinals, and plugin calls
// become columns of NodeUDFs put on top of the fragment, innermost calls first.
func compute(f fragment, exprs []*plan.Expr) (fragment, []*plan.Expr, error) {
	bound := make([]*plan.Expr, len(exprs))
	for i, e := range exprs {
		b, err := bind(e, f)
		if err != nil {
			return f, nil, err
		}
		bound[i] = b
	}
	for {
		calls := innermostCalls(bound)
		if len(calls) == 0 {
			return f, bound, nil
		}
		var columns []*plan.Expr
		f, columns = callPlugins(f, calls)
		for i, e := range bound {
			bound[i] = e.Transform(func(x *plan.Expr) *plan.Expr { return replaceCall(x, calls, columns) })
		}
	}
}

func bind(e *plan.Expr, f fragment) (*plan.Expr, error) {
	var failed error
	out := e.Transform(func(x *plan.Expr) *plan.Expr {
		if x.Op != plan.OpColumn {
			return x
		}
		o, err := f.ordinal(x.Column)
		if err != nil {
			failed = err
			return x
		}
		c := *x
		c.Column = o
		return &c
	})
	return out, failed
}

// innermostCalls lists the distinct plugin calls that have no plugin call in their arguments.
func innermostCalls(exprs []*plan.Expr) []*plan.Expr {
	var calls []*plan.Expr
	for _, e := range exprs {
		e.Walk(func(x *plan.Expr) bool {
			if x.Op != plan.OpUDF || slices.ContainsFunc(x.Args, logical.HasUDF) {
				return true
			}
			if !slices.ContainsFunc(calls, x.Equal) {
				calls = append(calls, x)
			}
			return false
		})
	}
	return calls
}

func replaceCall(x *plan.Expr, calls, columns []*plan.Expr) *plan.Expr {
	if x.Op == plan.OpUDF {
		if i := slices.IndexFunc(calls, x.Equal); i >= 0 {
			return columns[i]
		}
	}
	return x
}

// callPlugins puts a NodeUDF over the fragment, and below it a projection for arguments that are not plain columns.
func callPlugins(f fragment, calls []*plan.Expr) (fragment, []*plan.Expr) {
	f, args := withColumns(f, argumentsOf(calls))
	payload := &plan.UDF{}
	schema := plan.Schema{Fields: slices.Clone(f.schema().Fields)}
	f.ids = slices.Clone(f.ids)
	var columns []*plan.Expr
	for _, call := range calls {
		payload.Calls = append(payload.Calls, plan.UDFCall{Function: call.Name, Args: args[:len(call.Args):len(call.Args)]})
		args = args[len(call.Args):]
		field := plan.Field{Name: call.Name, Type: call.Type, Nullable: call.Nullable}
		columns = append(columns, plan.ColumnExpr(len(schema.Fields), field))
		schema.Fields = append(schema.Fields, field)
		f.ids = append(f.ids, hidden)
	}
	return f.over(plan.Node{Op: plan.NodeUDF, UDF: payload}, schema), columns
}

func argumentsOf(calls []*plan.Expr) []*plan.Expr {
	var args []*plan.Expr
	for _, c := range calls {
		args = append(args, c.Args...)
	}
	return args
}

// withColumns makes sure that each bound expression is a column of the fragment, and gives its ordinal.
func withColumns(f fragment, exprs []*plan.Expr) (fragment, []int) {
	ordinals := make([]int, len(exprs))
	schema := plan.Schema{Fields: slices.Clone(f.schema().Fields)}
	all := make([]*plan.Expr, len(schema.Fields), len(schema.Fields)+len(exprs))
	for i, field := range schema.Fields {
		all[i] = plan.ColumnExpr(i, field)
	}
	ids := slices.Clone(f.ids)
	for i, e := range exprs {
		o := slices.IndexFunc(all, e.Equal)
		if o < 0 {
			o = len(all)
			all = append(all, e)
			schema.Fields = append(schema.Fields, plan.Field{Name: "computed", Type: e.Type, Nullable: e.Nullable})
			ids = append(ids, hidden)
		}
		ordinals[i] = o
	}
	if len(all) == len(f.ids) {
		return f, ordinals
	}
	return projected(f, all, schema, ids), ordinals
}
