package logical

import (
	"fmt"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// commonNames lists the columns that a natural join joins by.
func commonNames(left, right *scope) []sql.Ident {
	var out []sql.Ident
	for _, c := range left.visible() {
		id := sql.Ident{Name: c.Name}
		if len(right.find([]sql.Ident{id})) > 0 {
			out = append(out, id)
		}
	}
	return out
}

// joinUsing joins by equal column names; each such column shows once, first.
func (a *analyser) joinUsing(ref *sql.Join, t plan.JoinType, left, right relation, using []sql.Ident) (relation, error) {
	var on *plan.Expr
	var keys []usingKey
	for _, id := range using {
		k, err := a.usingKey(ref, left.scope, right.scope, id)
		if err != nil {
			return relation{}, err
		}
		eq, err := a.call(ref.Span, "=", k.left.Ref(), k.right.Ref())
		if err != nil {
			return relation{}, err
		}
		on, keys = plan.And(on, eq), append(keys, k)
	}
	if t == plan.JoinCross {
		t = plan.JoinInner
	}
	out := joinSides(ref, t, left, right, on)
	if t == plan.JoinLeftSemi || t == plan.JoinLeftAnti {
		return out, nil
	}
	return a.showKeysOnce(ref, out, keys)
}

// usingKey is the two columns of one name of USING.
type usingKey struct{ left, right scopeColumn }

func (a *analyser) usingKey(ref *sql.Join, left, right *scope, id sql.Ident) (usingKey, error) {
	span := id.Span
	if span.End == 0 {
		span = ref.Span
	}
	l, err := a.usingColumn("left", left, id, span)
	if err != nil {
		return usingKey{}, err
	}
	r, err := a.usingColumn("right", right, id, span)
	return usingKey{l, r}, err
}

func (a *analyser) usingColumn(side string, s *scope, id sql.Ident, span source.Span) (scopeColumn, error) {
	name := &sql.Name{Parts: []sql.Ident{id}, Span: span}
	c, found, err := a.resolve(s, name)
	if err == nil && !found {
		unknown := a.unresolved(s, name, nil)
		unknown.Class, unknown.Message = "UNRESOLVED_USING_COLUMN_FOR_JOIN", fmt.Sprintf("no column %q on the %s side of the join", id.Name, side)
		err = unknown
	}
	return c, err
}

// showKeysOnce puts the key columns first and hides the sides' own, except by qualified name. Of a full join the shown
// key is coalesce(left, right), which takes a projection.
func (a *analyser) showKeysOnce(ref *sql.Join, rel relation, keys []usingKey) (relation, error) {
	shownAs := map[int]bool{}
	out := &scope{}
	defs := keepAll(rel.node.Columns())
	for _, k := range keys {
		shown := k.left.Column
		switch ref.Type {
		case "right":
			shown = k.right.Column
		case "full":
			e, err := a.call(ref.Span, "coalesce", nullable(k.left.Column).Ref(), nullable(k.right.Column).Ref())
			if err != nil {
				return relation{}, err
			}
			shown = a.env.IDs.Column(plan.Field{Name: k.left.Name, Type: e.Type, Nullable: e.Nullable})
			defs = append(defs, Definition{Column: shown, Expr: e})
		}
		shownAs[k.left.ID], shownAs[k.right.ID] = true, true
		out.cols = append(out.cols, scopeColumn{Column: shown})
	}
	for _, c := range rel.scope.cols {
		c.qualified = c.qualified || shownAs[c.ID]
		out.cols = append(out.cols, c)
	}
	if ref.Type != "full" {
		out.update(rel.node.Columns())
		return relation{node: rel.node, scope: out}, nil
	}
	return a.projected(rel.node, defs, out), nil
}

// projected puts a projection over a node whose columns the scope names, giving every column a new id.
func (a *analyser) projected(in Node, defs []Definition, s *scope) relation {
	renamed := map[int]Column{}
	for i := range defs {
		old := defs[i].ID
		defs[i].Column = a.env.IDs.Column(defs[i].Field)
		renamed[old] = defs[i].Column
	}
	for i, c := range s.cols {
		name := c.Name
		c.Column = renamed[c.ID]
		c.Name = name
		s.cols[i] = c
	}
	return relation{node: &Project{Input: in, Defs: defs}, scope: s}
}
