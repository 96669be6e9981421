package operator

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

const (
	// spillBytes is how large a batch on disk should be: as many of them are in memory during a merge as there are
	// files, but much smaller ones would cost more than their rows.
	spillBytes = 256 << 10
	// mergeFiles is how many files are merged at a time; more take several passes.
	mergeFiles = 32
	// outputBytes bounds the batches that a merge makes, for wide rows.
	outputBytes = 8 << 20
)

// spillRows is how many rows of an average size should make a batch of so many bytes.
func (s *stream) spillRows(rows, size, target int64) int {
	if rows == 0 || size == 0 {
		return s.env.BatchRows
	}
	return int(min(max(target/max(size/rows, 1), 1), int64(s.env.BatchRows)))
}

// spill writes rows of batches to a new file, in batches of its own.
func (s *stream) spill(schema plan.Schema, recs []arrow.Record, picks []vector.Pick, size int64) (SpillFile, error) {
	f, err := s.env.Scratch.Create(schema)
	if err != nil {
		return nil, err
	}
	step := s.spillRows(int64(len(picks)), size, spillBytes)
	for len(picks) > 0 {
		n := min(step, len(picks))
		if err := s.writePicks(f, schema, recs, picks[:n]); err != nil {
			return nil, errors.Join(err, f.Remove())
		}
		picks = picks[n:]
	}
	return f, nil
}

func (s *stream) writePicks(f SpillFile, schema plan.Schema, recs []arrow.Record, picks []vector.Pick) error {
	rec, err := vector.InterleaveRecords(s.env.Mem, schema, recs, picks)
	if err != nil {
		return err
	}
	defer rec.Release()
	return f.Write(rec)
}

// removeAll deletes files.
func removeAll(files []SpillFile) error {
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Remove())
		}
	}
	return errors.Join(errs...)
}

// mergeCursor walks one sorted file of a merge.
type mergeCursor struct {
	file   SpillFile
	reader SpillReader
	rec    arrow.Record // nil at the end
	keys   *sortkey.Keys
	row    int
	source int // place of rec among the sources of the batch being made; -1 for not yet
	size   int64
}

// next goes to the file's next batch.
func (c *mergeCursor) next(keys []plan.SortKey) error {
	if c.rec != nil {
		c.rec.Release()
		c.rec = nil
	}
	rec, err := c.reader.Next()
	if err == io.EOF {
		c.size = 0
		return nil
	}
	if err != nil {
		return err
	}
	c.rec, c.row, c.source = rec, 0, -1
	c.keys = sortkey.Encode(rec, keys)
	// Beside the batch there are the frame that it came in, in both forms.
	c.size = 3*vector.Size(rec) + c.keys.Bytes()
	return nil
}

func (c *mergeCursor) key() []byte {
	if c.rec == nil {
		return nil
	}
	return c.keys.At(c.row)
}

// merge puts sorted files together, of equal keys the rows of earlier files first. It owns its files.
type merge struct {
	s       *stream
	schema  plan.Schema
	keys    []plan.SortKey
	cursors []*mergeCursor
	tree    *sortkey.Merger
	base    int64 // bytes that the operator holds beside the merge

	sources []arrow.Record // what the batch being made refers to
	picks   []vector.Pick
}

// openMerge starts a merge. It reads the first batches only when first asked.
func (s *stream) openMerge(schema plan.Schema, keys []plan.SortKey, files []SpillFile) *merge {
	m := &merge{s: s, schema: schema, keys: keys, base: s.held}
	for _, f := range files {
		m.cursors = append(m.cursors, &mergeCursor{file: f})
	}
	return m
}

func (m *merge) start() error {
	m.tree = sortkey.NewMerger(len(m.cursors))
	for i, c := range m.cursors {
		var err error
		if c.reader, err = c.file.Reader(); err != nil {
			return err
		}
		if err := c.next(m.keys); err != nil {
			return err
		}
		m.tree.Set(i, c.key())
	}
	m.tree.Init()
	return nil
}

