package task

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// Sink takes in an attempt's rows. It is used by one goroutine.
type Sink interface {
	// Write adds a batch; the batch stays the caller's. The columns may be plain or dictionary-encoded.
	Write(ctx context.Context, batch arrow.Record) error
	// Commit makes everything written durable and visible, under names that carry the attempt. Nothing is visible
	// before. After an error only Discard may follow.
	Commit(ctx context.Context) (Written, error)
	// Discard removes what was written. It does nothing after a Commit that succeeded, or after another Discard.
	Discard() error
}

// Written says what a sink has committed.
type Written struct {
	Partitions []api.PartitionInfo // of a shuffle or result sink
	File       *api.FileInfo       // of a file sink
	Files      int64               // of a file sink: shards
	Lines      []string            // of a report sink
	Bytes      int64
}

// openSink opens the sink that the stage names.
func openSink(ctx context.Context, env Env, memory operator.Memory, t Task, stage *plan.Stage) (Sink, error) {
	switch stage.Sink.Kind {
	case plan.SinkShuffle, plan.SinkResult:
		return newShuffleSink(env, memory, t, stage)
	case plan.SinkFile:
		return newFileSink(env, memory, t, stage)
	case plan.SinkReport:
		return &reportSink{}, nil
	}
	return nil, fmt.Errorf("stage %d: unknown sink %q", stage.ID, stage.Sink.Kind)
}
