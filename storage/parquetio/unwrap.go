package parquetio

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// The limits of a page. Writers aim at one megabyte; some put a whole row group in one page.
const (
	maxPageBytes  = 1 << 30
	maxPageValues = 1 << 26
	// maxRatio is how many times its stored size a page may decompress to, once it is larger than freeRatio: a page of
	// one repeated value honestly compresses 10,000 times, but is small.
	maxRatio  = 1000
	freeRatio = 64 << 20
	// readSize is how much of a chunk is read at once, sparseSize where most of it is going to be skipped.
	readSize      = 4 << 20
	sparseSize    = 64 << 10
	maxPageHeader = 16 << 20
)

// The parts of a page header that are read: statistics are left, and a checksum of zero differs from none.
type (
	pageHeader struct {
		Type             format.PageType             `thrift:"1,required"`
		UncompressedSize int32                       `thrift:"2,required"`
		CompressedSize   int32                       `thrift:"3,required"`
		CRC              thrift.Null[int32]          `thrift:"4,optional"`
		Data             thrift.Null[dataPageHeader] `thrift:"5,optional"`
		Dictionary       thrift.Null[dictionaryPage] `thrift:"7,optional"`
		DataV2           thrift.Null[dataPageV2]     `thrift:"8,optional"`
	}
	dataPageHeader struct {
		NumValues               int32           `thrift:"1,required"`
		Encoding                format.Encoding `thrift:"2,required"`
		DefinitionLevelEncoding format.Encoding `thrift:"3,required"`
		RepetitionLevelEncoding format.Encoding `thrift:"4,required"`
	}
	dictionaryPage struct {
		NumValues int32           `thrift:"1,required"`
		Encoding  format.Encoding `thrift:"2,required"`
	}
	dataPageV2 struct {
		NumValues        int32             `thrift:"1,required"`
		NumNulls         int32             `thrift:"2,required"`
		NumRows          int32             `thrift:"3,required"`
		Encoding         format.Encoding   `thrift:"4,required"`
		DefinitionLength int32             `thrift:"5,required"`
		RepetitionLength int32             `thrift:"6,required"`
		IsCompressed     thrift.Null[bool] `thrift:"7,optional"`
	}
)

// unwrapper stands for a column chunk in its unwrapped form: the same pages, uncompressed and checked. It is read once,
// from front to back.
type unwrapper struct {
	src    io.ReaderAt // the file
	codecs *codecs
	codec  format.CompressionCodec

	offset, end int64          // in the file: what is not in the window yet
	window      []byte         // of the chunk as stored, from the next page header on
	buffer      *memory.Buffer // what window is cut from
	ahead       int64          // how much to read at once
	read        int64          // bytes read from the file

	repeated bool      // pages have as many values as rows if not
	optional bool      // pages have definition levels
	ints     bool      // values are INT32
	index    pageIndex // where the pages are; empty when unknown
	ordinal  int       // of the next data page
	row      int64     // its first, where that is known: not of repeated values without an index
	skip     int64     // rows from there on that nobody wants
	skipped  int64     // rows of whole pages that were left out since skip was set
	pruned   int64     // pages that were left out
	values   int64     // of the data pages still to come; with jumps over repeated values, too many
	dict     bool      // a dictionary page was seen
	page     []byte
	pageOf   *memory.Buffer // what page is cut from
	base     int64          // position of page in the unwrapped file
	err      error          // what ended the chunk; io.EOF at its proper end
}

var _ io.ReaderAt = (*unwrapper)(nil)

// start begins a chunk of which ahead bytes are read at once; buffers are used again. The index may be empty.
func (u *unwrapper) start(src io.ReaderAt, c *column, m *columnMeta, index pageIndex, ahead int64) {
	*u = unwrapper{
		src: src, codecs: u.codecs, codec: m.Codec, buffer: u.buffer, pageOf: u.pageOf, repeated: c.rep > 0, index: index, ahead: ahead,
		optional: c.def > 0, ints: c.physical == format.Int32,
		offset: m.start(), end: m.start() + m.TotalCompressedSize, values: m.NumValues, base: unwrappedStart,
	}
}

