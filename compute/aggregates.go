package compute

import "github.com/quern-engine/quern/plan"

// IsParam reports whether argument i of a call is a constant that travels as a parameter.
func (f *Function) IsParam(i int) bool { return i >= f.ParamFrom && i < f.ParamFrom+f.ParamCount }

// CheckParams judges the parameters of a call once they are folded to literals and cast to their types.
func (f *Function) CheckParams(params []*plan.Expr) error {
	if f.check == nil {
		return nil
	}
	return f.check(params)
}

// aggregateFunctions types the aggregates; package agg computes them.
func aggregateFunctions() []Function {
	return append(basicAggregates(), append(statisticAggregates(), collectingAggregates()...)...)
}

func aggregateFunction(name, usage, summary string, r resolver, aliases ...string) Function {
	return Function{Name: name, Kind: Aggregate, Usage: usage, Summary: summary, Aliases: aliases, resolve: r}
}

// withParams marks the constant arguments of a function.
func withParams(f Function, from, count int, check func([]*plan.Expr) error) Function {
	f.ParamFrom, f.ParamCount, f.check = from, count, check
	return f
}

func basicAggregates() []Function {
	f := aggregateFunction
	count := func(args []plan.Type) (Signature, error) {
		return Signature{Args: args, Returns: plan.Int64, NeverNull: true}, nil
	}
	one := func(p param) resolver { return nullable(takes(sameAs(0), p)) }
	pick := func(name, usage, summary string, aliases ...string) Function {
		return withParams(f(name, usage, summary, nullable(takesOptional(sameAs(0), 1, anything(), of(plan.Boolean))), aliases...), 1, 1, nil)
	}
	by := nullable(takes(sameAs(0), anything(), ordering()))
	return []Function{
		f("count", "count(*), count([DISTINCT] a, …)", "The number of rows, or of rows where no argument is NULL.", count),
		f("count_if", "count_if(p)", "The number of rows for which p is true.", neverNull(takes(returns(plan.Int64), of(plan.Boolean)))),
		f("sum", "sum([DISTINCT] x)", "The sum; NULL of no values.", nullable(takes(sumType, summand()))),
		f("try_sum", "try_sum([DISTINCT] x)", "The sum; NULL of no values, and where it overflows.", nullable(takes(sumType, summand()))),
		f("avg", "avg([DISTINCT] x)", "The mean; NULL of no values.", nullable(takes(avgType, summand())), "mean"),
		f("try_avg", "try_avg([DISTINCT] x)", "The mean; NULL of no values, and where it overflows.", nullable(takes(avgType, summand()))),
		f("min", "min(a)", "The least value; NULL of no values.", one(ordering())),
		f("max", "max(a)", "The greatest value; NULL of no values.", one(ordering())),
		f("max_by", "max_by(a, b[, k])", "The a of the row with the greatest b, of the last one among equals; with k an array of the k greatest.", by),
		f("min_by", "min_by(a, b[, k])", "The a of the row with the least b, of the last one among equals; with k an array of the k least.", by),
		pick("first", "first(a[, ignoreNulls])", "The value of the first row, or the first that is not NULL.", "first_value"),
		pick("last", "last(a[, ignoreNulls])", "The value of the last row, or the last that is not NULL.", "last_value"),
		pick("any_value", "any_value(a[, ignoreNulls])", "The value of some row: here, of the first."),
		f("bool_and", "bool_and(p)", "Whether p is true in every row where it is not NULL.", one(of(plan.Boolean)), "every"),
		f("bool_or", "bool_or(p)", "Whether p is true in some row.", one(of(plan.Boolean)), "some", "any"),
		f("bit_and", "bit_and(n)", "The bitwise AND of all values.", one(whole())),
		f("bit_or", "bit_or(n)", "The bitwise OR of all values.", one(whole())),
		f("bit_xor", "bit_xor(n)", "The bitwise exclusive OR of all values.", one(whole())),
		f("bitmap_construct_agg", "bitmap_construct_agg(n)", "The set of bit positions n as a bitmap of 4096 bytes.",
			neverNull(takes(returns(plan.Binary), of(plan.Int64)))),
		f("bitmap_or_agg", "bitmap_or_agg(b)", "The union of bitmaps.", neverNull(takes(returns(plan.Binary), uncast(plan.Binary)))),
		f("bitmap_and_agg", "bitmap_and_agg(b)", "The intersection of bitmaps.", neverNull(takes(returns(plan.Binary), uncast(plan.Binary)))),
		f("single_value", "single_value(a)", "The value of the only row, NULL of none; more rows are an error. For scalar subqueries.", one(anything())),
	}
}

