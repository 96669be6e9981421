package partition

import (
	"cmp"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
)

// Key is a key that many rows have, by the hash that partitions go by, and about how many rows.
type Key struct {
	Hash  uint64
	Rows  int64
	Value string // as text; "" if it was met too seldom to know
}

const (
	// mostSampled bounds the hashes that are kept: 64 KiB a task. A key with a hundredth of the rows is among them forty times
	// or more.
	mostSampled = 1 << 13
	// leastSampled is how often a key is met before it counts.
	leastSampled = 8
	// frequent is the part of a partition's rows, one in so many, from which on a key is worth telling, and mostKeys how many keys
	// of a partition are.
	frequent = 8
	mostKeys = 4
)

// sample is the hashes of some rows: one of each block of step rows, at a place in it that looks random, so that rows which
// take turns do not deceive it. It depends on the rows and their order alone.
type sample struct {
	hashes []uint64
	step   int64
	seen   int64 // rows
	next   int64 // the row to take of the block at hand
	values values
}

// add takes the rows of a batch, whose keys are some columns.
func (s *sample) add(hashes []uint64, rec arrow.Record, keys []int) {
	for s.step = max(s.step, 1); s.next < s.seen+int64(len(hashes)); s.advance() {
		row := s.next - s.seen
		s.hashes = append(s.hashes, hashes[row])
		s.values.add(hashes[row], rec, int(row), keys)
	}
	s.seen += int64(len(hashes))
}

// advance goes on to the next block. When there are many hashes, two blocks become one.
func (s *sample) advance() {
	if len(s.hashes) == mostSampled {
		for i := range mostSampled / 2 {
			s.hashes[i] = s.hashes[2*i+int(hash.Mix(uint64(i))&1)]
		}
		s.hashes = s.hashes[:mostSampled/2]
		s.step *= 2
	}
	block := uint64(len(s.hashes))
	s.next = int64(block)*s.step + int64(hash.Mix(block)%uint64(s.step))
}

// Frequent is, for each partition, given how many rows it has been given, the keys that have a large part of them, the
// most frequent first. Nothing is known of them unless partitions go by the hash of an exchange.
func (p *Partitioner) Frequent(rows []int64) [][]Key {
	out := make([][]Key, p.n)
	hashes := slices.Sorted(slices.Values(p.sample.hashes))
	for from := 0; from < len(hashes); {
		to := from + 1
		for to < len(hashes) && hashes[to] == hashes[from] {
			to++
		}
		part := hash.Bucket(hashes[from], p.n)
		k := Key{Hash: hashes[from], Rows: min(int64(to-from)*p.sample.step, rows[part]), Value: p.sample.values.counts[hashes[from]].text}
		if to-from >= leastSampled && k.Rows >= rows[part]/frequent {
			out[part] = append(out[part], k)
		}
		from = to
	}
	for part, keys := range out {
		slices.SortStableFunc(keys, func(a, b Key) int { return cmp.Compare(b.Rows, a.Rows) })
		out[part] = keys[:min(len(keys), mostKeys)]
	}
	return out
}
