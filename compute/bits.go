package compute

import (
	"math/bits"

	"github.com/quern-engine/quern/plan"
)

// bitFunctions work on the bits of whole numbers.
func bitFunctions() []Function {
	binary := func(name, summary, example, res string) Function {
		return Function{
			Name: name, Usage: "a " + name + " b", Summary: summary, Example: example, ExampleResult: res,
			narrow: narrowLiterals, resolve: resolveBits, build: buildBits,
		}
	}
	shift := func(name string, aliases []string, summary, example, res string) Function {
		return Function{
			Name: name, Aliases: aliases, Usage: name + "(a, n)", Summary: summary, Example: example, ExampleResult: res,
			resolve: takes(sameAs(0), oneOf(`("INT" or "BIGINT")`, plan.Int32, plan.Int64), of(plan.Int32)), build: buildShift,
		}
	}
	return []Function{
		binary("&", "The bits that both numbers have.", "3 & 5", "1"),
		binary("|", "The bits that one of the numbers has.", "3 | 5", "7"),
		binary("^", "The bits that exactly one of the numbers has.", "3 ^ 5", "6"),
		{
			Name: "~", Usage: "~a", Summary: "The bits that the number has not.", Example: "~0", ExampleResult: "-1",
			resolve: takes(sameAs(0), wholeParam()), build: buildInvert,
		},
		shift("shiftleft", []string{"<<"}, "The bits moved to the left.", "shiftleft(2, 1)", "4"),
		shift("shiftright", []string{">>"}, "The bits moved to the right, the sign moving in.", "shiftright(-4, 1)", "-2"),
		shift("shiftrightunsigned", []string{">>>"}, "The bits moved to the right, zeros moving in.", "shiftrightunsigned(4, 1)", "2"),
		{
			Name: "bit_count", Usage: "bit_count(a)", Summary: "How many bits of the number, as a bigint, are set.",
			Example: "bit_count(7)", ExampleResult: "3",
			resolve: takes(returns(plan.Int32), param{`("INTEGRAL" or "BOOLEAN")`, func(t plan.Type) (plan.Type, bool) {
				return plan.Int64, t.IsInteger() || t.Kind == plan.KindBoolean || t.Kind == plan.KindNull
			}}),
			build: total(map1(func(v int64) int32 { return int32(bits.OnesCount64(uint64(v))) })),
		},
		{
			Name: "bit_get", Aliases: []string{"getbit"}, Usage: "bit_get(a, position)", Summary: "A bit, 0 being the lowest.",
			Example: "bit_get(11, 1)", ExampleResult: "1", resolve: takes(returns(plan.Int8), wholeParam(), of(plan.Int32)), build: buildBitGet,
		},
	}
}

// wholeParam takes whole numbers as they are.
func wholeParam() param {
	return param{`"INTEGRAL"`, func(t plan.Type) (plan.Type, bool) {
		if t.Kind == plan.KindNull {
			return plan.Int64, true
		}
		return t, t.IsInteger()
	}}
}

func resolveBits(args []plan.Type) (Signature, error) {
	if len(args) != 2 {
		return Signature{}, arityError{"2", len(args)}
	}
	t, ok := CommonType(args[0], args[1])
	switch {
	case ok && t.Kind == plan.KindNull:
		t = plan.Int64
	case !ok || !t.IsInteger():
		return Signature{}, wrongOperands(`"INTEGRAL"`, args[0], args[1])
	}
	return Signature{Args: alike(t, 2), Returns: t}, nil
}

func buildBits(b *binding) (node, error) {
	switch b.t.Kind {
	case plan.KindInt8:
		return total(bitKernel[int8](b.name))(b)
	case plan.KindInt16:
		return total(bitKernel[int16](b.name))(b)
	case plan.KindInt32:
		return total(bitKernel[int32](b.name))(b)
	}
	return total(bitKernel[int64](b.name))(b)
}

func bitKernel[T integer](op string) kernel {
	switch op {
	case "&":
		return map2(func(a, b T) T { return a & b })
	case "|":
		return map2(func(a, b T) T { return a | b })
	}
	return map2(func(a, b T) T { return a ^ b })
}

func buildInvert(b *binding) (node, error) {
	switch b.t.Kind {
	case plan.KindInt8:
		return total(map1(func(v int8) int8 { return ^v }))(b)
	case plan.KindInt16:
		return total(map1(func(v int16) int16 { return ^v }))(b)
	case plan.KindInt32:
		return total(map1(func(v int32) int32 { return ^v }))(b)
	}
	return total(map1(func(v int64) int64 { return ^v }))(b)
}

// buildShift shifts by the count's low bits, as Java does.
func buildShift(b *binding) (node, error) {
	if b.t.Kind == plan.KindInt32 {
		switch b.name {
		case "shiftleft":
			return total(map2(func(v, n int32) int32 { return v << (n & 31) }))(b)
		case "shiftright":
			return total(map2(func(v, n int32) int32 { return v >> (n & 31) }))(b)
		}
		return total(map2(func(v, n int32) int32 { return int32(uint32(v) >> (n & 31)) }))(b)
	}
	switch b.name {
	case "shiftleft":
		return total(map2(func(v int64, n int32) int64 { return v << (n & 63) }))(b)
	case "shiftright":
		return total(map2(func(v int64, n int32) int64 { return v >> (n & 63) }))(b)
	}
	return total(map2(func(v int64, n int32) int64 { return int64(uint64(v) >> (n & 63)) }))(b)
}

func buildBitGet(b *binding) (node, error) {
	switch b.arg(0).Kind {
	case plan.KindInt8:
		return partial(mapSome2(bitOf[int8](8)))(b)
	case plan.KindInt16:
		return partial(mapSome2(bitOf[int16](16)))(b)
	case plan.KindInt32:
		return partial(mapSome2(bitOf[int32](32)))(b)
	}
	return partial(mapSome2(bitOf[int64](64)))(b)
}

func bitOf[T integer](size int32) func(v T, at int32) (int8, bool, error) {
	return func(v T, at int32) (int8, bool, error) {
		if at < 0 || at >= size {
			return 0, false, userError("INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE",
				"The value of parameter(s) `pos` in `bit_get` is invalid: expects an integer value in [0, %d), but got %d.", size, at)
		}
		return int8(v >> at & 1), true, nil
	}
}
