package parquetio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Some writers (DuckDB) compute the differences of DELTA_BINARY_PACKED in 64 bits even where the values have 32, so
// that a difference may have 33. Spark reads that; parquet-go, which computes in 32 bits, would give other values
// without a word. Such pages are unwrapped as plain ones.

var errDeltas = errors.New("differences end early")

// deltas reads integers packed as differences.
type deltas struct {
	src         []byte
	block, mini int // values in each
	count       int
	first       int64
}

// newDeltas reads the head of packed integers.
func newDeltas(src []byte) (*deltas, error) {
	d := &deltas{src: src}
	block, minis, count := d.uvarint(), d.uvarint(), d.uvarint()
	d.first = d.varint()
	switch {
	case d.src == nil:
		return nil, errDeltas
	case block == 0 || block > 1<<16 || block%128 != 0 || minis == 0 || minis > block/32 || block/minis%32 != 0 || block%minis != 0:
		return nil, fmt.Errorf("blocks of %d differences in %d parts", block, minis)
	case count > maxPageValues:
		return nil, fmt.Errorf("%d differences", count)
	}
	d.block, d.mini, d.count = int(block), int(block/minis), int(count)
	return d, nil
}

// uvarint takes a number from the front; nothing is left behind one that ends early.
func (d *deltas) uvarint() uint64 {
	v, n := binary.Uvarint(d.src)
	if n <= 0 {
		d.src = nil
		return 0
	}
	d.src = d.src[n:]
	return v
}

func (d *deltas) varint() int64 {
	v, n := binary.Varint(d.src)
	if n <= 0 {
		d.src = nil
		return 0
	}
	d.src = d.src[n:]
	return v
}

// blocks visits the parts of all blocks: how many values each has, the smallest difference, the width of what is added
// to it, and those bits.
func (d *deltas) blocks(visit func(n int, least int64, width uint, bits []byte)) error {
	for left := d.count - 1; left > 0; {
		least, parts := d.varint(), d.block/d.mini
		if len(d.src) < parts {
			return errDeltas
		}
		widths := d.src[:parts]
		d.src = d.src[parts:]
		for _, width := range widths {
			if left <= 0 {
				break
			}
			n := min(left, d.mini)
			size := min(d.mini*int(width)/8, len(d.src)) // the last one may lack what no value needs
			if width > 64 || size < (n*int(width)+7)/8 {
				return errDeltas
			}
			visit(n, least, uint(width), d.src[:size])
			d.src = d.src[size:]
			left -= n
		}
	}
	return nil
}

// wide reports that 32 bits are too few to compute the values in.
func (d deltas) wide() (wide bool, err error) {
	wide = d.first < math.MinInt32 || d.first > math.MaxInt32
	err = d.blocks(func(_ int, _ int64, width uint, _ []byte) { wide = wide || width > 32 })
	return wide, err
}

// appendPlain adds the values to dst, four bytes each.
func (d *deltas) appendPlain(dst []byte) ([]byte, error) {
	if d.count == 0 {
		return dst, nil
	}
	v := d.first
	dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	err := d.blocks(func(n int, least int64, width uint, bits []byte) {
		for i := range n {
			v += least + int64(unpack(bits, uint(i)*width, width))
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
		}
	})
	return dst, err
}

// unpack is the number of width bits that begins at a bit.
func unpack(bits []byte, at, width uint) (v uint64) {
	for have := uint(0); have < width; {
		from, n := at%8, min(8-at%8, width-have)
		v |= uint64(bits[at/8]>>from) & (1<<n - 1) << have
		have += n
		at += n
	}
	return v
}

// plainDeltas makes the page, whose values begin behind levels bytes, a plain one if its differences have more than 32
// bits. If something is wrong with it, parquet-go will say so.
func (u *unwrapper) plainDeltas(h *format.PageHeader, levels int) error {
	body := u.page[len(u.page)-int(h.UncompressedPageSize):]
	d, err := newDeltas(body[min(levels, len(body)):])
	if err != nil {
		return nil
	}
	if wide, err := d.wide(); !wide || err != nil {
		return nil
	}
	values, err := d.appendPlain(make([]byte, 0, 4*d.count))
	if err != nil {
		return err
	}
	size := int32(levels + len(values))
	h.UncompressedPageSize, h.CompressedPageSize = size, size
	if h.Type == format.DataPage {
		h.DataPageHeader.V.Encoding = format.Plain
	} else {
		h.DataPageHeaderV2.V.Encoding = format.Plain
	}
	head, err := thrift.Marshal(new(thrift.CompactProtocol), h)
	if err == nil {
		u.page = append(append(head, body[:levels]...), values...)
	}
	return err
}

// levelBytes is how many bytes the levels take that the values of a data page of the first version follow.
func (u *unwrapper) levelBytes(raw int32) int {
	body, n := u.page[len(u.page)-int(raw):], 0
	for _, some := range []bool{u.repeated, u.optional} {
		if some && n+4 <= len(body) {
			n += 4 + int(min(binary.LittleEndian.Uint32(body[n:]), math.MaxInt32))
		}
	}
	return n
}
