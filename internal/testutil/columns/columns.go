// Package columns makes columns and batches for tests: random ones of every type and layout, and ones from text.
package columns

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// EveryType is one type of each kind.
func EveryType() []plan.Type {
	return []plan.Type{
		plan.Null, plan.Boolean, plan.Int8, plan.Int16, plan.Int32, plan.Int64, plan.Float32, plan.Float64,
		plan.Decimal(20, 2), plan.String, plan.Binary, plan.Date, plan.Timestamp,
	}
}

// MoreTypes is the types that came later: times without a zone, spans of time, and nested ones.
func MoreTypes() []plan.Type {
	pair := plan.Struct(plan.Field{Name: "d", Type: plan.Float64, Nullable: true}, plan.Field{Name: "s", Type: plan.String, Nullable: true})
	return []plan.Type{
		plan.TimestampNTZ, plan.YearMonthInterval, plan.DayTimeInterval, plan.Interval, plan.Array(plan.Float64, true),
		plan.Array(plan.String, true), pair, plan.Array(pair, true), plan.Map(plan.Int32, plan.Float64, true),
	}
}

// DrawLiteral draws a constant from a small set, so that duplicates are common: NULL, both zeros, NaN, extremes and a
// few ordinary values.
func DrawLiteral(t *rapid.T, typ plan.Type) plan.Literal {
	if typ.Kind == plan.KindNull || rapid.IntRange(0, 5).Draw(t, "null") == 0 {
		return plan.Literal{Null: true}
	}
	v := rapid.Int64Range(-4, 4).Draw(t, "value")
	switch typ.Kind {
	case plan.KindBoolean:
		return plan.Literal{Int: v & 1}
	case plan.KindFloat32, plan.KindFloat64:
		return plan.Literal{Bits: math.Float64bits(drawFloat(v))}
	case plan.KindDecimal:
		d := decimal128.FromI64(v * 25)
		return plan.Literal{Int: int64(d.LowBits()), High: d.HighBits()}
	case plan.KindString, plan.KindBinary:
		texts := []string{"", "a", "b", "ab", "a\x00", "a\x00b", "\xff", "long enough to leave any small-string path", "é"}
		return plan.Literal{Bytes: []byte(texts[v+4])}
	case plan.KindInt8:
		return plan.Literal{Int: extreme(v, math.MinInt8, math.MaxInt8)}
	case plan.KindInt16:
		return plan.Literal{Int: extreme(v, math.MinInt16, math.MaxInt16)}
	case plan.KindArray, plan.KindMap, plan.KindStruct:
		return drawNested(t, typ)
	case plan.KindInterval:
		return plan.Literal{Int: v, High: rapid.Int64Range(0, 1).Draw(t, "months")<<32 | 3}
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		return plan.Literal{Int: extreme(v, math.MinInt32, math.MaxInt32)}
	}
	return plan.Literal{Int: extreme(v, math.MinInt64, math.MaxInt64)}
}

// drawNested draws an array or map of few parts, or a struct. Keys of a map are different and not NULL.
func drawNested(t *rapid.T, typ plan.Type) plan.Literal {
	out := plan.Literal{Items: []plan.Literal{}}
	switch typ.Kind {
	case plan.KindStruct:
		for _, f := range typ.Children {
			out.Items = append(out.Items, DrawLiteral(t, f.Type))
		}
	case plan.KindArray:
		for range rapid.IntRange(0, 2).Draw(t, "elements") {
			out.Items = append(out.Items, DrawLiteral(t, typ.Element().Type))
		}
	case plan.KindMap:
		keys := rapid.SliceOfNDistinct(rapid.Int64Range(0, 2), 0, 2, rapid.ID).Draw(t, "keys")
		for _, k := range keys {
			out.Items = append(out.Items, plan.Literal{Int: k}, DrawLiteral(t, typ.MapValue().Type))
		}
	}
	return out
}

func extreme(v, low, high int64) int64 {
	switch v {
	case -4:
		return low
	case 4:
		return high
	}
	return v
}

func drawFloat(v int64) float64 {
	switch v {
	case -4:
		return math.Copysign(0, -1)
	case -3:
		return math.NaN()
	case 3:
		return math.Inf(1)
	}
	return float64(v) / 2
}

