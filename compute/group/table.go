package group

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Table numbers keys of any number of columns, densely and in order of first appearance. It is not safe for concurrent
// use, reads included.
type Table struct {
	types   []plan.Type
	fields  []field
	width   int
	strings []*bytesTable // by column; nil where the column is not of strings

	// One of these numbers the keys: strings[0] for a lone string column; words for a lone eight-byte column (whose
	// NULL is the group null, kept out of the index) or for keys packed into one word; rows for wider keys. Without
	// columns there is one group at most, none.
	words *wordTable
	rows  *rowTable
	null  uint32
	none  int

	keys []uint64 // scratch: packed keys of a batch
	ids  []uint32 // scratch: string numbers of a batch
}

// New makes an empty table for key columns of these types.
func New(types []plan.Type) *Table {
	t := &Table{types: slices.Clone(types)}
	t.Reset()
	return t
}

// Reset empties the table.
func (t *Table) Reset() {
	t.fields, t.width = layOut(t.types)
	t.strings = make([]*bytesTable, len(t.types))
	t.words, t.rows, t.null, t.none = nil, nil, None, 0
	for i, typ := range t.types {
		if typ.Kind == plan.KindString || typ.Kind == plan.KindBinary || typ.IsNested() {
			t.strings[i] = newBytesTable()
		}
	}
	switch {
	case len(t.types) == 0 || t.loneString():
	case t.loneWord() || t.width == 1:
		t.words = newWordTable()
	default:
		t.rows = newRowTable(t.width)
	}
}

func (t *Table) loneString() bool { return len(t.types) == 1 && t.strings[0] != nil }
func (t *Table) loneWord() bool   { return len(t.types) == 1 && longWords(t.types[0].Kind) == 1 }

// Reserve makes room for so many keys in an empty table, text aside.
func (t *Table) Reserve(keys int) {
	switch {
	case t.words != nil:
		t.words.slots.reserve(keys)
		t.words.keys = slices.Grow(t.words.keys, keys)
	case t.rows != nil:
		t.rows.slots.reserve(keys)
		t.rows.keys = slices.Grow(t.rows.keys, keys*t.width)
	}
}

// Len is the number of groups.
func (t *Table) Len() int {
	switch {
	case t.words != nil:
		return len(t.words.keys)
	case t.rows != nil:
		return len(t.rows.keys) / t.width
	case t.loneString():
		return t.strings[0].len()
	}
	return t.none
}

// Bytes estimates the memory that the table holds. It is a function of the keys alone, scratch space left aside, so
// that a decision based on it does not depend on the machine.
func (t *Table) Bytes() int64 {
	n := int64(0)
	for _, s := range t.strings {
		if s != nil {
			n += s.bytes()
		}
	}
	if t.words != nil {
		n += t.words.slots.bytes() + int64(len(t.words.keys))*8 + t.words.direct.bytes()
	}
	if t.rows != nil {
		n += t.rows.slots.bytes() + int64(len(t.rows.keys))*8
	}
	return n
}

// Assign numbers the keys of a batch, adding those that are new: dst[i] becomes the group of row i, in dst's memory if
// it is large enough. cols are the key columns, rows long each.
func (t *Table) Assign(cols []arrow.Array, rows int, dst []uint32) ([]uint32, error) {
	if err := t.check(cols); err != nil {
		return nil, err
	}
	cols, err := t.encoded(cols)
	if err != nil {
		return nil, err
	}
	if t.Len()+rows > maxGroups {
		return nil, plan.Failf(plan.FailureOutOfMemory, "more than %d distinct keys in one task: use more partitions", maxGroups)
	}
	dst = slices.Grow(dst[:0], rows)[:rows]
	switch {
	case len(cols) == 0:
		clear(dst)
		t.none = max(t.none, min(rows, 1))
	case t.loneString():
		t.strings[0].assign(cols[0], dst)
	case t.loneWord():
		t.assignWords(cols[0], dst)
	default:
		t.pack(cols, rows, (*bytesTable).assign)
		if t.words != nil {
			t.words.assign(t.keys, dst)
		} else {
			t.rows.assign(t.keys, dst)
		}
	}
	return dst, nil
}

