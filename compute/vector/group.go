package vector

import (
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// Groups says to which of N groups each row of some batches belongs.
type Groups[G uint8 | int32] struct {
	N  int
	Of [][]G // by batch and row
}

// GroupRecords is the rows of batches of one schema, one group after the other, each in the order that its rows had. It reads the
// batches from end to end and writes side by side what will lie near each other, so that to take the rows in an order
// in which groups follow one another then reads what is in the nearest caches.
func GroupRecords[G uint8 | int32](mem memory.Allocator, schema plan.Schema, recs []arrow.Record, groups Groups[G]) (arrow.Record, error) {
	l := newLayout(groups)
	cols := make([]arrow.Array, len(schema.Fields))
	defer func() { releaseAll(cols) }()
	parts := make([]arrow.Array, len(recs))
	for c, f := range schema.Fields {
		for i, r := range recs {
			parts[i] = r.Column(c)
		}
		var err error
		if cols[c], err = l.column(mem, parts); err != nil {
			return nil, fmt.Errorf("group column %s: %w", f.Name, err)
		}
	}
	return NewRecord(schema, cols, l.rows), nil
}

// GroupFixed is GroupRecords for values that are no column, one slice for each batch. out is as long as all of them.
func GroupFixed[T any, G uint8 | int32](out []T, groups Groups[G], sources [][]T) {
	l := newLayout(groups)
	groupInto(l, out, func(b int) []T { return sources[b] })
}

// Counts is how many rows each group has.
func (g Groups[G]) Counts() []int32 {
	counts := make([]int32, g.N)
	for _, of := range g.Of {
		for _, at := range of {
			counts[at]++
		}
	}
	return counts
}

// layout is where the rows of each group go, those of one batch behind those of the one before.
type layout[G uint8 | int32] struct {
	of     [][]G
	starts []int32 // by group: where its first row goes
	next   []int32 // by group: where its next row goes, of the column in hand
	rows   int
}

func newLayout[G uint8 | int32](groups Groups[G]) *layout[G] {
	l := &layout[G]{of: groups.Of, starts: groups.Counts(), next: make([]int32, groups.N)}
	at := int32(0)
	for g, n := range l.starts {
		l.starts[g] = at
		at += n
	}
	l.rows = int(at)
	return l
}

// begin begins with the rows of a column.
func (l *layout[G]) begin() (next []int32) {
	copy(l.next, l.starts)
	return l.next
}

func (l *layout[G]) column(mem memory.Allocator, arrs []arrow.Array) (arrow.Array, error) {
	first := arrs[0]
	switch dt := first.DataType().(type) {
	case *arrow.DictionaryType:
		if sameDictionary(arrs) {
			return MakeDictionary(first, l.rows, l.nulls(mem, arrs), groupFixed[int32](mem, l, arrs)), nil
		}
	case *arrow.StringType, *arrow.BinaryType:
		if total, plain := plainBytes(arrs); plain && total <= math.MaxInt32 {
			return l.strings(mem, arrs, int(total)), nil
		}
	case *arrow.BooleanType: // in bits
	case arrow.FixedWidthDataType:
		switch dt.BitWidth() {
		case 8:
			return Make(dt, l.rows, l.nulls(mem, arrs), groupFixed[uint8](mem, l, arrs)), nil
		case 16:
			return Make(dt, l.rows, l.nulls(mem, arrs), groupFixed[uint16](mem, l, arrs)), nil
		case 32:
			return Make(dt, l.rows, l.nulls(mem, arrs), groupFixed[uint32](mem, l, arrs)), nil
		case 64:
			return Make(dt, l.rows, l.nulls(mem, arrs), groupFixed[uint64](mem, l, arrs)), nil
		case 128:
			return Make(dt, l.rows, l.nulls(mem, arrs), groupFixed[decimal128.Num](mem, l, arrs)), nil
		}
	}
	return l.any(mem, arrs)
}

// plainBytes is how long the texts of columns are together; plain reports that none is dictionary-encoded.
func plainBytes(arrs []arrow.Array) (total int64, plain bool) {
	for _, a := range arrs {
		if a.DataType().ID() == arrow.DICTIONARY {
			return 0, false
		}
		s := StringsOf(a)
		total += int64(s.Offsets[s.Len()] - s.Offsets[0])
	}
	return total, true
}

func (l *layout[G]) nulls(mem memory.Allocator, arrs []arrow.Array) *Nulls {
	nulls := &Nulls{Mem: mem, Rows: l.rows}
	if !slices.ContainsFunc(arrs, func(a arrow.Array) bool { return !ValidityOf(a).AllValid() }) {
		return nulls
	}
	next := l.begin()
	for b, a := range arrs {
		valid := ValidityOf(a)
		for i, g := range l.of[b] {
			if valid.IsNull(i) {
				nulls.Set(int(next[g]))
			}
			next[g]++
		}
	}
	return nulls
}

func groupFixed[T arrow.FixedWidthType, G uint8 | int32](mem memory.Allocator, l *layout[G], arrs []arrow.Array) *memory.Buffer {
	buf, out := Alloc[T](mem, l.rows)
	groupInto(l, out, func(b int) []T { return Values[T](arrs[b]) })
	return buf
}

func groupInto[T any, G uint8 | int32](l *layout[G], out []T, source func(b int) []T) {
	next := l.begin()
	for b, of := range l.of {
		src := source(b)
		for i, g := range of {
			out[next[g]] = src[i]
			next[g]++
		}
	}
}

// strings groups plain columns: how long each value is first, then, as that says where, the values.
func (l *layout[G]) strings(mem memory.Allocator, arrs []arrow.Array, total int) arrow.Array {
	offBuf, offsets := Alloc[int32](mem, l.rows+1)
	valBuf, values := Alloc[uint8](mem, total)
	offsets[0] = 0
	next := l.begin()
	for b, of := range l.of {
		s := StringsOf(arrs[b])
		for i, g := range of {
			next[g]++
			offsets[next[g]] = s.Offsets[i+1] - s.Offsets[i]
		}
	}
	for i := range l.rows {
		offsets[i+1] += offsets[i]
	}
	next = l.begin()
	for b, of := range l.of {
		s := StringsOf(arrs[b])
		for i, g := range of {
			copy(values[offsets[next[g]]:], s.At(i))
			next[g]++
		}
	}
	return Make(arrs[0].DataType(), l.rows, l.nulls(mem, arrs), offBuf, valBuf)
}

// any serves every type: the columns are joined end to end, and their rows taken.
func (l *layout[G]) any(mem memory.Allocator, arrs []arrow.Array) (arrow.Array, error) {
	all, err := Concat(mem, arrs)
	if err != nil {
		return nil, err
	}
	defer all.Release()
	numbers, row := make([]int32, l.rows), int32(0)
	next := l.begin()
	for _, of := range l.of {
		for _, g := range of {
			numbers[next[g]] = row
			next[g]++
			row++
		}
	}
	return Take(mem, all, numbers), nil
}
