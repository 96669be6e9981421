package consensus

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// hangingStore does not come back from a write until it is let go.
type hangingStore struct {
	raft.LogStore
	letGo chan struct{}
	calls chan struct{}
}

func (s *hangingStore) StoreLogs(logs []*raft.Log) error {
	s.calls <- struct{}{}
	<-s.letGo
	return s.LogStore.StoreLogs(logs)
}

func TestHangingStoreIsAnError(t *testing.T) {
	slow := &hangingStore{LogStore: raft.NewInmemStore(), letGo: make(chan struct{}), calls: make(chan struct{}, 2)}
	s := newTimeoutStore(slow, 20*time.Millisecond)
	entry := &raft.Log{Index: 1}
	if err := s.StoreLog(entry); !errors.Is(err, errStoreHung) {
		t.Errorf("a write that hangs: %v", err)
	}
	<-slow.calls
	if err := s.StoreLog(entry); !errors.Is(err, errStoreHung) || len(slow.calls) > 0 {
		t.Errorf("a write behind one that hangs: %v, and %d reached the disk", err, len(slow.calls))
	}
	close(slow.letGo)
	deadline := time.Now().Add(10 * time.Second)
	for s.StoreLog(entry) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the store works again, but is not used")
		}
	}
	if err := s.close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
