package arrowipc

import (
	"encoding/binary"
	"errors"
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

// Ordinals of the fields that are looked at, in Arrow's Message.fbs and Schema.fbs.
const (
	messageHeaderType = 1
	messageHeader     = 2
	messageBodyLength = 3
	schemaFields      = 1
	schemaMetadata    = 2
	fieldType         = 2
	fieldChildren     = 5
	fieldMetadata     = 6

	headerIsSchema = 1

	lastPlainType = 10 // null, integers, floats, binary, strings, booleans, decimals, dates, times, timestamps
)

const (
	maxColumns  = 1 << 16
	maxMetadata = 64
)

// checkSchema checks the counts of a schema message. Quern sends no nested types yet.
func checkSchema(message table) error {
	schema, ok, err := message.child(messageHeader)
	if err != nil || !ok {
		return errors.Join(errors.New("schema message without a schema"), err)
	}
	if err := checkMetadata(schema, schemaMetadata); err != nil {
		return err
	}
	first, count, err := schema.vector(schemaFields)
	if err != nil {
		return err
	}
	if count > maxColumns {
		return fmt.Errorf("%d columns", count)
	}
	for i := range count {
		at, err := follow(schema.buf, first+4*i)
		if err != nil {
			return err
		}
		field, err := newTable(schema.buf, at)
		if err != nil {
			return err
		}
		kind, err := field.scalar(fieldType, 1)
		if err != nil || len(kind) != 1 || kind[0] > lastPlainType {
			return errors.Join(fmt.Errorf("column %d is of a type that is not used between processes", i), err)
		}
		if _, children, err := field.vector(fieldChildren); err != nil || children > 0 {
			return errors.Join(fmt.Errorf("column %d is nested", i), err)
		}
		if err := checkMetadata(field, fieldMetadata); err != nil {
			return err
		}
	}
	return nil
}

func checkMetadata(t table, ordinal int64) error {
	_, count, err := t.vector(ordinal)
	if err == nil && count > maxMetadata {
		err = fmt.Errorf("%d metadata entries", count)
	}
	return err
}