// done reports that no data page is left.
func (u *unwrapper) done() bool {
	return u.values == 0 || len(u.index.pages) > 0 && u.ordinal == len(u.index.pages)
}

// newUnwrapper makes one for the chunks of a column; release gives its buffers back.
func newUnwrapper(mem memory.Allocator, c *codecs) unwrapper {
	return unwrapper{codecs: c, buffer: memory.NewResizableBuffer(mem), pageOf: memory.NewResizableBuffer(mem)}
}

func (u *unwrapper) release() {
	u.buffer.Release()
	u.pageOf.Release()
	u.page, u.window = nil, nil
}

// ReadAt serves sequential reads of the unwrapped pages.
func (u *unwrapper) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n) - u.base
		if at < 0 || at > int64(len(u.page)) {
			// parquet-go looks back when a page refers to a dictionary that has not come.
			return n, errors.Join(errors.New("a page needs a dictionary, but there is none before it"), u.fail(io.ErrUnexpectedEOF))
		}
		if at == int64(len(u.page)) {
			if n > 0 {
				return n, nil // what reads ahead must not make a page that may still be skipped
			}
			if err := u.next(); err != nil {
				return n, u.fail(err)
			}
			continue
		}
		n += copy(p[n:], u.page[at:])
	}
	return n, nil
}

func (u *unwrapper) fail(err error) error {
	if u.err == nil {
		u.err = err
	}
	return err
}

// next unwraps the next page that holds values.
func (u *unwrapper) next() error {
	u.base += int64(len(u.page))
	u.page = u.page[:0]
	for {
		if u.jump(); u.done() {
			return io.EOF // what follows, if anything, is padding of some old writer
		}
		var h pageHeader
		if err := u.header(&h); err != nil {
			return fmt.Errorf("page header: %w", err)
		}
		body, err := u.body(&h)
		if err != nil {
			return err
		}
		left, err := u.leaveOut(&h)
		if err != nil {
			return err
		}
		if left {
			continue
		}
		if h.CRC.Valid && crc32.ChecksumIEEE(body) != uint32(h.CRC.V) {
			return errors.New("page checksum does not match")
		}
		switch {
		case h.Type == format.DataPage && h.Data.Valid:
			return u.dataPage(&h, body)
		case h.Type == format.DataPageV2 && h.DataV2.Valid:
			return u.dataPageV2(&h, body)
		case h.Type == format.DictionaryPage && h.Dictionary.Valid:
			return u.dictionaryPage(&h, body)
		case h.Type == format.IndexPage:
		default:
			return fmt.Errorf("page of type %d", h.Type)
		}
	}
}

// unread is how many pages are left, as far as that is known.
func (u *unwrapper) unread() int64 { return int64(max(len(u.index.pages)-u.ordinal, 0)) }

// jump goes to the page where the rows that are wanted begin, if it is known where that is.
func (u *unwrapper) jump() {
	pages := u.index.pages
	at := u.offset - int64(len(u.window))
	if u.skip == 0 || u.ordinal >= len(pages) || at < pages[0].offset {
		return // the dictionary comes first
	}
	to := u.index.find(u.row + u.skip)
	if to <= u.ordinal {
		return
	}
	target, row := u.end, u.index.rows
	if to < len(pages) {
		target, row = pages[to].offset, pages[to].row
	}
	if ahead := target - at; ahead <= int64(len(u.window)) {
		u.window = u.window[ahead:]
	} else {
		u.window, u.offset = nil, target
	}
	u.leave(to-u.ordinal, row-u.row)
}

// leave notes that pages with so many rows are left out.
func (u *unwrapper) leave(pages int, rows int64) {
	u.ordinal += pages
	u.pruned += int64(pages)
	u.row += rows
	u.skip -= rows
	u.skipped += rows
	if !u.repeated {
		u.values -= rows
	}
}