func statisticAggregates() []Function {
	x := nullable(takes(returns(plan.Float64), of(plan.Float64)))
	xy := nullable(takes(returns(plan.Float64), of(plan.Float64), of(plan.Float64)))
	regrAvg := func(i int) resolver {
		return nullable(takes(func(args []plan.Type) plan.Type { return avgType(args[i:]) }, number(), number()))
	}
	f := aggregateFunction
	return []Function{
		f("stddev_samp", "stddev_samp([DISTINCT] x)", "The standard deviation of a sample; NULL of fewer than two values.", x, "stddev", "std"),
		f("stddev_pop", "stddev_pop([DISTINCT] x)", "The standard deviation of a population.", x),
		f("var_samp", "var_samp([DISTINCT] x)", "The variance of a sample; NULL of fewer than two values.", x, "variance"),
		f("var_pop", "var_pop([DISTINCT] x)", "The variance of a population.", x),
		f("skewness", "skewness([DISTINCT] x)", "The skewness; NULL of equal values.", x),
		f("kurtosis", "kurtosis([DISTINCT] x)", "The excess kurtosis; NULL of equal values.", x),
		f("covar_samp", "covar_samp(x, y)", "The covariance of a sample.", xy),
		f("covar_pop", "covar_pop(x, y)", "The covariance of a population.", xy),
		f("corr", "corr(x, y)", "The Pearson correlation.", xy),
		f("regr_count", "regr_count(y, x)", "The number of rows where neither is NULL.", neverNull(takes(returns(plan.Int64), number(), number()))),
		f("regr_avgx", "regr_avgx(y, x)", "The mean of x where neither is NULL.", regrAvg(1)),
		f("regr_avgy", "regr_avgy(y, x)", "The mean of y where neither is NULL.", regrAvg(0)),
		f("regr_slope", "regr_slope(y, x)", "The slope of the regression line.", xy),
		f("regr_intercept", "regr_intercept(y, x)", "The intercept of the regression line.", xy),
		f("regr_r2", "regr_r2(y, x)", "The coefficient of determination.", xy),
		f("regr_sxx", "regr_sxx(y, x)", "The sum of squares of x.", xy),
		f("regr_sxy", "regr_sxy(y, x)", "The sum of products of x and y.", xy),
		f("regr_syy", "regr_syy(y, x)", "The sum of squares of y.", xy),
	}
}

// summand takes numbers and intervals that can be added.
func summand() param {
	return param{`"NUMERIC" or "ANSI INTERVAL"`, func(a plan.Type) (plan.Type, bool) {
		switch {
		case isSpan(a):
			return a, true
		case a.Kind == plan.KindTimestamp: // as seconds
			return plan.Float64, true
		}
		return number().accept(a)
	}}
}

// uncast takes a type without a cast, and NULL.
func uncast(t plan.Type) param {
	return param{sqlType(t), func(a plan.Type) (plan.Type, bool) { return t, a.Equal(t) || a.Kind == plan.KindNull }}
}

// isSpan reports the intervals that are one number.
func isSpan(t plan.Type) bool {
	return t.Kind == plan.KindYearMonthInterval || t.Kind == plan.KindDayTimeInterval
}

// whole takes integers alone.
func whole() param {
	return param{`"INTEGRAL"`, func(a plan.Type) (plan.Type, bool) {
		if a.Kind == plan.KindNull {
			return plan.Int32, true
		}
		return a, a.IsInteger()
	}}
}

// hasOrder reports whether values of a type can be compared by size: all but maps and intervals of months and days.
func hasOrder(t plan.Type) bool {
	if t.Kind == plan.KindMap || t.Kind == plan.KindInterval {
		return false
	}
	for _, c := range t.Children {
		if !hasOrder(c.Type) {
			return false
		}
	}
	return true
}

// orderedLabel marks the parameter that takes no type without an order; its error has a class of its own.
const orderedLabel = `"ORDERED"`

// ordering takes values that have an order.
func ordering() param {
	return param{orderedLabel, func(a plan.Type) (plan.Type, bool) { return a, hasOrder(a) }}
}

func sumType(args []plan.Type) plan.Type {
	switch t := args[0]; {
	case t.IsInteger():
		return plan.Int64
	case isSpan(t):
		return t
	case t.Kind == plan.KindDecimal:
		return plan.Decimal(min(plan.MaxPrecision, t.Precision+10), t.Scale)
	}
	return plan.Float64
}

func avgType(args []plan.Type) plan.Type {
	switch t := args[0]; t.Kind {
	case plan.KindDecimal:
		return plan.Decimal(min(plan.MaxPrecision, t.Precision+4), min(plan.MaxPrecision, t.Scale+4))
	case plan.KindYearMonthInterval:
		return plan.YearMonthInterval
	case plan.KindDayTimeInterval:
		return plan.DayTimeInterval
	}
	return plan.Float64
}
