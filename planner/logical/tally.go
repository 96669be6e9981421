package logical

import (
	"fmt"
	"slices"

	"github.com/quern-engine/quern/plan"
)

// Tally passes its input on and counts it, for a step of a job file. Conditions and projections of what is above move through it,
// unless it is Fixed: then it counts what the step has by its definition.
type Tally struct {
	Input  Node
	Step   string
	Number int
	Fixed  bool
	By     []*plan.Expr
	Where  []*plan.Expr // conditions
	Sums   []*plan.Expr // doubles
}

var _ Node = (*Tally)(nil)

// Columns implements Node.
func (n *Tally) Columns() []Column { return n.Input.Columns() }

// Inputs implements Node.
func (n *Tally) Inputs() []Node { return []Node{n.Input} }

func (n *Tally) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *Tally) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	for _, list := range []*[]*plan.Expr{&c.By, &c.Where, &c.Sums} {
		*list = slices.Clone(*list)
		for i, e := range *list {
			(*list)[i] = f(e)
		}
	}
	return &c
}

// Bare reports a tally that counts rows and nothing of them.
func (n *Tally) Bare() bool { return len(n.By)+len(n.Where)+len(n.Sums) == 0 }

func (n *Tally) verify() error {
	for _, e := range n.Where {
		if err := verifyCondition("counted condition", e); err != nil {
			return err
		}
	}
	for _, e := range n.Sums {
		if e.Type.Kind != plan.KindFloat64 {
			return fmt.Errorf("sums %s, which is %s", e, e.Type)
		}
	}
	return nil
}

func describeTally(n *Tally) string {
	text := fmt.Sprintf("Tally %s %d", n.Step, n.Number)
	if n.Fixed {
		text += " fixed"
	}
	for _, list := range []struct {
		what  string
		exprs []*plan.Expr
	}{{"by", n.By}, {"where", n.Where}, {"sum", n.Sums}} {
		if len(list.exprs) > 0 {
			text += fmt.Sprintf(" %s=[%s]", list.what, exprTexts(list.exprs))
		}
	}
	return text
}
