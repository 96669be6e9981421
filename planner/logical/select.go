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
// aggregate calls; if the block aggregates, group rewrites them over the Aggregate's output.
type block struct {
	*analyser
	in         relation // FROM and WHERE
	items      []item
	keys       []Definition // of GROUP BY, over in
	aggs       *aggregation
	aggregated bool
}

// item is one output column of a SELECT.
type item struct {
	name    string
	aliased bool
	expr    *plan.Expr
	ast     sql.Expr // nil for a column from a star
	span    source.Span
}

// aggregation collects the aggregate calls of a block; equal calls share a column.
type aggregation struct{ calls []AggCall }

func (g *aggregation) add(ids *IDs, name string, call AggCall) *plan.Expr {
	for _, c := range g.calls {
		if sameCall(c, call) {
			return c.Ref()
		}
	}
	call.Column.ID = ids.New()
	call.Name = name
	g.calls = append(g.calls, call)
	return call.Ref()
}

func sameCall(c, d AggCall) bool {
	if c.Func != d.Func || c.Distinct != d.Distinct || len(c.Args) != len(d.Args) {
		return false
	}
	for i, x := range c.Args {
		if !x.Equal(d.Args[i]) {
			return false
		}
	}
	return true
}

func (g *aggregation) has(id int) bool {
	for _, c := range g.calls {
		if c.ID == id {
			return true
		}
	}
	return false
}

// selectBlock analyses a SELECT with the ORDER BY of its query, which may use more than what is selected.
func (a *analyser) selectBlock(s *sql.Select, order []sql.OrderItem, with *named) (Node, error) {
	in, err := a.from(s.From, with)
	if err != nil {
		return nil, err
	}
	if s.Where != nil {
		p, err := a.predicate(s.Where, &exprContext{scope: in.scope, clause: "WHERE"})
		if err != nil {
			return nil, err
		}
		in.node = &Filter{Input: in.node, Predicate: p}
	}
	b := &block{analyser: a, in: in, aggs: &aggregation{}}
	if err := b.selectItems(s.Items); err != nil {
		return nil, err
	}
	if err := b.groupBy(s); err != nil {
		return nil, err
	}
	having, err := b.having(s)
	if err != nil {
		return nil, err
	}
	sortKeys, err := b.orderExprs(order)
	if err != nil {
		return nil, err
	}
	return b.build(s, having, sortKeys)
}

// build stacks up the block's operators once all its expressions are known.
func (b *block) build(s *sql.Select, having *plan.Expr, keys []orderKey) (Node, error) {
	node := b.in.node
	b.aggregated = len(s.GroupBy) > 0 || s.GroupAll || having != nil || len(b.aggs.calls) > 0
	if b.aggregated {
		node = &Aggregate{Input: node, Keys: b.keys, Aggs: b.aggs.calls}
		var err error
		for i := range b.items {
			if b.items[i].expr, err = b.group(b.items[i].expr, b.items[i].span); err != nil {
				return nil, err
			}
		}
		for i := range keys {
			if keys[i].expr, err = b.group(keys[i].expr, keys[i].span); err != nil {
				return nil, err
			}
		}
		if having != nil {
			if having, err = b.group(having, s.Having.Pos()); err != nil {
				return nil, err
			}
			node = &Filter{Input: node, Predicate: having}
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
		e, err := b.expr(it.Expr, &exprContext{scope: b.in.scope, clause: "SELECT", aggs: b.aggs, aliases: b.items})
		if err != nil {
			return err
		}
		out := item{expr: e, ast: it.Expr, span: it.Expr.Pos()}
		if it.Alias != nil {
			out.name, out.aliased = it.Alias.Name, true
		} else {
			out.name = sql.ColumnName(it.Expr)
		}
		b.items = append(b.items, out)
	}
	return nil
}

// starColumns are the columns that * or t.* stands for.
func (a *analyser) starColumns(star *sql.Star, s *scope) ([]scopeColumn, error) {
	cols := s.visible()
	if len(star.Qualifier) > 0 {
		name := nameText(star.Qualifier)
		if cols = s.of(name); len(cols) == 0 {
			return nil, a.errorf(star.Span, "CANNOT_RESOLVE_STAR_EXPAND", "no table %q in FROM", name)
		}
	}
	if len(cols) == 0 {
		return nil, a.errorf(star.Span, "CANNOT_RESOLVE_STAR_EXPAND", "* needs something in FROM")
	}
	return cols, nil
}

func (b *block) star(star *sql.Star) error {
	cols, err := b.starColumns(star, b.in.scope)
	if err != nil {
		return err
	}
	for _, c := range cols {
		ref := c.Ref()
		b.spans[ref] = star.Span
		b.items = append(b.items, item{name: c.Name, expr: ref, span: star.Span})
	}
	return nil
}

// groupBy analyses the grouping expressions: expressions over FROM, ordinals and aliases of select items, or ALL.
func (b *block) groupBy(s *sql.Select) error {
	if s.GroupAll {
		for _, it := range b.items {
			if !b.usesAggregate(it.expr) {
				b.addKey(it.expr, it.name)
			}
		}
		return nil
	}
	for _, g := range s.GroupBy {
		if n, ok := ordinal(g); ok {
			if i := slices.IndexFunc(b.items, func(it item) bool { return it.ast == nil }); i >= 0 {
				return b.errorf(b.items[i].span, "STAR_GROUP_BY_POS", "* cannot be selected when GROUP BY has a position: list the columns")
			}
			if n < 1 || n > len(b.items) {
				return b.errorf(g.Pos(), "GROUP_BY_POS_OUT_OF_RANGE", "GROUP BY position %d is not in the select list (1 to %d)", n, len(b.items))
			}
			it := b.items[n-1]
			if b.usesAggregate(it.expr) {
				return b.errorf(g.Pos(), "GROUP_BY_POS_AGGREGATE", "GROUP BY %d refers to an expression with an aggregate function", n)
			}
			b.addKey(it.expr, it.name)
			continue
		}
		e, err := b.expr(g, &exprContext{scope: b.in.scope, clause: "GROUP BY", aliases: b.items})
		if err != nil {
			return err
		}
		if b.usesAggregate(e) {
			return b.errorf(g.Pos(), "GROUP_BY_AGGREGATE", "aggregate functions are not allowed in GROUP BY")
		}
		b.addKey(e, sql.ColumnName(g))
	}
	return nil
}

func (b *block) addKey(e *plan.Expr, name string) {
	for _, k := range b.keys {
		if k.Expr.Equal(e) {
			return
		}
	}
	b.keys = append(b.keys, Definition{Column: b.env.IDs.Column(fieldOf(name, e)), Expr: e})
}

func (b *block) usesAggregate(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		found = found || x.Op == plan.OpColumn && b.aggs.has(x.Column)
		return !found
	})
	return found
}

