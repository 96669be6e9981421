package agg_test

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

// calls is every function over every type that it takes.
func calls() []plan.Agg {
	out := []plan.Agg{{Func: "count", Type: plan.Int64}}
	call := func(name string, arg, result plan.Type) {
		out = append(out, plan.Agg{Func: name, Args: []int{0}, ArgTypes: []plan.Type{arg}, Type: result})
	}
	for _, t := range columns.EveryType() {
		call("count", t, plan.Int64)
		call("min", t, t)
		call("max", t, t)
		switch {
		case t.IsInteger():
			call("sum", t, plan.Int64)
			call("avg", t, plan.Float64)
		case t.IsFloat():
			call("sum", t, plan.Float64)
			call("avg", t, plan.Float64)
		case t.Kind == plan.KindDecimal:
			call("sum", t, plan.Decimal(30, 2))
			call("avg", t, plan.Decimal(24, 6))
		}
	}
	out = append(out, plan.Agg{Func: "count", Args: []int{0, 1}, ArgTypes: []plan.Type{plan.Int32, plan.String}, Type: plan.Int64})
	return out
}

func name(a plan.Agg) string {
	types := make([]string, len(a.ArgTypes))
	for i, t := range a.ArgTypes {
		types[i] = t.String()
	}
	return a.Func + "(" + strings.Join(types, ",") + ")"
}

// input is one batch of rows, with a group for each.
type input struct {
	batch agg.Batch
	args  []arrow.Array
}

func drawInput(t *rapid.T, mem memory.Allocator, a plan.Agg, groups int) input {
	rows := rapid.IntRange(0, 20).Draw(t, "rows")
	in := input{batch: agg.Batch{Rows: rows, Len: groups}}
	if groups > 1 {
		in.batch.Groups = make([]uint32, rows)
		for i := range in.batch.Groups {
			in.batch.Groups[i] = rapid.Uint32Range(0, uint32(groups)-1).Draw(t, "group")
		}
	}
	for _, typ := range a.ArgTypes {
		in.args = append(in.args, columns.Draw(t, mem, typ, rows))
	}
	return in
}

// naive is the rows of one group as literals: what the oracle folds.
func naive(a plan.Agg, inputs []input, g uint32) (rows int, values []plan.Literal) {
	seen := map[string]bool{}
	for _, in := range inputs {
	rows:
		for i := range in.batch.Rows {
			if in.batch.Groups != nil && in.batch.Groups[i] != g {
				continue
			}
			key := ""
			for _, arg := range in.args {
				if vector.LiteralAt(arg, i).Null {
					continue rows
				}
				key += columns.Key(arg, i) + "|"
			}
			if a.Distinct && seen[key] {
				continue
			}
			seen[key] = true
			rows++
			if len(in.args) > 0 {
				values = append(values, vector.LiteralAt(in.args[0], i))
			}
		}
	}
	return rows, values
}

func less(t plan.Type, a, b plan.Literal) bool {
	switch t.Kind {
	case plan.KindFloat32, plan.KindFloat64:
		x, y := a.Float(), b.Float()
		return x < y || y != y && x == x
	case plan.KindDecimal:
		return a.Decimal().Less(b.Decimal())
	case plan.KindString, plan.KindBinary:
		return bytes.Compare(a.Bytes, b.Bytes) < 0
	}
	return a.Int < b.Int
}

