package segment

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// StreamWriter writes batches as block frames, one after the other, without header, index and footer: for scratch files
// that nobody but their writer reads. Blocks carry partition 0 and count up. It is not safe for concurrent use.
type StreamWriter struct {
	w      io.Writer
	enc    encoder
	blocks int
	rows   int64
	bytes  int64
}

// NewStreamWriter starts a stream at the beginning of w.
func NewStreamWriter(w io.Writer, opts Options) *StreamWriter {
	opts.ensureDefaults()
	s := &StreamWriter{w: w, enc: encoder{mem: opts.Mem, codec: CodecS2, limit: opts.MaxPayload}}
	if opts.Plain {
		s.enc.codec = CodecNone
	}
	return s
}

// Write appends a batch, as several blocks where one would be too large. It keeps no reference.
func (s *StreamWriter) Write(rec arrow.Record) error {
	rows := int(rec.NumRows())
	if rows == 0 {
		return nil
	}
	_, frame, err := s.enc.encode(0, s.blocks, rec)
	if errors.Is(err, errTooLarge) && rows > 1 {
		return s.halves(rec, rows)
	}
	if errors.Is(err, errTooLarge) {
		return plan.Failf(plan.FailureUser, "a row is larger than %d MiB, the most that goes to the scratch disk", s.enc.limit>>20)
	}
	if err != nil {
		return fmt.Errorf("encode batch: %w", err)
	}
	if _, err := s.w.Write(frame); err != nil {
		return err
	}
	s.blocks++
	s.rows += int64(rows)
	s.bytes += int64(len(frame))
	return nil
}

func (s *StreamWriter) halves(rec arrow.Record, rows int) error {
	for _, half := range [][2]int{{0, rows / 2}, {rows / 2, rows}} {
		part := vector.Slice(rec, half[0], half[1])
		err := s.Write(part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// Rows and Bytes say what was written.
func (s *StreamWriter) Rows() int64 { return s.rows }

// Bytes is the size of the frames written.
func (s *StreamWriter) Bytes() int64 { return s.bytes }

// Blocks is the number of frames written; the reader has to know it.
func (s *StreamWriter) Blocks() int { return s.blocks }

// StreamReader reads what a StreamWriter wrote. It is not safe for concurrent use.
type StreamReader struct {
	r      io.Reader
	dec    *Decoder
	blocks int
	next   int
	buf    []byte
}

// NewStreamReader reads that many blocks from the beginning of r.
func NewStreamReader(r io.Reader, dec *Decoder, blocks int) *StreamReader {
	return &StreamReader{r: r, dec: dec, blocks: blocks}
}

// Next is the next block's batch, which the caller owns, or io.EOF after the last one. Damage, a missing end and blocks
// out of order are errors.
func (s *StreamReader) Next() (arrow.Record, error) {
	if s.next == s.blocks {
		return nil, io.EOF
	}
	var b Block
	var err error
	if b, s.buf, err = ReadBlock(s.r, s.buf); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil, err
	}
	if b.Partition != 0 || b.Sequence != s.next {
		return nil, fmt.Errorf("%w: block %d of partition %d where block %d should be", ErrCorrupt, b.Sequence, b.Partition, s.next)
	}
	s.next++
	return s.dec.Decode(b)
}
