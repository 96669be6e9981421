package consensus

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// hangingStore does not come back from a write until it is let go.
type hangingStore struct {
	backend
	letGo chan struct{}
	calls chan struct{}
}

func (s *hangingStore) StoreLogs(logs []*raft.Log) error {
	s.calls <- struct{}{}
	<-s.letGo
	return s.backend.StoreLogs(logs)
}

func TestHangingStoreIsAnError(t *testing.T) {
	slow := &hangingStore{backend: raft.NewInmemStore(), letGo: make(chan struct{}), calls: make(chan struct{}, 2)}
	told := make(chan error, 2)
	s := newTimeoutStore(slow, 20*time.Millisecond, func(err error) { told <- err }, func(err error) error { return err })
	entry := &raft.Log{Index: 1}
	if err := s.StoreLog(entry); !errors.Is(err, errStoreHung) {
		t.Errorf("a write that hangs: %v", err)
	}
	<-slow.calls
	if err := <-told; !errors.Is(err, errStoreHung) {
		t.Errorf("said of it: %v", err)
	}
	if err := s.StoreLog(entry); !errors.Is(err, errStoreHung) || len(slow.calls) > 0 {
		t.Errorf("a write behind one that hangs: %v, and %d reached the disk", err, len(slow.calls))
	}
	close(slow.letGo)
	if err := <-told; err != nil {
		t.Errorf("said of its end: %v", err)
	}
	if last, err := s.LastIndex(); last != 0 || err != nil {
		t.Errorf("what was given up is in the log, up to %d (%v)", last, err)
	}
	if err := s.StoreLog(entry); err != nil {
		t.Errorf("the store works again, but is not used: %v", err)
	}
	if err := s.close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// A call that fails after it was given up is told all the same: nobody knows what is on the disk then.
func TestLateFailureIsTold(t *testing.T) {
	slow := &hangingStore{backend: failingStore{raft.NewInmemStore()}, letGo: make(chan struct{}), calls: make(chan struct{}, 1)}
	late := make(chan error, 1)
	s := newTimeoutStore(slow, time.Millisecond, func(error) {}, func(err error) error { late <- err; return err })
	if err := s.StoreLog(&raft.Log{Index: 1}); !errors.Is(err, errStoreHung) {
		t.Errorf("a write that hangs: %v", err)
	}
	close(slow.letGo)
	if err := <-late; !errors.Is(err, errIO) {
		t.Errorf("late: %v", err)
	}
	if err := s.close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

var errIO = errors.New("input/output error")

type failingStore struct{ backend }

func (failingStore) StoreLogs([]*raft.Log) error { return errIO }
