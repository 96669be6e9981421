package storage

import (
	"context"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/quern-engine/quern/plan"
)

// Info describes a file.
type Info struct {
	URL  string
	Size int64
	// ETag changes when the content does: the store's own, or made of size, modification time and inode.
	ETag string
	// Modified is when the file was written, as the store has it: to the second in object stores.
	Modified time.Time
}

// ReaderAtCloser reads ranges of a file. Reads may run concurrently.
type ReaderAtCloser interface {
	io.ReaderAt
	io.Closer
}

// Store opens files. It is safe for concurrent use; Close it when nothing uses it any more.
type Store struct {
	backoff []time.Duration // waits between tries of a read; one more try than waits
	// patience is how long one try may take. Why not shorter: a slow store is better than none, and a request is of at most
	// requestBytes. Why not longer: what hangs holds a slot.
	patience time.Duration
	page     int // objects that a request lists
	memo     memo
	inputs   atomic.Pointer[inputCache] // nil: none
	ahead    *semaphore.Weighted        // bytes that may be read ahead
	tallies  tallies

	mu      sync.Mutex
	buckets map[string]*bucket // by scheme, host and query
	closed  bool
}

// New returns a store. It opens nothing until it is asked to.
func New() *Store {
	return &Store{
		// Why not longer: a task that fails is retried elsewhere after this anyway. Why not shorter: throttling answers
		// ask for about this much.
		backoff:  []time.Duration{50 * time.Millisecond, 250 * time.Millisecond, time.Second},
		patience: time.Minute,
		ahead:    semaphore.NewWeighted(aheadBytes),
		page:     defaultPage,
		buckets:  map[string]*bucket{},
	}
}

// LimitAhead sets how many bytes the store holds at most of what was read before it was asked for (32 MiB). It is to be called before
// anything is opened.
func (s *Store) LimitAhead(bytes int64) { s.ahead = semaphore.NewWeighted(bytes) }

// driver is what a scheme must be able to do. The location is the parsed URL: a path or a key.
type driver interface {
	// stat describes a file; a folder is not a file.
	stat(ctx context.Context, u *url.URL) (Info, error)
	// list visits the files below u, in no particular order; what fails for a reason that may pass is tried again.
	list(ctx context.Context, u *url.URL, q search) error
	// level names the folders and the files right in the folder u.
	level(ctx context.Context, u *url.URL) (folders, files []string, err error)
	// children names what lies directly in the folder u, for suggestions.
	children(ctx context.Context, u *url.URL) []string
	readerAt(ctx context.Context, u *url.URL, size int64) (ReaderAtCloser, error)
	create(ctx context.Context, u *url.URL) (upload, error)
	remove(ctx context.Context, u *url.URL) error
	removeTree(ctx context.Context, u *url.URL) error // tries again by itself
}

// search says what to list of a folder. Relative paths are split into elements.
type search struct {
	head  string                                // what the relative paths begin with; a store may list more than that
	enter func(elems []string) bool             // which folders to enter, where the store has folders at all
	visit func(elems []string, info Info) error // called for each file, one call at a time; an error ends the listing
	// long, if it is not nil, is asked first where it may take fewer requests to list some of the folders in u one by one than all
	// at once: about how many of them a request goes through, and the name of one, if that is known. An error ends the listing.
	long func(folders int, name string) error
}

// upload is a file being written.
type upload interface {
	io.Writer
	commit(ctx context.Context) error
	discard()
}

// open finds the driver of a URL.
func (s *Store) open(ctx context.Context, rawURL string) (driver, *url.URL, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	u, err := parse(rawURL)
	if err != nil {
		return nil, nil, err
	}
	if u.Scheme == schemeFile {
		return counted{local{s}, s.tallies.of(schemeFile)}, u, nil
	}
	b, err := s.bucket(ctx, u)
	return counted{b, s.tallies.of(u.Scheme)}, u, err
}

// Stat describes one file.
func (s *Store) Stat(ctx context.Context, rawURL string) (Info, error) {
	d, u, err := s.open(ctx, rawURL)
	if err != nil {
		return Info{}, err
	}
	var info Info
	err = s.retry(ctx, func(ctx context.Context) (err error) {
		info, err = d.stat(ctx, u)
		return err
	})
	return info, err
}

// List returns the files below a folder at any depth, sorted by URL. Path elements below it that begin with '_' or '.'
// are skipped: markers, manifests, and files that are still being written. A folder that is not there has no files.
func (s *Store) List(ctx context.Context, prefixURL string) ([]Info, error) {
	d, u, err := s.open(ctx, prefixURL)
	if err != nil {
		return nil, err
	}
	found, _, err := s.list(ctx, d, u, search{enter: everything}, everything)
	if err != nil {
		return nil, err
	}
	sortInfos(found)
	return found, nil
}

func everything([]string) bool { return true }

// Tree returns all files below a folder at any depth, sorted by URL, those that [Store.List] skips included. A folder that is not
// there has no files.
func (s *Store) Tree(ctx context.Context, prefixURL string) ([]Info, error) {
	d, u, err := s.open(ctx, prefixURL)
	if err != nil {
		return nil, err
	}
	var found []Info
	err = d.list(ctx, u, search{enter: everything, visit: func(_ []string, info Info) error {
		found = append(found, info)
		return ctx.Err()
	}})
	if err != nil {
		return nil, err
	}
	sortInfos(found)
	return found, nil
}

func sortInfos(infos []Info) {
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.URL, b.URL) })
}

// ReaderAt opens a file of a known size. Reads fail once ctx is done. A local file that no longer has this size is
// refused.
func (s *Store) ReaderAt(ctx context.Context, rawURL string, size int64) (ReaderAtCloser, error) {
	d, u, err := s.open(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	return d.readerAt(ctx, u, size)
}

// Get reads a whole file.
func (s *Store) Get(ctx context.Context, rawURL string) ([]byte, error) {
	info, err := s.Stat(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	r, err := s.ReaderAt(ctx, rawURL, info.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, info.Size)
	if len(data) == 0 {
		return data, nil
	}
	if n, err := r.ReadAt(data, 0); n < len(data) {
		return nil, plan.Failf(plan.FailureStorage, "read %s: got %d of %d bytes: %w", Display(rawURL), n, len(data), err)
	}
	return data, nil
}

// Delete removes a file. A file that is not there is no error.
func (s *Store) Delete(ctx context.Context, rawURL string) error {
	d, u, err := s.open(ctx, rawURL)
	if err != nil {
		return err
	}
	return s.retry(ctx, func(ctx context.Context) error { return d.remove(ctx, u) })
}

// DeleteTree removes every file below a folder, those that List skips included. On a local disk it also removes the
// folder, and then the folders above it that this leaves empty, up to the first that is not, or that holds the working
// folder. A folder that is not there is no error.
func (s *Store) DeleteTree(ctx context.Context, prefixURL string) error {
	d, u, err := s.open(ctx, prefixURL)
	if err != nil {
		return err
	}
	if len(elements(u.Path)) == 0 {
		return plan.Failf(plan.FailureUser, "refused to delete everything in %s", Display(prefixURL))
	}
	return d.removeTree(ctx, u)
}

// Close closes connections. The contents of mem:// buckets are gone after it.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var first error
	if c := s.inputs.Load(); c != nil {
		first = c.close()
	}
	for key, b := range s.buckets {
		if err := b.close(); err != nil && first == nil {
			first = err
		}
		delete(s.buckets, key)
	}
	return first
}