func (b *block) having(s *sql.Select) (*plan.Expr, error) {
	if s.Having == nil {
		return nil, nil
	}
	ctx := &exprContext{scope: b.in.scope, clause: "HAVING", aggs: b.aggs, aliases: b.items, aliasFirst: true, keys: b.keys}
	e, err := b.expr(s.Having, ctx)
	if err != nil {
		return nil, err
	}
	if compute.CanCast(e.Type, plan.Boolean) { // unlike WHERE, as in Spark
		return compute.Cast(e, plan.Boolean), nil
	}
	return nil, b.errorf(s.Having.Pos(), "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "HAVING needs a condition; this is %s", e.Type)
}

// group rewrites an expression over FROM and aggregate results into one over the Aggregate's output.
func (b *block) group(e *plan.Expr, span source.Span) (*plan.Expr, error) {
	for _, k := range b.keys {
		if k.Expr.Equal(e) {
			return k.Ref(), nil
		}
	}
	if e.Op == plan.OpColumn {
		if b.aggs.has(e.Column) {
			return e, nil
		}
		if s, ok := b.spans[e]; ok {
			span = s
		}
		return nil, b.missingAggregation(e.Name, span)
	}
	out := *e
	out.Args = make([]*plan.Expr, len(e.Args))
	for i, x := range e.Args {
		g, err := b.group(x, span)
		if err != nil {
			return nil, err
		}
		out.Args[i] = g
	}
	return &out, nil
}

func (b *block) missingAggregation(name string, span source.Span) error {
	if len(b.keys) == 0 {
		return b.errorf(span, "MISSING_GROUP_BY", "column %q is neither in an aggregate function nor in GROUP BY", name).
			WithHint("there is no GROUP BY: add one, or aggregate the column too, as in min(%s)", name)
	}
	return b.errorf(span, "MISSING_AGGREGATION", "column %q is neither in GROUP BY nor in an aggregate function", name).
		WithHint("add it to GROUP BY, or aggregate it: min(%s)", name)
}

// ordinal is the position that an integer literal in GROUP BY or ORDER BY stands for.
func ordinal(e sql.Expr) (int, bool) {
	lit, ok := e.(*sql.Literal)
	if !ok || lit.Kind != "integer" || lit.Suffix != "" {
		return 0, false
	}
	n, err := strconv.Atoi(lit.Text)
	return n, err == nil
}

func fieldOf(name string, e *plan.Expr) plan.Field {
	return plan.Field{Name: name, Type: e.Type, Nullable: e.Nullable}
}

func lower(s string) string { return strings.ToLower(s) }

func columnNumber(n int) string { return "col" + strconv.Itoa(n) }
