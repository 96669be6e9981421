package logical

import (
	"slices"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// aggregate puts the block's Aggregate over a node; grouping sets multiply the rows first.
func (b *block) aggregate(in Node) (Node, error) {
	out := &Aggregate{Keys: slices.Clone(b.keys), Aggs: b.aggs.calls}
	in, err := b.attach(in, exprsOf(out)...)
	if err != nil {
		return nil, err
	}
	if b.grouping == nil {
		out.Input = in
		return out, nil
	}
	if sets := b.grouping.sets; len(sets) == 1 {
		return b.singleSet(in, out, sets[0]), nil
	}
	b.expand(in, out)
	return out, nil
}

// singleSet groups by one grouping set: the keys that are not in it are NULL.
func (b *block) singleSet(in Node, out *Aggregate, set []int) Node {
	out.Input, out.Keys = in, nil
	defs := []Definition{}
	for i, k := range b.keys {
		if slices.Contains(set, i) {
			out.Keys = append(out.Keys, k)
			defs = append(defs, Definition{Column: k.Column, Expr: k.Ref()})
			continue
		}
		b.keys[i].Column = nullable(k.Column)
		defs = append(defs, Definition{Column: b.keys[i].Column, Expr: plan.NullLiteral(k.Type)})
	}
	for _, c := range out.Aggs {
		defs = append(defs, Definition{Column: c.Column, Expr: c.Ref()})
	}
	b.grouping.id = b.env.IDs.Column(plan.Field{Name: "grouping id", Type: plan.Int64})
	defs = append(defs, Definition{Column: b.grouping.id, Expr: plan.Int64Literal(b.setID(set))})
	return &Project{Input: out, Defs: defs}
}

// setID has a bit for each key that is not in a set.
func (b *block) setID(set []int) int64 {
	id := int64(0)
	for i := range b.keys {
		id <<= 1
		if !slices.Contains(set, i) {
			id |= 1
		}
	}
	return id
}

// expand puts an Expand below the Aggregate, with a row for each grouping set: what the aggregates read, the keys, NULL
// where the set has not got them, and the number of the set.
func (b *block) expand(in Node, out *Aggregate) {
	ex := &Expand{Input: in, Projections: make([][]*plan.Expr, len(b.grouping.sets))}
	passed := map[int]*plan.Expr{}
	for _, c := range columnsRead(aggregateReads(out)...) {
		col := b.env.IDs.Column(plan.Field{Name: c.Name, Type: c.Type, Nullable: c.Nullable})
		passed[c.Column] = col.Ref()
		ex.Cols = append(ex.Cols, col)
		for i := range ex.Projections {
			ex.Projections[i] = append(ex.Projections[i], c)
		}
	}
	for i, call := range out.Aggs {
		out.Aggs[i] = call.mapExprs(func(e *plan.Expr) *plan.Expr { return Substitute(e, passed) })
	}
	for k := range b.keys {
		key := &b.keys[k]
		for i, set := range b.grouping.sets {
			x := key.Expr
			if !slices.Contains(set, k) {
				x, key.Nullable = plan.NullLiteral(key.Type), true
			}
			ex.Projections[i] = append(ex.Projections[i], x)
		}
		col := b.env.IDs.Column(key.Field)
		ex.Cols = append(ex.Cols, col)
		out.Keys[k] = Definition{Column: key.Column, Expr: col.Ref()}
	}
	ids := make([]int64, len(b.grouping.sets))
	for i, set := range b.grouping.sets {
		ids[i] = b.setID(set)
	}
	b.grouping.id = b.setNumber(ex, out, "grouping id", ids)
	if repeated(ids) {
		for i := range ids {
			ids[i] = int64(i)
		}
		b.setNumber(ex, out, "grouping position", ids)
	}
	out.Input = ex
}

// setNumber adds a key with a number for each grouping set.
func (b *block) setNumber(ex *Expand, out *Aggregate, name string, numbers []int64) Column {
	col := b.env.IDs.Column(plan.Field{Name: name, Type: plan.Int64})
	ex.Cols = append(ex.Cols, col)
	for i, n := range numbers {
		ex.Projections[i] = append(ex.Projections[i], plan.Int64Literal(n))
	}
	key := b.env.IDs.Column(col.Field)
	out.Keys = append(out.Keys, Definition{Column: key, Expr: col.Ref()})
	return key
}

func repeated(ids []int64) bool {
	sorted := slices.Sorted(slices.Values(ids))
	return len(slices.Compact(sorted)) < len(ids)
}

// aggregateReads are the expressions of the aggregate calls alone.
func aggregateReads(n *Aggregate) []*plan.Expr {
	return exprsOf(&Aggregate{Aggs: n.Aggs})
}

// groupingFunction is grouping(key) and grouping_id([keys]), which say what a row is not grouped by.
func (a *analyser) groupingFunction(e *sql.Call, ctx *exprContext) (*plan.Expr, error) {
	name := lower(e.Name.Name)
	if err := a.plainCall(e, name); err != nil {
		return nil, err
	}
	if !ctx.sets || ctx.inAggregate {
		return nil, a.errorf(e.Span, "UNSUPPORTED_GROUPING_EXPRESSION", "%s needs GROUPING SETS, ROLLUP or CUBE", name)
	}
	args, err := a.exprs(e.Args, ctx)
	if err != nil {
		return nil, err
	}
	if name == "grouping" && len(args) != 1 {
		return nil, a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "grouping takes one argument, not %d", len(args))
	}
	return a.groupingCall(name, args), nil
}

// groupingCall stands for grouping and grouping_id until the grouping sets are known.
func (a *analyser) groupingCall(name string, args []*plan.Expr) *plan.Expr {
	t := plan.Int64
	if name == "grouping" {
		t = plan.Int8
	}
	return &plan.Expr{Op: plan.OpCall, Name: name, Type: t, Args: args}
}

func isGrouping(e *plan.Expr) bool {
	return e.Op == plan.OpCall && (e.Name == "grouping" || e.Name == "grouping_id")
}

// groupingValue is what a call of grouping or grouping_id means over the Aggregate.
func (b *block) groupingValue(e *plan.Expr, span source.Span) (*plan.Expr, error) {
	if e.Name == "grouping_id" {
		same := len(e.Args) == len(b.keys)
		for i := range e.Args {
			same = same && sameValue(b.keys[i].Expr, e.Args[i])
		}
		if len(e.Args) > 0 && !same {
			return nil, b.errorf(span, "GROUPING_ID_COLUMN_MISMATCH", "grouping_id takes all grouping expressions in their order, or none")
		}
		return b.grouping.id.Ref(), nil
	}
	k := slices.IndexFunc(b.keys, func(d Definition) bool { return sameValue(d.Expr, e.Args[0]) })
	if k < 0 {
		return nil, b.errorf(span, "GROUPING_COLUMN_MISMATCH", "%s is not a grouping expression", e.Args[0])
	}
	args := []*plan.Expr{b.grouping.id.Ref()}
	seen := map[int64]bool{}
	for _, set := range b.grouping.sets {
		if id := b.setID(set); !slices.Contains(set, k) && !seen[id] {
			seen[id] = true
			args = append(args, plan.Int64Literal(id))
		}
	}
	if len(args) == 1 {
		return plan.LiteralExpr(plan.Int8, int64(0))
	}
	in, err := b.call(span, "in", args...)
	if err != nil {
		return nil, err
	}
	return compute.Cast(in, plan.Int8), nil
}
