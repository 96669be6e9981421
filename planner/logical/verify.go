package logical

import (
	"errors"
	"fmt"

	"github.com/quern-engine/quern/plan"
)

// Verify checks what every rule must keep: each column that is read is produced below, with the same type and no more
// nulls than the reader expects; lambda parameters are read inside their lambda only; ids are defined once.
func Verify(n Node) error {
	return verifyNode(n, map[int]bool{})
}

func verifyNode(n Node, defined map[int]bool) error {
	visible := map[int]plan.Field{}
	for _, in := range n.Inputs() {
		if err := verifyNode(in, defined); err != nil {
			return err
		}
		for _, c := range in.Columns() {
			visible[c.ID] = c.Field
		}
	}
	var err error
	n.mapExprs(func(e *plan.Expr) *plan.Expr {
		if err == nil {
			err = verifyExpr(e, visible, nil)
		}
		return e
	})
	if err == nil {
		err = verifyShape(n)
	}
	if err == nil {
		err = verifyDefined(n, defined)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", Describe(n), err)
	}
	return nil
}

// verifyExpr checks the columns of an expression, and its variables against those of the lambdas around it.
func verifyExpr(e *plan.Expr, visible map[int]plan.Field, variables map[int]bool) error {
	switch e.Op {
	case plan.OpColumn:
		return verifyColumn(e, visible)
	case plan.OpVariable:
		if !variables[e.Column] {
			return fmt.Errorf("reads variable %s outside its lambda", e)
		}
		return nil
	case plan.OpLambda:
		inner := map[int]bool{}
		for v := range variables {
			inner[v] = true
		}
		for _, p := range e.Args[1:] {
			inner[p.Column] = true
		}
		return verifyExpr(e.Args[0], visible, inner)
	}
	for _, a := range e.Args {
		if err := verifyExpr(a, visible, variables); err != nil {
			return err
		}
	}
	return nil
}

func verifyColumn(x *plan.Expr, visible map[int]plan.Field) error {
	f, ok := visible[x.Column]
	switch {
	case !ok:
		return fmt.Errorf("reads column %s that is not produced below", x)
	case !f.Type.Equal(x.Type):
		return fmt.Errorf("reads column %s as %s; it is %s", x, x.Type, f.Type)
	case f.Nullable && !x.Nullable:
		return fmt.Errorf("takes nullable column %s as not nullable", x)
	}
	return nil
}

func verifyShape(n Node) error {
	switch n := n.(type) {
	case *Filter:
		return verifyCondition("predicate", n.Predicate)
	case *Join:
		return verifyJoin(n)
	case *Project:
		return verifyDefs(n.Defs)
	case *Aggregate:
		return verifyAggregate(n)
	case *Values:
		return verifyRows(n.Cols, n.Rows)
	case *Scan:
		if len(n.Cols) != len(n.Ordinals) {
			return fmt.Errorf("%d columns but %d ordinals", len(n.Cols), len(n.Ordinals))
		}
	case *Union:
		return verifyUnion(n)
	case *Expand:
		return verifyRows(n.Cols, n.Projections)
	case *Window:
		for _, c := range n.Calls {
			if err := verifyCondition("filter of "+c.Func, c.Filter); err != nil {
				return err
			}
		}
	case *AsofJoin:
		return verifyAsof(n)
	case *EventWindows:
		return n.verify()
	case *Tally:
		return n.verify()
	}
	return nil
}

// verifyCondition accepts nil.
func verifyCondition(what string, e *plan.Expr) error {
	if e != nil && e.Type.Kind != plan.KindBoolean {
		return fmt.Errorf("%s is %s", what, e.Type)
	}
	return nil
}

func verifyJoin(n *Join) error {
	if err := verifyCondition("condition", n.On); err != nil {
		return err
	}
	if !n.NullAware {
		return nil
	}
	if n.Type != plan.JoinLeftAnti && n.Type != plan.JoinMark {
		return fmt.Errorf("a null-aware join of type %s", n.Type)
	}
	for _, c := range n.Compared {
		if c.Op != plan.OpCall || c.Name != "=" || !c.Args[0].Type.Equal(c.Args[1].Type) {
			return fmt.Errorf("compares by %s", c)
		}
	}
	return nil
}