// leaveOut steps over a data page if no row of it is wanted, which its header tells unless values are repeated.
func (u *unwrapper) leaveOut(h *pageHeader) (bool, error) {
	var values, rows int32
	switch {
	case h.Type == format.DataPage && h.Data.Valid && !u.repeated:
		values, rows = h.Data.V.NumValues, h.Data.V.NumValues
	case h.Type == format.DataPageV2 && h.DataV2.Valid:
		values, rows = h.DataV2.V.NumValues, h.DataV2.V.NumRows
	default:
		return false, nil
	}
	if rows <= 0 || int64(rows) > u.skip {
		return false, nil
	}
	if err := u.checkCount(values); err != nil {
		return false, err
	}
	if u.repeated {
		u.values -= int64(values)
	}
	u.leave(1, int64(rows))
	return true, nil
}

// header decodes the page header at the window's start and steps over it.
func (u *unwrapper) header(h *pageHeader) error {
	for want := int64(1 << 10); ; want *= 8 {
		if err := u.fill(want); err != nil {
			return err
		}
		n, err := thriftSize(u.window)
		if errors.Is(err, errTruncated) && want <= int64(len(u.window)) && want < maxPageHeader {
			continue // it goes on: long statistics
		}
		if err != nil {
			return err
		}
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), u.window[:n], h); err != nil {
			return err
		}
		u.window = u.window[n:]
		return nil
	}
}

// body checks the sizes of a page and cuts it, as stored, from the window.
func (u *unwrapper) body(h *pageHeader) ([]byte, error) {
	packed, raw := int64(h.CompressedSize), int64(h.UncompressedSize)
	left := int64(len(u.window)) + u.end - u.offset
	switch {
	case packed < 0 || raw < 0:
		return nil, fmt.Errorf("page of %d bytes, %d decompressed", packed, raw)
	case packed > left:
		return nil, fmt.Errorf("page of %d bytes where the chunk has %d left", packed, left)
	case raw > maxPageBytes || raw > freeRatio && raw > maxRatio*packed:
		return nil, fmt.Errorf("page of %d bytes decompresses to %d: beyond the limit", packed, raw)
	}
	if err := u.fill(packed); err != nil {
		return nil, err
	}
	body := u.window[:packed]
	u.window = u.window[packed:]
	return body, nil
}

// fill reads ahead until the window has n bytes, or all that are left.
func (u *unwrapper) fill(n int64) error {
	have := int64(len(u.window))
	if have >= n || u.offset == u.end {
		return nil
	}
	more := min(max(n-have, u.ahead), u.end-u.offset)
	copy(u.buffer.Bytes(), u.window) // to the front, before the buffer may move
	u.buffer.ResizeNoShrink(int(have + more))
	window := u.buffer.Bytes()
	if err := readFull(u.src, window[have:], u.offset); err != nil {
		return err
	}
	u.offset += more
	u.read += more
	u.window = window
	return nil
}

// checkCount checks a page's number of values against what the chunk has left.
func (u *unwrapper) checkCount(n int32) error {
	if n < 0 || int64(n) > u.values || n > maxPageValues {
		return fmt.Errorf("page of %d values where the chunk has %d left", n, u.values)
	}
	return nil
}

// count takes a page's values from what the chunk has left, and its rows, if they are known, against the index.
func (u *unwrapper) count(n int32) error {
	if err := u.checkCount(n); err != nil {
		return err
	}
	u.values -= int64(n)
	rows := int64(n)
	if len(u.index.pages) > 0 {
		if u.ordinal >= len(u.index.pages) {
			return errors.New("more pages than the offset index has")
		}
		rows = u.index.rowsOf(u.ordinal)
		if !u.repeated && rows != int64(n) {
			return fmt.Errorf("page of %d rows, but of %d by the offset index", n, rows)
		}
	}
	u.row += rows
	u.ordinal++
	return nil
}

