package operator_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// What a top-N drops by a row's first value comes after the last row kept, and most of what comes after it is dropped.
func TestNoLaterThan(t *testing.T) {
	decimal := plan.Decimal(38, 2)
	decimals := []plan.Literal{{High: -3, Int: 7}, {High: -1, Int: -1}, {}, {Int: 1}, {Int: -1}, {High: 2, Int: 5}}
	floats := func(typ plan.Type) (out []plan.Literal) {
		for _, f := range []float64{math.NaN(), math.Inf(1), 1.5, 0, math.Copysign(0, -1), -1.5, math.Inf(-1)} {
			e, _ := plan.LiteralExpr(typ, f)
			out = append(out, e.Value)
		}
		return out
	}
	whole := []plan.Literal{{Int: -100}, {Int: -1}, {Int: 0}, {Int: 1}, {Int: 100}}
	for name, c := range map[string]struct {
		typ    plan.Type
		values []plan.Literal
	}{
		"tinyint": {plan.Int8, whole}, "smallint": {plan.Int16, whole}, "int": {plan.Int32, whole}, "bigint": {plan.Int64, whole}, "date": {plan.Date, whole},
		"timestamp": {plan.Timestamp, whole}, "double": {plan.Float64, floats(plan.Float64)}, "float": {plan.Float32, floats(plan.Float32)}, "decimal": {decimal, decimals},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				one := rapid.SampledFrom(append([]plan.Literal{{Null: true}}, c.values...))
				key := plan.SortKey{Descending: rapid.Bool().Draw(t, "descending"), NullsLast: rapid.Bool().Draw(t, "nulls last")}
				col := columns.Build(memory.DefaultAllocator, c.typ, rapid.SliceOfN(one, 1, 20).Draw(t, "values"))
				bound := columns.Build(memory.DefaultAllocator, c.typ, []plan.Literal{one.Draw(t, "bound")})
				schema := plan.Schema{Fields: []plan.Field{{Name: "k", Type: c.typ, Nullable: true}}}
				encode := func(arr arrow.Array) *sortkey.Keys {
					return sortkey.Encode(vector.NewRecord(schema, []arrow.Array{arr}, arr.Len()), []plan.SortKey{key})
				}
				keys, last := encode(col), encode(bound).At(0)
				rows, ok := operator.NoLaterThan(col, bound, key)
				if ok == bound.IsNull(0) {
					t.Fatalf("told: %v", ok)
				}
				kept := map[int32]bool{}
				for _, r := range rows {
					kept[r] = true
				}
				for i := range col.Len() {
					order := bytes.Compare(keys.At(i), last)
					if ok && !kept[int32(i)] && order <= 0 {
						t.Fatalf("%s is dropped, which does not come after %s", vector.Format(col, i), vector.Format(bound, 0))
					}
					if ok && kept[int32(i)] && order > 0 && c.typ.Kind != plan.KindFloat64 && c.typ.Kind != plan.KindFloat32 {
						t.Fatalf("%s is kept, which comes after %s", vector.Format(col, i), vector.Format(bound, 0))
					}
				}
			})
		})
	}
}
