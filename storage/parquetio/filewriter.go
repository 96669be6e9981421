package parquetio

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/plan"
)

// layout is how a file is written.
type layout struct {
	codec     compress.Codec
	groupRows int64
	pageBytes int
	elements  []format.SchemaElement
	leaves    []leafLayout
	sortedBy  []format.SortingColumn
}

// leafLayout is what Parquet knows of a leaf.
type leafLayout struct {
	node       parquet.Node
	typ        plan.Type
	path       []string
	def, rep   uint8 // the levels of a value
	dictionary bool  // may have one
	bloom      bool  // gets a filter
}

// describe lists a node of the schema and those below it.
func (l *layout) describe(name string, node parquet.Node, repetition *format.FieldRepetitionType) {
	e := format.SchemaElement{Name: name}
	if repetition != nil { // the root has none
		e.RepetitionType.Set(*repetition)
	}
	typ := node.Type()
	if logical := typ.LogicalType(); logical != nil {
		e.LogicalType = *logical
		if d, ok := logical.Value.(*format.DecimalType); ok { // older readers look for them here
			e.Scale.Set(d.Scale)
			e.Precision.Set(d.Precision)
		}
	}
	if converted := typ.ConvertedType(); converted != nil {
		e.ConvertedType.Set(*converted)
	}
	if node.Leaf() {
		e.Type.Set(*typ.PhysicalType())
		if n := typ.Length(); n > 0 {
			e.TypeLength.Set(int32(n))
		}
		l.elements = append(l.elements, e)
		return
	}
	e.NumChildren.Set(int32(len(node.Fields())))
	l.elements = append(l.elements, e)
	for _, f := range node.Fields() {
		r := format.Required
		switch {
		case f.Optional():
			r = format.Optional
		case f.Repeated():
			r = format.Repeated
		}
		l.describe(f.Name(), f, &r)
	}
}

// leavesOf lists the leaves of a field, whose node is at the path of at.
func (l *layout) leavesOf(f plan.Field, node parquet.Node, at leafLayout) {
	if f.Nullable {
		at.def++
	}
	if !f.Type.IsNested() {
		at.node, at.typ = node, f.Type
		at.dictionary = node.Encoding() != nil && node.Encoding().Encoding() == format.RLEDictionary
		l.leaves = append(l.leaves, at)
		return
	}
	if f.Type.Kind != plan.KindStruct { // the repeated group in the middle of three levels
		node = node.Fields()[0]
		at = at.below(node.(parquet.Field))
		at.def++
		at.rep++
	}
	for i, child := range f.Type.Children {
		below := node.Fields()[i]
		l.leavesOf(child, below, at.below(below))
	}
}

// below is a place one level down.
func (at leafLayout) below(f parquet.Field) leafLayout {
	at.path = append(at.path[:len(at.path):len(at.path)], f.Name())
	return at
}

// leafNamed is the number of the leaf that is a column of the file.
func (l *layout) leafNamed(name string) int {
	for i, leaf := range l.leaves {
		if len(leaf.path) == 1 && leaf.path[0] == name {
			return i
		}
	}
	return -1
}

// fileWriter writes row groups and what says where they are.
type fileWriter struct {
	out    io.Writer
	offset int64
	layout *layout

	groups  []format.RowGroup
	columns [][]format.ColumnIndex // by row group and leaf
	pages   [][]format.OffsetIndex
}

func newFileWriter(out io.Writer, l *layout) *fileWriter { return &fileWriter{out: out, layout: l} }

func (w *fileWriter) write(b []byte) error {
	n, err := w.out.Write(b)
	w.offset += int64(n)
	return err
}

// encode writes a structure of the format, and says how long it is.
func (w *fileWriter) encode(v any) (int, error) {
	var b bytes.Buffer
	if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&b)).Encode(v); err != nil {
		return 0, err
	}
	return b.Len(), w.write(b.Bytes())
}

// begin writes the file's beginning, once.
func (w *fileWriter) begin() error {
	if w.offset > 0 {
		return nil
	}
	return w.write([]byte(magic))
}

// writeGroup writes the chunks of the leaves, which begin their next ones.
func (w *fileWriter) writeGroup(leaves []*leafWriter, rows int64) error {
	if err := w.begin(); err != nil {
		return err
	}
	g := format.RowGroup{NumRows: rows, SortingColumns: w.layout.sortedBy, FileOffset: w.offset, Ordinal: int16(len(w.groups))}
	var indexes []format.ColumnIndex
	var pages []format.OffsetIndex
	for _, leaf := range leaves {
		chunk, err := leaf.writeChunk(w)
		if err != nil {
			return err
		}
		g.Columns = append(g.Columns, chunk)
		g.TotalByteSize += chunk.MetaData.TotalUncompressedSize
		g.TotalCompressedSize += chunk.MetaData.TotalCompressedSize
		indexes, pages = append(indexes, leaf.index.ColumnIndex()), append(pages, format.OffsetIndex{PageLocations: leaf.places})
	}
	for i, leaf := range leaves {
		if leaf.bloom {
			if err := w.writeFilter(leaf, &g.Columns[i].MetaData); err != nil {
				return err
			}
		}
		leaf.restart()
	}
	w.groups, w.columns, w.pages = append(w.groups, g), append(w.columns, indexes), append(w.pages, pages)
	return nil
}

func (w *fileWriter) writeFilter(leaf *leafWriter, meta *format.ColumnMetaData) error {
	f := leaf.filter()
	meta.BloomFilterOffset = w.offset
	n, err := w.encode(&format.BloomFilterHeader{
		NumBytes:    int32(len(f.Bytes())),
		Algorithm:   format.BloomFilterAlgorithm{Value: new(format.SplitBlockAlgorithm)},
		Hash:        format.BloomFilterHash{Value: new(format.XxHash)},
		Compression: format.BloomFilterCompression{Value: new(format.BloomFilterUncompressed)},
	})
	if err != nil {
		return err
	}
	meta.BloomFilterLength = int32(n + len(f.Bytes()))
	return w.write(f.Bytes())
}

// close writes the page index and the footer.
func (w *fileWriter) close() error {
	if err := w.begin(); err != nil {
		return err
	}
	rows := int64(0)
	for g := range w.groups {
		rows += w.groups[g].NumRows
		for i := range w.columns[g] {
			c := &w.groups[g].Columns[i]
			c.ColumnIndexOffset = w.offset
			n, err := w.encode(&w.columns[g][i])
			if err != nil {
				return err
			}
			c.ColumnIndexLength = int32(n)
		}
	}
	for g := range w.groups {
		for i := range w.pages[g] {
			c := &w.groups[g].Columns[i]
			c.OffsetIndexOffset = w.offset
			n, err := w.encode(&w.pages[g][i])
			if err != nil {
				return err
			}
			c.OffsetIndexLength = int32(n)
		}
	}
	meta := format.FileMetaData{Version: 2, Schema: w.layout.elements, NumRows: rows, RowGroups: w.groups, CreatedBy: createdBy}
	if meta.RowGroups == nil {
		meta.RowGroups = []format.RowGroup{}
	}
	for _, leaf := range w.layout.leaves {
		meta.ColumnOrders = append(meta.ColumnOrders, *leaf.node.Type().ColumnOrder())
	}
	n, err := w.encode(&meta)
	if err != nil {
		return err
	}
	return w.write(append(binary.LittleEndian.AppendUint32(nil, uint32(n)), magic...))
}
