package group_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

func drawTypes(t *rapid.T) []plan.Type {
	return rapid.SliceOfN(rapid.SampledFrom(slices.Concat(columns.EveryType(), columns.MoreTypes())), 0, 4).Draw(t, "types")
}

func drawColumns(t *rapid.T, mem memory.Allocator, types []plan.Type, rows int) []arrow.Array {
	cols := make([]arrow.Array, len(types))
	for i, typ := range types {
		cols[i] = columns.Draw(t, mem, typ, rows)
	}
	return cols
}

func release(cols []arrow.Array) {
	for _, c := range cols {
		c.Release()
	}
}

func keyOf(cols []arrow.Array, row int) string {
	parts := make([]string, len(cols))
	for i, c := range cols {
		parts[i] = columns.Key(c, row)
	}
	return strings.Join(parts, "|")
}

// The table numbers keys as a Go map over their text does, gives the keys back, and finds them again.
func TestTableAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewCheckedAllocator(recycle.Poison())
		types := drawTypes(t)
		table := group.New(types)
		numbers, keys := map[string]uint32{}, []string{}
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			rows := rapid.IntRange(0, 30).Draw(t, "rows")
			cols := drawColumns(t, mem, types, rows)
			found, err := table.Find(cols, rows, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range found {
				want, ok := numbers[keyOf(cols, i)]
				if !ok {
					want = group.None
				}
				if got != want {
					t.Fatalf("found %s as %d, want %d", keyOf(cols, i), got, want)
				}
			}
			ids, err := table.Assign(cols, rows, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range ids {
				key := keyOf(cols, i)
				want, ok := numbers[key]
				if !ok {
					want = uint32(len(numbers))
					numbers[key] = want
					keys = append(keys, key)
				}
				if got != want {
					t.Fatalf("row %d: %s is group %d, want %d", i, key, got, want)
				}
			}
			release(cols)
		}
		if table.Len() != len(keys) {
			t.Fatalf("%d groups, want %d", table.Len(), len(keys))
		}
		from := rapid.IntRange(0, len(keys)).Draw(t, "from")
		cols, err := table.Keys(mem, from, len(keys))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range keys[from:] {
			if got := keyOf(cols, i); got != want {
				t.Fatalf("key %d is %s, want %s", from+i, got, want)
			}
		}
		release(cols)
		if n := mem.CurrentAlloc(); n != 0 {
			t.Fatalf("%d bytes leaked", n)
		}
	})
}

func TestMultimapAgainstNestedLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewCheckedAllocator(recycle.Poison())
		types := drawTypes(t)
		nullSafe := make([]bool, len(types))
		for i := range nullSafe {
			nullSafe[i] = rapid.Bool().Draw(t, "null safe")
		}
		builds, probes := rapid.IntRange(0, 30).Draw(t, "build rows"), rapid.IntRange(0, 30).Draw(t, "probe rows")
		build, probe := drawColumns(t, mem, types, builds), drawColumns(t, mem, types, probes)
		m, err := group.NewMultimap(types, nullSafe, build, builds)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := m.Find(probe, probes, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			var want []int32
			for j := range builds {
				if matches(probe, i, build, j, nullSafe) {
					want = append(want, int32(j))
				}
			}
			if got := m.Rows(id); !slices.Equal(got, want) {
				t.Fatalf("%s matches rows %v, want %v", keyOf(probe, i), got, want)
			}
		}
		release(build)
		release(probe)
	})
}

func matches(a []arrow.Array, i int, b []arrow.Array, j int, nullSafe []bool) bool {
	for k := range a {
		x, y := columns.Key(a[k], i), columns.Key(b[k], j)
		if x != y || x == "NULL" && !nullSafe[k] {
			return false
		}
	}
	return true
}

// Many keys make every table grow several times.
func TestGrowth(t *testing.T) {
	const n = 50_000
	mem := memory.DefaultAllocator
	values, texts := make([]int64, n), make([]plan.Literal, n)
	for i := range values {
		values[i] = int64(i) * 1_000_003
		texts[i] = plan.Literal{Bytes: []byte(fmt.Sprint(i))}
	}
	long, text := vector.FromInt64s(mem, values), columns.Build(mem, plan.String, texts)
	for _, c := range []struct {
		types []plan.Type
		cols  []arrow.Array
	}{
		{[]plan.Type{plan.Int64}, []arrow.Array{long}},
		{[]plan.Type{plan.String}, []arrow.Array{text}},
		{[]plan.Type{plan.String, plan.String}, []arrow.Array{text, text}},
		{[]plan.Type{plan.Int64, plan.Int64}, []arrow.Array{long, long}},
		{[]plan.Type{plan.Int64, plan.String, plan.Int64}, []arrow.Array{long, text, long}},
	} {
		table := group.New(c.types)
		for round := range 2 {
			ids, err := table.Assign(c.cols, n, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range ids {
				if id != uint32(i) {
					t.Fatalf("%v: round %d: row %d is group %d", c.types, round, i, id)
				}
			}
		}
		if small := int64(n * 8); table.Bytes() < small {
			t.Errorf("%v: %d bytes held for %d groups", c.types, table.Bytes(), n)
		}
		table.Reset()
		if table.Len() != 0 {
			t.Errorf("%v: %d groups after reset", c.types, table.Len())
		}
	}
}

func TestRefusesOtherTypes(t *testing.T) {
	arr := vector.FromInt64s(memory.DefaultAllocator, []int64{1})
	table := group.New([]plan.Type{plan.Int32})
	if _, err := table.Assign([]arrow.Array{arr}, 1, nil); err == nil {
		t.Error("a bigint column was taken for int")
	}
	if _, err := table.Find(nil, 1, nil); err == nil {
		t.Error("no column was taken for one")
	}
}
