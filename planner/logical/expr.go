package logical

import (
	"slices"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// exprContext says what an expression may use.
type exprContext struct {
	scope  *scope
	clause string // for messages
	// aggs collects aggregate calls; nil where there can be none.
	aggs *aggregation
	// aliases are select items that names may stand for, after or before the columns of scope.
	aliases    []item
	aliasFirst bool
	// keys are the grouping expressions of a HAVING: a column among them comes before an alias of the same name.
	keys []Definition
	// inAggregate is set inside an aggregate's arguments.
	inAggregate bool
}

// predicate analyses a condition, which must be boolean.
func (a *analyser) predicate(e sql.Expr, ctx *exprContext) (*plan.Expr, error) {
	p, err := a.expr(e, ctx)
	if err != nil {
		return nil, err
	}
	switch p.Type.Kind {
	case plan.KindBoolean:
		return p, nil
	case plan.KindNull:
		return compute.Cast(p, plan.Boolean), nil
	}
	return nil, a.errorf(e.Pos(), "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "%s needs a condition; this is %s", ctx.clause, p.Type)
}

// expr analyses an expression.
func (a *analyser) expr(e sql.Expr, ctx *exprContext) (*plan.Expr, error) {
	switch e := e.(type) {
	case *sql.Name:
		return a.name(e, ctx)
	case *sql.Literal:
		return a.literal(e)
	case *sql.Param:
		return a.param(e)
	case *sql.Unary:
		return a.unary(e, ctx)
	case *sql.Binary:
		return a.binary(e, ctx)
	case *sql.Call:
		return a.callExpr(e, ctx)
	case *sql.Case:
		return a.caseExpr(e, ctx)
	case *sql.Cast:
		return a.castExpr(e, ctx)
	case *sql.Between:
		return a.between(e, ctx)
	case *sql.In:
		return a.in(e, ctx)
	case *sql.Like:
		return a.like(e, ctx)
	case *sql.Is:
		return a.is(e, ctx)
	case *sql.Extract:
		return a.extract(e, ctx)
	}
	return nil, a.refuse(e)
}

// refuse is the error for a form that has no meaning here.
func (a *analyser) refuse(e sql.Expr) error {
	switch e.(type) {
	case *sql.Star:
		return a.errorf(e.Pos(), "INVALID_USAGE_OF_STAR_OR_REGEX", "* can only be selected or counted")
	case *sql.Exists:
		return a.unsupported(e.Pos(), "EXISTS (SELECT …)").WithHint("LEFT SEMI JOIN or LEFT ANTI JOIN says the same")
	case *sql.ScalarSubquery:
		return a.unsupported(e.Pos(), "a subquery as a value").WithHint("CROSS JOIN a subquery of one row")
	case *sql.Row:
		return a.unsupported(e.Pos(), "several values as one, (a, b),").WithHint("compare them one by one")
	}
	return a.errorf(e.Pos(), "UNSUPPORTED_FEATURE", "%T is not supported", e)
}

func (a *analyser) exprs(list []sql.Expr, ctx *exprContext) ([]*plan.Expr, error) {
	out := make([]*plan.Expr, len(list))
	for i, e := range list {
		x, err := a.expr(e, ctx)
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	return out, nil
}

// name resolves a column, or an alias where the clause knows them.
func (a *analyser) name(n *sql.Name, ctx *exprContext) (*plan.Expr, error) {
	if ctx.aliasFirst && !ctx.inAggregate && !a.isKey(n, ctx) {
		if e, found, err := a.alias(n, ctx); found || err != nil {
			return e, err
		}
	}
	if len(n.Parts) <= 2 {
		col, found, err := a.resolve(ctx.scope, n)
		if err != nil {
			return nil, err
		}
		if found {
			ref := col.Ref()
			a.spans[ref] = n.Span
			return ref, nil
		}
	}
	if !ctx.aliasFirst && !ctx.inAggregate {
		if e, found, err := a.alias(n, ctx); found || err != nil {
			return e, err
		}
	}
	var more []string
	for _, it := range ctx.aliases {
		more = append(more, it.name)
	}
	return nil, a.unresolved(ctx.scope, n, more)
}

// isKey reports a name that is a grouping column.
func (a *analyser) isKey(n *sql.Name, ctx *exprContext) bool {
	if len(ctx.keys) == 0 || len(n.Parts) > 2 {
		return false
	}
	col, found, err := a.resolve(ctx.scope, n)
	return err == nil && found && slices.ContainsFunc(ctx.keys, func(k Definition) bool { return k.Expr.Equal(col.Ref()) })
}

// alias finds a select item by its output name. Two different items of that name are ambiguous.
func (a *analyser) alias(n *sql.Name, ctx *exprContext) (*plan.Expr, bool, error) {
	if len(n.Parts) != 1 {
		return nil, false, nil
	}
	var found *plan.Expr
	for _, it := range ctx.aliases {
		if lower(it.name) != lower(n.Parts[0].Name) {
			continue
		}
		if found != nil && !found.Equal(it.expr) {
			return nil, false, a.errorf(n.Span, "AMBIGUOUS_REFERENCE", "%q is ambiguous: several selected columns have that name", n.Parts[0].Name)
		}
		found = it.expr
	}
	return found, found != nil, nil
}

func (a *analyser) param(p *sql.Param) (*plan.Expr, error) {
	if v, ok := a.env.param(p.Name); ok {
		return v, nil
	}
	err := a.errorf(p.Span, "UNBOUND_SQL_PARAMETER", "no parameter %q", p.Name)
	var names []string
	for _, q := range a.env.Params {
		names = append(names, q.Name)
	}
	if len(names) == 0 {
		return nil, err.WithHint("parameters are declared under params of the job file")
	}
	return nil, err.WithHint("there are: %s", abbreviate(names, 12))
}

func (a *analyser) unary(e *sql.Unary, ctx *exprContext) (*plan.Expr, error) {
	x, err := a.expr(e.X, ctx)
	if err != nil {
		return nil, err
	}
	switch e.Op {
	case "+":
		if !x.Type.IsNumeric() && x.Type.Kind != plan.KindNull {
			return a.call(e.Span, "negative", x) // whose error says what is wrong with the operand
		}
		return x, nil
	case "-":
		return a.call(e.Span, "negative", x)
	case "not":
		return a.call(e.Span, "not", x)
	}
	return nil, a.unsupported(e.Span, "the operator "+e.Op)
}

func (a *analyser) binary(e *sql.Binary, ctx *exprContext) (*plan.Expr, error) {
	if e.Op == "and" || e.Op == "or" {
		return a.chain(e, ctx)
	}
	if out, ok, err := a.intervalArithmetic(e, ctx); ok || err != nil {
		return out, err
	}
	l, err := a.expr(e.L, ctx)
	if err != nil {
		return nil, err
	}
	r, err := a.expr(e.R, ctx)
	if err != nil {
		return nil, err
	}
	name := e.Op
	switch {
	case name == "||":
		name = "concat"
	case name == "&" || name == "|" || name == "^":
		return nil, a.unsupported(e.OpSpan, "the operator "+e.Op)
	case name == "-" && l.Type.Kind == plan.KindDate && r.Type.Kind == plan.KindDate:
		return nil, a.unsupported(e.Span, "the difference of two dates as an interval").WithHint("datediff(end, start) gives days")
	}
	return a.call(e.Span, name, l, r)
}

// chain analyses a AND b AND c … without recursing on the left, which may be thousands long.
func (a *analyser) chain(e *sql.Binary, ctx *exprContext) (*plan.Expr, error) {
	var links []*sql.Binary
	var first sql.Expr = e
	for {
		b, ok := first.(*sql.Binary)
		if !ok || b.Op != e.Op {
			break
		}
		links, first = append(links, b), b.L
	}
	out, err := a.expr(first, ctx)
	for i := len(links) - 1; i >= 0 && err == nil; i-- {
		var r *plan.Expr
		if r, err = a.expr(links[i].R, ctx); err == nil {
			out, err = a.call(links[i].Span, e.Op, out, r)
		}
	}
	return out, err
}

func (a *analyser) castExpr(e *sql.Cast, ctx *exprContext) (*plan.Expr, error) {
	x, err := a.expr(e.X, ctx)
	if err != nil {
		return nil, err
	}
	t, err := a.typeName(e.Type)
	if err != nil {
		return nil, err
	}
	if !compute.CanCast(x.Type, t) {
		return nil, a.errorf(e.Span, "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", "cannot cast %s to %s", x.Type, t)
	}
	if e.Try {
		return compute.TryCast(x, t), nil
	}
	return compute.Cast(x, t), nil
}

func (a *analyser) typeName(n sql.TypeName) (plan.Type, error) {
	switch n.Name {
	case "decimal", "dec", "numeric":
		return a.decimalType(n)
	case "varchar", "char", "character":
		return plan.String, nil
	}
	t, ok := plan.ParseTypeName(n.Name)
	if !ok {
		return plan.Type{}, a.errorf(n.Span, "UNSUPPORTED_DATATYPE", "type %q is not supported", n.Name)
	}
	return t, nil
}

func (a *analyser) decimalType(n sql.TypeName) (plan.Type, error) {
	precision, scale := 10, 0
	if len(n.Args) > 0 {
		precision = n.Args[0]
	}
	if len(n.Args) > 1 {
		scale = n.Args[1]
	}
	if precision < 1 || precision > plan.MaxPrecision || scale < 0 || scale > precision {
		return plan.Type{}, a.errorf(n.Span, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
			"decimal(%d,%d): precision is 1 to %d, scale 0 to the precision", precision, scale, plan.MaxPrecision)
	}
	return plan.Decimal(int32(precision), int32(scale)), nil
}
