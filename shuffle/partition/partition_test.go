package partition

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

func numbers(n int) arrow.Record {
	b := array.NewInt64Builder(memory.NewGoAllocator())
	for i := range n {
		b.Append(int64(i))
	}
	col := b.NewArray()
	return array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "id", Type: col.DataType()}}, nil), []arrow.Array{col}, int64(n))
}

func TestEveryRowGoesToOnePartitionInOrder(t *testing.T) {
	for _, fn := range []plan.HashFunction{plan.HashExchange, plan.HashShard} {
		for _, n := range []int{1, 2, 7, 64} {
			p, err := New(fn, []int{0}, n)
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1000, 0, 3, 5000} { // buffers are reused
				if err := p.Split(numbers(size)); err != nil {
					t.Fatal(err)
				}
				var all []int32
				for part := range n {
					rows := p.Rows(part)
					if !slices.IsSorted(rows) {
						t.Errorf("%s: rows of partition %d are out of order", fn, part)
					}
					if size == 5000 && (len(rows) < 5000/n/2 || len(rows) > 5000/n*2) {
						t.Errorf("%s: partition %d of %d has %d rows of %d", fn, part, n, len(rows), size)
					}
					all = append(all, rows...)
				}
				slices.Sort(all)
				if len(all) != size || (size > 0 && (all[0] != 0 || int(all[size-1]) != size-1 || len(slices.Compact(all)) != size)) {
					t.Errorf("%s: %d rows of %d in %d partitions", fn, len(all), size, n)
				}
			}
		}
	}
}

// The assignment is part of what users see: the same rows land in the same shards in every release.
func TestShardsNeverChange(t *testing.T) {
	for fn, want := range map[plan.HashFunction]string{
		plan.HashShard:    shardGolden,
		plan.HashExchange: exchangeGolden,
	} {
		p, err := New(fn, []int{0}, 8)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Split(numbers(16)); err != nil {
			t.Fatal(err)
		}
		got := make([]int, 16)
		for part := range 8 {
			for _, row := range p.Rows(part) {
				got[row] = part
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: shards %v, want %s", fn, got, want)
		}
	}
}

const (
	shardGolden    = "[0 7 4 5 0 4 1 3 7 2 4 3 5 5 5 0]"
	exchangeGolden = "[0 2 0 3 3 1 3 3 6 7 2 2 7 2 1 0]"
)

func TestNewRefuses(t *testing.T) {
	if _, err := New("md5", nil, 2); err == nil {
		t.Error("an unknown hash function")
	}
	if _, err := New(plan.HashShard, nil, 0); err == nil {
		t.Error("no partitions")
	}
}

// A column may say itself where rows go, and must not lead out of the partitions that there are.
func TestPlacedByValue(t *testing.T) {
	p, err := New(plan.PlaceValue, []int{0}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Split(numbers(4)); err != nil {
		t.Fatal(err)
	}
	for part := range 4 {
		if got := p.Rows(part); len(got) != 1 || int(got[0]) != part {
			t.Errorf("partition %d has the rows %v", part, got)
		}
	}
	if err := p.Split(numbers(5)); err == nil || !strings.Contains(err.Error(), "partition 4 of 4") {
		t.Errorf("a row without a partition: %v", err)
	}
	if _, err := New(plan.PlaceValue, nil, 4); err == nil {
		t.Error("no column says where rows go")
	}
}
