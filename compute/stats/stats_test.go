package stats

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

func schemaOf(types ...plan.Type) (s plan.Schema) {
	for _, t := range types {
		s.Fields = append(s.Fields, plan.Field{Name: t.String(), Type: t, Nullable: true})
	}
	return s
}

// collect sums up values of one column, in batches of a size.
func collect(typ plan.Type, values []plan.Literal, batch int, layout func(arrow.Array) arrow.Array) Column {
	c := NewCollector(schemaOf(typ))
	for from := 0; from < len(values); from += batch {
		to := min(from+batch, len(values))
		arr := columns.Build(memory.DefaultAllocator, typ, values[from:to])
		if layout != nil {
			arr = layout(arr)
		}
		c.Add(vector.NewRecord(schemaOf(typ), []arrow.Array{arr}, to-from))
	}
	return c.Columns()[0]
}

// mergedOf is the summary of shards, which have been written down and read again.
func mergedOf(t testing.TB, typ plan.Type, shards ...Column) Summary {
	t.Helper()
	m := Merge{Schema: schemaOf(typ)}
	for _, s := range shards {
		data, err := json.Marshal([]Column{s})
		if err != nil {
			t.Fatal(err)
		}
		var back []Column
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if err := m.Add(back); err != nil {
			t.Fatal(err)
		}
	}
	return m.Summaries()[0]
}

func ints(values ...int64) (out []plan.Literal) {
	for _, v := range values {
		out = append(out, plan.Literal{Int: v})
	}
	return out
}

// TestSmall is exact where a shard has few rows.
func TestSmall(t *testing.T) {
	null := plan.Literal{Null: true}
	s := mergedOf(t, plan.Int64, collect(plan.Int64, append(ints(3, 1, 3), null), 2, nil), collect(plan.Int64, ints(7, 3, 1), 1, nil))
	if s.Values != 6 || s.Nulls != 1 || s.Min.Int != 1 || s.Max.Int != 7 || s.Mean != 3 || math.Abs(s.StdDev-math.Sqrt(4.8)) > 1e-12 || s.Distinct != 3 {
		t.Errorf("%+v", s)
	}
	if want := []Frequency{{plan.Literal{Int: 3}, 3}, {plan.Literal{Int: 1}, 2}}; !reflect.DeepEqual(s.Top, want) {
		t.Errorf("top %+v, want %+v", s.Top, want)
	}
	if median := s.Quantiles[slices.Index(Shares(), 0.5)]; median != 3 {
		t.Errorf("median %v", median)
	}
	texts := []plan.Literal{{Bytes: []byte("b")}, {Bytes: []byte("a")}, {Bytes: []byte("b")}, null}
	s = mergedOf(t, plan.String, collect(plan.String, texts, 3, nil))
	if string(s.Min.Bytes) != "a" || string(s.Max.Bytes) != "b" || s.Distinct != 2 || s.Measured || s.Quantiles != nil || len(s.Top) != 1 || s.Top[0].Count != 2 {
		t.Errorf("%+v", s)
	}
}

// TestFloats leaves NaN out of all but the counts, and gives no mean of infinities.
func TestFloats(t *testing.T) {
	values := func(list ...float64) (out []plan.Literal) {
		for _, v := range list {
			out = append(out, plan.Literal{Bits: math.Float64bits(v)})
		}
		return out
	}
	s := mergedOf(t, plan.Float64, collect(plan.Float64, values(math.NaN(), 1, 2, math.NaN()), 1, nil))
	if s.Values != 4 || s.NaNs != 2 || s.Min.Float() != 1 || s.Max.Float() != 2 || !s.Measured || s.Mean != 1.5 {
		t.Errorf("%+v", s)
	}
	s = mergedOf(t, plan.Float64, collect(plan.Float64, values(1, math.Inf(1)), 1, nil), collect(plan.Float64, values(5), 1, nil))
	if !math.IsInf(s.Max.Float(), 1) || s.Measured || s.Quantiles[0] != 1 {
		t.Errorf("%+v", s)
	}
	s = mergedOf(t, plan.Float64, collect(plan.Float64, values(1e200, -1e200), 1, nil))
	if s.Measured {
		t.Errorf("a standard deviation beyond all doubles: %+v", s)
	}
}

