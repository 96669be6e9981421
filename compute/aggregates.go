package compute

import "github.com/quern-engine/quern/plan"

// aggregateFunctions types the aggregates; package agg computes them.
func aggregateFunctions() []Function {
	aggregate := func(name, usage, summary string, r resolver) Function {
		return Function{Name: name, Kind: Aggregate, Usage: usage, Summary: summary, resolve: r}
	}
	count := func(args []plan.Type) (Signature, error) {
		return Signature{Args: args, Returns: plan.Int64, NeverNull: true}, nil
	}
	mean := aggregate("avg", "avg([DISTINCT] x)", "The mean; NULL of no values.", nullable(takes(avgType, number())))
	mean.Aliases = []string{"mean"}
	return []Function{
		aggregate("count", "count(*), count([DISTINCT] a, …)", "The number of rows, or of rows where no argument is NULL.", count),
		aggregate("sum", "sum([DISTINCT] x)", "The sum; NULL of no values.", nullable(takes(sumType, number()))),
		mean,
		aggregate("min", "min(a)", "The least value; NULL of no values.", nullable(takes(sameAs(0), anything()))),
		aggregate("max", "max(a)", "The greatest value; NULL of no values.", nullable(takes(sameAs(0), anything()))),
	}
}

func sumType(args []plan.Type) plan.Type {
	switch t := args[0]; {
	case t.IsInteger():
		return plan.Int64
	case t.Kind == plan.KindDecimal:
		return plan.Decimal(min(plan.MaxPrecision, t.Precision+10), t.Scale)
	}
	return plan.Float64
}

func avgType(args []plan.Type) plan.Type {
	if t := args[0]; t.Kind == plan.KindDecimal {
		return adjustedDecimal(t.Precision+4, t.Scale+4)
	}
	return plan.Float64
}
