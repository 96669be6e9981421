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

// Writer is a stage's shuffle or result sink: it gathers each partition's rows until they are worth a block. The rows of a batch
// are put in the order of their partitions as it comes, while it is in the nearest caches; a block is joined from runs of them.
// Where blocks end is a function of the rows alone. It ends with Commit or Discard, and is not safe for concurrent use.
type Writer struct {
	out     output
	split   *partition.Partitioner
	schema  plan.Schema
	opts    WriterOptions
	pending []pending
	bytes   int64 // of the batches that some partition has rows in
}

// output is where a writer puts blocks, as batches of one partition: a segment, or the memory of the store.
type output interface {
	Write(partition int, rec arrow.Record) error
	Commit() ([]segment.PartitionInfo, error)
	Discard() error
}

// pending are the rows of a partition that wait for a block.
type pending struct {
	pieces []vector.Piece
	from   []*held // the batch of each piece
	rows   int
	bytes  int64 // their share of the batches
}

// held is a batch with rows that wait.
type held struct {
	rec   arrow.Record
	bytes int64
	users int // pieces
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
	if err := w.deal(rec); err != nil {
		return err
	}
	if w.bytes <= w.opts.Buffer {
		return nil
	}
	return w.flushAll()
}

// deal gives the rows of a batch to their partitions.
func (w *Writer) deal(rec arrow.Record) error {
	h := &held{rec: rec, bytes: vector.Size(rec)}
	if w.split.Partitions() == 1 {
		return w.add(0, h, 0, int(rec.NumRows()))
	}
	if err := w.split.Split(rec); err != nil {
		return err
	}
	h.rec = vector.TakeRecord(w.opts.Mem, rec, w.split.Order())
	w.use(h) // while there may be more
	defer w.leave(h)
	h.rec.Release() // held by its users
	for p := range w.pending {
		if from, to := w.split.Range(p); from < to {
			if err := w.add(p, h, from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Writer) use(h *held) {
	if h.users++; h.users == 1 {
		h.rec.Retain()
		w.bytes += h.bytes
	}
}

func (w *Writer) leave(h *held) {
	if h.users--; h.users == 0 {
		h.rec.Release()
		w.bytes -= h.bytes
	}
}

// add puts a run of rows behind those of a partition, and writes blocks when it is time.
func (w *Writer) add(p int, h *held, from, to int) error {
	part, n := &w.pending[p], to-from
	w.use(h)
	part.pieces, part.from = append(part.pieces, vector.Piece{Record: h.rec, From: from, To: to}), append(part.from, h)
	part.rows += n
	part.bytes += h.bytes * int64(n) / h.rec.NumRows()
	if part.rows >= w.opts.BlockRows || part.bytes >= w.opts.BlockBytes {
		return w.flush(p)
	}
	return nil
}

// flush writes what a partition has pending as one block.
func (w *Writer) flush(p int) error {
	part := &w.pending[p]
	if part.rows == 0 {
		return nil
	}
	rec, err := vector.JoinPieces(w.opts.Mem, w.schema, part.pieces)
	w.drop(p)
	if err != nil {
		return err
	}
	defer rec.Release()
	return storageFailure(w.out.Write(p, rec))
}

func (w *Writer) flushAll() error {
	for p := range w.pending {
		if err := w.flush(p); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) drop(p int) {
	part := &w.pending[p]
	for _, h := range part.from {
		w.leave(h)
	}
	clear(part.pieces)
	clear(part.from)
	*part = pending{pieces: part.pieces[:0], from: part.from[:0]}
}

// Buffered is the bytes of the batches with rows that wait for a block.
func (w *Writer) Buffered() int64 { return w.bytes }

// Commit writes the rest and finishes the segment: from now on it can be fetched.
func (w *Writer) Commit() ([]api.PartitionInfo, error) {
	if err := w.flushAll(); err != nil {
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
