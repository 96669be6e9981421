package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/klauspost/compress/s2"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/arrowipc"
)

// errTooLarge tells the writer to cut a batch in two.
var errTooLarge = errors.New("batch above the payload limit")

// encoder makes block frames. It keeps its buffers, so that a segment's writer allocates little per block.
type encoder struct {
	mem    memory.Allocator
	codec  Codec
	limit  int
	raw    []byte
	frame  []byte
	remap  []int32
	values []int32
}

// encode is the frame of a batch, valid until the next call.
func (e *encoder) encode(partition, sequence int, rec arrow.Record) (Header, []byte, error) {
	compact, err := e.compact(rec)
	if err != nil {
		return Header{}, nil, err
	}
	defer compact.Release()
	e.raw, err = arrowipc.Append(e.raw[:0], compact)
	if err != nil {
		return Header{}, nil, err
	}
	if len(e.raw) > e.limit {
		return Header{}, nil, errTooLarge
	}
	h := Header{Codec: e.codec, Partition: partition, Sequence: sequence, Rows: int(rec.NumRows()), Raw: len(e.raw)}
	// The header goes in front once the payload's length is known. Compressed data that is not at least an eighth
	// smaller is not worth the reader's time.
	room := len(e.raw)
	if h.Codec == CodecS2 {
		room = s2.MaxEncodedLen(room)
	}
	e.frame = grow(e.frame, HeaderSize+room+TrailerSize)
	payload := e.frame[HeaderSize : HeaderSize+room]
	if h.Codec == CodecS2 {
		if payload = s2.Encode(payload, e.raw); len(payload) > len(e.raw)-len(e.raw)/8 {
			h.Codec = CodecNone
		}
	}
	if h.Codec == CodecNone {
		payload = e.frame[HeaderSize : HeaderSize+len(e.raw)]
		copy(payload, e.raw)
	}
	h.Payload = len(payload)
	appendHeader(e.frame[:0], h)
	frame := e.frame[:h.FrameSize()]
	binary.LittleEndian.PutUint32(frame[HeaderSize+h.Payload:], crc32.Checksum(payload, castagnoli))
	return h, frame, nil
}

// compact is the batch with each dictionary cut to the values that its rows use, where that saves much: a block has to
// carry its dictionaries, and a small part of a file's rows may come with the whole file's dictionary.
func (e *encoder) compact(rec arrow.Record) (arrow.Record, error) {
	var cols []arrow.Array
	for i, col := range rec.Columns() {
		d, ok := col.(*array.Dictionary)
		if !ok || d.Dictionary().Len() <= 2*d.Len() {
			continue
		}
		codes, ok := d.Indices().(*array.Int32)
		if !ok {
			return nil, fmt.Errorf("column %d: dictionary codes of type %s", i, d.Indices().DataType())
		}
		if cols == nil {
			cols = append(cols, rec.Columns()...)
		}
		cols[i] = e.compactDictionary(d, codes)
		defer cols[i].Release()
	}
	if cols == nil {
		rec.Retain()
		return rec, nil
	}
	return array.NewRecord(rec.Schema(), cols, rec.NumRows()), nil
}

// compactDictionary renumbers codes in order of first appearance.
func (e *encoder) compactDictionary(d *array.Dictionary, codes *array.Int32) arrow.Array {
	if n := d.Dictionary().Len(); cap(e.remap) < n {
		e.remap = make([]int32, n)
	}
	remap, used := e.remap[:d.Dictionary().Len()], e.values[:0]
	clear(remap) // 0 is a value not seen, else its new code plus one
	renumbered := memory.NewResizableBuffer(e.mem)
	renumbered.Resize(4 * codes.Len())
	defer renumbered.Release()
	out := arrow.Int32Traits.CastFromBytes(renumbered.Bytes())
	anyNull := codes.NullN() > 0
	for i, code := range codes.Int32Values() {
		if anyNull && codes.IsNull(i) {
			out[i] = 0
			continue
		}
		if remap[code] == 0 {
			used = append(used, code)
			remap[code] = int32(len(used))
		}
		out[i] = remap[code] - 1
	}
	e.values = used
	dict := vector.Take(e.mem, d.Dictionary(), used)
	defer dict.Release()
	return e.dictionary(d, codes, renumbered, dict)
}

// dictionary puts new codes and values together with the old validity.
func (e *encoder) dictionary(d *array.Dictionary, codes *array.Int32, renumbered *memory.Buffer, dict arrow.Array) arrow.Array {
	var validity *memory.Buffer
	if codes.NullN() > 0 {
		validity = memory.NewResizableBuffer(e.mem)
		validity.Resize((codes.Len() + 7) / 8)
		defer validity.Release()
		copyBits(validity.Bytes(), codes)
	}
	data := array.NewDataWithDictionary(d.DataType(), codes.Len(), []*memory.Buffer{validity, renumbered},
		codes.NullN(), 0, dict.Data().(*array.Data))
	defer data.Release()
	return array.NewDictionaryData(data)
}

func copyBits(dst []byte, codes *array.Int32) {
	clear(dst)
	for i := range codes.Len() {
		if codes.IsValid(i) {
			dst[i/8] |= 1 << (i % 8)
		}
	}
}
