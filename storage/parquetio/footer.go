package parquetio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// The parts of a footer that are read. parquet-go's own structures cannot tell an absent null count from zero, nor an
// exact bound from a shortened one.
type (
	fileMeta struct {
		Schema       []format.SchemaElement     `thrift:"2,required"`
		NumRows      int64                      `thrift:"3,required"`
		RowGroups    []groupMeta                `thrift:"4,required"`
		ColumnOrders []format.ColumnOrder       `thrift:"7,optional"`
		Encryption   format.EncryptionAlgorithm `thrift:"8,optional"`
	}
	groupMeta struct {
		Columns []chunkMeta `thrift:"1,required"`
		NumRows int64       `thrift:"3,required"`
	}
	chunkMeta struct {
		FilePath          string                      `thrift:"1,optional"`
		MetaData          columnMeta                  `thrift:"3,optional"`
		OffsetIndexOffset int64                       `thrift:"4,optional"`
		OffsetIndexLength int32                       `thrift:"5,optional"`
		ColumnIndexOffset int64                       `thrift:"6,optional"`
		ColumnIndexLength int32                       `thrift:"7,optional"`
		Crypto            format.ColumnCryptoMetaData `thrift:"8,optional"`
	}
	columnMeta struct {
		Type                 format.Type             `thrift:"1,required"`
		Codec                format.CompressionCodec `thrift:"4,required"`
		NumValues            int64                   `thrift:"5,required"`
		TotalCompressedSize  int64                   `thrift:"7,required"`
		DataPageOffset       int64                   `thrift:"9,required"`
		DictionaryPageOffset int64                   `thrift:"11,optional"`
		Statistics           statsMeta               `thrift:"12,optional"`
		BloomFilterOffset    int64                   `thrift:"14,optional"`
		BloomFilterLength    int32                   `thrift:"15,optional"`
	}
	statsMeta struct {
		Max       []byte             `thrift:"1,optional"`
		Min       []byte             `thrift:"2,optional"`
		NullCount thrift.Null[int64] `thrift:"3,optional"`
		MaxValue  []byte             `thrift:"5,optional"`
		MinValue  []byte             `thrift:"6,optional"`
		MaxExact  thrift.Null[bool]  `thrift:"7,optional"`
		MinExact  thrift.Null[bool]  `thrift:"8,optional"`
	}
)

const (
	magic       = "PAR1"
	maxFooter   = 256 << 20 // 100,000 columns in 100 row groups come to less
	footerGuess = 64 << 10  // read at the end of a file at once; most footers are smaller
)

// file is an opened file's footer: immutable, and shared by all who read the file.
type file struct {
	url     string
	size    int64
	rows    int64
	ordered bool // the footer declares column orders, so min_value and max_value mean what they should
	groups  []groupMeta
	fields  []*field
	columns []*column // the leaves of the fields
	// unsupported columns by name, with their type in words.
	unsupported map[string]string
	decoder     *parquet.File // of the unwrapped form, nil without columns
}

// openFile reads the footer of a file, or finds it in the store's memory.
func openFile(ctx context.Context, store *storage.Store, info storage.Info) (*file, error) {
	key := "parquet footer " + info.URL + " " + info.ETag
	if f, ok := store.Recall(key); ok && info.ETag != "" {
		return f.(*file), nil
	}
	p := place{url: info.URL, group: -1}
	var f *file
	err := p.guard(func() error {
		r, err := store.Open(ctx, info)
		if err != nil {
			return err
		}
		defer r.Close()
		raw, err := readFooter(r, info.Size)
		if err != nil {
			return p.corrupt(err)
		}
		f, err = parseFooter(info, raw)
		if err == nil && info.ETag != "" {
			store.Remember(key, f, int64(len(raw))*8) // decoded, a footer takes several times its bytes
		}
		return err
	})
	return f, err
}

