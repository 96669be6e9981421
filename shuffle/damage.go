package shuffle

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"syscall"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

// Whoever reads a segment checks what it reads, and so does the reader to whom a worker sends it. What a worker finds damaged is
// the disk's fault: the segment is removed, nobody reads it again, and its map task runs again. What was sound when it left
// and arrives damaged is the network's, or a memory's on the way: the reader tries a few more times. Nothing that does not
// pass its checksums is ever handed out.

// damagedError says that a segment is bad where it is kept.
type damagedError struct{ cause error }

func (e *damagedError) Error() string {
	return fmt.Sprintf("disk: the segment is damaged and was removed: %v", e.cause)
}

func (e *damagedError) Unwrap() error { return e.cause }

// damages are the segments that were removed: whoever asks for one later is told what became of it. The zero value is ready. It
// is safe for concurrent use.
type damages struct {
	mu     sync.Mutex
	byName map[string]*damagedError // guarded by mu
}

func (d *damages) put(name string, e *damagedError) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byName == nil {
		d.byName = map[string]*damagedError{}
	}
	d.byName[name] = e
}

// get is what became of a segment; nil if nothing did.
func (d *damages) get(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.byName[name]; e != nil {
		return e
	}
	return nil
}

// drop forgets the segments whose names begin with prefix.
func (d *damages) drop(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.byName, func(name string, _ *damagedError) bool { return strings.HasPrefix(name, prefix) })
}

// openSound is Open, and removes a segment whose index is damaged.
func (s *Store) openSound(id plan.AttemptID) (*segment.Reader, error) {
	r, err := s.Open(id)
	if errors.Is(err, segment.ErrCorrupt) {
		r, err = s.Open(id) // what was read may have been damaged on its way from the disk
	}
	switch {
	case errors.Is(err, segment.ErrCorrupt):
		err = s.quarantine(id, err)
	case errors.Is(err, fs.ErrNotExist):
		if name, e := segmentName(id); e == nil {
			err = cmp.Or(s.damages.get(name), err)
		}
	}
	return r, err
}

// check reads a block that was read damaged once more, and removes the segment if it is damaged indeed and not only on its way
// from the disk.
func (s *Store) check(seg *segment.Reader, partition, block int) error {
	if _, _, err := seg.ReadBlock(partition, block, nil); err != nil {
		return s.quarantine(seg.Attempt(), err)
	}
	return nil
}

// quarantine removes a damaged segment. Who has it open finds out by himself.
func (s *Store) quarantine(id plan.AttemptID, cause error) error {
	name, err := segmentName(id)
	if err != nil {
		return err
	}
	damage := &damagedError{cause}
	s.damages.put(name, damage)
	s.indexes.drop(name)
	s.log.Error("a shuffle segment is damaged on disk: it is removed, and its task will run again; if this happens more than once, check the disk",
		"attempt", id.String(), "path", s.path(name), "error", cause)
	if err := s.remove(name); err != nil {
		s.log.Error("a damaged shuffle segment cannot be removed", "path", s.path(name), "error", err)
	}
	return damage
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
