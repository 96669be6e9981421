package partition

import (
	"fmt"
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

func TestPartitionsAreOfLikeSize(t *testing.T) {
	for _, fn := range []plan.HashFunction{plan.HashExchange, plan.HashShard} {
		for _, n := range []int{1, 2, 7, 64} {
			p, err := New(fn, []int{0}, n)
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1000, 0, 3, 5000} { // buffers are reused
				ids, err := p.Assign(numbers(size))
				if err != nil || len(ids) != size {
					t.Fatalf("%s: %d rows of %d have a partition, and %v", fn, len(ids), size, err)
				}
				rows := make([]int, n)
				for _, part := range ids {
					rows[part]++
				}
				for part, got := range rows {
					if size == 5000 && (got < 5000/n/2 || got > 5000/n*2) {
						t.Errorf("%s: partition %d of %d has %d rows of %d", fn, part, n, got, size)
					}
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
		got, err := p.Assign(numbers(16))
		if err != nil {
			t.Fatal(err)
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
	if got, err := p.Assign(numbers(4)); err != nil || fmt.Sprint(got) != "[0 1 2 3]" {
		t.Errorf("partitions %v, and %v", got, err)
	}
	if _, err := p.Assign(numbers(5)); err == nil || !strings.Contains(err.Error(), "partition 4 of 4") {
		t.Errorf("a row without a partition: %v", err)
	}
	if _, err := New(plan.PlaceValue, nil, 4); err == nil {
		t.Error("no column says where rows go")
	}
}
