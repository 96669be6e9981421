package shuffle

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

// Damage is met in three steps. A reader to whom something damaged came asks for it again, and has the worker that it came
// from check its own copy. If that is bad the disk is to blame, and the segment is removed: nobody reads it again, and its map
// task runs again. If it is sound the network, or a memory on the way, is to blame, and the reader tries a few more times.
// Nothing that does not pass its checksums is ever handed out.

// damagedError says that a segment is bad where it is kept.
type damagedError struct{ cause error }

func (e *damagedError) Error() string {
	return fmt.Sprintf("disk: the segment is damaged and was removed: %v", e.cause)
}

func (e *damagedError) Unwrap() error { return e.cause }

// openSound is Open, and removes a segment whose index is damaged.
func (s *Store) openSound(id plan.AttemptID) (*segment.Reader, error) {
	r, err := s.Open(id)
	if errors.Is(err, segment.ErrCorrupt) {
		r, err = s.Open(id) // what was read may have been damaged on its way from the disk
	}
	if errors.Is(err, segment.ErrCorrupt) {
		err = s.quarantine(id, err)
	}
	return r, err
}

// check reads some blocks of a partition, and removes a segment that has a bad one.
func (s *Store) check(seg *segment.Reader, partition, from, to int) error {
	var buf []byte
	for block := from; block < to; block++ {
		var err error
		if _, buf, err = seg.ReadBlock(partition, block, buf); err != nil {
			_, buf, err = seg.ReadBlock(partition, block, buf)
		}
		if err != nil {
			return s.quarantine(seg.Attempt(), err)
		}
	}
	return nil
}

// quarantine removes a damaged segment. Who has it open finds out by himself.
func (s *Store) quarantine(id plan.AttemptID, cause error) error {
	name, err := segmentName(id)
	if err != nil {
		return err
	}
	s.indexes.drop(name)
	s.log.Error("a shuffle segment is damaged on disk: it is removed, and its task will run again; if this happens more than once, check the disk",
		"attempt", id.String(), "path", s.path(name), "error", cause)
	if err := s.remove(name); err != nil {
		s.log.Error("a damaged shuffle segment cannot be removed", "path", s.path(name), "error", err)
	}
	return &damagedError{cause}
}

// lacksFiles reports that the process, or the machine, has no file descriptors left: nothing is wrong with what it was to read.
func lacksFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// codeOf says in a mark why a segment cannot be sent.
func codeOf(err error) markCode {
	switch damaged := (*damagedError)(nil); {
	case errors.Is(err, fs.ErrNotExist):
		return codeMissing
	case errors.As(err, &damaged):
		return codeDamaged
	case lacksFiles(err):
		return codeBusy
	}
	return codeUnusable
}
