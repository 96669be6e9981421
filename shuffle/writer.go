package shuffle

import (
	"context"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/partition"
	"github.com/quern-engine/quern/shuffle/segment"
)

// WriterOptions bound what a writer buffers. They decide where blocks end, so a cluster uses one setting; the zero
// value is that setting.
type WriterOptions struct {
	Mem memory.Allocator // memory.DefaultAllocator when nil
	// BlockRows and BlockBytes are when a partition's rows are worth a block: 32768 rows or 1 MiB. Smaller blocks
	// waste seeks and frames, larger ones the reader's memory.
	BlockRows  int
	BlockBytes int64
	// Buffer bounds the bytes held over all partitions, 64 MiB; above it all are written early.
	Buffer int64
	Plain  bool // uncompressed
}

func (o *WriterOptions) ensureDefaults() {
	if o.Mem == nil {
		o.Mem = memory.DefaultAllocator
	}
	if o.BlockRows <= 0 {
		o.BlockRows = 32768
	}
	if o.BlockBytes <= 0 {
		o.BlockBytes = 1 << 20
	}
	if o.Buffer <= 0 {
		o.Buffer = 64 << 20
	}
}

// Writer is a stage's shuffle or result sink: it gathers rows until each partition has a block's worth of them, on the average,
// and then moves them once, to where those of their partition lie side by side; blocks are cut out of that. Where blocks end
// is a function of the batches alone. It ends with Commit or Discard, and is not safe for concurrent use.
type Writer struct {
	out    output
	split  *partition.Partitioner
	schema plan.Schema
	opts   WriterOptions
	// The rows that wait.
	batches []arrow.Record
	ids     vector.Groups[int32] // their partitions
	rows    int
	bytes   int64
}

// output is where a writer puts blocks, as batches of one partition: a segment, or the memory of the store. A batch may be
// part of a longer one; bytes is its share of the memory.
type output interface {
	Write(partition int, rec arrow.Record, bytes int64) error
	Commit() ([]segment.PartitionInfo, error)
	Discard() error
}

// NewWriter starts the output of an attempt in the store. A result sink has one partition.
func NewWriter(store *Store, id plan.AttemptID, sink plan.Sink, schema plan.Schema, opts WriterOptions) (*Writer, error) {
	opts.ensureDefaults()
	n := max(sink.Partitions, 1)
	split, err := partition.New(sink.Hash, sink.Keys, n)
	if err != nil {
		return nil, err
	}
	out, err := store.output(id, sink.Kind, n, segment.Options{Mem: opts.Mem, Plain: opts.Plain})
	if err != nil {
		return nil, plan.Failf(plan.FailureStorage, "%w", err)
	}
	return &Writer{out: out, split: split, schema: schema, opts: opts, ids: vector.Groups[int32]{N: n}}, nil
}

// Write takes the rows of a batch; the caller keeps its reference.
func (w *Writer) Write(ctx context.Context, rec arrow.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if rec.NumRows() == 0 {
		return nil
	}
	ids, err := w.split.Assign(rec)
	if err != nil {
		return err
	}
	rec.Retain()
	w.batches, w.ids.Of = append(w.batches, rec), append(w.ids.Of, slices.Clone(ids))
	w.rows, w.bytes = w.rows+len(ids), w.bytes+vector.Size(rec)+4*rec.NumRows()
	if n := w.ids.N; w.rows >= n*w.opts.BlockRows || w.bytes >= min(int64(n)*w.opts.BlockBytes, w.opts.Buffer) {
		return w.flush()
	}
	return nil
}

// flush writes the rows that wait.
func (w *Writer) flush() error {
	if w.rows == 0 {
		return nil
	}
	counts := w.ids.Counts()
	grouped, err := vector.GroupRecords(w.opts.Mem, w.schema, w.batches, w.ids)
	w.drop()
	if err != nil {
		return err
	}
	defer grouped.Release()
	perRow := vector.Footprint(grouped)/grouped.NumRows() + 1
	most := int(max(1, min(int64(w.opts.BlockRows), w.opts.BlockBytes/perRow)))
	at := 0
	for p, n := range counts {
		for end := at + int(n); at < end; {
			rows := min(end-at, most)
			block := vector.Slice(grouped, at, at+rows)
			err := w.out.Write(p, block, int64(rows)*perRow)
			block.Release()
			if err != nil {
				return storageFailure(err)
			}
			at += rows
		}
	}
	return nil
}

// drop lets go of the rows that wait.
func (w *Writer) drop() {
	for _, rec := range w.batches {
		rec.Release()
	}
	clear(w.batches)
	clear(w.ids.Of)
	w.batches, w.ids.Of, w.rows, w.bytes = w.batches[:0], w.ids.Of[:0], 0, 0
}

// Buffered is the bytes of the rows that wait for a block.
func (w *Writer) Buffered() int64 { return w.bytes }

// Commit writes the rest and finishes the segment: from now on it can be fetched.
func (w *Writer) Commit() ([]api.PartitionInfo, error) {
	if err := w.flush(); err != nil {
		return nil, err
	}
	infos, err := w.out.Commit()
	if err != nil {
		return nil, storageFailure(err)
	}
	rows := make([]int64, len(infos))
	for i, info := range infos {
		rows[i] = info.Rows
	}
	frequent := w.split.Frequent(rows)
	out := make([]api.PartitionInfo, len(infos))
	for i, info := range infos {
		out[i] = api.PartitionInfo{Rows: info.Rows, Bytes: info.Bytes, Checksum: info.Checksum}
		for _, k := range frequent[i] {
			out[i].Keys = append(out[i].Keys, api.KeyRows{Hash: k.Hash, Rows: k.Rows, Value: k.Value})
		}
	}
	return out, nil
}

// Discard gives up the output and removes its file. It does nothing after Commit.
func (w *Writer) Discard() error {
	w.drop()
	return w.out.Discard()
}

// storageFailure gives an error of the scratch disk its kind, and leaves failures that have one alone.
func storageFailure(err error) error {
	if err == nil {
		return nil
	}
	if f := plan.AsFailure(err); f.Kind != plan.FailureInternal {
		return err
	}
	return plan.Failf(plan.FailureStorage, "%w", err)
}
