package logical

import (
	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// tableFunction analyses range(…) and generators in FROM.
func (a *analyser) tableFunction(ref *sql.TableFunction, with *named) (relation, error) {
	name := lower(ref.Call.Name.Name)
	var node Node
	var err error
	if f, ok := a.env.function(name); ok {
		node, err = a.pluginTable(ref, f, with)
	} else if ref.Table != nil {
		err = a.errorf(ref.Table.Span, "UNRESOLVABLE_TABLE_VALUED_FUNCTION", "no plugin function %q that takes a table", ref.Call.Name.Name)
	} else if r, ok := a.env.routine(name); ok {
		node, err = a.routineRows(ref.Call, r, with)
	} else if name == "range" {
		node, err = a.rangeRows(ref.Call)
	} else {
		node, err = a.generatorRows(ref.Call, with)
	}
	if err != nil {
		return relation{}, err
	}
	alias := name
	if ref.Alias != nil {
		alias = ref.Alias.Name
	}
	cols, err := a.rename(node.Columns(), ref.Columns, ref.Span)
	return relation{node: node, scope: scopeOf(alias, cols)}, err
}

// generatorRows is a generator over one row; LATERAL lets its arguments be columns.
func (a *analyser) generatorRows(call *sql.Call, with *named) (Node, error) {
	name, outer := generatorName(call.Name.Name)
	f, ok := compute.Lookup(name)
	if !ok {
		err := a.errorf(call.Span, "UNRESOLVABLE_TABLE_VALUED_FUNCTION", "no table function %q", call.Name.Name)
		var names []string
		for _, f := range compute.Functions() {
			if f.Kind == compute.Generator {
				names = append(names, f.Name)
			}
		}
		if near := source.Nearest(name, append(names, "range")); near != "" {
			return nil, err.WithHint("did you mean %q?", near)
		}
		return nil, err
	}
	if f.Kind != compute.Generator {
		return nil, a.errorf(call.Span, "NOT_A_TABLE_FUNCTION", "%q gives a value, not a table", call.Name.Name).
			WithHint("SELECT it")
	}
	args, err := a.exprs(call.Args, &exprContext{scope: &scope{}, clause: "a table function", subs: &subqueries{with: with}})
	if err != nil {
		return nil, err
	}
	one := Node(&Values{Rows: [][]*plan.Expr{{}}})
	if one, err = a.attach(one, args...); err != nil {
		return nil, err
	}
	return a.generateOver(call.Span, one, f.Name, outer, args)
}

// generateOver calls a generator for each row of a node; its columns stand behind the node's.
func (a *analyser) generateOver(span source.Span, in Node, function string, outer bool, args []*plan.Expr) (Node, error) {
	call, err := a.generatorCall(span, function, args...)
	if err != nil {
		return nil, err
	}
	g := &Generate{Input: in, Call: call, Cols: a.generatorColumns(call), Outer: outer}
	if outer {
		for i := range g.Cols {
			g.Cols[i].Nullable = true
		}
	}
	return g, nil
}

// generatorName divides explode_outer into the generator and that it keeps rows for which there is nothing.
func generatorName(name string) (string, bool) {
	const suffix = "_outer"
	name = lower(name)
	if len(name) > len(suffix) && name[len(name)-len(suffix):] == suffix {
		return name[:len(name)-len(suffix)], true
	}
	return name, false
}

// generatorCall types a call of a generator. Its type is a struct of the columns that it gives.
func (a *analyser) generatorCall(span source.Span, function string, args ...*plan.Expr) (*plan.Expr, error) {
	f, ok := compute.Lookup(function)
	if !ok || f.Kind != compute.Generator {
		return nil, a.errorf(span, "UNRESOLVABLE_TABLE_VALUED_FUNCTION", "no generator %q", function)
	}
	sig, err := f.ResolveCall(args)
	if err != nil {
		return nil, a.typeError(span, err)
	}
	e := plan.CallExpr(f.Name, sig.Returns)
	e.Nullable = false
	for i, x := range args {
		e.Args = append(e.Args, compute.Cast(x, sig.Args[i]))
	}
	return e, nil
}

// generatorColumns are new columns for what a generator call gives.
func (a *analyser) generatorColumns(call *plan.Expr) []Column {
	cols := make([]Column, len(call.Type.Children))
	for i, f := range call.Type.Children {
		cols[i] = a.env.IDs.Column(f)
	}
	return cols
}

// rangeBlock is how many numbers of a range one row stands for at most while they are made.
const rangeBlock = 1 << 16

// rangeRows is range([start,] end [, step [, partitions]]): numbers in blocks, so that no array holds them all.
func (a *analyser) rangeRows(call *sql.Call) (Node, error) {
	n := len(call.Args)
	if n < 1 || n > 4 {
		return nil, a.errorf(call.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "range takes 1 to 4 arguments, not %d", n)
	}
	args := make([]int64, n)
	for i, e := range call.Args {
		v, err := a.rangeArgument(e)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	start, step := int64(0), int64(1)
	end := args[0]
	if n > 1 {
		start, end = args[0], args[1]
	}
	if n > 2 {
		step = args[2]
	}
	if step == 0 {
		return nil, a.errorf(call.Span, "FAILED_FUNCTION_CALL", "the step of range must not be 0")
	}
	return a.numbers(call.Span, start, step, rangeCount(start, end, step))
}

func (a *analyser) rangeArgument(e sql.Expr) (int64, error) {
	x, err := a.expr(e, &exprContext{scope: &scope{}, clause: "range"})
	if err != nil {
		return 0, err
	}
	if x.Type.Kind == plan.KindNull || !compute.CanCast(x.Type, plan.Int64) {
		return 0, a.errorf(e.Pos(), "UNEXPECTED_INPUT_TYPE", "range takes bigint values, and this is %s", x.Type)
	}
	v, err := compute.Fold(compute.Cast(x, plan.Int64), a.env.Session)
	if err != nil {
		return 0, a.typeError(e.Pos(), err)
	}
	if !v.IsLiteral() || v.Value.Null {
		return 0, a.errorf(e.Pos(), "FAILED_FUNCTION_CALL", "the arguments of range must be constants, not NULL")
	}
	return v.Value.Int, nil
}

// rangeCount is how many numbers there are; differences are taken unsigned, which the widest ranges need.
func rangeCount(start, end, step int64) uint64 {
	switch {
	case step > 0 && end > start:
		return (uint64(end)-uint64(start)-1)/uint64(step) + 1
	case step < 0 && end < start:
		return (uint64(start)-uint64(end)-1)/-uint64(step) + 1
	}
	return 0
}

func (a *analyser) numbers(span source.Span, start, step int64, count uint64) (Node, error) {
	id := plan.Field{Name: "id", Type: plan.Int64}
	if count == 0 {
		return &Values{Cols: []Column{a.env.IDs.Column(id)}}, nil
	}
	blocks := (count-1)/rangeBlock + 1
	one := &Values{Rows: [][]*plan.Expr{{}}}
	block, err := a.upTo(span, one, plan.Int64Literal(int64(blocks)-1))
	if err != nil {
		return nil, err
	}
	blockID := block.Columns()[0].Ref()
	base, err := a.call(span, "*", blockID, plan.Int64Literal(rangeBlock))
	if err != nil {
		return nil, err
	}
	left, err := a.call(span, "-", plan.Int64Literal(int64(count-1)), base)
	if err != nil {
		return nil, err
	}
	last, err := a.call(span, "least", left, plan.Int64Literal(rangeBlock-1))
	if err != nil {
		return nil, err
	}
	within, err := a.upTo(span, block, last)
	if err != nil {
		return nil, err
	}
	e := within.Columns()[1].Ref()
	for _, op := range []struct {
		name string
		by   *plan.Expr
	}{{"+", base}, {"*", plan.Int64Literal(step)}, {"+", plan.Int64Literal(start)}} {
		if e, err = a.call(span, op.name, e, op.by); err != nil {
			return nil, err
		}
	}
	return &Project{Input: within, Defs: []Definition{{Column: a.env.IDs.Column(id), Expr: notNull(e)}}}, nil
}

func notNull(e *plan.Expr) *plan.Expr {
	c := *e
	c.Nullable = false
	return &c
}

// upTo gives for each row the numbers from 0 to last.
func (a *analyser) upTo(span source.Span, in Node, last *plan.Expr) (Node, error) {
	numbers, err := a.call(span, "sequence", plan.Int64Literal(0), last)
	if err != nil {
		return nil, err
	}
	return a.generateOver(span, in, "explode", false, []*plan.Expr{numbers})
}
