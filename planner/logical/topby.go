package logical

import (
	"slices"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// maxTop is the most values that max_by and min_by give.
const maxTop = 100_000

// topBy is max_by(a, b, k) and min_by(a, b, k): the a of the k rows with the greatest or least b, as an array. They are made of what
// is there: the pairs are collected, sorted by b alone, and cut.
func (a *analyser) topBy(e *sql.Call, f *compute.Function, ctx *exprContext) (*plan.Expr, error) {
	plain := *ctx
	plain.aggs, plain.windows = nil, nil
	k, err := a.expr(e.Args[2], &plain)
	if err != nil {
		return nil, err
	}
	if k, err = a.parameter(e, compute.Cast(k, plan.Int32)); err != nil {
		return nil, err
	}
	if k.Value.Null || k.Value.Int < 1 || k.Value.Int > maxTop {
		return nil, a.errorf(e.Args[2].Pos(), "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "%s gives between 1 and %d values", f.Name, maxTop)
	}
	ident := func(name string) sql.Ident { return sql.Ident{Name: name, Span: e.Span} }
	name := func(parts ...string) sql.Expr {
		n := &sql.Name{Span: e.Span}
		for _, p := range parts {
			n.Parts = append(n.Parts, ident(p))
		}
		return n
	}
	call := func(f string, args ...sql.Expr) *sql.Call { return &sql.Call{Name: ident(f), Args: args, Span: e.Span} }
	number := func(n string) sql.Expr { return &sql.Literal{Kind: "integer", Text: n, Span: e.Span} }
	compare := func(op string) sql.Expr {
		return &sql.Binary{Op: op, L: name("x", "k"), R: name("y", "k"), Span: e.Span}
	}
	pair := call("named_struct", &sql.Literal{Kind: "string", Text: "k", Span: e.Span}, e.Args[1], &sql.Literal{Kind: "string", Text: "v", Span: e.Span}, e.Args[0])
	pairs := call("collect_list", call("if", &sql.Is{X: e.Args[1], What: "null", Not: true, Span: e.Span}, pair, &sql.Literal{Kind: "null", Text: "null", Span: e.Span}))
	pairs.Filter, pairs.Over, pairs.Distinct = e.Filter, e.Over, e.Distinct
	before, behind := "<", ">"
	if f.Name == "max_by" {
		before, behind = behind, before
	}
	order := &sql.Lambda{Params: []sql.Ident{ident("x"), ident("y")}, Span: e.Span, Body: &sql.Case{Span: e.Span, Else: number("0"), Whens: []sql.When{
		{Cond: compare(before), Then: number("-1")}, {Cond: compare(behind), Then: number("1")},
	}}}
	value := &sql.Lambda{Params: []sql.Ident{ident("x")}, Body: name("x", "v"), Span: e.Span}
	all := call("transform", call("array_sort", pairs, order), value)
	out, err := a.expr(call("if", &sql.Binary{Op: "=", L: call("size", pairs), R: number("0"), Span: e.Span},
		&sql.Literal{Kind: "null", Text: "null", Span: e.Span}, call("slice", all, number("1"), e.Args[2])), ctx)
	if err != nil {
		return nil, err
	}
	if by := a.made[e.Args[1]]; by != nil && !by.Type.HasOrder() {
		return nil, a.errorf(e.Args[1].Pos(), "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "values of type %s have no order", by.Type)
	}
	return out, nil
}

// isTopBy reports max_by and min_by with a number of values.
func isTopBy(e *sql.Call, f *compute.Function) bool {
	return len(e.Args) == 3 && slices.Contains([]string{"max_by", "min_by"}, f.Name)
}
