package logical

import (
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// attachItems joins in what the selected items and sort keys read of subqueries. What an aggregating block selects must
// not read the query around it, as in Spark.
func (b *block) attachItems(in Node, keys []orderKey) (Node, error) {
	var exprs []*plan.Expr
	for _, it := range b.items {
		exprs = append(exprs, it.expr)
	}
	for _, k := range keys {
		exprs = append(exprs, k.expr)
	}
	if b.outer != nil && b.aggregated {
		for _, c := range columnsRead(exprs...) {
			if b.pending[c.Column] == nil && !has(in, c.Column) {
				return nil, b.correlatedUse(b.items[0].span, c)
			}
		}
	}
	return b.attach(in, exprs...)
}

// groupSubquery moves a subquery above the block's Aggregate: what it reads of the outer row must be there.
func (b *block) groupSubquery(p *pending, span source.Span) (*plan.Expr, error) {
	if p.place == &b.above {
		return p.col.Ref(), nil
	}
	if moved, ok := b.moved[p.col.ID]; ok {
		return moved, nil
	}
	by := map[int]*plan.Expr{}
	for _, c := range p.free() {
		e, err := b.group(c, span)
		if p.kind == "scalar" && (err != nil || b.selecting && has(b.in.node, c.Column)) {
			return nil, b.errorf(p.span, "SCALAR_SUBQUERY_IS_IN_GROUP_BY_OR_AGGREGATE_FUNCTION",
				"the subquery uses %q of the rows that are grouped, and is neither in GROUP BY nor in an aggregate function", c.Name).
				WithHint("add the subquery to GROUP BY by its position, or put it into first(…)")
		}
		if err != nil {
			return nil, err
		}
		by[c.Column] = e
	}
	// Column ids stay the plan's own: this subquery replaces p, which nothing else reads then but what is below the
	// Aggregate, and that has a copy of its own.
	node, renamed := refreshed(p.node, b.env.IDs)
	q := &pending{kind: p.kind, not: p.not, node: substituteAll(node, by), col: b.env.IDs.Column(p.col.Field), place: &b.above, span: p.span}
	if p.kind == "scalar" {
		q.col = nullable(q.node.Columns()[0])
	}
	for _, e := range p.compared {
		q.compared = append(q.compared, Substitute(renumber(e, renamed), by))
	}
	if b.moved == nil {
		b.moved = map[int]*plan.Expr{}
	}
	b.moved[p.col.ID] = b.later(q)
	return b.moved[p.col.ID], nil
}