// TestLarge has a million rows in eight shards: estimates must be as near as they claim.
func TestLarge(t *testing.T) {
	const shards, rows = 8, 1 << 17
	var parts []Column
	for shard := range shards {
		values := make([]plan.Literal, rows)
		for i := range values {
			x := int64(i*shards+shard) * 7919 % (shards * rows) // each from 0 on once
			if values[i].Int = x; x%10 == 0 {
				values[i].Int = 0 // and a tenth are 0
			}
		}
		parts = append(parts, collect(plan.Int64, values, 16384, nil))
	}
	s := mergedOf(t, plan.Int64, parts...)
	n := float64(shards * rows)
	if s.Values != shards*rows || s.Min.Int != 0 || s.Max.Int != shards*rows-1 {
		t.Errorf("%+v", s)
	}
	if d := float64(s.Distinct); math.Abs(d-0.9*n) > 0.07*n {
		t.Errorf("%v distinct values of %v", d, 0.9*n)
	}
	for i, share := range Shares() {
		want := max(0, (share-0.1)/0.9) * n
		if math.Abs(s.Quantiles[i]-want) > 0.02*n {
			t.Errorf("quantile %v: %v, want %v", share, s.Quantiles[i], want)
		}
	}
	if len(s.Top) != 1 || s.Top[0].Value.Int != 0 || math.Abs(float64(s.Top[0].Count)-0.1*n) > 0.02*n {
		t.Errorf("top %+v", s.Top)
	}
	if len(parts[0].Points) != maxPoints || parts[0].Sampled > 2*sampleRows {
		t.Errorf("%d points, %d sampled", len(parts[0].Points), parts[0].Sampled)
	}
	data, err := json.Marshal(parts[0])
	if err != nil || len(data) > 16<<10 {
		t.Errorf("%d bytes for a column, %v", len(data), err)
	}
}

// TestBatchesDoNotShow cuts the same rows otherwise, and lays them out otherwise.
func TestBatchesDoNotShow(t *testing.T) {
	types := slices.Concat(columns.EveryType(), columns.MoreTypes())
	rapid.Check(t, func(rt *rapid.T) {
		typ := types[rapid.IntRange(0, len(types)-1).Draw(rt, "type")]
		few := make([]plan.Literal, rapid.IntRange(1, 20).Draw(rt, "values"))
		for i := range few {
			few[i] = columns.DrawLiteral(rt, typ)
		}
		values := make([]plan.Literal, rapid.IntRange(0, 5000).Draw(rt, "rows"))
		for i := range values {
			values[i] = few[i*i%len(few)]
		}
		want := collect(typ, values, 5000, nil)
		layout := func(arr arrow.Array) arrow.Array {
			return columns.Offset(memory.DefaultAllocator, columns.Encode(memory.DefaultAllocator, arr))
		}
		got := collect(typ, values, rapid.IntRange(1, 999).Draw(rt, "batch"), layout)
		if !reflect.DeepEqual(got, want) {
			rt.Errorf("%s: %+v, want %+v", typ, got, want)
		}
	})
}

func TestMergeRefusesOtherColumns(t *testing.T) {
	m := Merge{Schema: schemaOf(plan.Int64)}
	if err := m.Add(nil); err == nil {
		t.Error("no columns are accepted")
	}
	if err := m.Add([]Column{{Registers: make([]byte, 3)}}); err == nil {
		t.Error("three registers are accepted")
	}
}

func BenchmarkAdd(b *testing.B) {
	const rows = 16384
	values := make([]plan.Literal, rows)
	for i := range values {
		values[i] = plan.Literal{Int: int64(i * 7919 % 10007), Bytes: []byte("customer-0000000" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)))}
	}
	doubles := make([]plan.Literal, rows)
	for i := range doubles {
		doubles[i].Bits = math.Float64bits(float64(i) * 1.5)
	}
	text := columns.Build(memory.DefaultAllocator, plan.String, values)
	for name, c := range map[string]struct {
		typ plan.Type
		arr arrow.Array
	}{
		"bigint": {plan.Int64, columns.Build(memory.DefaultAllocator, plan.Int64, values)}, "double": {plan.Float64, columns.Build(memory.DefaultAllocator, plan.Float64, doubles)},
		"string": {plan.String, text}, "dictionary": {plan.String, columns.Encode(memory.DefaultAllocator, text)},
	} {
		b.Run(name, func(b *testing.B) {
			rec := vector.NewRecord(schemaOf(c.typ), []arrow.Array{c.arr}, rows)
			s := NewCollector(schemaOf(c.typ))
			for b.Loop() {
				s.Add(rec)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/value")
		})
	}
}
