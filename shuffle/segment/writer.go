package segment

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Options are choices about writing. The zero value is good.
type Options struct {
	Mem   memory.Allocator // memory.DefaultAllocator when nil
	Plain bool             // store payloads uncompressed
	// MaxPayload lowers the payload limit, for tests.
	MaxPayload int
}

func (o *Options) ensureDefaults() {
	if o.Mem == nil {
		o.Mem = memory.DefaultAllocator
	}
	if o.MaxPayload <= 0 || o.MaxPayload > MaxPayload {
		o.MaxPayload = MaxPayload
	}
}

// Writer writes a segment. It ends with Commit or Discard, and is not safe for concurrent use.
type Writer struct {
	f      Target
	remove func() error
	enc    encoder
	parts  []partitionIndex
	at     int64
	err    error // of an earlier write: the file is useless since
	closed bool
}

// Create starts a segment in a new file.
func Create(path string, id plan.AttemptID, partitions int, opts Options) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create shuffle segment: %w", err)
	}
	return NewWriter(f, func() error { return os.Remove(path) }, id, partitions, opts)
}

// Target is where a segment is written. Its content counts from Close on.
type Target interface {
	io.WriteCloser
	Name() string // for messages
}

// NewWriter starts a segment in an empty target, which the writer owns from now on; remove deletes it.
func NewWriter(f Target, remove func() error, id plan.AttemptID, partitions int, opts Options) (*Writer, error) {
	opts.ensureDefaults()
	w := &Writer{f: f, remove: remove, parts: make([]partitionIndex, partitions)}
	w.enc = encoder{mem: opts.Mem, codec: CodecS2, limit: opts.MaxPayload}
	if opts.Plain {
		w.enc.codec = CodecNone
	}
	if err := w.append(appendFileHeader(nil, id, partitions)); err != nil {
		return nil, errors.Join(err, w.Discard())
	}
	return w, nil
}

// Write appends a batch to a partition, as one block, or as more where a block would be too large. It keeps no
// reference. Batches of no rows leave no trace.
func (w *Writer) Write(partition int, rec arrow.Record) error {
	if partition < 0 || partition >= len(w.parts) {
		return fmt.Errorf("write shuffle segment: partition %d of %d", partition, len(w.parts))
	}
	if w.err != nil {
		return w.err
	}
	if rec.NumRows() == 0 {
		return nil
	}
	p := &w.parts[partition]
	h, frame, err := w.enc.encode(partition, len(p.blocks), rec)
	if errors.Is(err, errTooLarge) {
		return w.split(partition, rec)
	}
	if err != nil {
		return fmt.Errorf("write shuffle segment %s: %w", w.f.Name(), err)
	}
	ref := BlockRef{Offset: w.at, Length: len(frame), Rows: h.Rows}
	if err := w.append(frame); err != nil {
		return err
	}
	p.blocks = append(p.blocks, ref)
	p.rows += int64(h.Rows)
	p.bytes += int64(len(frame))
	p.sums.Add(rec)
	return nil
}

// split writes a batch as two.
func (w *Writer) split(partition int, rec arrow.Record) error {
	rows := int(rec.NumRows())
	if rows == 1 {
		return plan.Failf(plan.FailureUser, "a row is larger than %d MiB, the most that a shuffle can carry", w.enc.limit>>20)
	}
	for _, half := range [][2]int{{0, rows / 2}, {rows / 2, rows}} {
		part := vector.Slice(rec, half[0], half[1])
		err := w.Write(partition, part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// append writes at the end of the file. A target makes a short write an error (ENOSPC, mostly) that names the path.
func (w *Writer) append(b []byte) error {
	n, err := w.f.Write(b)
	w.at += int64(n)
	if err != nil {
		w.err = fmt.Errorf("write shuffle segment: %w", err)
	}
	return w.err
}

// Commit finishes the segment and says what is in it, partition by partition. After an error the file is gone. It is
// not synced to disk: a segment that a power cut takes is computed again.
func (w *Writer) Commit() ([]PartitionInfo, error) {
	if w.closed {
		return nil, errors.New("commit shuffle segment: it is closed")
	}
	err := w.err
	if err == nil {
		at := w.at
		index := appendIndex(nil, w.parts)
		if len(index) > maxIndex {
			err = fmt.Errorf("write shuffle segment: index of %d bytes, above the limit of %d", len(index), maxIndex)
		} else {
			err = w.append(appendFooter(index, at, index))
		}
	}
	if err != nil {
		return nil, errors.Join(err, w.Discard())
	}
	w.closed = true
	if err := w.f.Close(); err != nil {
		return nil, errors.Join(fmt.Errorf("write shuffle segment: %w", err), w.remove())
	}
	return infos(w.parts), nil
}

// Discard closes and removes an unfinished segment. It does nothing after Commit or Discard.
func (w *Writer) Discard() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if err := errors.Join(w.f.Close(), w.remove()); err != nil {
		return fmt.Errorf("discard shuffle segment: %w", err)
	}
	return nil
}

// PartitionInfo is what a segment holds of a partition.
type PartitionInfo struct {
	Rows     int64
	Bytes    int64  // of the block frames; of the batches where they are kept in memory
	Checksum string // order-independent 128-bit sum of row hashes, in hex
}

func infos(parts []partitionIndex) []PartitionInfo {
	out := make([]PartitionInfo, len(parts))
	for i, p := range parts {
		out[i] = PartitionInfo{Rows: p.rows, Bytes: p.bytes, Checksum: p.sums.String()}
	}
	return out
}

// RowSums is an order-independent sum of row hashes.
type RowSums [2]uint64

// Add takes in the rows of a batch.
func (s *RowSums) Add(rec arrow.Record) {
	sums := hash.RowSums(rec)
	s[0] += sums[0]
	s[1] += sums[1]
}

// String is the sum as PartitionInfo has it.
func (s RowSums) String() string { return fmt.Sprintf("%016x%016x", s[0], s[1]) }
