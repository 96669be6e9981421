package planner

import (
	"context"
	"strings"

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
			Level{"Optimised plan of " + t.name, logical.Format(t.optimised) + fired})
	}
	out.Levels = append(out.Levels, Level{"Stages", p.job.Text()})
	return out, nil
}
