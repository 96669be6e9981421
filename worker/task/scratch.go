package task

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
	"github.com/quern-engine/quern/worker/operator"
)

// spillBuffer is how much of a scratch file is read at a time.
const spillBuffer = 64 << 10

// scratch is the scratch files of one attempt, in a folder that is made with the first of them and removed with the
// attempt. Files consist of the compressed, checksummed frames of package segment.
type scratch struct {
	mem    memory.Allocator
	parent string
	name   string // of the folder's pattern
	dir    string // "" before the first file
	files  int
	open   map[*os.File]struct{}
}

var _ operator.Scratch = (*scratch)(nil)

func newScratch(mem memory.Allocator, parent string, id plan.AttemptID) *scratch {
	return &scratch{
		mem: mem, parent: parent, open: map[*os.File]struct{}{},
		name: fmt.Sprintf("spill-%d-%d-%d-*", id.Stage, id.Task, id.Attempt),
	}
}

// Create starts a scratch file.
func (s *scratch) Create(schema plan.Schema) (operator.SpillFile, error) {
	if s.dir == "" {
		if err := os.MkdirAll(s.parent, 0o700); err != nil {
			return nil, scratchFailure(err)
		}
		dir, err := os.MkdirTemp(s.parent, s.name)
		if err != nil {
			return nil, scratchFailure(err)
		}
		s.dir = dir
	}
	s.files++
	f, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("%d.spill", s.files)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, scratchFailure(err)
	}
	s.open[f] = struct{}{}
	return &spillFile{
		scratch: s, f: f, schema: schema,
		out: segment.NewStreamWriter(f, segment.Options{Mem: s.mem}),
	}, nil
}

// Close removes what is left.
func (s *scratch) Close() error {
	var errs []error
	for f := range s.open {
		errs = append(errs, f.Close())
	}
	s.open = map[*os.File]struct{}{}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
		s.dir = ""
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove scratch files: %w", err)
	}
	return nil
}

// scratchFailure gives an error of the scratch disk its kind, and leaves failures that have one alone.
func scratchFailure(err error) error {
	if f := plan.AsFailure(err); f.Kind != plan.FailureInternal {
		return err
	}
	return plan.Failf(plan.FailureStorage, "scratch disk: %w", err)
}

// spillFile is one scratch file. It stays open from the first write to the removal, so that readers need no name.
type spillFile struct {
	scratch *scratch
	f       *os.File
	schema  plan.Schema
	out     *segment.StreamWriter
	read    bool
	removed bool
}

// Write appends a batch.
func (s *spillFile) Write(rec arrow.Record) error {
	if s.removed || s.read {
		return fmt.Errorf("write scratch file %s: it is being read, or removed", s.f.Name())
	}
	if err := s.out.Write(rec); err != nil {
		return scratchFailure(err)
	}
	return nil
}

// Rows is how many rows were written.
func (s *spillFile) Rows() int64 { return s.out.Rows() }

// Bytes is the size on disk.
func (s *spillFile) Bytes() int64 { return s.out.Bytes() }

// Reader reads the file from its beginning.
func (s *spillFile) Reader() (operator.SpillReader, error) {
	if s.removed {
		return nil, fmt.Errorf("read scratch file %s: it is removed", s.f.Name())
	}
	s.read = true
	all := io.NewSectionReader(s.f, 0, s.out.Bytes())
	dec := segment.NewDecoder(s.scratch.mem, s.schema)
	return &spillReader{file: s, in: segment.NewStreamReader(bufio.NewReaderSize(all, spillBuffer), dec, s.out.Blocks())}, nil
}

// Remove deletes the file. Doing so again is no error.
func (s *spillFile) Remove() error {
	if s.removed {
		return nil
	}
	s.removed = true
	if _, open := s.scratch.open[s.f]; !open {
		return nil // the attempt has ended and taken it along
	}
	delete(s.scratch.open, s.f)
	if err := errors.Join(s.f.Close(), os.Remove(s.f.Name())); err != nil {
		return scratchFailure(err)
	}
	return nil
}

// spillReader reads a scratch file in order.
type spillReader struct {
	file *spillFile
	in   *segment.StreamReader // nil once closed
}

// Next is the next batch.
func (r *spillReader) Next() (arrow.Record, error) {
	if r.in == nil {
		return nil, errors.New("read scratch file: the reader is closed")
	}
	rec, err := r.in.Next()
	if err != nil && err != io.EOF {
		return nil, scratchFailure(fmt.Errorf("read %s: %w", r.file.f.Name(), err))
	}
	return rec, err
}

// Close ends reading.
func (r *spillReader) Close() error {
	r.in = nil
	return nil
}
