package logical

import (
	"slices"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// groupAll rewrites everything that is evaluated above the block's Aggregate.
func (b *block) groupAll(having *plan.Expr, havingSpan source.Span, keys []orderKey) (*plan.Expr, error) {
	var err error
	b.selecting = true
	for i, it := range b.items {
		if b.items[i].expr, err = b.group(it.expr, it.span); err != nil {
			return nil, err
		}
	}
	b.selecting = false
	for i, g := range b.generators {
		if b.generators[i].Call, err = b.group(g.Call, g.span); err != nil {
			return nil, err
		}
	}
	if err := b.windows.rewrite(b.group); err != nil {
		return nil, err
	}
	if b.qualify != nil {
		if b.qualify, err = b.group(b.qualify, b.qualifySpan); err != nil {
			return nil, err
		}
	}
	for i, k := range keys {
		if keys[i].expr, err = b.group(k.expr, k.span); err != nil {
			if c := k.expr; b.outer != nil && c.Op == plan.OpColumn && len(b.outer.scope.find([]sql.Ident{{Name: c.Name}})) > 0 {
				return nil, b.correlatedUse(k.span, c) // what the block has no more is taken for the outer row's
			}
			return nil, b.notInGroup(err)
		}
	}
	if having == nil {
		return nil, nil
	}
	having, err = b.group(having, havingSpan)
	return having, b.notInGroup(err)
}

// notInGroup says of a column that HAVING and ORDER BY cannot use what Spark says: it is not there after grouping.
func (b *block) notInGroup(err error) error {
	if e, ok := err.(*source.Error); ok && (e.Class == "MISSING_AGGREGATION" || e.Class == "MISSING_GROUP_BY") {
		e.Class = "UNRESOLVED_COLUMN.WITH_SUGGESTION"
	}
	return err
}

// group rewrites an expression over FROM and aggregate results into one over the Aggregate's output.
func (b *block) group(e *plan.Expr, span source.Span) (*plan.Expr, error) {
	for _, k := range b.keys {
		if sameValue(k.Expr, e) {
			return k.Ref(), nil
		}
	}
	switch {
	case e.Op == plan.OpColumn:
		return b.groupColumn(e, span)
	case isGrouping(e):
		return b.groupingValue(e, span)
	case len(e.Args) == 0:
		return e, nil
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
	return withNulls(&out, e), nil
}

// groupColumn lets results of aggregate calls, window functions, generators and subqueries pass, and columns of the
// query around.
func (b *block) groupColumn(e *plan.Expr, span source.Span) (*plan.Expr, error) {
	if p := b.pending[e.Column]; p != nil {
		return b.groupSubquery(p, span)
	}
	if b.aggs.has(e.Column) || b.windows.has(e.Column) || b.generated(e.Column) || !has(b.in.node, e.Column) {
		return e, nil
	}
	if s, ok := b.spans[e]; ok {
		span = s
	}
	return nil, b.missingAggregation(e.Name, span)
}

// withNulls makes a call nullable when an argument has become so: keys of grouping sets are NULL in some rows.
func withNulls(e, before *plan.Expr) *plan.Expr {
	if e.Nullable {
		return e
	}
	for i, x := range e.Args {
		if !x.Nullable || before.Args[i].Nullable {
			continue
		}
		if e.Op == plan.OpCall {
			if f, ok := compute.Lookup(e.Name); ok {
				if sig, err := f.ResolveCall(e.Args); err == nil && sig.NeverNull {
					return e
				}
			}
		}
		e.Nullable = true
		return e
	}
	return e
}

func (b *block) missingAggregation(name string, span source.Span) error {
	if len(b.keys) == 0 && !b.hasSets {
		return b.errorf(span, "MISSING_GROUP_BY", "column %q is neither in an aggregate function nor in GROUP BY", name).
			WithHint("there is no GROUP BY: add one, or aggregate the column too, as in min(%s)", name)
	}
	return b.errorf(span, "MISSING_AGGREGATION", "column %q is neither in GROUP BY nor in an aggregate function", name).
		WithHint("add it to GROUP BY, or aggregate it: min(%s)", name)
}

// generated reports a column of a generator.
func (b *block) generated(id int) bool {
	return slices.ContainsFunc(b.generators, func(g generator) bool {
		return slices.ContainsFunc(g.Cols, func(c Column) bool { return c.ID == id })
	})
}

// commutative are the operators whose operands may change places: GROUP BY a + b groups by b + a.
var commutative = []string{"+", "*", "=", "<=>", "<>", "and", "or", "&", "|", "^"}

// sameValue is Equal but for the order of the operands of commutative operators.
func sameValue(e, o *plan.Expr) bool {
	if e.Op != plan.OpCall || o.Op != plan.OpCall || e.Name != o.Name || len(e.Args) != len(o.Args) || !e.Type.Equal(o.Type) {
		return e.Equal(o)
	}
	if slices.EqualFunc(e.Args, o.Args, sameValue) {
		return true
	}
	return len(e.Args) == 2 && slices.Contains(commutative, e.Name) &&
		sameValue(e.Args[0], o.Args[1]) && sameValue(e.Args[1], o.Args[0])
}