// Find looks up the keys of a batch without adding any: dst[i] becomes the group of row i, or None.
func (t *Table) Find(cols []arrow.Array, rows int, dst []uint32) ([]uint32, error) {
	if err := t.check(cols); err != nil {
		return nil, err
	}
	cols, err := t.encoded(cols)
	if err != nil {
		return nil, err
	}
	dst = slices.Grow(dst[:0], rows)[:rows]
	switch {
	case len(cols) == 0:
		for i := range dst {
			dst[i] = None + uint32(t.none) // 0 if there is the group
		}
	case t.loneString():
		t.strings[0].find(cols[0], dst)
	case t.loneWord():
		t.findWords(cols[0], dst)
	default:
		// An absent string is packed as None, which is no string's number, so its key is absent as well.
		t.pack(cols, rows, (*bytesTable).find)
		if t.words != nil {
			t.words.find(t.keys, dst)
		} else {
			t.rows.find(t.keys, dst)
		}
	}
	return dst, nil
}

// encoded is the columns with the encodings of nested ones in their place. Those lie in the Go heap.
func (t *Table) encoded(cols []arrow.Array) ([]arrow.Array, error) {
	var out []arrow.Array
	for i, c := range cols {
		if !t.types[i].IsNested() {
			continue
		}
		if out == nil {
			out = slices.Clone(cols)
		}
		var err error
		if out[i], err = encodeNested(c); err != nil {
			return nil, err
		}
	}
	if out == nil {
		return cols, nil
	}
	return out, nil
}

// check refuses columns of other types than the table's, which would be misread.
func (t *Table) check(cols []arrow.Array) error {
	if len(cols) != len(t.types) {
		return fmt.Errorf("group: %d key columns, want %d", len(cols), len(t.types))
	}
	for i, c := range cols {
		if typ, err := plan.TypeOf(c.DataType()); err != nil || typ.Kind != t.types[i].Kind {
			return fmt.Errorf("group: key column %d is %s, want %s", i, c.DataType(), t.types[i])
		}
	}
	return nil
}

func (t *Table) pack(cols []arrow.Array, rows int, number func(*bytesTable, arrow.Array, []uint32)) {
	t.keys = slices.Grow(t.keys[:0], rows*t.width)[:rows*t.width]
	clear(t.keys)
	for i, c := range cols {
		if t.strings[i] == nil {
			t.fields[i].pack(c, t.width, t.keys)
			continue
		}
		t.ids = slices.Grow(t.ids[:0], rows)[:rows]
		number(t.strings[i], c, t.ids)
		t.fields[i].packIDs(t.ids, t.width, t.keys)
	}
}

// loneValues is the words of a lone eight-byte column. Integers are read in place.
func (t *Table) loneValues(arr arrow.Array) []uint64 {
	if t.types[0].Kind != plan.KindFloat64 {
		return vector.Values[uint64](arr)
	}
	t.keys = slices.Grow(t.keys[:0], arr.Len())[:arr.Len()]
	for i, v := range vector.Float64s(arr) {
		t.keys[i] = hash.FloatBits(v)
	}
	return t.keys
}

func (t *Table) assignWords(arr arrow.Array, dst []uint32) {
	words, valid := t.loneValues(arr), vector.ValidityOf(arr)
	if valid.AllValid() {
		t.words.assign(words, dst)
		return
	}
	for i := range dst {
		if !valid.IsNull(i) {
			t.words.assign(words[i:i+1], dst[i:i+1])
			continue
		}
		if t.null == None {
			t.null = uint32(len(t.words.keys))
			t.words.keys = append(t.words.keys, 0)
		}
		dst[i] = t.null
	}
}

func (t *Table) findWords(arr arrow.Array, dst []uint32) {
	t.words.find(t.loneValues(arr), dst)
	if valid := vector.ValidityOf(arr); !valid.AllValid() {
		for i := range dst {
			if valid.IsNull(i) {
				dst[i] = t.null
			}
		}
	}
}
