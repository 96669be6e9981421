package step

import (
	"math"
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
)

var samplingCheck = &Kind{
	Name:    "sampling",
	Summary: "A sample step kept about as many rows as its rates say, so that the weights add up to the rows that there were.",
	Fields: []Field{
		{Name: "step", Type: "step", Required: true, Doc: "a `sample` step with `rate`, `rates` or `ratio`"},
		{Name: "max", Type: "number", Doc: "how many standard deviations the kept rows of a stratum may be off; default 4"},
	},
	Example: `- sampling: sampled`,
	Notes: "`sampling: STEP` is short for `sampling: {step: STEP}`. Of N rows of a stratum kept with the rate r the weights, 1/r each, add up to N, give or take a standard " +
		"deviation of √(N(1-r)/r); with a rate of 1 all must be there. More than chance can be is most often a `key` that many rows share: they are kept or left out together, and the sample stands for few. " +
		"The counts are those of the ledger, before base weights. Strata without a rate that all their rows have are not looked at.",
	Short: "step",
	readCheck: func(o *options) measurer {
		return &sampling{step: o.text("step"), max: o.real("max", 0, math.Inf(1), 4)}
	},
}

type sampling struct {
	step jobfile.Value
	max  float64
}

func (c *sampling) check(p *checkPlanning, out *relation) plan.Check {
	i := slices.IndexFunc(p.file.Steps, func(s jobfile.Step) bool { return strings.EqualFold(s.Name.Text, c.step.Text) })
	switch {
	case i < 0:
		p.fail(c.step, "there is no step %q", c.step.Text)
	case p.file.Steps[i].Operator.Text != sampleKind.Name:
		p.fail(c.step, "the step %s is no sample", c.step.Text)
	case p.file.Steps[i].Options.Entry("per_group") != nil:
		p.fail(c.step, "the step %s draws a number of rows from each group, and not with a rate", c.step.Text)
	default:
		c.step.Text = p.file.Steps[i].Name.Text
	}
	p.measure(out, "rows", "count(*)")
	return plan.Check{Name: "sampling of " + c.step.Text, Step: c.step.Text, Max: &c.max}
}
