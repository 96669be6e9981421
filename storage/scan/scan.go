// Package scan reads tables of any format: the one door to the rooms that know one each.
package scan

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/ipcio"
	"github.com/quern-engine/quern/storage/parquetio"
	"github.com/quern-engine/quern/storage/textio"
)

// Options adjust a scan. The zero value works.
type Options struct {
	BatchRows int              // rows per batch; 16,384 if zero
	Mem       memory.Allocator // of the batches; memory.DefaultAllocator if nil
	Session   plan.Session     // how text is read depends on it
	// Among are sets outside of which the values of some columns of the output are of no use: rows with others, or NULL,
	// may be left out. A format that cannot do so earlier than whoever asks ignores them.
	Among map[int]*vector.Bitmap
}

// Counts are what a scan has done so far.
type Counts = storage.ScanCounts

// Scanner reads splits, one after the other, in file order. It is not safe for concurrent use.
type Scanner interface {
	// Next returns the next batch, never empty, or io.EOF. The caller owns it. After any error it returns that error
	// again.
	Next(ctx context.Context) (arrow.Record, error)
	// Counts tells what the scan has done so far.
	Counts() Counts
	// Close releases everything. It is safe at any time, and more than once.
	Close() error
}

// Open prepares to read the splits. Schema is of the output: scan.Columns, index by index. Nothing is read before the
// first Next.
func Open(ctx context.Context, store *storage.Store, scan *plan.Scan, schema plan.Schema, splits []plan.Split, opts Options) (Scanner, error) {
	switch scan.Format {
	case "parquet":
		return parquetio.OpenScan(ctx, store, scan, schema, splits, parquetio.ScanOptions{BatchRows: opts.BatchRows, Mem: opts.Mem, Among: opts.Among})
	case "csv", "json":
		return textio.OpenScan(ctx, store, scan, schema, splits, textio.ScanOptions{BatchRows: opts.BatchRows, Mem: opts.Mem, Session: opts.Session})
	case "arrow":
		return ipcio.OpenScan(ctx, store, scan, schema, splits, ipcio.ScanOptions{BatchRows: opts.BatchRows, Mem: opts.Mem})
	}
	return nil, unknownFormat(scan.Source, scan.Format)
}

func unknownFormat(source, format string) error {
	return plan.Failf(plan.FailureUser, "source %s: [DATA_SOURCE_NOT_FOUND] Failed to find the data source: %s; there are parquet, csv, json and arrow",
		source, format)
}
