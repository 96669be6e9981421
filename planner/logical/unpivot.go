package logical

import (
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// unpivot analyses UNPIVOT: a row for each column, or group of columns, that is listed.
func (a *analyser) unpivot(ref *sql.Unpivot, with *named) (relation, error) {
	in, err := a.tableRef(ref.Ref, with)
	if err != nil {
		return in, err
	}
	groups, used, err := a.unpivotColumns(ref, in.scope)
	if err != nil {
		return in, err
	}
	out := &Expand{Input: in.node, Projections: make([][]*plan.Expr, len(groups))}
	for _, c := range in.scope.visible() {
		if used[c.ID] {
			continue
		}
		out.Cols = append(out.Cols, a.env.IDs.Column(c.Field))
		for i := range groups {
			out.Projections[i] = append(out.Projections[i], c.Ref())
		}
	}
	out.Cols = append(out.Cols, a.env.IDs.Column(plan.Field{Name: ref.Name.Name, Type: plan.String}))
	for i := range groups {
		out.Projections[i] = append(out.Projections[i], plan.StringLiteral(groupName(ref.Columns[i])))
	}
	var present []*plan.Expr
	for k, name := range ref.Values {
		f, err := a.unpivotValue(ref, out, groups, k)
		if err != nil {
			return in, err
		}
		f.Name = name.Name
		col := a.env.IDs.Column(f)
		out.Cols = append(out.Cols, col)
		found, err := a.call(ref.Span, "isnotnull", col.Ref())
		if err != nil {
			return in, err
		}
		present = append(present, found)
	}
	node := Node(out)
	if !ref.IncludeNulls {
		any := present[0]
		for _, p := range present[1:] {
			if any, err = a.call(ref.Span, "or", any, p); err != nil {
				return in, err
			}
		}
		node = &Filter{Input: out, Predicate: any}
	}
	alias := ""
	if ref.Alias != nil {
		alias = ref.Alias.Name
	}
	return relation{node: node, scope: scopeOf(alias, out.Cols)}, nil
}

// unpivotColumns resolves the listed columns, and says which they are.
func (a *analyser) unpivotColumns(ref *sql.Unpivot, s *scope) (groups [][]*plan.Expr, used map[int]bool, err error) {
	used = map[int]bool{}
	for _, c := range ref.Columns {
		if len(c.Names) != len(ref.Values) {
			return nil, nil, a.errorf(ref.Span, "UNPIVOT_VALUE_SIZE_MISMATCH",
				"a group has %d columns for %d value columns", len(c.Names), len(ref.Values))
		}
		var group []*plan.Expr
		for _, n := range c.Names {
			e, err := a.expr(n, &exprContext{scope: s, clause: "UNPIVOT"})
			if err != nil {
				return nil, nil, err
			}
			if e.Op != plan.OpColumn {
				return nil, nil, a.errorf(n.Span, "UNPIVOT_REQUIRES_ATTRIBUTES", "UNPIVOT takes columns, not fields of columns")
			}
			used[e.Column] = true
			group = append(group, e)
		}
		groups = append(groups, group)
	}
	return groups, used, nil
}

// unpivotValue adds a value column to every projection, with the type that all its columns have in common.
func (a *analyser) unpivotValue(ref *sql.Unpivot, out *Expand, groups [][]*plan.Expr, k int) (plan.Field, error) {
	f := plan.Field{Type: groups[0][k].Type}
	for _, g := range groups {
		t, ok := compute.CommonType(f.Type, g[k].Type)
		if !ok || (t.Kind == plan.KindString) != (g[k].Type.Kind == plan.KindString) && g[k].Type.Kind != plan.KindNull {
			return f, a.errorf(ref.Span, "UNPIVOT_VALUE_DATA_TYPE_MISMATCH",
				"the columns of a value column must have a type in common: %q is %s, and others are %s", g[k].Name, g[k].Type, f.Type)
		}
		f.Type = t
		f.Nullable = f.Nullable || g[k].Nullable
	}
	for i, g := range groups {
		e := compute.Cast(g[k], f.Type)
		f.Nullable = f.Nullable || e.Nullable
		out.Projections[i] = append(out.Projections[i], e)
	}
	return f, nil
}

func groupName(c sql.UnpivotColumn) string {
	if c.Alias != nil {
		return c.Alias.Name
	}
	var names []string
	for _, n := range c.Names {
		names = append(names, n.Parts[len(n.Parts)-1].Name)
	}
	return strings.Join(names, "_")
}
