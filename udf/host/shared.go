package host

import (
	"os"
	"sync"

	"github.com/quern-engine/quern/udf/udfpb"
)

// A process shares so much memory with the host, in slots: each is for one batch at a time, in each direction. Pages that no
// batch has come to are not there.
const (
	sharedSlots = 4
	slotSize    = 16 << 20
)

// shared is memory that one process and the host share.
type shared struct {
	args    []byte // the host writes, the process reads
	results []byte // the other way
	files   []*os.File

	slots  chan int // those that are free
	closed chan struct{}
	once   sync.Once
}

// newShared makes it; nil where that cannot be: then batches go in messages.
func newShared() *shared {
	s, err := mapShared(sharedSlots * slotSize)
	if err != nil {
		return nil
	}
	s.slots, s.closed = make(chan int, sharedSlots), make(chan struct{})
	for i := range sharedSlots {
		s.slots <- i
	}
	return s
}

// closeFiles closes the host's descriptors: the process has its own.
func (s *shared) closeFiles() {
	if s == nil {
		return
	}
	for _, f := range s.files {
		f.Close()
	}
	s.files = nil
}

// take gets a slot; false if there is none free. Give it back with give.
func (s *shared) take() (offset int, ok bool) {
	if s == nil {
		return 0, false
	}
	select {
	case <-s.closed:
		return 0, false
	default:
	}
	select {
	case slot := <-s.slots:
		return slot * slotSize, true
	default:
		return 0, false
	}
}

func (s *shared) give(offset int) { s.slots <- offset / slotSize }

// room is the slot, for the process.
func room(offset int) *udfpb.Extent { return &udfpb.Extent{Offset: uint64(offset), Length: slotSize} }

// close gives the memory back, once nobody is at it any more. Whoever holds a slot must not call it.
func (s *shared) close() {
	if s == nil {
		return
	}
	s.once.Do(func() {
		close(s.closed)
		for range sharedSlots {
			<-s.slots
		}
		s.unmap()
	})
}
