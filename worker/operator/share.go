package operator

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
)

// share passes on the rows of some of the keys of a partition.
type share struct {
	stream
	keys       []int
	number, of int
	hashes     []uint64
}

var _ Operator = (*share)(nil)

// NewShare keeps of a partition, which has its rows by the hash of the keys, those of the number-th of so many shares of the
// keys. All who divide rows of equal keys alike have each key in one share.
func NewShare(env Env, input Operator, keys []int, number, of int) Operator {
	return &share{stream: newStream(env, input.Schema(), input), keys: keys, number: number, of: of}
}

// Next returns the next rows of the share.
func (s *share) Next(ctx context.Context) (arrow.Record, error) { return s.step(ctx, s.next) }

func (s *share) next(ctx context.Context) (arrow.Record, error) {
	for {
		rec, err := s.pull(ctx, 0)
		if err != nil {
			return nil, err
		}
		if out := s.keep(rec); out != nil {
			return out, nil
		}
	}
}

// keep is the rows of a batch that belong, nil for none; it takes the batch over. The hash is mixed once more: those of a
// partition's rows agree in their leading bits.
func (s *share) keep(rec arrow.Record) arrow.Record {
	defer rec.Release()
	s.hashes = hash.Columns(rec, s.keys, 0, s.hashes)
	var rows []int32
	for i, h := range s.hashes {
		if hash.Bucket(hash.Mix(h), s.of) == s.number {
			rows = append(rows, int32(i))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return vector.TakeRecord(s.env.Mem, rec, rows)
}
