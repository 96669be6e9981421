package shuffle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

// storeFolder is the part of the scratch folder that is the store's, so that Clean touches nothing else.
const storeFolder = "shuffle"

// Store keeps segments below a worker's scratch folder, as shuffle/run/stage-task-attempt.seg. Ids come from the
// network: the store validates them, and os.Root holds it inside its folder whatever they say. It is safe for
// concurrent use.
type Store struct {
	root  *os.Root
	log   *slog.Logger
	small *small // nil: every segment has a file
	kept  *kept  // nil: every output is a segment

	indexes indexes // of segments that have a file
	damages damages
	served  atomic.Int64 // bytes sent to readers
}

// NewStore opens the store below a scratch folder, which is made if need be. What an earlier process left is still
// there: call Clean to be rid of it.
func NewStore(scratch string) (*Store, error) {
	dir := filepath.Join(scratch, storeFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open shuffle store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open shuffle store: %w", err)
	}
	return &Store{root: root, log: slog.New(slog.DiscardHandler)}, nil
}

// LogTo has the store tell of damage.
func (s *Store) LogTo(log *slog.Logger) { s.log = log }

// Served is how many bytes were sent to readers.
func (s *Store) Served() int64 { return s.served.Load() }

// path is a segment's, for messages.
func (s *Store) path(name string) string { return filepath.Join(s.root.Name(), name) }

// KeepSmall has the store hold small segments in memory, without a file.
func (s *Store) KeepSmall() { s.small = &small{byKey: map[string][]byte{}} }

// KeepBatches has the store hold map outputs as batches, up to so many bytes of them and as many more as are spare at the
// time; see GiveBack. It is for a worker that reads all of its outputs itself.
func (s *Store) KeepBatches(bytes int64, spare func() int64) {
	s.kept = &kept{own: bytes, spare: spare, byName: map[string]*keptOutput{}}
}

// output starts what a sink writes. A caller fetches results over the network, so these are segments in any case.
func (s *Store) output(id plan.AttemptID, kind plan.SinkKind, partitions int, opts segment.Options) (output, error) {
	name, err := segmentName(id)
	if err != nil {
		return nil, err
	}
	open := func() (output, error) {
		w, err := s.Create(id, partitions, opts)
		if err != nil {
			return nil, err // not a nil writer in an interface
		}
		return segmentOutput{w}, nil
	}
	if s.kept == nil || kind != plan.SinkShuffle {
		return open()
	}
	out := &keptOutput{id: id, opts: opts, parts: make([][]arrow.Record, partitions), sums: make([]segment.RowSums, partitions)}
	return &keptWriter{kept: s.kept, name: name, out: out, open: open}, nil
}

// segmentOutput is a segment, which needs no memory for what it has been given.
type segmentOutput struct{ *segment.Writer }

func (o segmentOutput) Write(partition int, rec arrow.Record, _ int64) error {
	return o.Writer.Write(partition, rec)
}

// Create starts the segment of an attempt. It is not readable before Commit.
func (s *Store) Create(id plan.AttemptID, partitions int, opts segment.Options) (*segment.Writer, error) {
	name, err := segmentName(id)
	if err != nil {
		return nil, err
	}
	f := &lateFile{store: s, name: name}
	if s.small == nil {
		if err := f.open(); err != nil {
			return nil, err
		}
	}
	return segment.NewWriter(f, func() error { return errors.Join(s.remove(name+unfinished), s.remove(name)) }, id, partitions, opts)
}

// remove deletes a segment, finished or not; one that Forget has taken already is no error.
func (s *Store) remove(name string) error {
	if s.small != nil && s.small.drop(name) {
		return nil
	}
	var errs []error
	for _, name := range []string{name, name + unfinished} {
		if err := s.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Open opens the finished segment of an attempt. The error of a missing one matches fs.ErrNotExist.
func (s *Store) Open(id plan.AttemptID) (*segment.Reader, error) {
	name, err := segmentName(id)
	if err != nil {
		return nil, err
	}
	src, file, err := s.source(name, id)
	if err != nil {
		return nil, fmt.Errorf("open shuffle segment %s: %w", s.path(name), err)
	}
	if index := s.indexes.get(name); index != nil && file {
		return segment.WithIndex(src, index)
	}
	r, err := segment.NewReader(src)
	if err != nil {
		return nil, err
	}
	if r.Attempt() != id {
		err := fmt.Errorf("%w: segment %s says that it is %s", segment.ErrCorrupt, id, r.Attempt())
		return nil, errors.Join(err, r.Close())
	}
	if file {
		s.indexes.put(name, r.Index)
	}
	return r, nil
}

func (s *Store) source(name string, id plan.AttemptID) (src segment.Source, file bool, err error) {
	if s.kept != nil {
		if content, ok, err := s.kept.encoded(name, id, segment.Options{}); ok || err != nil {
			return smallSource{bytes.NewReader(content), name}, false, err
		}
	}
	if s.small != nil {
		if content, ok := s.small.get(name); ok {
			return smallSource{bytes.NewReader(content), name}, false, nil
		}
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, true, err
	}
	src, err = segment.FileSource(f)
	return src, true, err
}

// Forget deletes all segments of a run. Readers that have one open can finish.
func (s *Store) Forget(run string) error {
	if err := plan.ValidateID("run id", run); err != nil {
		return err
	}
	if s.kept != nil {
		s.kept.drop(run + "/")
	}
	if s.small != nil {
		s.small.drop(run + "/")
	}
	s.indexes.drop(run + "/")
	s.damages.drop(run + "/")
	if err := s.root.RemoveAll(run); err != nil {
		return fmt.Errorf("forget shuffle data of run %s: %w", run, err)
	}
	return nil
}

// Clean deletes everything in the store.
func (s *Store) Clean() error {
	if s.kept != nil {
		s.kept.drop("")
	}
	if s.small != nil {
		s.small.drop("")
	}
	s.indexes.drop("")
	s.damages.drop("")
	dir, err := s.root.Open(".")
	if err != nil {
		return fmt.Errorf("clean shuffle store: %w", err)
	}
	names, err := dir.Readdirnames(-1)
	errs := []error{err, dir.Close()}
	for _, name := range names {
		errs = append(errs, s.root.RemoveAll(name))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clean shuffle store: %w", err)
	}
	return nil
}

// Close closes the store. Segments that are open stay so.
func (s *Store) Close() error {
	if s.kept != nil {
		s.kept.drop("")
	}
	return s.root.Close()
}

func segmentName(id plan.AttemptID) (string, error) {
	if err := plan.ValidateID("run id", id.Run); err != nil {
		return "", err
	}
	if id.Stage < 0 || id.Task < 0 || id.Attempt < 0 {
		return "", plan.Failf(plan.FailureUser, "attempt %s: negative number", id)
	}
	return fmt.Sprintf("%s/%d-%d-%d.seg", id.Run, id.Stage, id.Task, id.Attempt), nil
}
