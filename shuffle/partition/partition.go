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
	rows   []int32
	starts []int32 // n+1: partition p's rows are rows[starts[p]:starts[p+1]]
	cursor []int32
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
	return &Partitioner{fn: fn, keys: keys, n: n, starts: make([]int32, n+1), cursor: make([]int32, n)}, nil
}

// Partitions is how many there are.
func (p *Partitioner) Partitions() int { return p.n }

// Split finds each row's partition. Ask for the rows with Rows. It fails if a row names a partition that there is not.
func (p *Partitioner) Split(rec arrow.Record) error {
	rows := int(rec.NumRows())
	p.ids, p.rows = sized(p.ids, rows), sized(p.rows, rows)
	if err := p.assign(rec); err != nil {
		return err
	}
	// Counting sort: it is stable, so rows keep their order within a partition.
	clear(p.starts)
	for _, id := range p.ids {
		p.starts[id+1]++
	}
	for i := range p.n {
		p.starts[i+1] += p.starts[i]
	}
	copy(p.cursor, p.starts)
	for row, id := range p.ids {
		p.rows[p.cursor[id]] = int32(row)
		p.cursor[id]++
	}
	return nil
}

// Rows are the numbers of the rows of the last batch that belong to a partition, ascending; valid until the next Split.
func (p *Partitioner) Rows(partition int) []int32 {
	from, to := p.Range(partition)
	return p.rows[from:to]
}

// Order are the numbers of all rows of the last batch, those of one partition after those of the one before; valid until the
// next Split.
func (p *Partitioner) Order() []int32 { return p.rows }

// Range is where the rows of a partition lie in Order.
func (p *Partitioner) Range(partition int) (from, to int) {
	return int(p.starts[partition]), int(p.starts[partition+1])
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
