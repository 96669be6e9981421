package secure

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
)

// watched is what some files say. It looks at them at each use, which costs a stat, so that a change counts at once;
// what cannot be read, or is half written, changes nothing.
type watched[T any] struct {
	paths []string
	read  func() (T, error)
	log   *slog.Logger

	mu    sync.Mutex
	value T
	seen  []fs.FileInfo // the files that were read last, whether that went well or not
}

// watch reads the files for the first time.
func watch[T any](log *slog.Logger, paths []string, read func() (T, error)) (*watched[T], error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &watched[T]{paths: paths, read: read, log: log}
	seen, err := w.look()
	if err != nil {
		return nil, err
	}
	if w.value, err = read(); err != nil {
		return nil, err
	}
	w.seen = seen
	return w, nil
}

// look is taken before the files are read: what changes in between is noticed the next time.
func (w *watched[T]) look() ([]fs.FileInfo, error) {
	infos := make([]fs.FileInfo, len(w.paths))
	for i, path := range w.paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		infos[i] = info
	}
	return infos, nil
}

// get is what the files say now, or said when they could last be read.
func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	infos, err := w.look()
	if err != nil || slices.EqualFunc(infos, w.seen, sameFile) {
		return w.value // gone for the moment: it is being replaced
	}
	w.seen = infos
	value, err := w.read()
	if err != nil {
		w.log.Error("changed credentials cannot be used; the old ones stay", "error", err)
		return w.value
	}
	w.log.Info("read changed credentials", "files", w.paths)
	w.value = value
	return value
}

func sameFile(a, b fs.FileInfo) bool {
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// readSecret reads a file that not everybody on the machine may read.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s is open to everybody (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	if info.Size() > maxSecret {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that a file of secrets may have", path, info.Size(), maxSecret)
	}
	data := make([]byte, info.Size())
	n, err := f.ReadAt(data, 0)
	if n < len(data) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

const maxSecret = 1 << 20
