package logical

import (
	"slices"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// block is a SELECT while it is analysed. Expressions are first made over the columns of FROM and the results of
// aggregate calls, window functions and generators; if the block aggregates, group rewrites them over the Aggregate's
// output.
type block struct {
	*analyser
	in         relation // FROM, LATERAL VIEW and WHERE
	items      []item
	keys       []Definition // of GROUP BY, over in
	hasSets    bool         // GROUP BY has grouping sets
	grouping   *grouping    // nil without grouping sets
	aggs       *aggregation
	windows    *windowing
	generators []generator
	qualify    *plan.Expr
	aggregated bool
	selecting  bool // grouping the items of SELECT
	subs       *subqueries
	above      subqueries         // the place of subqueries above the Aggregate
	moved      map[int]*plan.Expr // subqueries moved above the Aggregate, by the column that stood for them

	qualifySpan source.Span
}

// item is one output column of a SELECT.
type item struct {
	name    string
	aliased bool
	expr    *plan.Expr
	ast     sql.Expr // nil for a column from a star
	span    source.Span
}

// selectBlock analyses a SELECT with the ORDER BY of its query, which may use more than what is selected.
func (a *analyser) selectBlock(s *sql.Select, order []sql.OrderItem, with *named) (Node, error) {
	s = a.oldHaving(s)
	in, err := a.from(s.From, with)
	if err != nil {
		return nil, err
	}
	for _, v := range s.LateralViews {
		if in, err = a.lateralView(in, v, with); err != nil {
			return nil, err
		}
	}
	if s.Where != nil {
		if in, err = a.where(in, s.Where, with); err != nil {
			return nil, err
		}
	}
	if in, err = a.timeWindows(in, s.TimeWindows, with); err != nil {
		return nil, err
	}
	if err := a.checkWindows(s.Windows); err != nil {
		return nil, err
	}
	b := &block{
		analyser: a, in: in, hasSets: hasGroupingSets(s), subs: &subqueries{with: with},
		aggs: &aggregation{}, windows: &windowing{named: s.Windows},
	}
	if err := b.selectItems(s.Items); err != nil {
		return nil, err
	}
	if err := b.checkPipe(s); err != nil {
		return nil, err
	}
	if err := b.groupBy(s); err != nil {
		return nil, err
	}
	having, err := b.having(s)
	if err != nil {
		return nil, err
	}
	if err := b.qualified(s); err != nil {
		return nil, err
	}
	sortKeys, err := b.orderExprs(order)
	if err != nil {
		return nil, err
	}
	return b.build(s, having, sortKeys)
}

// checkPipe refuses aggregate functions in |> EXTEND, and items without one in |> AGGREGATE. The items of EXTEND stand behind a star.
func (b *block) checkPipe(s *sql.Select) error {
	switch {
	case s.Pipe == nil:
	case s.Pipe.Operator == "EXTEND" && len(b.aggs.calls) > 0:
		return b.errorf(s.Items[s.Pipe.From].Expr.Pos(), "PIPE_OPERATOR_CONTAINS_AGGREGATE_FUNCTION", "|> EXTEND takes no aggregate functions").
			WithHint("|> AGGREGATE does")
	case s.Pipe.Operator == "AGGREGATE":
		for _, it := range b.items[min(s.Pipe.From, len(b.items)):] {
			if !b.usesAggregate(it.expr) {
				return b.errorf(it.span, "PIPE_OPERATOR_AGGREGATE_EXPRESSION_CONTAINS_NO_AGGREGATE_FUNCTION",
					"every item of |> AGGREGATE needs an aggregate function").WithHint("what to group by stands behind GROUP BY")
			}
		}
	}
	return nil
}

// oldHaving makes a HAVING without GROUP BY a WHERE in sessions that ask for it.
func (a *analyser) oldHaving(s *sql.Select) *sql.Select {
	if s.Having == nil || s.GroupAll || len(s.GroupBy) > 0 || !a.env.Session.Is(plan.HavingWithoutGroupByAsWhere) {
		return s
	}
	out := *s
	out.Having, out.Where = nil, s.Having
	if s.Where != nil {
		out.Where = &sql.Binary{Op: "and", L: s.Where, R: s.Having, Span: s.Having.Pos()}
	}
	return &out
}

// context is what the expressions of a clause may use, select items but for GROUP BY and WHERE included.
func (b *block) context(clause string) *exprContext {
	return &exprContext{scope: b.in.scope, subs: b.subs, clause: clause, aggs: b.aggs, aliases: b.items, sets: b.hasSets}
}

// build stacks up the block's operators once all its expressions are known: Aggregate, HAVING, generators, windows,
// QUALIFY, projection, DISTINCT, sort.
func (b *block) build(s *sql.Select, having *plan.Expr, keys []orderKey) (Node, error) {
	node := b.in.node
	var err error
	b.aggregated = len(s.GroupBy) > 0 || s.GroupAll || having != nil || len(b.aggs.calls) > 0
	if b.aggregated {
		if len(b.generators) > 1 {
			return nil, b.errorf(b.generators[1].span, "UNSUPPORTED_GENERATOR.MULTI_GENERATOR", "a SELECT that aggregates can have one generator, not %d", len(b.generators))
		}
		if node, err = b.aggregate(node); err != nil {
			return nil, err
		}
		var span source.Span
		if s.Having != nil {
			span = s.Having.Pos()
		}
		if having, err = b.groupAll(having, span, keys); err != nil {
			return nil, err
		}
		if having != nil {
			if node, err = b.filtered(node, having); err != nil {
				return nil, err
			}
		}
	}
	if node, err = b.generateRows(node, false); err != nil {
		return nil, err
	}
	for _, c := range b.windows.calls {
		if node, err = b.attach(node, c.reads()...); err != nil {
			return nil, err
		}
	}
	node = b.windows.stack(node)
	if node, err = b.generateRows(node, true); err != nil {
		return nil, err
	}
	if b.qualify != nil {
		if node, err = b.filtered(node, b.qualify); err != nil {
			return nil, err
		}
	}
	return b.order(node, keys, s.Distinct)
}

func (b *block) selectItems(items []sql.SelectItem) error {
	for _, it := range items {
		if star, ok := it.Expr.(*sql.Star); ok {
			if err := b.star(star); err != nil {
				return err
			}
			continue
		}
		ctx := b.context("SELECT")
		ctx.windows, ctx.generated = b.windows, map[int]bool{}
		for _, g := range b.generators {
			for _, c := range g.Cols {
				ctx.generated[c.ID] = true
			}
		}
		if call, f, ok := asGenerator(it.Expr); ok {
			if err := b.generate(call, f, it, ctx); err != nil {
				return err
			}
			continue
		}
		if len(it.Aliases) > 0 {
			return b.errorf(it.Expr.Pos(), "MULTI_ALIAS_WITHOUT_GENERATOR", "several names in AS (…) are for generators such as explode")
		}
		e, err := b.expr(it.Expr, ctx)
		if err != nil {
			return err
		}
		out := item{expr: e, ast: it.Expr, span: it.Expr.Pos()}
		switch n, number := it.Expr.(*sql.InputColumn); {
		case it.Alias != nil:
			out.name, out.aliased = it.Alias.Name, true
		case number:
			out.name = b.in.scope.visible()[n.Number-1].Name
		default:
			out.name = b.columnName(it.Expr)
		}
		b.items = append(b.items, out)
	}
	return nil
}

func (b *block) star(star *sql.Star) error {
	items, err := b.starItems(star, b.in.scope)
	if err != nil {
		return err
	}
	for _, r := range star.Replace {
		if err := b.replace(items, r); err != nil {
			return err
		}
	}
	b.items = append(b.items, items...)
	return nil
}

// replace gives a column another value, by |> SET.
func (b *block) replace(items []item, r sql.Replacement) error {
	i := slices.IndexFunc(items, func(it item) bool { return strings.EqualFold(it.name, r.Name.Name) })
	if i < 0 {
		var names []string
		for _, it := range items {
			names = append(names, it.name)
		}
		return b.unresolved(&scope{}, &sql.Name{Parts: []sql.Ident{r.Name}, Span: r.Name.Span}, names)
	}
	ctx := b.context("SELECT")
	ctx.windows = b.windows
	e, err := b.expr(r.Value, ctx)
	if err != nil {
		return err
	}
	if len(b.aggs.calls) > 0 {
		return b.errorf(r.Value.Pos(), "PIPE_OPERATOR_CONTAINS_AGGREGATE_FUNCTION", "|> SET takes no aggregate functions").WithHint("|> AGGREGATE does")
	}
	items[i] = item{name: items[i].name, expr: e, ast: r.Value, span: r.Value.Pos()}
	return nil
}

func (b *block) having(s *sql.Select) (*plan.Expr, error) {
	if s.Having == nil {
		return nil, nil
	}
	ctx := b.context("HAVING")
	ctx.aliasFirst, ctx.keys, ctx.grouped = true, b.keys, b.keys
	e, err := b.expr(s.Having, ctx)
	if err != nil {
		return nil, err
	}
	if compute.CanCast(e.Type, plan.Boolean) { // unlike WHERE, as in Spark
		return compute.Cast(e, plan.Boolean), nil
	}
	return nil, b.errorf(s.Having.Pos(), "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "HAVING needs a condition; this is %s", e.Type)
}

// qualified analyses QUALIFY, a condition over the results of window functions.
func (b *block) qualified(s *sql.Select) error {
	if s.Qualify == nil {
		return nil
	}
	ctx := b.context("QUALIFY")
	ctx.windows, ctx.aliasFirst, ctx.grouped = b.windows, true, b.keys
	var err error
	if b.qualify, err = b.predicate(s.Qualify, ctx); err != nil {
		return err
	}
	b.qualifySpan = s.Qualify.Pos()
	if len(b.windows.calls) == 0 {
		return b.errorf(s.Qualify.Pos(), "QUALIFY_REQUIRES_WINDOW_FUNCTION", "QUALIFY needs a window function, here or in the SELECT list").
			WithHint("WHERE and HAVING filter by other conditions")
	}
	return nil
}

func fieldOf(name string, e *plan.Expr) plan.Field {
	return plan.Field{Name: name, Type: e.Type, Nullable: e.Nullable}
}

func lower(s string) string { return strings.ToLower(s) }

func columnNumber(n int) string { return "col" + strconv.Itoa(n) }
