package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// known lists comparisons of single columns with constants that are true of all rows of a node.
func known(n logical.Node) []*plan.Expr {
	switch n := n.(type) {
	case *logical.Filter:
		out := known(n.Input)
		for _, p := range plan.Conjuncts(n.Predicate) {
			if isComparison(p) {
				out = append(out, p)
			}
		}
		return out
	case *logical.Project:
		return renamedConditions(known(n.Input), n.Defs)
	case *logical.Aggregate:
		return renamedConditions(known(n.Input), n.Keys)
	case *logical.Join:
		return knownOfJoin(n)
	case *logical.Sort, *logical.Limit, *logical.Window, *logical.Generate, *logical.Tally:
		return known(n.Inputs()[0])
	case *logical.AsofJoin:
		return known(n.Left)
	case *logical.EventWindows:
		return known(n.Left)
	}
	return nil
}

func knownOfJoin(n *logical.Join) []*plan.Expr {
	switch n.Type {
	case plan.JoinFull:
		return nil
	case plan.JoinInner, plan.JoinCross:
		return append(known(n.Left), known(n.Right)...)
	}
	return known(n.Left)
}

// isComparison reports a condition that a value which is equal to another fulfils when that one does.
func isComparison(p *plan.Expr) bool {
	name, _, _, ok := logical.Comparison(p)
	switch name {
	case "=", "<=>", "<>", "<", "<=", ">", ">=", "in", "like", "startswith":
		return ok
	}
	return false
}

// renamedConditions keeps the conditions whose column comes through definitions.
func renamedConditions(preds []*plan.Expr, defs []logical.Definition) []*plan.Expr {
	through := map[int]*plan.Expr{}
	for _, d := range defs {
		if d.Expr.Op == plan.OpColumn && through[d.Expr.Column] == nil {
			through[d.Expr.Column] = d.Ref()
		}
	}
	var out []*plan.Expr
	for _, p := range preds {
		if logical.ReadsOnly(p, func(c int) bool { return through[c] != nil }) {
			out = append(out, logical.Substitute(p, through))
		}
	}
	return out
}

// isNotNull reports an expression that is NULL in no row of a node.
func isNotNull(e *plan.Expr, in logical.Node) bool {
	if !e.Nullable {
		return true
	}
	return e.Op == plan.OpColumn && columnNotNull(e.Column, in)
}

// columnNotNull follows a column down to what says that it is not NULL: its definition, a condition or a file.
func columnNotNull(id int, in logical.Node) bool {
	switch in := in.(type) {
	case *logical.Scan:
		i := slices.IndexFunc(in.Cols, func(c logical.Column) bool { return c.ID == id })
		return i >= 0 && (!in.Cols[i].Nullable || in.NoNulls(i))
	case *logical.Filter:
		return columnNotNull(id, in.Input) || slices.ContainsFunc(plan.Conjuncts(in.Predicate), func(p *plan.Expr) bool {
			name, column, _, _ := logical.Comparison(p)
			return (name == "isnotnull" || isComparison(p) && name != "<=>") && column.Column == id
		})
	case *logical.Project:
		return definedNotNull(id, in.Defs, in.Input)
	case *logical.Aggregate:
		return definedNotNull(id, in.Keys, in.Input)
	case *logical.Join:
		if side(in.Left)(id) {
			return in.Type != plan.JoinFull && columnNotNull(id, in.Left)
		}
		return (in.Type == plan.JoinInner || in.Type == plan.JoinCross) && columnNotNull(id, in.Right)
	case *logical.Sort, *logical.Limit, *logical.Tally:
		return columnNotNull(id, in.Inputs()[0])
	}
	return false
}

func definedNotNull(id int, defs []logical.Definition, in logical.Node) bool {
	i := slices.IndexFunc(defs, func(d logical.Definition) bool { return d.ID == id })
	return i >= 0 && isNotNull(defs[i].Expr, in)
}

// inferFilters carries conditions over equalities of joins: where a.x = b.x and a.x < 5, b.x < 5 as well, which lets
// the other side read and build less.
func inferFilters(r *rewriter, n logical.Node) logical.Node {
	const rounds = 3 // a condition passes one join a round; more would find ever less
	for range rounds {
		next := logical.Rewrite(n, inferAcross)
		if next == n {
			break
		}
		n = next
	}
	return n
}

func inferAcross(n logical.Node) logical.Node {
	j, ok := n.(*logical.Join)
	if !ok || j.NullAware || j.Type == plan.JoinFull {
		return n
	}
	keys, _ := j.Keys()
	toRight := carried(keys, known(j.Left), known(j.Right), func(k logical.JoinKey) (from, to *plan.Expr) { return k.Left, k.Right })
	var toLeft []*plan.Expr
	if j.Type == plan.JoinInner || j.Type == plan.JoinLeftSemi {
		toLeft = carried(keys, known(j.Right), known(j.Left), func(k logical.JoinKey) (from, to *plan.Expr) { return k.Right, k.Left })
	}
	if len(toLeft)+len(toRight) == 0 {
		return n
	}
	c := *j
	c.Left, c.Right = push(j.Left, toLeft), push(j.Right, toRight)
	return &c
}

// carried lists what conditions on one side say about the other that is not known there yet.
func carried(keys []logical.JoinKey, here, there []*plan.Expr, ends func(logical.JoinKey) (from, to *plan.Expr)) []*plan.Expr {
	var out []*plan.Expr
	for _, k := range keys {
		from, to := ends(k)
		if from.Op != plan.OpColumn || to.Op != plan.OpColumn {
			continue
		}
		for _, p := range here {
			if !logical.ReadsOnly(p, func(c int) bool { return c == from.Column }) {
				continue
			}
			p = logical.Substitute(p, map[int]*plan.Expr{from.Column: to})
			if !slices.ContainsFunc(there, p.Equal) && !slices.ContainsFunc(out, p.Equal) {
				out = append(out, p)
			}
		}
	}
	return out
}
