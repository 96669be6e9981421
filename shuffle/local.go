package shuffle

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

// localSource reads segments of this process's own store, and batches that the store keeps.
type localSource struct {
	store *Store
	run   string
	stage int

	opened    bool
	task      int
	partition int
	seg       *segment.Reader // of map output task; nil when none is open
	batches   []arrow.Record  // of the partition, where the store keeps them
	buf       []byte
}

var _ source = (*localSource)(nil)

func (s *localSource) next(_ context.Context, at place) (block, error) {
	if !s.opened || s.task != at.task || s.partition != at.partition {
		if err := s.open(at); err != nil {
			return block{}, err
		}
	}
	b := block{sequence: at.block, row: at.row}
	if at.fresh() {
		b.sequence, b.row = find(s.blocks(), s.rows, at.from)
	}
	if b.sequence >= s.blocks() || b.row >= at.to {
		s.reset()
		return block{}, io.EOF
	}
	if s.seg == nil {
		b.batch = s.batches[b.sequence]
		return b, nil
	}
	var err error
	if b.frame, s.buf, err = s.seg.ReadBlock(s.partition, b.sequence, s.buf); err != nil {
		if err := s.store.check(s.seg, s.partition, b.sequence); err != nil {
			return block{}, &lostError{reason: err.Error()}
		}
	}
	return b, err
}

func (s *localSource) blocks() int {
	if s.seg == nil {
		return len(s.batches)
	}
	return len(s.seg.Blocks(s.partition))
}

func (s *localSource) rows(block int) int64 {
	if s.seg == nil {
		return s.batches[block].NumRows()
	}
	return int64(s.seg.Blocks(s.partition)[block].Rows)
}

func (s *localSource) open(at place) error {
	s.reset()
	id := plan.AttemptID{TaskID: plan.TaskID{Run: s.run, Stage: s.stage, Task: at.task}, Attempt: at.attempt}
	batches, ok, err := s.store.batches(id, at.partition)
	if err != nil {
		return &lostError{reason: err.Error()}
	}
	if !ok {
		s.seg, err = s.store.openSound(id)
		if lacksFiles(err) {
			return err
		}
		if err != nil {
			return &lostError{reason: err.Error()}
		}
		if at.partition >= s.seg.Partitions() {
			return &lostError{reason: fmt.Sprintf("segment %s has %d partitions", id, s.seg.Partitions())}
		}
	}
	s.batches, s.opened, s.task, s.partition = batches, true, at.task, at.partition
	return nil
}

func (s *localSource) reset() {
	if s.seg != nil {
		// Closing a file that was only read cannot lose anything.
		_ = s.seg.Close()
		s.seg = nil
	}
	for _, r := range s.batches {
		r.Release()
	}
	s.batches, s.opened = nil, false
}
