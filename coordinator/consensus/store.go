package consensus

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// timeoutStore bounds how long writing the log may take. Raft writes the log on the goroutine that leads, while its
// heartbeats go on elsewhere: a disk that hangs would leave the cluster with a leader that lives and does nothing. With
// an error the leader steps down, and another with a working disk takes over.
//
// What is written beside the log, terms and votes, has no such way out: there the caller waits, and with it all that
// this node could do in the cluster, which goes on without it.
type timeoutStore struct {
	backend
	timeout time.Duration
	slow    func(error)       // told when a call has taken longer than timeout, and with nil when it has returned after all
	late    func(error) error // told how a call ended that was given up, if with an error
	work    chan func()
	leave   chan struct{} // closed when nobody is to wait for long any more
	stop    chan struct{}
	done    chan struct{} // closed when the worker has ended

	mu   sync.Mutex
	hung bool // the worker is still busy with a call that was given up
}

var errStoreHung = errors.New("the log store does not answer: is the disk of the state directory in order?")

func newTimeoutStore(b backend, timeout time.Duration, slow func(error), late func(error) error) *timeoutStore {
	t := &timeoutStore{
		backend: b, timeout: timeout, slow: slow, late: late,
		work: make(chan func()), leave: make(chan struct{}), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go t.run()
	return t
}

// run is the one goroutine that writes, so that a call which was given up and the next one never overlap.
func (t *timeoutStore) run() {
	defer close(t.done)
	debug.SetPanicOnFault(true) // see recovered
	for {
		select {
		case f := <-t.work:
			f()
		case <-t.stop:
			return
		}
	}
}

// recovered calls f, and makes an error of a panic: bbolt asserts what it expects in its file, and a file that was cut
// is a fault of memory, since it is mapped. The caller has called debug.SetPanicOnFault.
func recovered(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return f()
}

// StoreLog stores one entry.
func (t *timeoutStore) StoreLog(l *raft.Log) error { return t.StoreLogs([]*raft.Log{l}) }

// StoreLogs stores entries, which follow the last one. Those that a call which was given up has stored in the end are
// deleted again: raft does not count on them.
func (t *timeoutStore) StoreLogs(logs []*raft.Log) error {
	undo := func() error { return t.backend.DeleteRange(logs[0].Index, logs[len(logs)-1].Index) }
	return t.bound(func() error { return t.backend.StoreLogs(logs) }, undo)
}

// DeleteRange deletes entries.
func (t *timeoutStore) DeleteRange(low, high uint64) error {
	return t.deleteRange(low, high, func() error { return nil })
}

func (t *timeoutStore) deleteRange(low, high uint64, undo func() error) error {
	return t.bound(func() error { return t.backend.DeleteRange(low, high) }, undo)
}

// bound calls f for at most the timeout. Should f succeed after that, it is undone.
func (t *timeoutStore) bound(f, undo func() error) error {
	if t.isHung() {
		return errStoreHung
	}
	result := make(chan error, 1)
	timer := time.NewTimer(t.timeout)
	defer timer.Stop()
	var finished, abandoned bool // guarded by t.mu
	call := func() {
		err := recovered(f)
		t.mu.Lock()
		finished = true
		givenUp := abandoned
		t.mu.Unlock()
		if givenUp {
			t.resume(err, undo)
		}
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
	abandoned = !finished
	t.hung = abandoned
	t.mu.Unlock()
	if !abandoned {
		return <-result
	}
	err := fmt.Errorf("write log: nothing after %v: %w", t.timeout, errStoreHung)
	t.slow(err)
	return err
}

// resume ends a call that was given up.
func (t *timeoutStore) resume(err error, undo func() error) {
	if err == nil {
		err = recovered(undo)
	}
	if err != nil {
		err = t.late(err)
	}
	t.mu.Lock()
	t.hung = false
	t.mu.Unlock()
	if err == nil {
		t.slow(nil)
	}
}

func (t *timeoutStore) isHung() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hung
}

// patiently calls f on the worker however long it takes.
func (t *timeoutStore) patiently(f func() error) error {
	result := make(chan error, 1)
	timer := time.NewTimer(t.timeout)
	defer timer.Stop()
	work, told := t.work, false
	for {
		select {
		case work <- func() { result <- recovered(f) }:
			work = nil
		case err := <-result:
			if told {
				t.slow(nil)
			}
			return err
		case <-timer.C:
			told = true
			t.slow(fmt.Errorf("write term or vote: nothing after %v: %w", t.timeout, errStoreHung))
		case <-t.leave:
			return ErrClosed
		}
	}
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
