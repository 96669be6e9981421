package planner

import (
	"context"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// Explanation is a request at each level of planning, in order.
type Explanation struct{ Levels []Level }

// Level is one level's text.
type Level struct{ Title, Text string }

// String is all levels below each other.
func (e Explanation) String() string {
	var b strings.Builder
	for i, l := range e.Levels {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("== " + l.Title + " ==\n" + strings.TrimRight(l.Text, "\n") + "\n")
	}
	return b.String()
}

// Explain plans a request and shows what each level made of it.
func Explain(ctx context.Context, req Request, cat Catalog) (Explanation, error) {
	p, err := planRequest(ctx, req, cat)
	if err != nil {
		return Explanation{}, err
	}
	var out Explanation
	for _, t := range p.targets {
		fired := "rules that changed it: " + strings.Join(t.fired, ", ")
		if len(t.fired) == 0 {
			fired = "no rule changed it"
		}
		out.Levels = append(out.Levels,
			Level{"Analysed plan of " + t.name, logical.Format(t.analysed)},
			Level{"Optimised plan of " + t.name, logical.Format(t.optimised) + fired},
			Level{"Physical plan of " + t.name, physical(p.job, t.last, map[int]bool{}).Text()})
	}
	out.Levels = append(out.Levels, Level{"Stages", p.job.Text()})
	return out, nil
}

// physical is the operators of a stage with those of the stages that it reads below the reads: the whole plan as one
// tree. A stage that is read several times is shown once.
func physical(job *plan.Job, id int, shown map[int]bool) *plan.Node {
	shown[id] = true
	var below func(n *plan.Node) *plan.Node
	below = func(n *plan.Node) *plan.Node {
		c := *n
		c.Inputs = nil
		for _, in := range n.Inputs {
			c.Inputs = append(c.Inputs, below(in))
		}
		if n.Op == plan.NodeShuffleRead && !shown[n.ShuffleRead.Stage] {
			c.Inputs = []*plan.Node{physical(job, n.ShuffleRead.Stage, shown)}
		}
		return &c
	}
	return below(job.Stages[id].Root)
}
