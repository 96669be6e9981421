package logical

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// currentUser is the name of the column that the bare word user makes.
const currentUser = "current_user()"

// name resolves a parameter of a lambda, a column, or an alias where the clause knows them. Names behind that of a
// column are fields.
func (a *analyser) name(n *sql.Name, ctx *exprContext) (*plan.Expr, error) {
	if v, ok := ctx.lambda.find(n.Parts[0].Name); ok {
		return a.path(v, n.Parts[1:], n.Span)
	}
	if ctx.aliasFirst && !ctx.inAggregate && !a.isKey(n, ctx) {
		if e, found, err := a.alias(n, ctx); found || err != nil {
			return e, err
		}
	}
	if e, found, err := a.column(ctx.scope, n); found || err != nil {
		return e, err
	}
	if !ctx.aliasFirst || ctx.inAggregate && ctx.clause == "SELECT" {
		if e, found, err := a.lateralAlias(n, ctx); found || err != nil {
			return e, err
		}
	}
	for _, k := range ctx.grouped {
		if len(n.Parts) == 1 && strings.EqualFold(k.Name, n.Parts[0].Name) {
			return k.Expr, nil
		}
	}
	if ctx.sets && len(n.Parts) == 1 && strings.EqualFold(n.Parts[0].Name, "grouping__id") {
		return a.groupingCall("grouping_id", nil), nil
	}
	if e, found, err := a.routineParameter(n, ctx); found || err != nil {
		return e, err
	}
	if e, found, err := a.outerName(n); found || err != nil {
		return e, err
	}
	if e, found, err := a.variable(n); found || err != nil {
		return e, err
	}
	if len(n.Parts) == 1 && !n.Parts[0].Quoted && strings.EqualFold(n.Parts[0].Name, "user") {
		a.texts[n] = currentUser
		user, err := a.call(n.Span, "current_user")
		return user, err
	}
	var more []string
	for _, it := range ctx.aliases {
		more = append(more, it.name)
	}
	if ctx.routine != nil {
		more = append(more, plan.Schema{Fields: ctx.routine.routine.Params}.Names()...)
	}
	err := a.unresolved(ctx.scope, n, more)
	if len(ctx.scope.cols) == 0 && !ctx.aliasFirst && ctx.routine == nil {
		err.Class = "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION"
	}
	return nil, err
}

// column resolves a column, and the fields named behind it.
func (a *analyser) column(s *scope, n *sql.Name) (*plan.Expr, bool, error) {
	col, fields, found, err := a.resolvePath(s, n)
	if err != nil || !found {
		return nil, false, err
	}
	ref := col.Ref()
	a.spans[ref] = n.Span
	if len(fields) > 0 {
		a.texts[n] = pathText(ref, n.Parts[len(n.Parts)-len(fields)-1], fields)
	}
	e, err := a.path(ref, fields, n.Span)
	return e, true, err
}

// isKey reports a name that is a grouping expression.
func (a *analyser) isKey(n *sql.Name, ctx *exprContext) bool {
	if len(ctx.keys) == 0 {
		return false
	}
	e, found, err := a.column(ctx.scope, n)
	return err == nil && found && slices.ContainsFunc(ctx.keys, func(k Definition) bool { return k.Expr.Equal(e) })
}

// lateralAlias finds an earlier item of the same SELECT, which aggregate and window functions cannot use.
func (a *analyser) lateralAlias(n *sql.Name, ctx *exprContext) (*plan.Expr, bool, error) {
	e, found, err := a.alias(n, ctx)
	if !found || err != nil || ctx.clause != "SELECT" {
		return e, found, err
	}
	class := ""
	switch {
	case ctx.inAggregate:
		class = "UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_AGGREGATE_FUNC"
	case ctx.inWindow:
		class = "UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_WINDOW"
	default:
		if e.Op != plan.OpColumn || !ctx.generated[e.Column] {
			a.texts[n] = "lateralAliasReference(" + nameText(n.Parts) + ")"
		}
		return e, true, nil
	}
	return nil, false, a.errorf(n.Span, class, "%q is selected here, and neither an aggregate nor a window function can use it", nameText(n.Parts)).
		WithHint("select it in a subquery first")
}

// alias finds a select item by its output name; names behind it are fields. Two different items of that name are
// ambiguous.
func (a *analyser) alias(n *sql.Name, ctx *exprContext) (*plan.Expr, bool, error) {
	var found *plan.Expr
	for _, it := range ctx.aliases {
		if ctx.clause == "SELECT" && !it.aliased && (it.expr.Op != plan.OpColumn || !ctx.generated[it.expr.Column]) {
			continue // a name that the query did not give
		}
		if !strings.EqualFold(it.name, n.Parts[0].Name) || len(n.Parts) > 1 && !it.expr.Type.IsNested() {
			continue
		}
		if found != nil && !found.Equal(it.expr) {
			if ctx.aliasFirst { // then it must be a column
				return nil, false, nil
			}
			class := "AMBIGUOUS_REFERENCE"
			if ctx.clause == "SELECT" {
				class = "AMBIGUOUS_LATERAL_COLUMN_ALIAS"
			}
			return nil, false, a.errorf(n.Span, class, "%q is ambiguous: several selected columns have that name", n.Parts[0].Name)
		}
		found = it.expr
	}
	if found == nil {
		return nil, false, nil
	}
	e, err := a.path(found, n.Parts[1:], n.Span)
	return e, true, err
}
