// Package ipcio reads tables of Arrow IPC files: streams, and the file format, which is a stream with a directory behind
// it that is not needed here. A file is read from front to back by one task. It writes the file format.
//
// Bytes are checked by package arrowipc before Arrow's reader sees them. Columns of types that a batch does not have
// inside Quern are converted when they are read; of those that have no SQL type, only the reading is refused.
package ipcio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/arrowipc"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// The limits of a file's messages, and of the memory that one may take beyond a few times its size, for what is
// compressed.
const (
	maxMessage  = 1 << 30
	maxInflated = 256 << 20
)

// magic begins the file format, with two bytes of padding.
const magic = "ARROW1\x00\x00"

// reader reads the batches of a file.
type reader struct {
	url     string
	file    storage.ReaderAtCloser
	src     *bufio.Reader
	count   *counter
	schema  []byte
	dicts   [][]byte
	columns *arrow.Schema
}

// counter counts bytes.
type counter struct {
	src io.Reader
	n   int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n += int64(n)
	return n, err
}

func open(ctx context.Context, store *storage.Store, url string, size int64) (*reader, error) {
	if _, compression := storage.FormatOf(url); compression != "" {
		return nil, plan.Failf(plan.FailureUser, "file %s: [UNSUPPORTED_FEATURE] a compressed Arrow file is not supported; compress its buffers instead",
			storage.Display(url))
	}
	file, err := store.ReaderAt(ctx, url, size)
	if err != nil {
		return nil, err
	}
	r := &reader{url: url, file: file}
	from, to, err := extent(file, size)
	if err == nil {
		r.count = &counter{src: io.NewSectionReader(file, from, to-from)}
		r.src = bufio.NewReaderSize(r.count, 1<<20)
		err = r.begin()
	}
	if err != nil {
		file.Close()
		return nil, r.corrupt(err)
	}
	return r, nil
}

// extent is where the stream in a file begins and ends.
func extent(file io.ReaderAt, size int64) (from, to int64, err error) {
	const tail = 4 + 6 // length of the directory, and the magic again
	head := make([]byte, min(size, int64(len(magic))))
	if _, err := file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	if string(head) != magic {
		return 0, size, nil
	}
	end := make([]byte, tail)
	if size < int64(len(magic))+tail {
		return 0, 0, io.ErrUnexpectedEOF
	}
	if n, err := file.ReadAt(end, size-tail); n < tail {
		return 0, 0, err
	}
	if string(end[4:]) != magic[:6] {
		return 0, 0, errors.New("the file is truncated")
	}
	to = size - tail - int64(binary.LittleEndian.Uint32(end))
	if to < int64(len(magic)) {
		return 0, 0, errors.New("a directory larger than the file")
	}
	return int64(len(magic)), to, nil
}

func (r *reader) close() { r.file.Close() }

// corrupt is the failure for a file that breaks the format's rules.
func (r *reader) corrupt(err error) error {
	var f *plan.Failure
	if errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return plan.Failf(plan.FailureUser, "file %s: corrupt Arrow file: %w", storage.Display(r.url), err)
}

// begin reads the schema.
func (r *reader) begin() (err error) {
	kind, message, err := arrowipc.ReadMessage(r.src, maxMessage)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if kind != arrowipc.MessageSchema {
		return errors.New("the first message is no schema")
	}
	r.schema = message
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("schema: %v", p)
		}
	}()
	s, err := ipc.NewReader(bytes.NewReader(message))
	if err != nil {
		return err
	}
	defer s.Release()
	r.columns = s.Schema()
	return nil
}

// next returns the next batch, or io.EOF.
func (r *reader) next(mem memory.Allocator) (arrow.Record, error) {
	for {
		kind, message, err := arrowipc.ReadMessage(r.src, maxMessage)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, io.EOF
		}
		if err != nil {
			return nil, r.corrupt(err)
		}
		switch kind {
		case arrowipc.MessageDictionary:
			r.dicts = append(r.dicts, message)
		case arrowipc.MessageBatch:
			messages := append(append([][]byte{r.schema}, r.dicts...), message)
			size := int64(0)
			for _, m := range messages {
				size += int64(len(m))
			}
			rec, err := arrowipc.DecodeMessages(mem, 4*size+maxInflated, messages...)
			if err != nil {
				return nil, r.corrupt(err)
			}
			return rec, nil
		default:
			return nil, r.corrupt(fmt.Errorf("message of kind %d", kind))
		}
	}
}

// fields are the file's columns, and those that cannot be read, by name with their type in words.
func (r *reader) fields() (readable []plan.Field, unsupported map[string]string) {
	unsupported = map[string]string{}
	for _, f := range r.columns.Fields() {
		t, err := typeOf(f.Type)
		if err != nil {
			unsupported[f.Name] = f.Type.String()
			continue
		}
		readable = append(readable, plan.Field{Name: f.Name, Type: t, Nullable: true})
	}
	return readable, unsupported
}