// expect computes one group's result the plain way. ok is false where the sum overflows.
func expect(a plan.Agg, inputs []input, g uint32) (lit plan.Literal, ok bool) {
	rows, values := naive(a, inputs, g)
	if a.Func == "count" {
		return plan.Literal{Int: int64(rows)}, true
	}
	if rows == 0 {
		return plan.Literal{Null: true}, true
	}
	t := a.ArgTypes[0]
	if a.Func == "min" || a.Func == "max" {
		best := values[0]
		for _, v := range values[1:] {
			if a.Func == "min" && less(t, v, best) || a.Func == "max" && less(t, best, v) {
				best = v
			}
		}
		return best, true
	}
	exact, inexact := new(big.Int), 0.0
	for _, v := range values {
		switch {
		case t.IsFloat():
			inexact += v.Float()
		case t.Kind == plan.KindDecimal:
			exact.Add(exact, v.Decimal().BigInt())
		default:
			exact.Add(exact, big.NewInt(v.Int))
			inexact += float64(v.Int)
			if !exact.IsInt64() && a.Func == "sum" {
				return lit, false
			}
		}
	}
	switch {
	case a.Type.Kind == plan.KindInt64:
		return plan.Literal{Int: exact.Int64()}, true
	case a.Type.Kind == plan.KindFloat64 && a.Func == "avg":
		return plan.Literal{Bits: math.Float64bits(inexact / float64(rows))}, true
	case a.Type.Kind == plan.KindFloat64:
		return plan.Literal{Bits: math.Float64bits(inexact)}, true
	}
	if a.Func == "avg" {
		r := new(big.Rat).SetFrac(exact, big.NewInt(100*int64(rows)))
		exact, _ = new(big.Int).SetString(strings.Replace(r.FloatString(6), ".", "", 1), 10)
	}
	d := decimal128.FromBigInt(exact)
	return plan.Literal{Int: int64(d.LowBits()), High: d.HighBits()}, true
}

func checkResult(t *rapid.T, mem memory.Allocator, a plan.Agg, acc agg.Accumulator, inputs []input, groups int) {
	got, err := acc.Result(mem, 0, groups)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	for g := range groups {
		want, _ := expect(a, inputs, uint32(g))
		one := columns.Build(mem, a.Type, []plan.Literal{want})
		if columns.Key(got, g) != columns.Key(one, 0) {
			t.Fatalf("group %d: %s, want %s", g, vector.Format(got, g), vector.Format(one, 0))
		}
		one.Release()
	}
}

// overflows reports whether some prefix of the inputs overflows a group's sum, which makes an error right.
func overflows(a plan.Agg, inputs []input, groups int) bool {
	for g := range groups {
		if _, ok := expect(a, inputs, uint32(g)); !ok {
			return true
		}
	}
	return false
}

func TestAgainstOracle(t *testing.T) {
	for _, a := range calls() {
		for _, isDistinct := range []bool{false, true} {
			a.Distinct = isDistinct && len(a.Args) > 0
			t.Run(fmt.Sprintf("%s/distinct=%t", name(a), a.Distinct), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) { oneAggregate(t, a) })
			})
		}
	}
}

func oneAggregate(t *rapid.T, a plan.Agg) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	groups := rapid.IntRange(1, 4).Draw(t, "groups")
	inputs := make([]input, rapid.IntRange(0, 3).Draw(t, "batches"))
	acc, err := agg.New(mem, a)
	if err != nil {
		t.Fatal(err)
	}
	for i := range inputs {
		inputs[i] = drawInput(t, mem, a, groups)
	}
	defer func() {
		for _, in := range inputs {
			for _, arg := range in.args {
				arg.Release()
			}
		}
		if n := mem.CurrentAlloc(); n != 0 {
			t.Fatalf("%d bytes leaked", n)
		}
	}()
	for _, in := range inputs {
		if err := acc.Update(in.batch, in.args); err != nil {
			if !overflows(a, inputs, groups) {
				t.Fatal(err)
			}
			return
		}
	}
	if overflows(a, inputs, groups) {
		t.Fatal("an overflow went unnoticed")
	}
	checkResult(t, mem, a, acc, inputs, groups)
	if !a.Distinct {
		checkTwoPhases(t, mem, a, inputs, groups)
	}
}