// readFooter returns the bytes of the footer, mostly with one read.
func readFooter(r io.ReaderAt, size int64) ([]byte, error) {
	const trailer = 8 // length and magic
	if size < int64(len(magic))+trailer {
		return nil, fmt.Errorf("%d bytes are too few for a Parquet file", size)
	}
	tail := make([]byte, min(size, footerGuess))
	if err := readFull(r, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	switch end := string(tail[len(tail)-4:]); end {
	case magic:
	case "PARE":
		return nil, errors.New("the footer is encrypted, which is not supported")
	default:
		return nil, fmt.Errorf("the file ends in %q, not %q: it is truncated, or not Parquet", end, magic)
	}
	length := int64(binary.LittleEndian.Uint32(tail[len(tail)-trailer:]))
	if length > size-trailer-int64(len(magic)) || length > maxFooter {
		return nil, fmt.Errorf("footer of %d bytes in a file of %d", length, size)
	}
	if have := int64(len(tail) - trailer); length <= have {
		return tail[have-length : have], nil
	}
	footer := make([]byte, length)
	return footer, readFull(r, footer, size-trailer-length)
}

func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// decodeThrift decodes one structure after checking its lengths.
func decodeThrift(b []byte, v any) error {
	n, err := thriftSize(b)
	if err != nil {
		return err
	}
	return thrift.Unmarshal(new(thrift.CompactProtocol), b[:n], v)
}

func parseFooter(info storage.Info, raw []byte) (*file, error) {
	p := place{url: info.URL, group: -1}
	var meta fileMeta
	if err := decodeThrift(raw, &meta); err != nil {
		return nil, p.corrupt(fmt.Errorf("footer: %w", err))
	}
	if meta.Encryption.Value != nil {
		return nil, p.unsupported("encryption")
	}
	f := &file{url: info.URL, size: info.Size, rows: meta.NumRows, groups: meta.RowGroups, ordered: len(meta.ColumnOrders) > 0}
	leaves, err := f.readSchema(meta.Schema)
	if err != nil {
		return nil, p.corrupt(err)
	}
	if err := f.checkGroups(leaves, info.Size-int64(len(raw))-8); err != nil {
		return nil, err
	}
	if f.decoder, err = unwrappedFile(f.columns); err != nil {
		return nil, p.corrupt(err)
	}
	return f, nil
}

// checkGroups checks the row groups against each other and against where the data can be.
func (f *file) checkGroups(leaves int, dataEnd int64) error {
	var rows int64
	for i := range f.groups {
		g, p := &f.groups[i], place{url: f.url, group: i}
		if g.NumRows < 0 || g.NumRows > math.MaxInt64-rows {
			return p.corrupt(fmt.Errorf("%d rows", g.NumRows))
		}
		rows += g.NumRows
		if len(g.Columns) != leaves {
			return p.corrupt(fmt.Errorf("%d column chunks, but the schema has %d columns", len(g.Columns), leaves))
		}
		for _, c := range f.columns {
			p.column = c.name
			if err := checkChunk(&g.Columns[c.leaf], c, g.NumRows, dataEnd, p); err != nil {
				return err
			}
		}
	}
	if rows != f.rows && f.rows != 0 { // some writers leave it zero
		return place{url: f.url, group: -1}.corrupt(fmt.Errorf("the row groups have %d rows, the footer says %d", rows, f.rows))
	}
	return nil
}

func checkChunk(chunk *chunkMeta, c *column, rows, dataEnd int64, p place) error {
	m := &chunk.MetaData
	start, size := m.start(), m.TotalCompressedSize
	switch {
	case chunk.Crypto.Value != nil:
		return p.unsupported("an encrypted column")
	case chunk.FilePath != "":
		return p.unsupported("a column chunk in another file")
	case m.Type != c.physical:
		return p.corrupt(fmt.Errorf("the chunk has type %s, the schema %s", m.Type, c.physical))
	case m.NumValues < rows || m.NumValues > rows && c.rep == 0:
		return p.corrupt(fmt.Errorf("%d values for %d rows", m.NumValues, rows))
	case rows == 0: // some writers leave the offsets zero then
	case start < int64(len(magic)) || size < 0 || size > dataEnd-start:
		return p.corrupt(fmt.Errorf("chunk of %d bytes at %d, but data ends at %d", size, start, dataEnd))
	}
	return nil
}

// start is the file offset of the chunk's first page. Some writers leave the dictionary's offset zero although there is
// one, right where the data pages are said to start.
func (m *columnMeta) start() int64 {
	if d := m.DictionaryPageOffset; d > 0 && d < m.DataPageOffset {
		return d
	}
	return m.DataPageOffset
}

// unwrappedStart is where the pages of every chunk begin in the unwrapped form: just behind the magic.
const unwrappedStart = int64(len(magic))

// unwrappedFile opens, for parquet-go, a file with the same leaves in one row group, uncompressed, and stripped of
// everything that is not needed to decode pages: each leaf has its levels from groups of its own. Its chunks have no
// end; the reader that stands for them says when.
func unwrappedFile(columns []*column) (*parquet.File, error) {
	if len(columns) == 0 {
		return nil, nil
	}
	meta := unwrappedMeta{format.FileMetaData{
		Version:   1,
		Schema:    []format.SchemaElement{{Name: "schema", NumChildren: thrift.New(int32(len(columns)))}},
		RowGroups: []format.RowGroup{{}},
	}}
	for i, c := range columns {
		name := fmt.Sprint(i)
		path := meta.addLeaf(name, c)
		meta.RowGroups[0].Columns = append(meta.RowGroups[0].Columns, format.ColumnChunk{
			MetaData: format.ColumnMetaData{
				Type:                c.physical,
				PathInSchema:        path,
				Codec:               format.Uncompressed,
				DataPageOffset:      unwrappedStart,
				TotalCompressedSize: math.MaxInt64 / 2,
			},
		})
	}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &meta.FileMetaData)
	if err != nil {
		return nil, err
	}
	content := append([]byte(magic), footer...)
	content = binary.LittleEndian.AppendUint32(content, uint32(len(footer)))
	content = append(content, magic...)
	return parquet.OpenFile(bytes.NewReader(content), int64(len(content)),
		&parquet.FileConfig{SkipPageIndex: true, SkipBloomFilters: true, ReadBufferSize: 16 << 10})
}

