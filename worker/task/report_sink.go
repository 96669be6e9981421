package task

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// maxReported bounds the bytes that a report sink takes: they go through the coordinators' log.
const maxReported = 1 << 20

// reportSink puts rows of one text column into the attempt's report.
type reportSink struct {
	lines []string
	bytes int
}

var _ Sink = (*reportSink)(nil)

func (s *reportSink) Write(_ context.Context, batch arrow.Record) error {
	col := batch.Column(0)
	for i := range int(batch.NumRows()) {
		line := vector.Format(col, i)
		if s.bytes += len(line); s.bytes > maxReported {
			return plan.Failf(plan.FailureUser, "the rows for the coordinator have more than %d bytes", maxReported)
		}
		s.lines = append(s.lines, line)
	}
	return nil
}

func (s *reportSink) Commit(ctx context.Context) (Written, error) {
	return Written{Lines: s.lines, Bytes: int64(s.bytes)}, ctx.Err()
}

// Discard has nothing to remove.
func (s *reportSink) Discard() error { return nil }