// checkTwoPhases gives each batch an accumulator of its own and merges their states.
func checkTwoPhases(t *rapid.T, mem memory.Allocator, a plan.Agg, inputs []input, groups int) {
	final, err := agg.New(mem, a)
	if err != nil {
		t.Fatal(err)
	}
	numbers := make([]uint32, groups)
	for g := range numbers {
		numbers[g] = uint32(g)
	}
	for _, in := range inputs {
		partial, err := agg.New(mem, a)
		if err != nil {
			t.Fatal(err)
		}
		if err := partial.Update(in.batch, in.args); err != nil {
			return // part of the rows overflows where all of them do not
		}
		states, err := partial.States(mem, 0, groups)
		if err != nil {
			t.Fatal(err)
		}
		fields := agg.StateFields(a, 3)
		if len(fields) != len(states) {
			t.Fatalf("%d state columns, %d fields", len(states), len(fields))
		}
		for i, s := range states {
			if typ, _ := plan.TypeOf(s.DataType()); !typ.Equal(fields[i].Type) || s.NullN() > 0 && !fields[i].Nullable {
				t.Fatalf("state %s does not fit %v", s, fields[i])
			}
		}
		err = final.Merge(agg.Batch{Rows: groups, Groups: numbers, Len: groups}, states)
		for _, s := range states {
			s.Release()
		}
		if err != nil {
			return
		}
	}
	if a.Func == "avg" && a.ArgTypes[0].Kind == plan.KindInt64 {
		return // sums of the largest values as doubles round, and so depend on where the rows were cut
	}
	checkResult(t, mem, a, final, inputs, groups)
}

func TestSumOverflows(t *testing.T) {
	for _, v := range []int64{math.MaxInt64, math.MinInt64} {
		a := plan.Agg{Func: "sum", Args: []int{0}, ArgTypes: []plan.Type{plan.Int64}, Type: plan.Int64}
		acc, err := agg.New(memory.DefaultAllocator, a)
		if err != nil {
			t.Fatal(err)
		}
		arr := vector.FromInt64s(memory.DefaultAllocator, []int64{v, v / 2})
		err = acc.Update(agg.Batch{Rows: 2, Len: 1}, []arrow.Array{arr})
		if f := plan.AsFailure(err); f == nil || f.Kind != plan.FailureUser || !strings.Contains(f.Message, "[ARITHMETIC_OVERFLOW]") {
			t.Errorf("sum of %d and half of it: %v", v, err)
		}
	}
	wide := plan.Decimal(38, 0)
	a := plan.Agg{Func: "sum", Args: []int{0}, ArgTypes: []plan.Type{wide}, Type: wide}
	max := decimal128.GetMaxValue(38)
	arr := vector.FromLiteral(memory.DefaultAllocator, wide, plan.Literal{Int: int64(max.LowBits()), High: max.HighBits()}, 2)
	for rows := 1; rows <= 2; rows++ {
		acc, err := agg.New(memory.DefaultAllocator, a)
		if err != nil {
			t.Fatal(err)
		}
		part := columns.Build(memory.DefaultAllocator, wide, []plan.Literal{vector.LiteralAt(arr, 0), {Int: 1}}[:rows])
		err = acc.Update(agg.Batch{Rows: rows, Len: 1}, []arrow.Array{part})
		if err == nil {
			_, err = acc.Result(memory.DefaultAllocator, 0, 1)
		}
		if (err != nil) != (rows == 2) {
			t.Errorf("%d rows: %v", rows, err)
		}
	}
}

func TestUnknownCallsAreErrors(t *testing.T) {
	for _, a := range []plan.Agg{
		{Func: "product", Args: []int{0}, ArgTypes: []plan.Type{plan.Int64}, Type: plan.Int64},
		{Func: "sum", Type: plan.Int64},
		{Func: "sum", Args: []int{0}, ArgTypes: []plan.Type{plan.String}, Type: plan.Float64},
		{Func: "min", Args: []int{0}, ArgTypes: []plan.Type{plan.String}, Type: plan.Int64},
	} {
		if acc, err := agg.New(memory.DefaultAllocator, a); err == nil {
			t.Errorf("%s gives %T", name(a), acc)
		}
	}
}