type unwrappedMeta struct{ format.FileMetaData }

// addLeaf describes a leaf by a chain of groups that gives it its levels, the lists first.
func (m *unwrappedMeta) addLeaf(name string, c *column) (path []string) {
	for level := uint8(1); level <= c.def; level++ {
		repetition := format.Optional
		if level <= c.rep {
			repetition = format.Repeated
		}
		if level == c.def && repetition == format.Optional {
			return append(path, m.add(name, repetition, c))
		}
		path = append(path, m.add(name, repetition, nil))
	}
	return append(path, m.add(name, format.Required, c))
}

// add appends an element: a group of one without a column.
func (m *unwrappedMeta) add(name string, repetition format.FieldRepetitionType, c *column) string {
	element := format.SchemaElement{Name: name, RepetitionType: thrift.New(repetition)}
	if c == nil {
		element.NumChildren = thrift.New(int32(1))
	} else {
		element.Type = thrift.New(c.physical)
		if c.physical == format.FixedLenByteArray {
			element.TypeLength = thrift.New(int32(c.length))
		}
	}
	m.Schema = append(m.Schema, element)
	return name
}

// field finds a column by name, letter case ignored; an exact match wins. It is nil when the file has none, and an
// error when it has one that cannot be read.
func (f *file) field(name string) (*field, error) {
	if found := lookup(f.fields, name); found != nil {
		return found, nil
	}
	for _, n := range sortedKeys(f.unsupported) {
		if strings.EqualFold(n, name) {
			return nil, plan.Failf(plan.FailureUser, "file %s: column %s has type %s, which is not supported",
				storage.Display(f.url), n, f.unsupported[n])
		}
	}
	return nil, nil
}
