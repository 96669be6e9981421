package operator

import (
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// Scratch is where an operator puts rows that memory has no room for.
type Scratch interface {
	// Create starts an empty file for batches of a schema.
	Create(schema plan.Schema) (SpillFile, error)
}

// SpillFile is a sequence of batches on the scratch disk: written first, read from then on, any number of times. It is
// not safe for concurrent use.
type SpillFile interface {
	// Write appends a batch and keeps no reference to it. A batch may come back as several.
	Write(rec arrow.Record) error
	// Reader reads from the beginning what was written; nothing may be written afterwards. Several readers may be open
	// at a time.
	Reader() (SpillReader, error)
	// Rows is how many rows were written, Bytes how much disk they take.
	Rows() int64
	Bytes() int64
	// Remove deletes the file. Its readers must be closed. What is not removed goes when the attempt ends.
	Remove() error
}

// SpillReader reads a file's batches in the order of writing.
type SpillReader interface {
	// Next is the next batch, which the caller owns, or io.EOF after the last one. Columns may come plain or
	// dictionary-encoded.
	Next() (arrow.Record, error)
	Close() error
}

// tryHold makes the reservation n bytes in all if the task's share allows it. Where it does not, and there is a disk to
// go to, it says so instead of failing.
func (s *stream) tryHold(n int64) (ok bool, err error) {
	err = s.hold(n)
	if err == nil {
		return true, nil
	}
	var f *plan.Failure
	if s.env.Scratch != nil && errors.As(err, &f) && f.Kind == plan.FailureOutOfMemory {
		return false, nil
	}
	return false, err
}

// mustHold makes the reservation n bytes in all whatever the share is: for the few batches that an operator cannot do
// without after it has put everything else on disk.
func (s *stream) mustHold(n int64) {
	if s.env.Memory != nil && n != s.held {
		s.env.Memory.Take(n - s.held)
		s.held = n
	}
}
