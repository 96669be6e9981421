package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

// vault is the disk as raft sees it. What is read was written like that, or the node stops. A write that fails stops it
// too: after a failed sync nobody knows what is on the disk, and to try again would be to believe that it is all
// there. Two troubles are outlived, because nothing is lost by them: a disk that is full, and one that hangs for a while.
//
// Raft panics when it cannot read its log or write its term. So it does not hear of such errors: the goroutine that
// meets one ends where it is, and the node stops raft.
type vault struct {
	store *timeoutStore
	log   *slog.Logger
	fail  func(error) // stops the node
	// applied says of an index that the log's entry there was applied: raft never takes such a one back.
	applied func(uint64) bool
	live    atomic.Bool // raft runs: errors stop the node. Before, they are for the caller

	cut     atomic.Bool            // the end of the log was cut off, and nothing has been stored there yet
	full    atomic.Bool            // the last write found no space
	trouble atomic.Pointer[string] // what is wrong with the disk now, in words
}

var _ backend = (*vault)(nil)

func newVault(b backend, timeout time.Duration, log *slog.Logger, fail func(error), applied func(uint64) bool) *vault {
	v := &vault{log: log, fail: fail, applied: applied}
	v.store = newTimeoutStore(b, timeout, v.slow, v.late)
	return v
}

// slow is told of a disk that hangs, or no longer does.
func (v *vault) slow(err error) {
	if err == nil {
		v.trouble.Store(nil)
		v.log.Warn("the disk of the state directory answers again")
		return
	}
	text := err.Error()
	v.trouble.Store(&text)
	v.log.Error("the disk of the state directory hangs; others lead meanwhile, if there are any", "error", err)
}

// late is told of a call that failed after it was given up.
func (v *vault) late(err error) error {
	if noSpace(err) {
		return nil
	}
	v.fail(v.lost(err))
	return err
}

func (v *vault) lost(err error) error {
	return fmt.Errorf("the disk of the state directory fails, so this coordinator stops rather than guess what is stored: %w", err)
}

// settle decides what becomes of an error. It does not return if that is the end.
func (v *vault) settle(err error) error {
	switch {
	case err == nil:
		if v.full.CompareAndSwap(true, false) {
			v.trouble.Store(nil)
			v.log.Warn("there is space in the state directory again")
		}
		return nil
	case !v.live.Load():
		return err
	case errors.Is(err, ErrClosed):
		runtime.Goexit()
	case errors.Is(err, errStoreHung):
		return err
	case noSpace(err) && !v.cut.Load():
		// Had the end of the log just been cut off, raft would think that it is still there.
		if v.full.CompareAndSwap(false, true) {
			text := "there is no space left in the state directory"
			v.trouble.Store(&text)
			v.log.Error(text+"; this coordinator cannot lead until there is", "error", err)
		}
		return err
	}
	v.fail(v.lost(err))
	runtime.Goexit()
	return err
}

// noSpace knows the errors that say so and leave the file as it was. A failed sync is none of them, whatever it says.
func noSpace(err error) bool {
	var path *fs.PathError
	if errors.As(err, &path) && path.Op == "write" {
		return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	}
	// bbolt keeps no more than the text when it makes its file larger.
	text := err.Error()
	return strings.HasPrefix(text, "file resize error") &&
		(strings.Contains(text, syscall.ENOSPC.Error()) || strings.Contains(text, syscall.EDQUOT.Error()))
}

// StoreLog stores one entry.
func (v *vault) StoreLog(l *raft.Log) error { return v.StoreLogs([]*raft.Log{l}) }

// StoreLogs stores entries.
func (v *vault) StoreLogs(logs []*raft.Log) error {
	safe := make([]*raft.Log, len(logs))
	for i, l := range logs {
		safe[i] = sealed(l)
	}
	err := v.settle(v.store.StoreLogs(safe))
	if err == nil {
		v.cut.Store(false)
	}
	return err
}

// DeleteRange deletes the beginning of the log, which a snapshot has, or its end, which a leader has otherwise.
func (v *vault) DeleteRange(low, high uint64) error {
	last, err := v.store.LastIndex()
	if err != nil {
		return v.settle(err)
	}
	if high < last {
		return v.settle(v.store.DeleteRange(low, high))
	}
	if v.live.Load() && v.applied(low) {
		v.fail(fmt.Errorf("the leader has another log entry %d than this coordinator has applied: it belongs to another cluster, "+
			"or to coordinators that have lost their disks and begun anew; this one must not go on with it", low))
		runtime.Goexit()
	}
	undo := func() error { return errors.New("the end of the log was cut off after the disk had hung") }
	err = v.settle(v.store.deleteRange(low, high, undo))
	if err == nil {
		v.cut.Store(true)
	}
	return err
}

// GetLog reads an entry.
func (v *vault) GetLog(index uint64, l *raft.Log) error {
	err := v.read(func() error {
		if err := v.store.GetLog(index, l); err != nil {
			return err
		}
		return unseal(index, l)
	})
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
		return v.settle(fmt.Errorf("log entry %d: %w", index, err))
	}
	return err
}

func (v *vault) read(f func() error) error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return recovered(f)
}

// FirstIndex is that of the first entry, 0 if there is none.
func (v *vault) FirstIndex() (index uint64, err error) {
	err = v.settleRead(v.read(func() (err error) { index, err = v.store.FirstIndex(); return err }))
	return index, err
}

// LastIndex is that of the last entry, 0 if there is none.
func (v *vault) LastIndex() (index uint64, err error) {
	err = v.settleRead(v.read(func() (err error) { index, err = v.store.LastIndex(); return err }))
	return index, err
}

// settleRead is settle for reading, which tells nothing about space.
func (v *vault) settleRead(err error) error {
	if err == nil {
		return nil
	}
	return v.settle(err)
}

// Set stores a value, and waits for as long as the disk hangs or is full: see timeoutStore.
func (v *vault) Set(key, value []byte) error {
	for {
		err := v.store.patiently(func() error { return v.store.backend.Set(key, sealValue(key, value)) })
		if err = v.settle(err); err == nil || !v.live.Load() {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-v.store.leave:
		}
	}
}

// Get reads a value.
func (v *vault) Get(key []byte) (value []byte, err error) {
	missing := false
	err = v.read(func() error {
		stored, err := v.store.Get(key)
		if err != nil {
			missing = err.Error() == "not found" // as raft itself tells it
			return err
		}
		value, err = unsealValue(key, stored)
		return err
	})
	if missing {
		return nil, err
	}
	return value, v.settleRead(err)
}

// SetUint64 stores a number.
func (v *vault) SetUint64(key []byte, value uint64) error {
	return v.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 reads a number.
func (v *vault) GetUint64(key []byte) (uint64, error) {
	value, err := v.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, v.settleRead(fmt.Errorf("%w: %s has %d bytes", errDamaged, key, len(value)))
	}
	return binary.BigEndian.Uint64(value), nil
}
