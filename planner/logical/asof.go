package logical

import (
	"slices"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// asofJoin analyses left ASOF JOIN right: of the right rows with equal keys the nearest in time. The comparison of the
// times is MATCH_CONDITION, or the one inequality of the sides in ON.
func (a *analyser) asofJoin(ref *sql.Join, left, right relation) (relation, error) {
	j := &AsofJoin{Keep: ref.Type == "asof_left"}
	j.Left, j.Right = left.node, right.node
	both := bothScopes(left, right)
	if err := a.asofConditions(ref, j, both); err != nil {
		return relation{}, err
	}
	for _, e := range ref.Ties {
		x, err := a.expr(e, &exprContext{scope: right.scope, clause: "TIES"})
		if err != nil {
			return relation{}, err
		}
		j.Ties = append(j.Ties, x)
	}
	j.breakTies()
	var err error
	if j.Tolerance, err = a.tolerance(ref, j.LeftTime.Type); err != nil {
		return relation{}, err
	}
	out := relation{node: j, scope: both}
	out.scope.update(j.Columns())
	if len(ref.Using) == 0 {
		return out, nil
	}
	var keys []usingKey
	for _, id := range ref.Using {
		k, err := a.usingKey(ref, left.scope, right.scope, id)
		if err != nil {
			return relation{}, err
		}
		keys = append(keys, k)
	}
	return a.showKeysOnce(ref, out, keys)
}

// asofConditions divides what is written into equal keys, the comparison of the times, and the rest.
func (a *analyser) asofConditions(ref *sql.Join, j *AsofJoin, both *scope) error {
	in := &Join{Left: j.Left, Right: j.Right}
	isLeft, isRight := in.side(j.Left), in.side(j.Right)
	var conds []*plan.Expr
	for _, id := range ref.Using {
		k, err := a.usingKey(ref, scopeOf("", j.Left.Columns()), scopeOf("", j.Right.Columns()), id)
		if err != nil {
			return err
		}
		eq, err := a.call(ref.Span, "=", k.left.Ref(), k.right.Ref())
		if err != nil {
			return err
		}
		conds = append(conds, eq)
	}
	if ref.On != nil {
		on, err := a.predicate(ref.On, &exprContext{scope: both, clause: "a join condition"})
		if err != nil {
			return err
		}
		conds = append(conds, plan.Conjuncts(on)...)
	}
	if ref.Match != nil {
		p, err := a.predicate(ref.Match, &exprContext{scope: both, clause: "MATCH_CONDITION"})
		if err != nil {
			return err
		}
		if !j.takeTime(p, isLeft, isRight) {
			return a.errorf(ref.Match.Pos(), "UNSUPPORTED_FEATURE.ASOF_JOIN",
				"MATCH_CONDITION must compare an expression of the left side with one of the right by >=, >, <= or <")
		}
	}
	for _, p := range conds {
		k, ok := equiKey(p, isLeft, isRight)
		switch {
		case ok && !k.NullSafe:
			j.LeftKeys, j.RightKeys = append(j.LeftKeys, k.Left), append(j.RightKeys, k.Right)
		case j.LeftTime == nil && j.takeTime(p, isLeft, isRight):
		case j.LeftTime != nil && j.Available == nil && j.takeAvailable(p, isRight):
		default:
			j.On = plan.And(j.On, p)
		}
	}
	if j.LeftTime == nil {
		return a.errorf(ref.Span, "UNSUPPORTED_FEATURE.ASOF_JOIN", "an ASOF join needs a comparison of times").
			WithHint("write MATCH_CONDITION (left.time >= right.time)")
	}
	return nil
}

// takeTime makes an inequality of the sides the comparison of the times.
func (n *AsofJoin) takeTime(p *plan.Expr, isLeft, isRight func(int) bool) bool {
	flipped := map[string]string{">=": "<=", ">": "<", "<=": ">=", "<": ">"}
	if p.Op != plan.OpCall || flipped[p.Name] == "" {
		return false
	}
	op, l, r := p.Name, p.Args[0], p.Args[1]
	switch {
	case ReadsOnly(l, isLeft) && ReadsOnly(r, isRight):
	case ReadsOnly(r, isLeft) && ReadsOnly(l, isRight):
		op, l, r = flipped[op], r, l
	default:
		return false
	}
	n.LeftTime, n.RightTime = l, r
	n.Direction, n.Exact = plan.AsofForward, op == ">=" || op == "<="
	if op[0] == '>' {
		n.Direction = plan.AsofBackward
	}
	return true
}

// takeAvailable makes left.time >= right.column, or right.column + constant, the time from which on right rows count.
// Other expressions stay a condition, which is only evaluated for rows that may match: it might fail for others.
func (n *AsofJoin) takeAvailable(p *plan.Expr, isRight func(int) bool) bool {
	if p.Op != plan.OpCall || p.Name != ">=" && p.Name != "<=" {
		return false
	}
	l, r := p.Args[0], p.Args[1]
	if p.Name == "<=" {
		l, r = r, l
	}
	at := r
	if at.Op == plan.OpCall && at.Name == "+" && at.Args[1].IsLiteral() {
		at = at.Args[0]
	}
	if !l.Equal(n.LeftTime) || at.Op != plan.OpColumn || !isRight(at.Column) {
		return false
	}
	n.Available = r
	return true
}

// breakTies has the remaining columns of the right side decide, in their order, between rows of which the ties decide
// nothing: so a row needs no id, and which files and places rows come from does not matter.
func (n *AsofJoin) breakTies() {
	for _, c := range n.Right.Columns() {
		if ref := c.Ref(); !slices.ContainsFunc(n.Ties, ref.Equal) {
			n.Ties = append(n.Ties, ref)
		}
	}
}

// tolerance is a constant that can be compared with a difference of times.
func (a *analyser) tolerance(ref *sql.Join, time plan.Type) (*plan.Expr, error) {
	if ref.Tolerance == nil {
		return nil, nil
	}
	x, err := a.expr(ref.Tolerance, &exprContext{scope: &scope{}, clause: "TOLERANCE"})
	if err != nil {
		return nil, err
	}
	want := time
	switch time.Kind {
	case plan.KindTimestamp, plan.KindTimestampNTZ:
		want = plan.Type{Kind: plan.KindDayTimeInterval}
	case plan.KindDate:
		want = plan.Int32
		if x.Type.Kind == plan.KindDayTimeInterval {
			want = x.Type
		}
	}
	if x.Type.Kind != want.Kind && (!x.Type.IsNumeric() || !want.IsNumeric()) {
		return nil, a.errorf(ref.Tolerance.Pos(), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
			"the tolerance is %s, and times of type %s differ by %s", x.Type, time, want)
	}
	v, ok := a.constant(compute.Cast(x, want))
	if x.Type.Kind == plan.KindDayTimeInterval {
		v, ok = a.constant(x)
	}
	if !ok || v.Value.Null || v.Value.Int < 0 && v.Type.Kind != plan.KindDecimal {
		return nil, a.errorf(ref.Tolerance.Pos(), "UNSUPPORTED_FEATURE.ASOF_JOIN", "the tolerance must be a constant, not NULL and not negative")
	}
	return v, nil
}
