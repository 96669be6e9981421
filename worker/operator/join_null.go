package operator

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// nullKeys divides the keys of a null-aware join: the compared ones, of which a NULL makes the comparison NULL unless
// another is unequal, and the others, which say what is compared at all.
type nullKeys struct {
	compared, others           []int // places among the keys
	leftOthers, rightOthers    []int // columns
	leftCompared, rightColumns []int
	always                     []bool // others are joined by <=>
}

func newNullKeys(j *plan.Join) nullKeys {
	var n nullKeys
	for i, l := range j.LeftKeys {
		r := j.RightKeys[i]
		if i < len(j.NullSafe) && j.NullSafe[i] {
			n.others, n.always = append(n.others, i), append(n.always, true)
			n.leftOthers, n.rightOthers = append(n.leftOthers, l), append(n.rightOthers, r)
		} else {
			n.compared = append(n.compared, i)
			n.leftCompared, n.rightColumns = append(n.leftCompared, l), append(n.rightColumns, r)
		}
	}
	return n
}

// comparison is an expression over left then right columns: the comparison of the keys is NULL and the condition holds.
func (n nullKeys) comparison(j *plan.Join, l, r plan.Schema) *plan.Expr {
	var all *plan.Expr
	for _, i := range n.compared {
		lc, rc := j.LeftKeys[i], j.RightKeys[i]
		equal := plan.CallExpr("=", plan.Boolean, plan.ColumnExpr(lc, l.Fields[lc]),
			plan.ColumnExpr(len(l.Fields)+rc, r.Fields[rc]))
		if all != nil {
			equal = plan.CallExpr("and", plan.Boolean, all, equal)
		}
		all = equal
	}
	if all == nil {
		all = &plan.Expr{Op: plan.OpLiteral, Type: plan.Boolean, Value: plan.Literal{Int: 1}}
	}
	unknown := plan.CallExpr("isnull", plan.Boolean, all)
	if j.Condition == nil {
		return unknown
	}
	return plan.CallExpr("and", plan.Boolean, unknown, j.Condition)
}

// anyNull is the rows of a batch that have a NULL in one of some columns, and the rows that have none.
func anyNull(rec arrow.Record, cols []int, of func(row int) bool) (with, without []int32) {
	valid := make([]vector.Validity, len(cols))
	for i, c := range cols {
		valid[i] = vector.ValidityOf(rec.Column(c))
	}
rows:
	for i := range int(rec.NumRows()) {
		if of != nil && !of(i) {
			continue
		}
		for _, v := range valid {
			if v.IsNull(i) {
				with = append(with, int32(i))
				continue rows
			}
		}
		without = append(without, int32(i))
	}
	return with, without
}

// indexNulls finds the build rows whose comparison is NULL unless it is false.
func (b *buildSide) indexNulls(o *HashJoin) error {
	rows, _ := anyNull(b.rec, o.nulls.rightColumns, nil)
	b.withNull = vector.TakeRecord(o.env.Mem, b.rec, rows)
	var err error
	b.nullsBy, err = o.indexOthers(b.withNull)
	return err
}

// indexOthers indexes build rows by the keys that are not compared.
func (o *HashJoin) indexOthers(rec arrow.Record) (*group.Multimap, error) {
	cols := o.nulls.rightOthers
	return group.NewMultimap(types(o.inputs[1].Schema(), cols), o.nulls.always, pick(rec, cols), int(rec.NumRows()))
}

// markNulls marks the rows of the current left batch that have no partner but one that they compare to as NULL.
func (j *joiner) markNulls(ctx context.Context) error {
	p, o, b := &j.probe, j.o, j.build
	with, without := anyNull(p.rec, o.nulls.leftCompared, func(row int) bool { return p.marks[row] == markNone })
	if err := j.markWeak(ctx, without, b.withNull, b.nullsBy); err != nil || len(with) == 0 {
		return err
	}
	if b.allBy == nil {
		var err error
		if b.allBy, err = o.indexOthers(b.rec); err != nil {
			return err
		}
		o.mustHold(j.held())
	}
	return j.markWeak(ctx, with, b.rec, b.allBy)
}

// markWeak marks rows of the current left batch that compare as NULL to one of some build rows.
func (j *joiner) markWeak(ctx context.Context, rows []int32, build arrow.Record, index *group.Multimap) error {
	if len(rows) == 0 || build.NumRows() == 0 {
		return nil
	}
	o := j.o
	var p probe
	defer p.release()
	marks := make([]byte, len(rows))
	if err := p.start(vector.TakeRecord(o.env.Mem, j.probe.rec, rows), index, o.nulls.leftOthers, marks); err != nil {
		return err
	}
	if o.plan.Condition == nil && len(o.nulls.compared) == 1 {
		for i, id := range p.ids {
			if id != group.None {
				j.probe.marks[rows[i]] = markNull
			}
		}
		return nil
	}
	for !p.done() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		p.pairs(index, o.env.BatchRows, false)
		keep, err := o.weak.holds(o.env, &p, build)
		if err != nil {
			return err
		}
		p.note(keep)
		p.skipMarked()
	}
	for i, m := range marks {
		if m == markTrue {
			j.probe.marks[rows[i]] = markNull
		}
	}
	return nil
}
