package logical

import (
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// generator is a call of a generator function with the columns that it gives.
type generator struct {
	Generate // without input
	span     source.Span
}

// asGenerator recognises a call of a generator function.
func asGenerator(e sql.Expr) (*sql.Call, *compute.Function, bool) {
	call, ok := e.(*sql.Call)
	if !ok || call.Over != nil {
		return nil, nil, false
	}
	f, ok := compute.Lookup(call.Name.Name)
	return call, f, ok && f.Kind == compute.Generator && f.Name != "window"
}

// misplacedGenerator is the error for a generator that is not by itself in the SELECT list.
func (a *analyser) misplacedGenerator(e *sql.Call, ctx *exprContext) error {
	if ctx.clause == "SELECT" || ctx.clause == "LATERAL VIEW" {
		return a.errorf(e.Span, "UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS", "%s gives rows, and cannot be part of an expression", e.Name.Name).
			WithHint("LATERAL VIEW %s(…) t AS x gives x a name", e.Name.Name)
	}
	return a.errorf(e.Span, "UNSUPPORTED_GENERATOR.OUTSIDE_SELECT", "%s gives rows, and cannot be used in %s", e.Name.Name, ctx.clause).
		WithHint("LATERAL VIEW %s(…) t AS x gives x a name", e.Name.Name)
}

// generator types a call of a generator function; names are those of its columns, nil for its own.
func (a *analyser) generator(e *sql.Call, f *compute.Function, names []sql.Ident, ctx *exprContext) (generator, error) {
	g := generator{span: e.Span}
	if err := a.plainCall(e, f.Name); err != nil {
		return g, err
	}
	if hasNames(e) {
		named, err := a.namedArguments(e, f)
		if err != nil {
			return g, err
		}
		e = named
	}
	args, _, err := a.starArgs(e, ctx)
	if err != nil {
		return g, err
	}
	for i, x := range args {
		if v, ok := a.constant(x); ok { // the number of rows of stack shapes its columns
			args[i] = v
		}
	}
	sig, err := f.ResolveCall(args)
	if err != nil {
		return g, a.typeError(e.Span, err)
	}
	name := f.Name
	if base, outer := strings.CutSuffix(lower(e.Name.Name), "_outer"); outer {
		name, g.Outer = base, true
	}
	g.Call = &plan.Expr{Op: plan.OpCall, Name: name, Type: sig.Returns, Nullable: true}
	for i, x := range args {
		g.Call.Args = append(g.Call.Args, compute.Cast(x, sig.Args[i]))
	}
	fields := sig.Returns.Children
	if len(names) > 0 && len(names) != len(fields) {
		return g, a.errorf(e.Span, "UDTF_ALIAS_NUMBER_MISMATCH", "%s gives %d columns, and there are %d names for them", f.Name, len(fields), len(names))
	}
	for i, c := range fields {
		if len(names) > 0 {
			c.Name = names[i].Name
		}
		c.Nullable = c.Nullable || g.Outer
		g.Cols = append(g.Cols, a.env.IDs.Column(c))
	}
	return g, nil
}

// over puts the generator over a node.
func (g generator) over(in Node) Node {
	n := g.Generate
	n.Input = in
	return &n
}

// generate makes the select items of a generator in the SELECT list.
func (b *block) generate(e *sql.Call, f *compute.Function, it sql.SelectItem, ctx *exprContext) error {
	names := it.Aliases
	if it.Alias != nil {
		names = []sql.Ident{*it.Alias}
	}
	g, err := b.generator(e, f, names, ctx)
	if err != nil {
		return err
	}
	b.generators = append(b.generators, g)
	for _, c := range g.Cols {
		b.items = append(b.items, item{name: c.Name, aliased: len(names) > 0, expr: c.Ref(), ast: it.Expr, span: e.Span})
	}
	return nil
}

// generateRows puts the generators of the SELECT list over a node: those that read window functions, or those that do
// not.
func (b *block) generateRows(in Node, afterWindows bool) (Node, error) {
	for _, g := range b.generators {
		reads := false
		g.Call.Walk(func(x *plan.Expr) bool {
			reads = reads || x.Op == plan.OpColumn && b.windows.has(x.Column)
			return !reads
		})
		if reads != afterWindows {
			continue
		}
		var err error
		if in, err = b.attach(in, g.Call); err != nil {
			return nil, err
		}
		in = g.over(in)
	}
	return in, nil
}

// lateralView adds the columns of LATERAL VIEW to a relation.
func (a *analyser) lateralView(in relation, v sql.LateralView, with *named) (relation, error) {
	f, ok := compute.Lookup(v.Call.Name.Name)
	if !ok {
		return in, a.unknownFunction(v.Call)
	}
	if f.Kind != compute.Generator {
		return in, a.errorf(v.Call.Span, "UNSUPPORTED_GENERATOR.NOT_GENERATOR", "%s gives no rows: LATERAL VIEW takes a generator such as explode", v.Call.Name.Name)
	}
	ctx := &exprContext{scope: in.scope, clause: "LATERAL VIEW", subs: &subqueries{with: with}}
	g, err := a.generator(v.Call, f, v.Columns, ctx)
	if err != nil {
		return in, err
	}
	if v.Outer {
		g.Outer = true
		for i := range g.Cols {
			g.Cols[i] = nullable(g.Cols[i])
		}
	}
	node, err := a.attach(in.node, g.Call)
	if err != nil {
		return in, err
	}
	table := ""
	if v.Table != nil {
		table = v.Table.Name
	}
	cols := append(in.scope.cols[:len(in.scope.cols):len(in.scope.cols)], scopeOf(table, g.Cols).cols...)
	return relation{node: g.over(node), scope: &scope{cols: cols}}, nil
}
