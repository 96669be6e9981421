package logical

import (
	"fmt"

	"github.com/quern-engine/quern/plan"
)

// Verify checks what every rule must keep: each column that is read is produced below, with the same type and no more
// nulls than the reader expects; ids are defined once.
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
			err = verifyExpr(e, visible)
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

func verifyExpr(e *plan.Expr, visible map[int]plan.Field) error {
	var err error
	e.Walk(func(x *plan.Expr) bool {
		if x.Op != plan.OpColumn || err != nil {
			return err == nil
		}
		f, ok := visible[x.Column]
		switch {
		case !ok:
			err = fmt.Errorf("reads column %s that is not produced below", x)
		case !f.Type.Equal(x.Type):
			err = fmt.Errorf("reads column %s as %s; it is %s", x, x.Type, f.Type)
		case f.Nullable && !x.Nullable:
			err = fmt.Errorf("takes nullable column %s as not nullable", x)
		}
		return true
	})
	return err
}

func verifyShape(n Node) error {
	switch n := n.(type) {
	case *Filter:
		if n.Predicate.Type.Kind != plan.KindBoolean {
			return fmt.Errorf("predicate is %s", n.Predicate.Type)
		}
	case *Join:
		if n.On != nil && n.On.Type.Kind != plan.KindBoolean {
			return fmt.Errorf("condition is %s", n.On.Type)
		}
	case *Project:
		return verifyDefs(n.Defs)
	case *Aggregate:
		return verifyDefs(n.Keys)
	case *Values:
		return verifyRows(n)
	case *Scan:
		if len(n.Cols) != len(n.Ordinals) {
			return fmt.Errorf("%d columns but %d ordinals", len(n.Cols), len(n.Ordinals))
		}
	}
	return nil
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

func verifyRows(n *Values) error {
	for _, row := range n.Rows {
		if len(row) != len(n.Cols) {
			return fmt.Errorf("row of %d values for %d columns", len(row), len(n.Cols))
		}
		for i, v := range row {
			if !v.Type.Equal(n.Cols[i].Type) {
				return fmt.Errorf("value %s is %s, not %s", v, v.Type, n.Cols[i].Type)
			}
		}
	}
	return nil
}

// verifyDefined checks that the node's own columns have ids that nothing else in the plan has. A projection may pass
// a column on under its own id.
func verifyDefined(n Node, defined map[int]bool) error {
	var own []Column
	switch n := n.(type) {
	case *Scan, *Values, *Aggregate:
		own = n.Columns()
	case *Project:
		for _, d := range n.Defs {
			if d.Expr.Op != plan.OpColumn || d.Expr.Column != d.ID {
				own = append(own, d.Column)
			}
		}
	}
	for _, c := range own {
		if defined[c.ID] {
			return fmt.Errorf("column id %d is defined twice", c.ID)
		}
		defined[c.ID] = true
	}
	return nil
}
