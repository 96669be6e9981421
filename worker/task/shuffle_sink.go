package task

import (
	"context"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle"
)

// shuffleSink writes a segment of this worker's store: for the stages that read it, or, with one partition, for the
// caller of a query.
type shuffleSink struct {
	*shuffle.Writer
}

var _ Sink = shuffleSink{}

func newShuffleSink(env Env, t Task, stage *plan.Stage) (Sink, error) {
	opts := shuffle.WriterOptions{Mem: env.Allocator}
	w, err := shuffle.NewWriter(env.Segments, t.AttemptID, stage.Sink, stage.Root.Schema, opts)
	if err != nil {
		return nil, err
	}
	return shuffleSink{w}, nil
}

// Commit finishes the segment. The scratch disk need not be durable: a segment that a crash takes is computed again.
func (s shuffleSink) Commit(ctx context.Context) (Written, error) {
	if err := ctx.Err(); err != nil {
		return Written{}, err
	}
	partitions, err := s.Writer.Commit()
	if err != nil {
		return Written{}, err
	}
	written := Written{Partitions: partitions}
	for _, p := range partitions {
		written.Bytes += p.Bytes
	}
	return written, nil
}
