package compute

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/plan"
)

// stableHashFunctions are what splits, samples and shuffles of training data go by: one hash per purpose, of the values
// alone, so that no two purposes pick the same rows.
func stableHashFunctions() []Function {
	return []Function{
		{
			Name: "stable_hash", Usage: "stable_hash(purpose, salt, a, …)",
			Summary: "64 bits that the values alone decide, whatever their types' widths: XXH3 of the canonical encoding of purpose, salt and values. " +
				"Purpose and salt are constant strings; the bits are evenly spread over all of bigint. Not Spark's.",
			Example: "stable_hash('split', 'v1', 1)", ExampleResult: "-2564921393311252863",
			resolve: stableHashNotConstant, resolveExprs: resolveStableHash, build: buildStableHash,
		},
		{
			Name: "hash_bucket", Usage: "hash_bucket(hash, n)",
			Summary: "Which of n buckets of equal size, 0 to n - 1, a hash of 64 bits (taken as unsigned) falls in: the upper half of hash × n. Not Spark's.",
			Example: "hash_bucket(stable_hash('split', 'v1', 1), 10000)", ExampleResult: "8609",
			resolve: takes(returns(plan.Int64), of(plan.Int64), of(plan.Int64)), build: partial(hashBucketKernel),
		},
		{
			Name: "hash_below", Usage: "hash_below(hash, rate)",
			Summary: "Whether a hash of 64 bits (taken as unsigned) lies below the share rate of all hashes: true for that share of keys. " +
				"What a rate keeps, every higher one keeps. Not Spark's.",
			Example: "hash_below(stable_hash('sample', 'v1', 1), 0.5)", ExampleResult: "false",
			resolve: takes(returns(plan.Boolean), of(plan.Int64), of(plan.Float64)), build: total(map2(hashBelow)),
		},
	}
}

func stableHashNotConstant(args []plan.Type) (Signature, error) {
	if len(args) < 3 {
		return Signature{}, arityError{"> 2", len(args)}
	}
	return Signature{}, userError("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
		"the purpose and the salt of stable_hash should be foldable \"STRING\" expressions.")
}

func resolveStableHash(args []*plan.Expr) (Signature, error) {
	types := exprTypes(args)
	if len(args) < 3 {
		return stableHashNotConstant(types)
	}
	for _, a := range args[:2] {
		if _, ok := constantString(a); !ok {
			return stableHashNotConstant(types)
		}
	}
	return Signature{Args: types, Returns: plan.Int64, NeverNull: true}, nil
}

func buildStableHash(b *binding) (node, error) {
	purpose, _ := b.constant(0) // resolveStableHash has seen that they are
	salt, _ := b.constant(1)
	run := stableHashKernel(string(purpose.Bytes), string(salt.Bytes))
	return &eagerNode{args: b.args[2:], t: b.t, run: run}, nil
}

func stableHashKernel(purpose, salt string) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		cols, fields, places := make([]arrow.Array, len(args)), make([]arrow.Field, len(args)), make([]int, len(args))
		for i, a := range args {
			a.arr.Retain()
			cols[i] = a.spread(c.mem, c.n)
			defer cols[i].Release()
			fields[i], places[i] = arrow.Field{Type: cols[i].DataType(), Nullable: true}, i
		}
		rec := array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(c.n))
		defer rec.Release()
		out := newOutput[int64](c)
		c.scratch.words = hash.Canonical(purpose, salt, rec, places, c.scratch.words)
		for i, h := range c.scratch.words {
			out.rows[i] = int64(h)
		}
		return out.array(validity{}), nil
	}
}

func hashBucketKernel(c *context, args []value) (arrow.Array, error) {
	h, n := load[int64](c.scratch, args[0], 0), load[int64](c.scratch, args[1], 1)
	return fill(c, args, func(i int) (int64, bool, error) {
		if n.at(i) <= 0 {
			return 0, false, userError("INVALID_PARAMETER_VALUE", "hash_bucket needs at least one bucket, not %d.", n.at(i))
		}
		bucket, _ := bits.Mul64(uint64(h.at(i)), uint64(n.at(i)))
		return int64(bucket), true, nil
	})
}

// hashBelow compares with the whole part of rate × 2^64, which a double gives without error.
func hashBelow(h int64, rate float64) bool {
	switch {
	case rate >= 1:
		return true
	case !(rate > 0):
		return false
	}
	return uint64(h) < uint64(rate*(1<<64))
}
