package logical

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// orderKey is a sort key while its block is analysed: an expression over the same columns as the select items'.
type orderKey struct {
	expr       *plan.Expr
	descending bool
	nullsLast  bool
	span       source.Span
}

// orderExprs analyses ORDER BY. A name means an output column first, a column of FROM second, as in Spark.
func (b *block) orderExprs(order []sql.OrderItem) ([]orderKey, error) {
	if len(order) == 1 && b.isAll(order[0].Expr) {
		return b.orderAll(order[0])
	}
	var keys []orderKey
	for _, o := range order {
		e, err := b.orderExpr(o.Expr)
		if err != nil {
			return nil, err
		}
		if err := b.orderable(o.Expr, e); err != nil {
			return nil, err
		}
		keys = append(keys, orderKey{expr: e, descending: o.Descending, nullsLast: !o.NullsFirst, span: o.Expr.Pos()})
	}
	return keys, nil
}

func (b *block) orderExpr(e sql.Expr) (*plan.Expr, error) {
	if n, ok := ordinal(e); ok && b.env.Session.Is(plan.OrderByOrdinal) {
		if n < 1 || n > len(b.items) {
			return nil, b.errorf(e.Pos(), "ORDER_BY_POS_OUT_OF_RANGE", "ORDER BY position %d is not in the select list (1 to %d)", n, len(b.items))
		}
		return b.items[n-1].expr, nil
	}
	ctx := b.context("ORDER BY")
	ctx.aliasFirst, ctx.grouped = true, b.keys
	return b.expr(e, ctx)
}

// isAll recognises ORDER BY ALL, unless there is a column that is called all.
func (b *block) isAll(e sql.Expr) bool {
	n, ok := e.(*sql.Name)
	if !ok || len(n.Parts) != 1 || !strings.EqualFold(n.Parts[0].Name, "all") {
		return false
	}
	isName := func(it item) bool { return strings.EqualFold(it.name, "all") }
	return !slices.ContainsFunc(b.items, isName) && len(b.in.scope.find(n.Parts)) == 0
}

// orderAll orders by all output columns, from left to right.
func (b *block) orderAll(o sql.OrderItem) ([]orderKey, error) {
	var keys []orderKey
	for _, it := range b.items {
		if err := b.orderable(o.Expr, it.expr); err != nil {
			return nil, err
		}
		keys = append(keys, orderKey{expr: it.expr, descending: o.Descending, nullsLast: !o.NullsFirst, span: o.Expr.Pos()})
	}
	return keys, nil
}

// finish orders a body that is not a SELECT by its own columns.
func (b *block) finish(in Node, order []sql.OrderItem, distinct bool) (Node, error) {
	keys, err := b.orderExprs(order)
	if err != nil {
		return nil, err
	}
	return b.order(in, keys, distinct)
}

// order projects the select items, drops duplicates for DISTINCT, and sorts. Sort keys that are not selected become
// columns below the sort, which a projection above it takes away again.
func (b *block) order(in Node, keys []orderKey, distinct bool) (Node, error) {
	in, err := b.attachItems(in, keys)
	if err != nil {
		return nil, err
	}
	defs := make([]Definition, len(b.items))
	for i, it := range b.items {
		defs[i] = Definition{Column: b.env.IDs.Column(fieldOf(it.name, it.expr)), Expr: it.expr}
	}
	selected := &Project{Input: in, Defs: defs}
	if distinct {
		return b.orderDistinct(selected, keys)
	}
	var sortKeys []SortKey
	for _, k := range keys {
		col, ok := definedBy(selected.Defs, k.expr)
		if !ok {
			col = b.env.IDs.Column(fieldOf("sort key", k.expr))
			selected.Defs = append(selected.Defs, Definition{Column: col, Expr: k.expr})
		}
		sortKeys = append(sortKeys, SortKey{Column: col, Descending: k.descending, NullsLast: k.nullsLast})
	}
	return b.sorted(selected, sortKeys, len(b.items)), nil
}

// orderDistinct sorts what DISTINCT leaves, so keys can only be made of what is selected.
func (b *block) orderDistinct(selected *Project, keys []orderKey) (Node, error) {
	for i, c := range selected.Columns() {
		if hasMap(c.Type) {
			return nil, b.errorf(b.items[i].span, "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE", "maps cannot be compared, so DISTINCT cannot have column %q of type %s", c.Name, c.Type)
		}
	}
	distinct := &Aggregate{Input: selected}
	for _, c := range selected.Columns() {
		distinct.Keys = append(distinct.Keys, Definition{Column: b.env.IDs.Column(c.Field), Expr: c.Ref()})
	}
	if len(keys) == 0 {
		return distinct, nil
	}
	defs := keepAll(distinct.Columns())
	for i := range defs {
		defs[i].Column = b.env.IDs.Column(defs[i].Field)
	}
	above := &Project{Input: distinct, Defs: defs}
	var sortKeys []SortKey
	for _, k := range keys {
		e, err := b.overDistinct(k.expr, k.span, selected.Defs, distinct)
		if err != nil {
			return nil, err
		}
		col, ok := definedBy(above.Defs, e)
		if !ok {
			col = b.env.IDs.Column(fieldOf("sort key", e))
			above.Defs = append(above.Defs, Definition{Column: col, Expr: e})
		}
		sortKeys = append(sortKeys, SortKey{Column: col, Descending: k.descending, NullsLast: k.nullsLast})
	}
	return b.sorted(above, sortKeys, len(b.items)), nil
}

// overDistinct rewrites a sort key over the output of DISTINCT.
func (b *block) overDistinct(e *plan.Expr, span source.Span, selected []Definition, distinct *Aggregate) (*plan.Expr, error) {
	for i, d := range selected {
		if d.Expr.Equal(e) {
			return distinct.Keys[i].Ref(), nil
		}
	}
	if e.Op == plan.OpColumn {
		return nil, b.errorf(span, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "ORDER BY uses %q, which SELECT DISTINCT does not select", e.Name).
			WithHint("select it too, or order by what is selected")
	}
	if len(e.Args) == 0 {
		return e, nil
	}
	out := *e
	out.Args = make([]*plan.Expr, len(e.Args))
	for i, x := range e.Args {
		r, err := b.overDistinct(x, span, selected, distinct)
		if err != nil {
			return nil, err
		}
		out.Args[i] = r
	}
	return &out, nil
}

// sorted is the projection, sorted, with only its first keep columns.
func (b *block) sorted(in *Project, keys []SortKey, keep int) Node {
	if len(keys) == 0 {
		return in
	}
	out := Node(&Sort{Input: in, Keys: keys, Limit: -1})
	if len(in.Defs) == keep {
		return out
	}
	defs := keepAll(in.Columns()[:keep])
	for i := range defs {
		defs[i].Column = b.env.IDs.Column(defs[i].Field)
	}
	return &Project{Input: out, Defs: defs}
}

func definedBy(defs []Definition, e *plan.Expr) (Column, bool) {
	for _, d := range defs {
		if d.Expr.Equal(e) {
			return d.Column, true
		}
	}
	return Column{}, false
}
