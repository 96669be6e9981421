package parquetio

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The limits of a thrift structure. Depth: real footers have 6 levels. Elements: a million column chunks; beyond, the
// decoded form of a small hostile footer would take gigabytes.
const (
	thriftMaxDepth    = 32
	thriftMaxElements = 4 << 20
)

// errTruncated says that a structure does not end within the bytes given.
var errTruncated = errors.New("truncated")

// Types of the compact protocol.
const (
	thriftStop = iota
	thriftTrue
	thriftFalse
	thriftByte
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

// thriftWalker steps over a structure without building anything, to see that its lengths are true. The decoder that
// comes after it allocates lengths before it reads what they count.
type thriftWalker struct {
	b        []byte
	at       int
	elements int
}

// thriftSize is the length of the compact-protocol structure that b begins with.
func thriftSize(b []byte) (int, error) {
	w := thriftWalker{b: b}
	if err := w.structure(0); err != nil {
		return 0, err
	}
	return w.at, nil
}

func (w *thriftWalker) byte() (byte, error) {
	if w.at >= len(w.b) {
		return 0, errTruncated
	}
	w.at++
	return w.b[w.at-1], nil
}

func (w *thriftWalker) varint() (uint64, error) {
	v, n := binary.Uvarint(w.b[w.at:])
	if n == 0 {
		return 0, errTruncated
	}
	if n < 0 {
		return 0, errors.New("integer is too long")
	}
	w.at += n
	return v, nil
}

func (w *thriftWalker) skip(n uint64) error {
	if n > uint64(len(w.b)-w.at) {
		return errTruncated
	}
	w.at += int(n)
	return nil
}

func (w *thriftWalker) structure(depth int) error {
	if depth > thriftMaxDepth {
		return errors.New("nested too deeply")
	}
	for {
		head, err := w.byte()
		if err != nil {
			return err
		}
		kind := head & 0x0f
		if kind == thriftStop {
			return nil
		}
		if head>>4 == 0 { // the field's number follows
			if _, err := w.varint(); err != nil {
				return err
			}
		}
		if kind == thriftTrue || kind == thriftFalse {
			continue // the type is the value
		}
		if err := w.value(kind, depth); err != nil {
			return err
		}
	}
}

func (w *thriftWalker) value(kind byte, depth int) error {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		return w.skip(1)
	case thriftI16, thriftI32, thriftI64:
		_, err := w.varint()
		return err
	case thriftDouble:
		return w.skip(8)
	case thriftBinary:
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case thriftList, thriftSet:
		return w.list(depth)
	case thriftMap:
		return w.pairs(depth)
	case thriftStruct:
		return w.structure(depth + 1)
	}
	return fmt.Errorf("type %d is not known", kind)
}

func (w *thriftWalker) list(depth int) error {
	head, err := w.byte()
	if err != nil {
		return err
	}
	size := uint64(head >> 4)
	if size == 15 {
		if size, err = w.varint(); err != nil {
			return err
		}
	}
	return w.repeat(size, depth, head&0x0f)
}

func (w *thriftWalker) pairs(depth int) error {
	size, err := w.varint()
	if err != nil || size == 0 {
		return err
	}
	kinds, err := w.byte()
	if err != nil {
		return err
	}
	return w.repeat(size, depth, kinds>>4, kinds&0x0f)
}

// repeat steps over size elements, each made of values of the kinds.
func (w *thriftWalker) repeat(size uint64, depth int, kinds ...byte) error {
	if size > uint64(len(w.b)-w.at) { // an element takes a byte at least
		return errTruncated
	}
	if w.elements += int(size); w.elements > thriftMaxElements {
		return fmt.Errorf("more than %d list elements", thriftMaxElements)
	}
	if depth >= thriftMaxDepth {
		return errors.New("nested too deeply")
	}
	for range size {
		for _, k := range kinds {
			if err := w.value(k, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
