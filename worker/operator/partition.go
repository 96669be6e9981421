package operator

import (
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

const (
	// spillFanout is into how many files rows are divided when memory has no room for them, by radixBits of a hash of
	// their keys: enough for an input sixteen times the memory, few enough for a buffer each.
	spillFanout = 1 << radixBits
	radixBits   = 4
	// maxSpillDepth bounds how often the rows of one file are divided again: as good as all rows that are still together
	// then have one key.
	maxSpillDepth = 6
	// floorBytes is what an operator may take beyond its share when it has nothing left to put on disk.
	floorBytes = 64 << 20
	// spillSeed makes the hash another one than that of exchanges: rows that reach one task agree in the latter's
	// leading bits.
	spillSeed = 0x5b11a7e5
)

// sequenceField is the column that carries a row's place in the input through scratch files.
var sequenceField = plan.Field{Name: "sequence", Type: plan.Int64}

// withSequence is a schema with the column of places behind it.
func withSequence(s plan.Schema) plan.Schema {
	return plan.Schema{Fields: append(append([]plan.Field(nil), s.Fields...), sequenceField)}
}

// sequenceKeys orders by the last column of a schema, the column of places.
func sequenceKeys(s plan.Schema) []plan.SortKey {
	return []plan.SortKey{{Column: len(s.Fields) - 1}}
}

// numbered is some columns of a batch with a column of places behind them.
func (s *stream) numbered(schema plan.Schema, cols []arrow.Array, places []int64) arrow.Record {
	seq := vector.FromInt64s(s.env.Mem, places)
	defer seq.Release()
	return vector.NewRecord(schema, append(append([]arrow.Array(nil), cols...), seq), len(places))
}

// unnumbered is a batch without its last column; it takes over the batch.
func unnumbered(schema plan.Schema, rec arrow.Record) arrow.Record {
	defer rec.Release()
	return vector.NewRecord(schema, rec.Columns()[:len(schema.Fields)], int(rec.NumRows()))
}

// places is the column of places of a batch.
func places(rec arrow.Record) []int64 { return vector.Int64s(rec.Column(int(rec.NumCols()) - 1)) }

// counting is the numbers from first on.
func counting(dst []int64, first int64, n int) []int64 {
	dst = dst[:0]
	for i := range n {
		dst = append(dst, first+int64(i))
	}
	return dst
}

// partitioner divides rows among files by the hash of their keys. Rows of one key stay together, in their order.
type partitioner struct {
	s      *stream
	schema plan.Schema
	keys   []int
	depth  int

	files   [spillFanout]SpillFile
	pending [spillFanout]pendingRows
	held    int64 // bytes pending
	hashes  []uint64
	rows    [spillFanout][]int32
}

// pendingRows wait until they are worth a batch on disk.
type pendingRows struct {
	recs  []arrow.Record
	rows  int64
	bytes int64
}

// newPartitioner divides rows of a schema by some of its columns. Rows of a file that is divided again have to go one
// deeper than before.
func (s *stream) newPartitioner(schema plan.Schema, keys []int, depth int) *partitioner {
	return &partitioner{s: s, schema: schema, keys: keys, depth: depth}
}

// add takes the rows of a batch, which stays the caller's.
func (p *partitioner) add(rec arrow.Record) error {
	p.hashes = hash.Columns(rec, p.keys, spillSeed, p.hashes)
	for i := range p.rows {
		p.rows[i] = p.rows[i][:0]
	}
	shift := uint(64 - radixBits*(p.depth+1))
	for i, h := range p.hashes {
		k := h >> shift % spillFanout
		p.rows[k] = append(p.rows[k], int32(i))
	}
	for k, rows := range p.rows {
		if len(rows) == 0 {
			continue
		}
		if err := p.put(k, vector.TakeRecord(p.s.env.Mem, rec, rows)); err != nil {
			return err
		}
	}
	return nil
}

// put takes over rows of one file.
func (p *partitioner) put(k int, rec arrow.Record) error {
	w := &p.pending[k]
	size := vector.Size(rec)
	w.recs = append(w.recs, rec)
	w.rows, w.bytes, p.held = w.rows+rec.NumRows(), w.bytes+size, p.held+size
	if w.bytes >= spillBytes || w.rows >= int64(p.s.env.BatchRows) {
		return p.flush(k)
	}
	return nil
}

func (p *partitioner) flush(k int) error {
	w := &p.pending[k]
	if w.rows == 0 {
		return nil
	}
	rec, err := vector.ConcatRecords(p.s.env.Mem, p.schema, w.recs)
	p.drop(k)
	if err != nil {
		return err
	}
	defer rec.Release()
	if p.files[k] == nil {
		if p.files[k], err = p.s.env.Scratch.Create(p.schema); err != nil {
			return err
		}
	}
	return p.s.writeParts(p.files[k], rec)
}

func (p *partitioner) drop(k int) {
	w := &p.pending[k]
	releaseRecords(w.recs)
	p.held -= w.bytes
	*w = pendingRows{recs: w.recs[:0]}
}

// finish writes what is pending and hands over the files, nil where no row went.
func (p *partitioner) finish() ([spillFanout]SpillFile, error) {
	for k := range p.pending {
		if err := p.flush(k); err != nil {
			return [spillFanout]SpillFile{}, err
		}
	}
	files := p.files
	p.files = [spillFanout]SpillFile{}
	return files, nil
}

// close drops what is pending and removes the files that were not handed over.
func (p *partitioner) close() error {
	if p == nil {
		return nil
	}
	for k := range p.pending {
		p.drop(k)
	}
	err := removeAll(p.files[:])
	p.files = [spillFanout]SpillFile{}
	return err
}

// eachOf hands every batch of a file to visit, which does not own it. No file has no batches.
func (s *stream) eachOf(f SpillFile, visit func(arrow.Record) error) (err error) {
	if f == nil {
		return nil
	}
	r, err := f.Reader()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return eachFrom(r, visit)
}
