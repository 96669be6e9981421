package shuffle

import (
	"context"

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
	// Buffer bounds the bytes held over all partitions, 64 MiB; above it the largest are written early.
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

// Writer is a stage's shuffle or result sink: it gathers each partition's rows until they are worth a block. Where
// blocks end is a function of the rows alone. It ends with Commit or Discard, and is not safe for concurrent use.
type Writer struct {
	out     output
	split   *partition.Partitioner
	schema  plan.Schema
	opts    WriterOptions
	pending []pending
	bytes   int64 // over all partitions
}

// output is where a writer puts blocks, as batches of one partition: a segment, or the memory of the store.
type output interface {
	Write(partition int, rec arrow.Record) error
	Commit() ([]segment.PartitionInfo, error)
	Discard() error
}

// pending are the rows of a partition that wait for a block.
type pending struct {
	recs  []arrow.Record
	rows  int
	bytes int64
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
	return &Writer{out: out, split: split, schema: schema, opts: opts, pending: make([]pending, n)}, nil
}

// Write takes the rows of a batch; the caller keeps its reference.
func (w *Writer) Write(ctx context.Context, rec arrow.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if rec.NumRows() == 0 {
		return nil
	}
	if w.split.Partitions() == 1 {
		rec.Retain()
		return w.add(0, rec)
	}
	if err := w.split.Split(rec); err != nil {
		return err
	}
	for p := range w.pending {
		if rows := w.split.Rows(p); len(rows) > 0 {
			if err := w.add(p, vector.TakeRecord(w.opts.Mem, rec, rows)); err != nil {
				return err
			}
		}
	}
	return nil
}

// add takes over a batch of one partition's rows, and writes blocks when it is time.
func (w *Writer) add(p int, rec arrow.Record) error {
	part, size := &w.pending[p], vector.Size(rec)
	part.recs = append(part.recs, rec)
	part.rows += int(rec.NumRows())
	part.bytes += size
	w.bytes += size
	if part.rows >= w.opts.BlockRows || part.bytes >= w.opts.BlockBytes {
		return w.flush(p)
	}
	for w.bytes > w.opts.Buffer {
		if err := w.flush(w.largest()); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) largest() int {
	best := 0
	for p := range w.pending {
		if w.pending[p].bytes > w.pending[best].bytes {
			best = p
		}
	}
	return best
}

// flush writes what a partition has pending as one block.
func (w *Writer) flush(p int) error {
	part := &w.pending[p]
	if part.rows == 0 {
		return nil
	}
	rec, err := vector.ConcatRecords(w.opts.Mem, w.schema, part.recs)
	w.drop(p)
	if err != nil {
		return err
	}
	defer rec.Release()
	return storageFailure(w.out.Write(p, rec))
}

func (w *Writer) drop(p int) {
	part := &w.pending[p]
	for _, r := range part.recs {
		r.Release()
	}
	w.bytes -= part.bytes
	*part = pending{recs: part.recs[:0]}
}

// Buffered is the bytes of the rows that wait for a block.
func (w *Writer) Buffered() int64 { return w.bytes }

// Commit writes the rest and finishes the segment: from now on it can be fetched.
func (w *Writer) Commit() ([]api.PartitionInfo, error) {
	for p := range w.pending {
		if err := w.flush(p); err != nil {
			return nil, err
		}
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
			out[i].Keys = append(out[i].Keys, api.KeyRows{Hash: k.Hash, Rows: k.Rows})
		}
	}
	return out, nil
}

// Discard gives up the output and removes its file. It does nothing after Commit.
func (w *Writer) Discard() error {
	for p := range w.pending {
		w.drop(p)
	}
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
