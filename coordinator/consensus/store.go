package consensus

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// timeoutStore bounds how long writing the log may take. Raft writes the log on the goroutine that leads, while its
// heartbeats go on elsewhere: a disk that hangs would leave the cluster with a leader that lives and does nothing. With
// an error the leader steps down, and another with a working disk takes over.
type timeoutStore struct {
	raft.LogStore
	timeout time.Duration
	work    chan func()
	stop    chan struct{}
	done    chan struct{} // closed when the worker has ended

	mu   sync.Mutex
	hung bool // the worker is still busy with a call that was given up
}

var _ raft.LogStore = (*timeoutStore)(nil)

var errStoreHung = errors.New("the log store does not answer: is the disk of the state directory in order?")

func newTimeoutStore(s raft.LogStore, timeout time.Duration) *timeoutStore {
	t := &timeoutStore{LogStore: s, timeout: timeout, work: make(chan func()), stop: make(chan struct{}), done: make(chan struct{})}
	go t.run()
	return t
}

// run is the one goroutine that writes, so that a call which was given up and the next one never overlap.
func (t *timeoutStore) run() {
	defer close(t.done)
	for {
		select {
		case f := <-t.work:
			f()
		case <-t.stop:
			return
		}
	}
}

// StoreLog stores one entry.
func (t *timeoutStore) StoreLog(l *raft.Log) error { return t.StoreLogs([]*raft.Log{l}) }

// StoreLogs stores entries.
func (t *timeoutStore) StoreLogs(logs []*raft.Log) error {
	return t.bound(func() error { return t.LogStore.StoreLogs(logs) })
}

// DeleteRange deletes entries.
func (t *timeoutStore) DeleteRange(low, high uint64) error {
	return t.bound(func() error { return t.LogStore.DeleteRange(low, high) })
}

func (t *timeoutStore) bound(f func() error) error {
	if t.isHung() {
		return errStoreHung
	}
	result := make(chan error, 1)
	timer := time.NewTimer(t.timeout)
	defer timer.Stop()
	finished := false // guarded by t.mu
	call := func() {
		err := f()
		t.mu.Lock()
		finished, t.hung = true, false
		t.mu.Unlock()
		result <- err
	}
	select {
	case t.work <- call:
	case <-t.stop:
		return ErrClosed
	case <-timer.C:
		return errStoreHung
	}
	select {
	case err := <-result:
		return err
	case <-timer.C:
	}
	t.mu.Lock()
	t.hung = !finished
	t.mu.Unlock()
	return fmt.Errorf("write log: nothing after %v: %w", t.timeout, errStoreHung)
}

func (t *timeoutStore) isHung() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hung
}

// close ends the worker. One that hangs in a system call cannot be ended: it is given up after the timeout.
func (t *timeoutStore) close() error {
	close(t.stop)
	timer := time.NewTimer(t.timeout)
	defer timer.Stop()
	select {
	case <-t.done:
		return nil
	case <-timer.C:
		return errStoreHung
	}
}
