package compute

import (
	"fmt"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// collectingAggregates are those that look at all values of a group together.
func collectingAggregates() []Function {
	f := aggregateFunction
	list := neverNull(takes(func(args []plan.Type) plan.Type { return plan.Array(args[0], false) }, anything()))
	set := func(args []plan.Type) (Signature, error) {
		if len(args) == 1 && hasMap(args[0]) {
			return Signature{}, userError("DATATYPE_MISMATCH.UNSUPPORTED_INPUT_TYPE",
				"Cannot resolve \"collect_set\" due to data type mismatch: The input of `collect_set` can't be \"MAP\" type data.")
		}
		return list(args)
	}
	within := func(f Function, w WithinGroup) Function {
		f.WithinGroup = w
		return f
	}
	percentile := nullable(takesOptional(percentileType, 1, measured(), percentage(), of(plan.Int64)))
	within1 := nullable(takes(percentileType, measured(), percentage()))
	approx := nullable(takesOptional(sameOrArray, 1, ranked(), percentage(), of(plan.Int64)))
	return []Function{
		f("collect_list", "collect_list([DISTINCT] a)", "The values that are not NULL, in the order of the rows.", list, "array_agg"),
		f("collect_set", "collect_set(a)", "The different values that are not NULL, in order of first appearance.", set),
		withParams(f("approx_count_distinct", "approx_count_distinct(a[, deviation])",
			"The number of different values, estimated by HyperLogLog++ with the given relative deviation (0.05).",
			neverNull(takesOptional(returns(plan.Int64), 1, anything(), of(plan.Float64)))), 1, 1, checkDeviation),
		withParams(f("percentile", "percentile(x, p[, frequency])",
			"The exact percentile, interpolated; p may be an array. Each x counts frequency times.", percentile), 1, 1, checkPercentage),
		within(withParams(f("percentile_cont", "percentile_cont(p) WITHIN GROUP (ORDER BY x)",
			"The exact percentile, interpolated.", within1), 1, 1, checkPercentage), WithinGroupArgument),
		within(withParams(f("percentile_disc", "percentile_disc(p) WITHIN GROUP (ORDER BY x)",
			"The first value whose place in the order is at or beyond p.", within1), 1, 1, checkPercentage), WithinGroupArgument),
		f("median", "median(x)", "The median: percentile(x, 0.5).", nullable(takes(percentileType, measured()))),
		withParams(f("percentile_approx", "percentile_approx(x, p[, accuracy])",
			"The least value that p of all values do not exceed. It is exact, whatever the accuracy; p may be an array.",
			approx, "approx_percentile"), 1, 2, checkApproximate),
		within(withParams(f("mode", "mode(a[, deterministic]), mode() WITHIN GROUP (ORDER BY a)",
			"The most frequent value; of equally frequent ones the first in order, the least without an order.",
			nullable(takesOptional(sameAs(0), 1, anything(), of(plan.Boolean)))), 1, 1, nil), WithinGroupMode),
		withParams(f("histogram_numeric", "histogram_numeric(x, bins)",
			"A histogram of that many bins at most: array<struct<x, y double>> of their centres and heights.",
			nullable(takes(histogramType, ranked(), of(plan.Int32)))), 1, 1, checkBins),
		within(withParams(f("listagg", "listagg([DISTINCT] s[, delimiter]) [WITHIN GROUP (ORDER BY …)]",
			"The strings that are not NULL, one after the other, in the order of the rows or the given one.",
			nullable(listaggSignature), "string_agg"), 1, 1, nil), WithinGroupOrder),
	}
}

// measured takes what can be interpolated.
func measured() param {
	return param{`"NUMERIC" or "ANSI INTERVAL"`, func(a plan.Type) (plan.Type, bool) {
		if isSpan(a) {
			return a, true
		}
		return number().accept(a)
	}}
}

// ranked takes what percentile_approx takes: numbers and points and spans of time.
func ranked() param {
	return param{`"NUMERIC", "DATE", "TIMESTAMP", "TIMESTAMP_NTZ" or "ANSI INTERVAL"`, func(a plan.Type) (plan.Type, bool) {
		switch a.Kind {
		case plan.KindDate, plan.KindTimestamp, plan.KindTimestampNTZ:
			return a, true
		}
		return measured().accept(a)
	}}
}

// percentage takes a double or an array of doubles.
func percentage() param {
	return param{`"DOUBLE" or "ARRAY<DOUBLE>"`, func(a plan.Type) (plan.Type, bool) {
		if a.Kind == plan.KindArray {
			e := a.Element().Type
			return plan.Array(plan.Float64, a.Element().Nullable), e.IsNumeric() || e.Kind == plan.KindNull
		}
		return plan.Float64, a.IsNumeric() || a.Kind == plan.KindNull || a.Kind == plan.KindString
	}}
}

func percentileType(args []plan.Type) plan.Type {
	t := plan.Float64
	switch args[0].Kind {
	case plan.KindYearMonthInterval:
		t = plan.YearMonthInterval
	case plan.KindDayTimeInterval:
		t = plan.DayTimeInterval
	}
	if len(args) > 1 && args[1].Kind == plan.KindArray {
		return plan.Array(t, false)
	}
	return t
}

func sameOrArray(args []plan.Type) plan.Type {
	if args[1].Kind == plan.KindArray {
		return plan.Array(args[0], false)
	}
	return args[0]
}

func histogramType(args []plan.Type) plan.Type {
	return plan.Array(plan.Struct(plan.Field{Name: "x", Type: args[0], Nullable: true},
		plan.Field{Name: "y", Type: plan.Float64, Nullable: true}), true)
}

// listaggSignature types listagg: binary stays what it is, all else becomes a string, and the delimiter follows.
func listaggSignature(args []plan.Type) (Signature, error) {
	if len(args) < 1 || len(args) > 2 {
		return Signature{}, arityError{"[1, 2]", len(args)}
	}
	want := plan.String
	if args[0].Kind == plan.KindBinary {
		want = plan.Binary
	}
	sig := Signature{Returns: want}
	for i, a := range args {
		if a.Kind != plan.KindNull && !canCoerce(a, want) || i == 1 && a.Kind == plan.KindBinary && want.Kind == plan.KindString {
			return Signature{}, argumentError{i, `"STRING" or "BINARY"`, a}
		}
		sig.Args = append(sig.Args, want)
	}
	return sig, nil
}

func outOfRange(name, bounds, value string) error {
	return userError("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "The %s must be between %s (current value = %s).", name, bounds, value)
}

// numbersOf are the numbers of a folded percentage: one, or those of an array.
func numbersOf(e *plan.Expr) ([]float64, error) {
	if e.Value.Null {
		return nil, userError("DATATYPE_MISMATCH.UNEXPECTED_NULL", "The percentage(s) must not be null.")
	}
	if e.Type.Kind != plan.KindArray {
		return []float64{e.Value.Float()}, nil
	}
	var out []float64
	for _, x := range e.Value.Items {
		if x.Null {
			return nil, userError("DATATYPE_MISMATCH.UNEXPECTED_NULL", "The percentage(s) must not be null.")
		}
		out = append(out, x.Float())
	}
	return out, nil
}

func checkPercentage(params []*plan.Expr) error {
	if len(params) == 0 {
		return nil
	}
	numbers, err := numbersOf(params[0])
	if err != nil {
		return err
	}
	for _, p := range numbers {
		if !(p >= 0 && p <= 1) {
			return outOfRange("percentage(s)", "[0.0, 1.0]", vector.FormatFloat(p, 64))
		}
	}
	return nil
}

func checkApproximate(params []*plan.Expr) error {
	if err := checkPercentage(params); err != nil || len(params) < 2 {
		return err
	}
	if a := params[1].Value; a.Null {
		return userError("DATATYPE_MISMATCH.UNEXPECTED_NULL", "The accuracy must not be null.")
	} else if a.Int <= 0 || a.Int > 1<<31-1 {
		return outOfRange("accuracy", "(0, 2147483647]", fmt.Sprint(a.Int))
	}
	return nil
}

func checkBins(params []*plan.Expr) error {
	if len(params) == 0 {
		return nil
	}
	if n := params[0].Value; n.Null {
		return userError("DATATYPE_MISMATCH.UNEXPECTED_NULL", "The nb must not be null.")
	} else if n.Int < 2 {
		return userError("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "The nb must be between [2, 2147483647] (current value = %d).", n.Int)
	}
	return nil
}

// checkDeviation wants what gives between 4 and 24 bits of register number.
func checkDeviation(params []*plan.Expr) error {
	if len(params) == 0 {
		return nil
	}
	if d := params[0].Value; d.Null || !(d.Float() > 0.00027 && d.Float() <= 0.39) {
		return userError("FAILED_FUNCTION_CALL", "Failed preparing of the function `approx_count_distinct` for call: the relative deviation must be between 0.00027 and 0.39.")
	}
	return nil
}
