package compute

import "github.com/quern-engine/quern/plan"

// windowFunctions types the functions that are of use over a window only; operator.Window computes them. Aggregates go
// over windows as well.
func windowFunctions() []Function {
	f := func(name, usage, summary string, r resolver) Function {
		return Function{Name: name, Kind: Window, Usage: usage, Summary: summary, resolve: r}
	}
	none := func(t plan.Type) resolver { return neverNull(takes(returns(t))) }
	return []Function{
		f("row_number", "row_number() OVER (…)", "The row's number in its partition, from 1.", none(plan.Int32)),
		f("rank", "rank() OVER (…)", "1 + the number of rows before the row's peers.", none(plan.Int32)),
		f("dense_rank", "dense_rank() OVER (…)", "The number of different sort keys up to the row's.", none(plan.Int32)),
		f("percent_rank", "percent_rank() OVER (…)", "(rank - 1) / (rows of the partition - 1), 0 for a lone row.", none(plan.Float64)),
		f("cume_dist", "cume_dist() OVER (…)", "The share of the partition's rows that do not come after the row's peers.", none(plan.Float64)),
		withParams(f("ntile", "ntile([n]) OVER (…)", "The number of the row's bucket, of n buckets that differ by one row at most.",
			neverNull(takesOptional(returns(plan.Int32), 1, of(plan.Int32)))), 0, 1, checkBuckets),
		withParams(f("lag", "lag(a[, offset[, default]]) OVER (…)", "a of the row so many rows before (1); the default where there is none.",
			offsetSignature), 1, 1, checkOffset),
		withParams(f("lead", "lead(a[, offset[, default]]) OVER (…)", "a of the row so many rows behind (1); the default where there is none.",
			offsetSignature), 1, 1, checkOffset),
		withParams(f("nth_value", "nth_value(a, n) OVER (…)", "a of the frame's n-th row, from 1; NULL where there is none.",
			nullable(takes(sameAs(0), anything(), of(plan.Int32)))), 1, 1, checkNth),
	}
}

// offsetSignature types lag and lead. The default takes the type of the value; without one the result may be NULL.
func offsetSignature(args []plan.Type) (Signature, error) {
	if len(args) < 1 || len(args) > 3 {
		return Signature{}, arityError{"[1, 3]", len(args)}
	}
	sig := Signature{Args: []plan.Type{args[0]}, Returns: args[0], AlwaysNullable: len(args) < 3}
	if len(args) > 1 {
		if _, ok := of(plan.Int32).accept(args[1]); !ok {
			return Signature{}, argumentError{1, `"INT"`, args[1]}
		}
		sig.Args = append(sig.Args, plan.Int32)
	}
	if len(args) > 2 {
		if args[0].Kind == plan.KindNull {
			sig.Args[0], sig.Returns = args[2], args[2]
		}
		if args[2].Kind != plan.KindNull && !args[2].Equal(sig.Returns) && !canCoerce(args[2], sig.Returns) {
			return Signature{}, mismatchError{args[0], args[2]}
		}
		sig.Args = append(sig.Args, sig.Returns)
	}
	return sig, nil
}

func checkBuckets(params []*plan.Expr) error {
	if len(params) > 0 && (params[0].Value.Null || params[0].Value.Int <= 0) {
		return userError("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
			"The buckets must be between (0, 2147483647] (current value = %s).", plan.FormatLiteral(plan.Int32, params[0].Value))
	}
	return nil
}

func checkOffset(params []*plan.Expr) error {
	if len(params) > 0 && params[0].Value.Null {
		return userError("DATATYPE_MISMATCH.UNEXPECTED_NULL", "The offset must not be null.")
	}
	return nil
}

func checkNth(params []*plan.Expr) error {
	if len(params) == 0 || params[0].Value.Null || params[0].Value.Int <= 0 {
		return userError("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "The offset must be between (0, 2147483647].")
	}
	return nil
}
