package shuffle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/quern-engine/quern/shuffle/segment"
)

// Segments up to smallSegment stay in memory, as long as all of them together are no more than smallTotal: a query over
// little data, or the last stage of a large one, should not wait for a file system to make files of some kilobytes.
const (
	smallSegment = 256 << 10
	smallTotal   = 32 << 20
)

// small holds the finished segments that have no file.
type small struct {
	mu    sync.Mutex
	byKey map[string][]byte // by segment name; guarded by mu, contents never change
	total int               // bytes; guarded by mu
}

// put keeps a segment, unless there is no room.
func (s *small) put(name string, content []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total+len(content) > smallTotal {
		return false
	}
	s.byKey[name] = content
	s.total += len(content)
	return true
}

func (s *small) get(name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, ok := s.byKey[name]
	return content, ok
}

// drop forgets the segments whose names begin with prefix, and says whether there were any.
func (s *small) drop(prefix string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := false
	for name, content := range s.byKey {
		if strings.HasPrefix(name, prefix) {
			delete(s.byKey, name)
			s.total -= len(content)
			found = true
		}
	}
	return found
}

// unfinished ends the name of a segment's file until it is finished: until then there is nothing to be read.
const unfinished = ".part"

// lateFile is a segment being written: in memory at first, in a file from the moment that it is too large for that.
type lateFile struct {
	store *Store
	name  string
	early []byte
	file  *os.File
}

var _ segment.Target = (*lateFile)(nil)

// Write appends to the segment.
func (f *lateFile) Write(b []byte) (int, error) {
	if f.file == nil && len(f.early)+len(b) <= smallSegment {
		f.early = append(f.early, b...)
		return len(b), nil
	}
	if err := f.open(); err != nil {
		return 0, err
	}
	return f.file.Write(b)
}

// open moves what there is to a file.
func (f *lateFile) open() (err error) {
	if f.file != nil {
		return nil
	}
	root := f.store.root
	if err := root.Mkdir(path.Dir(f.name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create shuffle segment %s: %w", f.store.path(f.name), err)
	}
	if _, err := root.Lstat(f.name); err == nil {
		return fmt.Errorf("create shuffle segment %s: %w", f.store.path(f.name), fs.ErrExist)
	}
	if f.file, err = root.OpenFile(f.name+unfinished, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return fmt.Errorf("create shuffle segment %s: %w", f.store.path(f.name), err)
	}
	_, err = f.file.Write(f.early)
	f.early = nil
	return err
}

// Close makes the segment readable under its name.
func (f *lateFile) Close() error {
	if f.file == nil && f.store.small.put(f.name, f.early) {
		return nil
	}
	if err := f.open(); err != nil {
		return err
	}
	if err := f.file.Close(); err != nil {
		return err
	}
	return f.store.root.Rename(f.name+unfinished, f.name)
}

// Name is the segment's, for messages.
func (f *lateFile) Name() string {
	if f.file != nil {
		return f.file.Name()
	}
	return f.name
}

// smallSource reads a segment in memory.
type smallSource struct {
	*bytes.Reader
	name string
}

var _ segment.Source = smallSource{}

// Name is the segment's, for messages.
func (s smallSource) Name() string { return s.name }

// Close does nothing: the store may hold the segment for other readers.
func (s smallSource) Close() error { return nil }