// Build is a plain column of constants.
func Build(mem memory.Allocator, typ plan.Type, values []plan.Literal) arrow.Array {
	parts := make([]arrow.Array, 0, len(values)+1)
	parts = append(parts, vector.FromLiteral(mem, typ, plan.Literal{Null: true}, 0))
	for _, v := range values {
		parts = append(parts, vector.FromLiteral(mem, typ, v, 1))
	}
	out, err := vector.Concat(mem, parts)
	for _, p := range parts {
		p.Release()
	}
	if err != nil {
		panic(fmt.Sprintf("columns of one type do not concatenate: %v", err))
	}
	return out
}

// Encode dictionary-encodes a string or binary column, with values in order of first appearance; any other column
// comes back retained. Unused entries in front show who takes codes for granted.
func Encode(mem memory.Allocator, arr arrow.Array) arrow.Array {
	typ, err := plan.TypeOf(arr.DataType())
	if err != nil || arr.DataType().ID() == arrow.DICTIONARY || typ.Kind != plan.KindString && typ.Kind != plan.KindBinary {
		arr.Retain()
		return arr
	}
	codes := array.NewInt32Builder(mem)
	defer codes.Release()
	values := []plan.Literal{{Bytes: []byte("unused entry")}}
	seen := map[string]int32{}
	for i := range arr.Len() {
		v := vector.LiteralAt(arr, i)
		if v.Null {
			codes.AppendNull()
			continue
		}
		code, ok := seen[string(v.Bytes)]
		if !ok {
			code = int32(len(values))
			seen[string(v.Bytes)] = code
			values = append(values, v)
		}
		codes.Append(code)
	}
	dict, idx := Build(mem, typ, values), codes.NewArray()
	defer dict.Release()
	defer idx.Release()
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arr.DataType()}
	return array.NewDictionaryArray(dt, idx, dict)
}

// Offset is the column as a slice of a longer one, so that its offset is not zero.
func Offset(mem memory.Allocator, arr arrow.Array) arrow.Array {
	idx := make([]int32, arr.Len()+4)
	for i := range idx {
		idx[i] = int32(i) - 3
		if i < 3 || i-3 >= arr.Len() {
			idx[i] = -1
		}
	}
	longer := vector.Take(mem, arr, idx)
	defer longer.Release()
	return array.NewSlice(longer, 3, int64(3+arr.Len()))
}

// Draw draws a column of a random layout.
func Draw(t *rapid.T, mem memory.Allocator, typ plan.Type, rows int) arrow.Array {
	values := make([]plan.Literal, rows)
	for i := range values {
		values[i] = DrawLiteral(t, typ)
	}
	arr := Build(mem, typ, values)
	if rapid.Bool().Draw(t, "dictionary") {
		encoded := Encode(mem, arr)
		arr.Release()
		arr = encoded
	}
	if rapid.Bool().Draw(t, "offset") {
		moved := Offset(mem, arr)
		arr.Release()
		arr = moved
	}
	return arr
}

// Key is a value as text under which SQL's grouping finds equals equal: NaNs are one, zeros are one, NULL is one.
func Key(arr arrow.Array, i int) string {
	typ, err := plan.TypeOf(arr.DataType())
	if err != nil {
		panic(fmt.Sprintf("column of %s: %v", arr.DataType(), err))
	}
	return literalKey(typ, vector.LiteralAt(arr, i))
}

func literalKey(typ plan.Type, v plan.Literal) string {
	if v.Null {
		return "NULL"
	}
	if f := v.Float(); v.Bits != 0 && (f == 0 || f != f) {
		v.Bits = 1
		if f == 0 {
			v.Bits = 0
		}
	}
	if !typ.IsNested() {
		return fmt.Sprintf("%d %d %x %q", v.Int, v.High, v.Bits, v.Bytes)
	}
	var parts []string
	for k, x := range v.Items {
		switch typ.Kind {
		case plan.KindStruct:
			parts = append(parts, literalKey(typ.Children[k].Type, x))
		case plan.KindArray:
			parts = append(parts, literalKey(typ.Element().Type, x))
		default:
			if k%2 == 0 {
				parts = append(parts, literalKey(typ.MapKey().Type, x)+":"+literalKey(typ.MapValue().Type, v.Items[k+1]))
			}
		}
	}
	if typ.Kind == plan.KindMap {
		slices.Sort(parts) // entries have no order
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
