package parquetio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// leafWriter makes the pages of one leaf. They are in memory until their row group is complete.
type leafWriter struct {
	leafLayout
	layout *layout
	valid  vector.Validity // of the array that is open
	*leafMemory

	firstRow int64 // of the page in hand
	// Of the chunk.
	meta      format.ColumnMetaData
	index     parquet.ColumnIndexer
	places    []format.PageLocation
	low, high parquet.Value

	incompressible int // so many pages more are not tried
}

// leafMemory is what a leaf leaves to those of files to come.
type leafMemory struct {
	values                   pageValues
	defs, reps               []byte // levels of the page in hand
	page, compressed, levels []byte
	header                   bytes.Buffer
	pages                    []byte   // of the chunk
	hashes                   []uint64 // of the chunk's values, for a Bloom filter
}

// leafMemories are pools of leafMemory, by what newPageValues goes by.
var leafMemories sync.Map

type leafKind struct {
	typ        plan.Kind
	digits     int
	dictionary bool
}

func (l *leafLayout) pool() *sync.Pool {
	pool, _ := leafMemories.LoadOrStore(leafKind{l.typ.Kind, int(l.typ.Precision), l.dictionary}, new(sync.Pool))
	return pool.(*sync.Pool)
}

func newLeafWriter(l leafLayout, layout *layout) *leafWriter {
	w := &leafWriter{leafLayout: l, layout: layout}
	if m, ok := l.pool().Get().(*leafMemory); ok {
		w.leafMemory = m
	} else {
		w.leafMemory = &leafMemory{values: newPageValues(l.typ, l.dictionary)}
	}
	w.restart()
	return w
}

// restart begins a chunk.
func (w *leafWriter) restart() {
	w.pages, w.hashes, w.defs, w.reps = w.pages[:0], w.hashes[:0], w.defs[:0], w.reps[:0]
	w.firstRow, w.places, w.incompressible = 0, nil, 0
	w.low, w.high = parquet.Value{}, parquet.Value{}
	w.index = w.node.Type().NewColumnIndexer(parquet.DefaultColumnIndexSizeLimit)
	w.meta = format.ColumnMetaData{
		Type: format.Type(w.node.Type().Kind()), PathInSchema: slices.Clone(w.path), Codec: w.layout.codec.CompressionCodec(),
	}
	if w.def > 0 || w.rep > 0 {
		w.uses(format.RLE)
	}
	w.values.restart()
}

func (w *leafWriter) forget() {
	if w.leafMemory != nil {
		w.values.close()
		w.pool().Put(w.leafMemory)
		w.leafMemory = nil
	}
}

// open says what the numbers of values to come refer to: rows from up to to of an array.
func (w *leafWriter) open(arr arrow.Array, from, to int) {
	w.valid = vector.ValidityOf(arr)
	w.values.open(arr, from, to)
}

// addRows appends rows of the array that is open, of a leaf outside of structs and lists.
func (w *leafWriter) addRows(from, to int) error {
	if w.valid.AllValid() {
		if w.def > 0 {
			w.defs = appendTimes(w.defs, 1, to-from)
		}
		w.values.addRange(from, to)
		return nil
	}
	for at := from; at < to; {
		end := at
		for end < to && !w.valid.IsNull(end) {
			end++
		}
		w.values.addRange(at, end)
		nulls := end
		for nulls < to && w.valid.IsNull(nulls) {
			nulls++
		}
		if w.def == 0 && nulls > end {
			return plan.Failf(plan.FailureInternal, "column %s is declared NOT NULL but holds NULL", w.path[0])
		}
		if w.def > 0 {
			w.defs = appendTimes(appendTimes(w.defs, 1, end-at), 0, nulls-end)
		}
		at = nulls
	}
	return nil
}

func appendTimes(b []byte, v byte, n int) []byte {
	at := len(b)
	b = slices.Grow(b, n)[:at+n]
	for i := range b[at:] {
		b[at+i] = v
	}
	return b
}

// put appends the levels of a place, and its value if there is one.
func (w *leafWriter) put(rep, def uint8, value int) {
	if w.rep > 0 {
		w.reps = append(w.reps, rep)
	}
	if w.def > 0 {
		w.defs = append(w.defs, def)
	}
	if value >= 0 {
		w.values.add(value)
	}
}

// endRun ends the page if it is full; rows is how many the chunk has.
func (w *leafWriter) endRun(rows int64) error {
	full := w.values.size() >= w.layout.pageBytes
	w.values.settle(len(w.places) == 0, full)
	if !full && len(w.defs) < 8*w.layout.pageBytes {
		return nil
	}
	return w.endPage(rows)
}

var errLargePage = errors.New("a page is larger than 2 GiB: use smaller values")

// endPage encodes and compresses the page in hand, if there is one.
func (w *leafWriter) endPage(rows int64) error {
	if rows == w.firstRow {
		return nil
	}
	count := w.values.count()
	entries := count
	if w.def > 0 {
		entries = len(w.defs)
	}
	w.values.settle(len(w.places) == 0, true)
	w.page = w.page[:0]
	var err error
	if w.rep > 0 {
		if err = w.appendLevels(w.reps, w.rep); err != nil {
			return err
		}
	}
	if w.def > 0 {
		if err = w.appendLevels(w.defs, w.def); err != nil {
			return err
		}
	}
	var encoding format.Encoding
	if w.page, encoding, err = w.values.appendPage(w.page); err != nil {
		return err
	}
	w.uses(encoding)
	header := format.PageHeader{Type: format.DataPage, DataPageHeader: thrift.New(format.DataPageHeader{
		NumValues: int32(entries), Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
	})}
	at := len(w.pages)
	if w.pages, err = w.appendPage(w.pages, header, encoding); err != nil {
		return err
	}
	w.places = append(w.places, format.PageLocation{Offset: int64(at), CompressedPageSize: int32(len(w.pages) - at), FirstRowIndex: w.firstRow})
	w.note(entries, entries-count)
	w.firstRow, w.defs, w.reps = rows, w.defs[:0], w.reps[:0]
	w.values.reset()
	return nil
}

