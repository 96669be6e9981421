package task

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/worker/operator"
)

// shuffleSink writes a segment of this worker's store: for the stages that read it, or, with one partition, for the
// caller of a query.
type shuffleSink struct {
	*shuffle.Writer
	memory operator.Memory
	held   int64 // bytes taken for what the writer buffers
}

var _ Sink = (*shuffleSink)(nil)

func newShuffleSink(env Env, memory operator.Memory, t Task, stage *plan.Stage) (Sink, error) {
	opts := shuffle.WriterOptions{Mem: env.Allocator}
	w, err := shuffle.NewWriter(env.Segments, t.AttemptID, stage.Sink, stage.Root.Schema, opts)
	if err != nil {
		return nil, err
	}
	return &shuffleSink{Writer: w, memory: memory}, nil
}

// Write adds a batch. What the writer buffers is bounded, and counts against the share of the task's operators.
func (s *shuffleSink) Write(ctx context.Context, batch arrow.Record) error {
	err := s.Writer.Write(ctx, batch)
	s.count()
	return err
}

func (s *shuffleSink) count() {
	s.memory.Take(s.Buffered() - s.held)
	s.held = s.Buffered()
}

// Discard removes what was written.
func (s *shuffleSink) Discard() error {
	err := s.Writer.Discard()
	s.count()
	return err
}

// Commit finishes the segment. The scratch disk need not be durable: a segment that a crash takes is computed again.
func (s *shuffleSink) Commit(ctx context.Context) (Written, error) {
	if err := ctx.Err(); err != nil {
		return Written{}, err
	}
	partitions, err := s.Writer.Commit()
	s.count()
	if err != nil {
		return Written{}, err
	}
	written := Written{Partitions: partitions}
	for _, p := range partitions {
		written.Bytes += p.Bytes
	}
	return written, nil
}
