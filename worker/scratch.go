package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lockSuffix ends the name of a lock file: worker w keeps its data in the folder w and holds the lock w.lock beside it.
const lockSuffix = ".lock"

// spillFolder is the part of a worker's folder where its attempts put what they have no memory for.
const spillFolder = "spill"

// scratch is a worker's own folder below the scratch folder that it may share with other workers of the machine. A file
// lock, which the kernel drops however a process ends, tells folders in use from those that a killed worker left.
type scratch struct {
	dir  string
	lock *os.File
}

// openScratch makes a fresh, empty folder for the worker, and removes what workers that are gone have left in root.
func openScratch(root, worker string) (*scratch, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	if err := sweep(root); err != nil {
		return nil, fmt.Errorf("clean scratch folder: %w", err)
	}
	dir := filepath.Join(root, worker)
	lock, err := takeLock(dir + lockSuffix)
	if err != nil {
		return nil, err
	}
	s := &scratch{dir: dir, lock: lock}
	if err := os.RemoveAll(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("clean scratch folder: %w", err), s.release())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("make scratch folder: %w", err), s.release())
	}
	return s, nil
}

// close removes the folder and gives the lock back.
func (s *scratch) close() error {
	return errors.Join(os.RemoveAll(s.dir), s.release())
}

// release removes the lock file while still holding its lock, so that nobody takes a lock on a name that is going.
func (s *scratch) release() error {
	return errors.Join(os.Remove(s.lock.Name()), s.lock.Close())
}

var errLocked = errors.New("another process uses it")

// lockTime is how long a lock that somebody else holds is asked for again. A sweeper holds it for as long as it takes to
// remove a folder; so does a process that is being started, until its copies of descriptors close.
const lockTime = 2 * time.Second

// takeLock creates the lock file and locks it. A sweeper may lock or remove the file between the two steps, so it looks
// again and starts over when the name no longer leads to the file it holds.
func takeLock(path string) (*os.File, error) {
	for end := time.Now().Add(lockTime); ; time.Sleep(5 * time.Millisecond) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock scratch folder: %w", err)
		}
		err = lockFile(f)
		if err == nil {
			return f, nil
		}
		closing := f.Close()
		again := (errors.Is(err, fs.ErrNotExist) || errors.Is(err, errLocked)) && time.Now().Before(end)
		if !again || closing != nil {
			return nil, errors.Join(fmt.Errorf("lock scratch folder %s: %w", strings.TrimSuffix(path, lockSuffix), err), closing)
		}
	}
}

// lockFile takes the lock of an open file, or fails with errLocked when somebody has it, or with fs.ErrNotExist when
// the name has come to mean another file.
func lockFile(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return errLocked
		}
		return err
	}
	held, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(f.Name())
	if err != nil {
		return err
	}
	if !os.SameFile(held, named) {
		return fs.ErrNotExist
	}
	return nil
}

// sweep removes the folders of workers that no longer hold their lock. It touches nothing that has no lock file.
func sweep(root string) error {
	locks, err := filepath.Glob(filepath.Join(escapeGlob(root), "*"+lockSuffix))
	if err != nil {
		return err
	}
	for _, path := range locks {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if lockFile(f) != nil {
			if err := f.Close(); err != nil {
				return err
			}
			continue
		}
		left := &scratch{dir: strings.TrimSuffix(path, lockSuffix), lock: f}
		if err := left.close(); err != nil {
			return err
		}
	}
	return nil
}

// escapeGlob makes a path mean itself in a glob pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
