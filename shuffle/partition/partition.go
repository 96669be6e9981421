// Package partition says which partition of a shuffle, or shard of an output, each row goes to: by hashes that are
// fixed and versioned, so that every worker and every rerun agrees.
package partition

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Partitioner splits batches by key columns. It keeps its buffers between calls and is not safe for concurrent use.
type Partitioner struct {
	fn     plan.HashFunction
	keys   []int
	n      int
	hashes []uint64
	ids    []int32
	sample sample // of hashes of an exchange
}

// New makes a partitioner into n partitions by the hash of the key columns. With one partition, the function and the
// keys do not matter.
func New(fn plan.HashFunction, keys []int, n int) (*Partitioner, error) {
	if n < 1 || n > 1<<20 {
		return nil, fmt.Errorf("partition rows: %d partitions", n)
	}
	if n > 1 && fn != plan.HashExchange && fn != plan.HashShard && fn != plan.PlaceValue {
		return nil, fmt.Errorf("partition rows: unknown hash function %q", fn)
	}
	if fn == plan.PlaceValue && len(keys) != 1 {
		return nil, fmt.Errorf("partition rows: %d columns with the number of the partition", len(keys))
	}
	return &Partitioner{fn: fn, keys: keys, n: n}, nil
}

// Assign is the partition of each row of a batch, valid until the next call. It fails if a row names a partition that there is
// not.
func (p *Partitioner) Assign(rec arrow.Record) ([]int32, error) {
	p.ids = sized(p.ids, int(rec.NumRows()))
	return p.ids, p.assign(rec)
}

func (p *Partitioner) assign(rec arrow.Record) error {
	if p.n == 1 {
		clear(p.ids)
		return nil
	}
	if p.fn == plan.PlaceValue {
		return p.take(rec.Column(p.keys[0]))
	}
	p.hashes = sized(p.hashes, len(p.ids))
	if p.fn == plan.HashShard {
		p.hashes = hash.Canonical("part", "", rec, p.keys, p.hashes)
	} else {
		p.hashes = hash.Columns(rec, p.keys, 0, p.hashes)
		p.sample.add(p.hashes, rec, p.keys)
	}
	for i, h := range p.hashes {
		p.ids[i] = int32(hash.Bucket(h, p.n))
	}
	return nil
}

// take has the partitions' numbers from a column.
func (p *Partitioner) take(numbers arrow.Array) error {
	valid := vector.ValidityOf(numbers)
	for i, v := range vector.Int64s(numbers) {
		if v < 0 || v >= int64(p.n) || valid.IsNull(i) {
			return fmt.Errorf("partition rows: row %d of a batch is to go to partition %d of %d", i, v, p.n)
		}
		p.ids[i] = int32(v)
	}
	return nil
}

// sized is s with length n; its content is unspecified.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