func verifyAggregate(n *Aggregate) error {
	for _, a := range n.Aggs {
		if err := verifyCondition("filter of "+a.Func, a.Filter); err != nil {
			return err
		}
	}
	return verifyDefs(n.Keys)
}

func verifyDefs(defs []Definition) error {
	for _, d := range defs {
		if !d.Type.Equal(d.Expr.Type) {
			return fmt.Errorf("column %s is %s but its expression is %s", d.Ref(), d.Type, d.Expr.Type)
		}
		if d.Expr.Nullable && !d.Nullable {
			return fmt.Errorf("column %s is not nullable but its expression is", d.Ref())
		}
	}
	return nil
}

// verifyRows checks rows of expressions against the columns that they fill.
func verifyRows(cols []Column, rows [][]*plan.Expr) error {
	for _, row := range rows {
		if len(row) != len(cols) {
			return fmt.Errorf("row of %d values for %d columns", len(row), len(cols))
		}
		for i, v := range row {
			if !v.Type.Equal(cols[i].Type) {
				return fmt.Errorf("value %s is %s, not %s", v, v.Type, cols[i].Type)
			}
			if v.Nullable && !cols[i].Nullable {
				return fmt.Errorf("value %s may be NULL, column %s not", v, cols[i].Ref())
			}
		}
	}
	return nil
}

func verifyUnion(n *Union) error {
	if len(n.Ins) == 0 {
		return errors.New("a union of nothing")
	}
	for _, in := range n.Ins {
		refs := make([]*plan.Expr, 0, len(n.Cols))
		for _, c := range in.Columns() {
			refs = append(refs, c.Ref())
		}
		if err := verifyRows(n.Cols, [][]*plan.Expr{refs}); err != nil {
			return err
		}
	}
	return nil
}

func verifyAsof(n *AsofJoin) error {
	if len(n.LeftKeys) != len(n.RightKeys) {
		return fmt.Errorf("%d left keys but %d right ones", len(n.LeftKeys), len(n.RightKeys))
	}
	for i, l := range n.LeftKeys {
		if !l.Type.Equal(n.RightKeys[i].Type) {
			return fmt.Errorf("key %s is %s but %s is %s", l, l.Type, n.RightKeys[i], n.RightKeys[i].Type)
		}
	}
	if !n.LeftTime.Type.Equal(n.RightTime.Type) {
		return fmt.Errorf("time %s is %s but %s is %s", n.LeftTime, n.LeftTime.Type, n.RightTime, n.RightTime.Type)
	}
	if n.Available != nil && !n.Available.Type.Equal(n.LeftTime.Type) {
		return fmt.Errorf("%s is available from %s, but times are %s", n.RightTime, n.Available.Type, n.LeftTime.Type)
	}
	for _, s := range n.SkipNulls {
		if s.Op != plan.OpColumn {
			return fmt.Errorf("skips NULLs of %s, which is no column", s)
		}
	}
	if n.On != nil && (n.Direction == plan.AsofNearest || len(n.SkipNulls) > 0) {
		return fmt.Errorf("a condition goes with neither %s nor skipped NULLs", plan.AsofNearest)
	}
	return verifyCondition("condition", n.On)
}

// verifyDefined checks that the node's own columns have ids that nothing else in the plan has. A projection may pass
// a column on under its own id.
func verifyDefined(n Node, defined map[int]bool) error {
	for _, c := range ownColumns(n) {
		if defined[c.ID] {
			return fmt.Errorf("column id %d is defined twice", c.ID)
		}
		defined[c.ID] = true
	}
	return nil
}

// ownColumns lists the columns that a node defines rather than passes on.
func ownColumns(n Node) []Column {
	switch n := n.(type) {
	case *Scan, *Values, *Aggregate, *Union, *Expand, *PluginTable:
		return n.Columns()
	case *Project:
		var own []Column
		for _, d := range n.Defs {
			if d.Expr.Op != plan.OpColumn || d.Expr.Column != d.ID {
				own = append(own, d.Column)
			}
		}
		return own
	case *Generate:
		return n.Cols
	case *Window:
		var own []Column
		for _, c := range n.Calls {
			own = append(own, c.Column)
		}
		return own
	case *EventWindows:
		var own []Column
		for _, f := range n.Features {
			own = append(own, f.Column)
		}
		return own
	case *Join:
		if n.Type == plan.JoinMark {
			return []Column{n.Mark}
		}
	}
	return nil
}
