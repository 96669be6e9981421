// Package arrowipc turns one Arrow record batch into bytes and back, with the care that bytes from a disk, a socket or
// a user's process need. Arrow's own reader trusts every length that it meets and does not look inside the arrays: this
// package checks message sizes before the reader allocates, caps what it may allocate, turns its panics into errors,
// and checks every offset, index and null count of the result, so that kernels may use raw slices afterwards.
//
// It does not detect corruption: callers keep a checksum beside the payload and verify it first.
package arrowipc

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Append writes a batch as one self-contained Arrow IPC stream (schema, dictionaries, batch, end mark) behind dst.
func Append(dst []byte, rec arrow.Record) ([]byte, error) {
	out := appender{buf: dst}
	// Arrow's writer cuts bitmaps of slices into buffers that it takes to be cleared: only the Go heap promises that.
	w := ipc.NewWriter(&out, ipc.WithSchema(rec.Schema()), ipc.WithAllocator(memory.NewGoAllocator()))
	rec, err := unsliced(rec)
	if err == nil {
		err = w.Write(rec)
		rec.Release()
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return dst, fmt.Errorf("encode Arrow batch: %w", err)
	}
	return out.buf, nil
}

// unsliced copies columns that may hold a slice of no rows out of a binary array, over which Arrow's writer trips.
func unsliced(rec arrow.Record) (arrow.Record, error) {
	columns := slices.Clone(rec.Columns())
	for i, c := range columns {
		if !hasBinary(c.DataType()) || rec.NumRows() > 0 && c.DataType().ID() == arrow.BINARY {
			continue
		}
		whole, err := array.Concatenate([]arrow.Array{c}, memory.NewGoAllocator())
		if err != nil {
			return nil, err
		}
		columns[i] = whole
	}
	return array.NewRecord(rec.Schema(), columns, rec.NumRows()), nil
}

// hasBinary reports whether a type is binary, or holds binary values.
func hasBinary(t arrow.DataType) bool {
	if n, ok := t.(arrow.NestedType); ok {
		return slices.ContainsFunc(n.Fields(), func(f arrow.Field) bool { return hasBinary(f.Type) })
	}
	return t.ID() == arrow.BINARY
}

// appender is an io.Writer onto a slice that its caller keeps.
type appender struct{ buf []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	return len(p), nil
}

// Decode reads what Append wrote. The payload may come from anywhere: whatever it holds, the answer is a well-formed
// batch, which the caller owns and which does not refer to payload, or an error.
func Decode(mem memory.Allocator, payload []byte) (rec arrow.Record, err error) {
	// Arrow's reader copies each message body, then each buffer out of it: three times the payload is ample.
	return decode(mem, payload, 3*int64(len(payload))+1<<20, false)
}

func decode(mem memory.Allocator, payload []byte, limit int64, foreign bool) (rec arrow.Record, err error) {
	if err := checkMessages(payload, foreign); err != nil {
		return nil, fmt.Errorf("decode Arrow batch: %w", err)
	}
	limited := &limitedAllocator{Allocator: mem, left: limit}
	defer func() {
		if p := recover(); p != nil {
			rec, err = nil, fmt.Errorf("decode Arrow batch: %v", p)
		}
	}()
	r, err := ipc.NewReader(bytes.NewReader(payload), ipc.WithAllocator(limited))
	if err != nil {
		return nil, fmt.Errorf("decode Arrow batch: %w", err)
	}
	defer r.Release()
	rec, err = r.Read()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("decode Arrow batch: %w", err)
	}
	check := Validate
	if foreign {
		check = validateRows
	}
	if err := check(rec); err != nil {
		return nil, fmt.Errorf("decode Arrow batch: %w", err)
	}
	rec.Retain()
	return rec, nil
}

// limitedAllocator refuses, by a panic that Decode recovers, to allocate more than a share.
type limitedAllocator struct {
	memory.Allocator
	left int64 // for one goroutine
}

func (a *limitedAllocator) take(n int) {
	a.left -= int64(n)
	if n < 0 || a.left < 0 {
		panic("the batch claims to be larger than its payload")
	}
}

func (a *limitedAllocator) Allocate(size int) []byte {
	a.take(size)
	return a.Allocator.Allocate(size)
}

func (a *limitedAllocator) Reallocate(size int, b []byte) []byte {
	if size > len(b) {
		a.take(size - len(b))
	}
	return a.Allocator.Reallocate(size, b)
}
