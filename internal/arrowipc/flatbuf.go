package arrowipc

import (
	"encoding/binary"
	"fmt"
)

// table is a flatbuffer table at a position of a message's metadata. Arrow's generated readers index without checks,
// which panics and can be recovered; what cannot be is a count from the wire that becomes the length of a slice. So
// this small reader looks at those counts first. Its reads are all checked, and it makes no slice.
type table struct {
	buf []byte
	pos int64
}

func root(buf []byte) (table, error) {
	if len(buf) < 4 {
		return table{}, errTruncated
	}
	return newTable(buf, int64(binary.LittleEndian.Uint32(buf)))
}

func newTable(buf []byte, pos int64) (table, error) {
	if pos < 0 || pos+4 > int64(len(buf)) {
		return table{}, errTruncated
	}
	return table{buf: buf, pos: pos}, nil
}

// field is the position of the n-th field's value, or 0 where it is absent.
func (t table) field(n int64) (int64, error) {
	fields := t.pos - int64(int32(binary.LittleEndian.Uint32(t.buf[t.pos:])))
	if fields < 0 || fields+2 > int64(len(t.buf)) {
		return 0, errTruncated
	}
	slot := 4 + 2*n
	if slot >= int64(binary.LittleEndian.Uint16(t.buf[fields:])) {
		return 0, nil
	}
	if fields+slot+2 > int64(len(t.buf)) {
		return 0, errTruncated
	}
	at := int64(binary.LittleEndian.Uint16(t.buf[fields+slot:]))
	if at == 0 {
		return 0, nil
	}
	return t.pos + at, nil
}

// scalar is the bytes of a field, nil where it is absent.
func (t table) scalar(n, size int64) ([]byte, error) {
	at, err := t.field(n)
	if err != nil || at == 0 {
		return nil, err
	}
	if at+size > int64(len(t.buf)) {
		return nil, errTruncated
	}
	return t.buf[at : at+size], nil
}

// follow is where the offset at a position points to.
func follow(buf []byte, at int64) (int64, error) {
	if at < 0 || at+4 > int64(len(buf)) {
		return 0, errTruncated
	}
	return at + int64(binary.LittleEndian.Uint32(buf[at:])), nil
}

// child is a field that is a table.
func (t table) child(n int64) (c table, present bool, err error) {
	at, err := t.field(n)
	if err != nil || at == 0 {
		return table{}, false, err
	}
	if at, err = follow(t.buf, at); err != nil {
		return table{}, false, err
	}
	c, err = newTable(t.buf, at)
	return c, err == nil, err
}

// vector is a field that is a vector of offsets: where its first element is, and how many there are.
func (t table) vector(n int64) (first, count int64, err error) {
	at, err := t.field(n)
	if err != nil || at == 0 {
		return 0, 0, err
	}
	if at, err = follow(t.buf, at); err != nil {
		return 0, 0, err
	}
	if at+4 > int64(len(t.buf)) {
		return 0, 0, errTruncated
	}
	count = int64(binary.LittleEndian.Uint32(t.buf[at:]))
	if count > (int64(len(t.buf))-at-4)/4 {
		return 0, 0, fmt.Errorf("vector of %d: %w", count, errTruncated)
	}
	return at + 4, count, nil
}