// next is the next batch, nil at the end.
func (m *merge) next(ctx context.Context) (arrow.Record, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if len(m.cursors) == 0 {
		return nil, nil
	}
	if m.tree == nil {
		if err := m.start(); err != nil {
			return nil, err
		}
	}
	m.picks = m.picks[:0]
	defer m.forget()
	rows, held := m.s.env.BatchRows, int64(0)
	for len(m.picks) < rows {
		w, ok := m.tree.Winner()
		if !ok {
			break
		}
		c := m.cursors[w]
		if c.source < 0 {
			c.source = len(m.sources)
			c.rec.Retain()
			m.sources = append(m.sources, c.rec)
			held += vector.Size(c.rec)
			rows = min(rows, max(len(m.picks)+1, m.s.spillRows(c.rec.NumRows(), vector.Size(c.rec), outputBytes)))
		}
		m.picks = append(m.picks, vector.Pick{Source: int32(c.source), Row: int32(c.row)})
		if c.row++; c.row == int(c.rec.NumRows()) {
			if err := c.next(m.keys); err != nil {
				return nil, err
			}
		}
		m.tree.Set(w, c.key())
		m.tree.Replay()
	}
	if len(m.picks) == 0 {
		return nil, nil
	}
	for _, c := range m.cursors {
		held += c.size
	}
	m.s.mustHold(m.base + held)
	return vector.InterleaveRecords(m.s.env.Mem, m.schema, m.sources, m.picks)
}

// forget lets go of what the last batch referred to.
func (m *merge) forget() {
	releaseRecords(m.sources)
	m.sources = m.sources[:0]
	for _, c := range m.cursors {
		c.source = -1
	}
}

// close ends the merge and removes its files.
func (m *merge) close() error {
	if m == nil {
		return nil
	}
	var errs []error
	for _, c := range m.cursors {
		if c.rec != nil {
			c.rec.Release()
		}
		if c.reader != nil {
			errs = append(errs, c.reader.Close())
		}
		errs = append(errs, c.file.Remove())
	}
	m.cursors = nil
	return errors.Join(errs...)
}

// reduce merges neighbouring files until one merge can take the rest. It owns the files, also after an error.
func (s *stream) reduce(ctx context.Context, schema plan.Schema, keys []plan.SortKey, files []SpillFile) ([]SpillFile, error) {
	for len(files) > mergeFiles {
		var fewer []SpillFile
		for len(files) > 0 {
			n := min(mergeFiles, len(files))
			f, err := s.mergeToFile(ctx, schema, keys, files[:n])
			files = files[n:]
			if err != nil {
				return nil, errors.Join(err, removeAll(files), removeAll(fewer))
			}
			fewer = append(fewer, f)
		}
		files = fewer
	}
	return files, nil
}

// mergeToFile merges files into one.
func (s *stream) mergeToFile(ctx context.Context, schema plan.Schema, keys []plan.SortKey, files []SpillFile) (f SpillFile, err error) {
	if len(files) == 1 {
		return files[0], nil
	}
	m := s.openMerge(schema, keys, files)
	defer func() { err = errors.Join(err, m.close()) }()
	if f, err = s.env.Scratch.Create(schema); err != nil {
		return nil, err
	}
	for {
		rec, err := m.next(ctx)
		if err == nil && rec == nil {
			return f, nil
		}
		if err == nil {
			err = s.writeParts(f, rec)
			rec.Release()
		}
		if err != nil {
			return nil, errors.Join(err, f.Remove())
		}
	}
}

// writeParts writes a batch in parts of the size that files should have.
func (s *stream) writeParts(f SpillFile, rec arrow.Record) error {
	rows := int(rec.NumRows())
	step := s.spillRows(rec.NumRows(), vector.Size(rec), spillBytes)
	for from := 0; from < rows; from += step {
		part := vector.Slice(rec, from, min(from+step, rows))
		err := f.Write(part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// eachFrom hands the remaining batches of a reader to visit, which does not own them.
func eachFrom(r SpillReader, visit func(arrow.Record) error) error {
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		err = visit(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
}
