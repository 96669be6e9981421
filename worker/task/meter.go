package task

import (
	"context"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/storage/scan"
)

// Meter tells how far an attempt has come while it runs. The attempt sets it once a batch; anybody may read it.
type Meter struct{ rowsRead, bytesRead, rowsIn, rowsOut, spilled atomic.Int64 }

// Live is what the attempt has done so far.
func (m *Meter) Live() api.Live {
	return api.Live{
		RowsRead: m.rowsRead.Load(), BytesRead: m.bytesRead.Load(), RowsIn: m.rowsIn.Load(), RowsOut: m.rowsOut.Load(), Spilled: m.spilled.Load(),
	}
}

// meteredScan shows how far a scan has come.
type meteredScan struct {
	batchSource
	builder *builder // has the scan once it is open
}

func (s *meteredScan) Next(ctx context.Context) (arrow.Record, error) {
	batch, err := s.batchSource.Next(ctx)
	if s.builder.scan != nil {
		s.builder.task.Meter.read(s.builder.scan.Counts())
	}
	return batch, err
}

func (m *Meter) read(c scan.Counts) {
	m.rowsRead.Store(c.Rows + c.RowsPruned)
	m.bytesRead.Store(c.Bytes)
}