// appendLevels appends levels to the page: how many bytes, and a run-length encoding.
func (m *leafMemory) appendLevels(levels []byte, most uint8) (err error) {
	m.levels, err = (&rle.Encoding{BitWidth: bits.Len8(most)}).EncodeLevels(m.levels[:0], levels)
	m.page = binary.LittleEndian.AppendUint32(m.page, uint32(len(m.levels)))
	m.page = append(m.page, m.levels...)
	return err
}

// appendPage appends the page that was made to dst, compressed, behind its header.
func (w *leafWriter) appendPage(dst []byte, header format.PageHeader, encoding format.Encoding) (_ []byte, err error) {
	at, body := len(dst), w.page
	if w.meta.Codec != format.Uncompressed {
		if err = w.compress(encoding); err != nil {
			return nil, err
		}
		body = w.compressed
	}
	if len(w.page) > math.MaxInt32 || len(body) > math.MaxInt32 {
		return nil, errLargePage
	}
	header.UncompressedPageSize, header.CompressedPageSize = int32(len(w.page)), int32(len(body))
	header.CRC = int32(crc32.ChecksumIEEE(body))
	w.header.Reset()
	if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&w.header)).Encode(&header); err != nil {
		return nil, err
	}
	dst = append(append(dst, w.header.Bytes()...), body...)
	w.meta.TotalUncompressedSize += int64(w.header.Len() + len(w.page))
	w.meta.TotalCompressedSize += int64(len(dst) - at)
	for i, s := range w.meta.EncodingStats {
		if s.PageType == header.Type && s.Encoding == encoding {
			w.meta.EncodingStats[i].Count++
			return dst, nil
		}
	}
	w.meta.EncodingStats = append(w.meta.EncodingStats, format.PageEncodingStats{PageType: header.Type, Encoding: encoding, Count: 1})
	return dst, nil
}

// compress compresses the page that was made. Bits that are packed already seldom get smaller: when those of one page did
// not, those of the next ones are framed as they are.
func (w *leafWriter) compress(encoding format.Encoding) (err error) {
	packed := w.meta.Codec == format.Zstd && (encoding == format.RLEDictionary || encoding == format.DeltaBinaryPacked)
	if packed && w.incompressible > 0 {
		w.incompressible--
		w.compressed = appendStored(w.compressed[:0], w.page)
		return nil
	}
	if w.compressed, err = w.layout.codec.Encode(w.compressed[:0], w.page); err != nil {
		return err
	}
	if packed && 16*len(w.compressed) > 15*len(w.page) {
		w.incompressible = storedPages
	}
	return nil
}

func (w *leafWriter) uses(encoding format.Encoding) {
	if at, known := slices.BinarySearch(w.meta.Encoding, encoding); !known {
		w.meta.Encoding = slices.Insert(w.meta.Encoding, at, encoding)
	}
}

// note takes the page in hand into the statistics.
func (w *leafWriter) note(entries, nulls int) {
	w.meta.NumValues += int64(entries)
	w.meta.Statistics.NullCount += int64(nulls)
	if w.bloom {
		w.hashes = w.values.hashes(w.hashes)
	}
	low, high, some := w.values.bounds()
	w.index.IndexPage(int64(entries), int64(nulls), low, high)
	if !some {
		return
	}
	if typ := w.node.Type(); w.low.IsNull() || typ.Compare(low, w.low) < 0 {
		w.low = low.Clone()
	}
	if typ := w.node.Type(); w.high.IsNull() || typ.Compare(high, w.high) > 0 {
		w.high = high.Clone()
	}
}

// writeChunk writes the chunk's dictionary and pages.
func (w *leafWriter) writeChunk(out *fileWriter) (format.ColumnChunk, error) {
	if n := w.values.dictionarySize(); n > 0 {
		w.uses(format.Plain)
		w.page = w.values.appendDictionary(w.page[:0])
		header := format.PageHeader{Type: format.DictionaryPage, DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(n), Encoding: format.Plain})}
		page, err := w.appendPage(nil, header, format.Plain)
		if err != nil {
			return format.ColumnChunk{}, err
		}
		w.meta.DictionaryPageOffset = out.offset
		if err := out.write(page); err != nil {
			return format.ColumnChunk{}, err
		}
	}
	w.meta.DataPageOffset = out.offset
	for i := range w.places {
		w.places[i].Offset += out.offset
	}
	slices.SortFunc(w.meta.EncodingStats, func(a, b format.PageEncodingStats) int {
		return int(a.PageType)<<8 + int(a.Encoding) - int(b.PageType)<<8 - int(b.Encoding)
	})
	if !w.low.IsNull() {
		w.meta.Statistics.MinValue, w.meta.Statistics.MaxValue = statisticOf(w.low), statisticOf(w.high)
	}
	return format.ColumnChunk{MetaData: w.meta}, out.write(w.pages)
}

// statisticOf is a bound as it is written; that of an empty string is one, too.
func statisticOf(v parquet.Value) []byte { return v.AppendBytes([]byte{}) }

// filter is the Bloom filter of the chunk.
func (w *leafWriter) filter() bloom.SplitBlockFilter {
	f := make(bloom.SplitBlockFilter, bloom.NumSplitBlocksOf(int64(len(w.hashes)), bloomBitsPerValue))
	f.InsertBulk(w.hashes)
	return f
}
