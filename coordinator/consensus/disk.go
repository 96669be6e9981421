package consensus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// keyNode is where a state directory says whose it is.
var keyNode = []byte("QuernNode")

// DamageError says that a state directory must not be used, and what to do.
type DamageError struct {
	ID    string
	Path  string
	Index uint64 // of the log entry, 0 if it is not about one
	Err   error
}

// Error is the message.
func (e *DamageError) Error() string {
	where := ""
	if e.Index > 0 {
		where = fmt.Sprintf(" at log index %d", e.Index)
	}
	return fmt.Sprintf("coordinator %s does not start on %s, which is damaged%s: %v. "+
		"If the other coordinators are well, move the state directory away, 'quern cluster remove %s', and start it with --join; "+
		"a coordinator that is alone needs a copy of its state directory from before",
		e.ID, e.Path, where, e.Err, e.ID)
}

// Unwrap is what was found.
func (e *DamageError) Unwrap() error { return e.Err }

// openDisk opens a state directory that has passed its inspection.
func (n *Node) openDisk(o Options, logger *logger) (raft.SnapshotStore, error) {
	bolt, err := openBolt(logPath(o), o)
	if err != nil {
		return nil, err
	}
	n.bolt = bolt
	n.vault = newVault(o.wrap(bolt), o.StoreTimeout, o.Log, n.fail, n.hasApplied)
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(o.Dir, 2, logger)
	if err != nil {
		return nil, fmt.Errorf("open snapshots in %s: %w", o.Dir, err)
	}
	return snapshots, n.inspect(o, snapshots)
}

func openBolt(path string, o Options) (*raftboltdb.BoltStore, error) {
	options := raftboltdb.Options{
		Path: path, NoSync: o.Volatile,
		// Another process that holds the file is a mistake to be told at once, not to be waited for.
		BoltOptions: &bbolt.Options{Timeout: time.Second, NoSync: o.Volatile, NoFreelistSync: true},
	}
	// The lock comes first: a file that another process writes is never whole to a reader.
	options.BoltOptions.OpenFile = func(path string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(path, flag, mode)
		if err != nil {
			return nil, err
		}
		if err := lockNow(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if err := vetFile(path); err != nil {
			return nil, errors.Join(&DamageError{ID: o.ID, Path: path, Err: err}, f.Close())
		}
		return f, nil
	}
	bolt, err := raftboltdb.New(options)
	var damage *DamageError
	switch {
	case err == nil, errors.As(err, &damage):
		return bolt, err
	case errors.Is(err, bbolterrors.ErrTimeout), errors.Is(err, syscall.EWOULDBLOCK):
		return nil, fmt.Errorf("open log store %s: another process uses this state directory: %w", path, err)
	}
	return nil, fmt.Errorf("open log store %s: %w", path, err)
}

// lockNow takes the lock that bbolt takes again right after.
func lockNow(f *os.File) error {
	for end := time.Now().Add(time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// inspect reads the whole log, so that damage is told now and not when the entry is needed, and sees that log and
// snapshots together hold all that they once held.
func (n *Node) inspect(o Options, snapshots raft.SnapshotStore) error {
	dir := filepath.Join(o.Dir, "snapshots")
	newest, err := sweepSnapshots(dir)
	if err != nil {
		return err
	}
	usable, err := usableSnapshot(snapshots)
	if err != nil {
		return fmt.Errorf("list snapshots in %s: %w", dir, err)
	}
	if newest > 0 && !n.hasTerm() {
		return &DamageError{ID: o.ID, Path: logPath(o), Err: fmt.Errorf(
			"%w: it is empty, and there is a snapshot up to index %d", errDamaged, newest)}
	}
	first, err := n.vault.FirstIndex()
	if err != nil {
		return &DamageError{ID: o.ID, Path: logPath(o), Err: err}
	}
	last, err := n.vault.LastIndex()
	if err != nil {
		return &DamageError{ID: o.ID, Path: logPath(o), Err: err}
	}
	for index := first; index > 0 && index <= last; index++ {
		err := n.vault.GetLog(index, new(raft.Log))
		if errors.Is(err, raft.ErrLogNotFound) && index <= usable {
			continue // a follower that got a snapshot went on behind it
		}
		if err != nil {
			return &DamageError{ID: o.ID, Path: logPath(o), Index: index, Err: err}
		}
	}
	// A snapshot that cannot be read is made up for by an older one and the log that follows.
	if need := max(newest, last); need > usable && (last < need || first > usable+1) {
		return &DamageError{ID: o.ID, Path: dir, Err: fmt.Errorf(
			"%w: snapshots can be read up to index %d of %d, and the log has %d to %d", errDamaged, usable, newest, first, last)}
	}
	if usable < newest {
		o.Log.Warn("the newest snapshot is damaged: an older one is used, and the log", "directory", dir, "newest", newest, "usable", usable)
	}
	return nil
}

// hasTerm reports that raft has been here: with a log that has gone, its term and its vote have, too, and it could vote
// twice.
func (n *Node) hasTerm() bool {
	_, err := n.vault.Get([]byte("CurrentTerm"))
	return err == nil
}

func logPath(o Options) string { return filepath.Join(o.Dir, "raft.db") }

// usableSnapshot is the index of the newest snapshot whose checksum is right.
func usableSnapshot(snapshots raft.SnapshotStore) (uint64, error) {
	list, err := snapshots.List()
	if err != nil {
		return 0, err
	}
	for _, s := range list {
		if _, content, err := snapshots.Open(s.ID); err == nil {
			return s.Index, content.Close()
		}
	}
	return 0, nil
}

// sweepSnapshots deletes those that a crash has left unfinished, and returns the index of the newest by its name.
func sweepSnapshots(dir string) (newest uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("list snapshots: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return 0, fmt.Errorf("remove unfinished snapshot: %w", err)
			}
			continue
		}
		parts := strings.Split(e.Name(), "-") // term, index, time
		if len(parts) != 3 {
			continue
		}
		if index, err := strconv.ParseUint(parts[1], 10, 64); err == nil {
			newest = max(newest, index)
		}
	}
	return newest, nil
}

// owner is whose the state directory is, empty if it does not say.
func (n *Node) owner(o Options) (string, error) {
	owner, err := n.note(o, keyNode)
	if err == nil && owner != nil && string(owner) != o.ID {
		return "", fmt.Errorf("state directory %s belongs to coordinator %s, not to %s", o.Dir, owner, o.ID)
	}
	return string(owner), err
}

// note is what a state directory says under a key, nil if it says nothing.
func (n *Node) note(o Options, key []byte) ([]byte, error) {
	value, err := n.vault.Get(key)
	switch {
	case err == nil:
		return value, nil
	case err.Error() == "not found":
		return nil, nil
	}
	return nil, &DamageError{ID: o.ID, Path: logPath(o), Err: err}
}