func (u *unwrapper) dataPage(h *pageHeader, body []byte) error {
	d := &h.Data.V
	if err := u.count(d.NumValues); err != nil {
		return err
	}
	out := &format.PageHeader{Type: format.DataPage, DataPageHeader: thrift.New(format.DataPageHeader{
		NumValues: d.NumValues, Encoding: d.Encoding,
		DefinitionLevelEncoding: d.DefinitionLevelEncoding, RepetitionLevelEncoding: d.RepetitionLevelEncoding,
	})}
	err := u.emit(out, h.UncompressedSize, 0, body, u.codec)
	if err == nil && u.ints && d.Encoding == format.DeltaBinaryPacked {
		err = u.plainDeltas(out, u.levelBytes(h.UncompressedSize))
	}
	return err
}

func (u *unwrapper) dataPageV2(h *pageHeader, body []byte) error {
	d := &h.DataV2.V
	if err := u.count(d.NumValues); err != nil {
		return err
	}
	levels := int64(d.DefinitionLength) + int64(d.RepetitionLength)
	switch {
	case d.NumNulls < 0 || d.NumNulls > d.NumValues || d.NumRows > d.NumValues || d.NumRows != d.NumValues && !u.repeated:
		return fmt.Errorf("page of %d values has %d nulls and %d rows", d.NumValues, d.NumNulls, d.NumRows)
	case d.DefinitionLength < 0 || d.RepetitionLength < 0 || levels > int64(len(body)) || levels > int64(h.UncompressedSize):
		return fmt.Errorf("levels of %d and %d bytes in a page of %d", d.DefinitionLength, d.RepetitionLength, len(body))
	}
	codec := u.codec
	if d.IsCompressed.Valid && !d.IsCompressed.V {
		codec = format.Uncompressed
	}
	out := &format.PageHeader{Type: format.DataPageV2, DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
		NumValues: d.NumValues, NumNulls: d.NumNulls, NumRows: d.NumRows, Encoding: d.Encoding,
		DefinitionLevelsByteLength: d.DefinitionLength, RepetitionLevelsByteLength: d.RepetitionLength,
		IsCompressed: thrift.New(false),
	})}
	err := u.emit(out, h.UncompressedSize, int(levels), body, codec)
	if err == nil && u.ints && d.Encoding == format.DeltaBinaryPacked {
		err = u.plainDeltas(out, int(levels))
	}
	return err
}

func (u *unwrapper) dictionaryPage(h *pageHeader, body []byte) error {
	d := &h.Dictionary.V
	switch {
	case u.dict:
		return errors.New("a second dictionary page")
	case d.NumValues < 0 || int64(d.NumValues) > int64(h.UncompressedSize)*8:
		return fmt.Errorf("dictionary of %d values in %d bytes", d.NumValues, h.UncompressedSize)
	}
	u.dict = true
	return u.emit(&format.PageHeader{Type: format.DictionaryPage, DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{
		NumValues: d.NumValues, Encoding: d.Encoding,
	})}, h.UncompressedSize, 0, body, u.codec)
}

// emit makes the page ready to be read: its header, the first levels bytes as they are, and the rest decompressed.
func (u *unwrapper) emit(h *format.PageHeader, raw int32, levels int, body []byte, codec format.CompressionCodec) error {
	h.UncompressedPageSize, h.CompressedPageSize = raw, raw
	head, err := thrift.Marshal(new(thrift.CompactProtocol), h)
	if err != nil {
		return err
	}
	size := len(head) + int(raw)
	u.pageOf.ResizeNoShrink(size)
	u.page = u.pageOf.Bytes()
	n := copy(u.page, head)
	n += copy(u.page[n:], body[:levels])
	if err := u.codecs.decode(codec, u.page[n:], body[levels:]); err != nil {
		u.page = u.page[:0]
		return fmt.Errorf("decompress page (%s): %w", codec, err)
	}
	return nil
}
