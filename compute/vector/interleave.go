package vector

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// Pick names a row of one of several columns or batches.
type Pick struct{ Source, Row int32 }

// InterleaveRecords is the rows picked from batches of one schema, in that order.
func InterleaveRecords(mem memory.Allocator, schema plan.Schema, recs []arrow.Record, picks []Pick) (arrow.Record, error) {
	cols := make([]arrow.Array, len(schema.Fields))
	defer func() { releaseAll(cols) }()
	parts := make([]arrow.Array, len(recs))
	for c, f := range schema.Fields {
		for i, r := range recs {
			parts[i] = r.Column(c)
		}
		var err error
		if cols[c], err = Interleave(mem, parts, picks); err != nil {
			return nil, fmt.Errorf("interleave column %s: %w", f.Name, err)
		}
	}
	return NewRecord(schema, cols, len(picks)), nil
}

// Interleave is the rows picked from columns of one SQL type, at least one, in that order. Plain and dictionary-encoded
// columns may mix: if all share one dictionary the result keeps it, otherwise it is plain.
func Interleave(mem memory.Allocator, arrs []arrow.Array, picks []Pick) (arrow.Array, error) {
	dt := valueType(arrs[0])
	for _, a := range arrs {
		if valueType(a).ID() != dt.ID() {
			return nil, fmt.Errorf("interleave columns: %s and %s", arrs[0].DataType(), a.DataType())
		}
	}
	switch dt.ID() {
	case arrow.NULL:
		return array.NewNull(len(picks)), nil
	case arrow.STRING, arrow.BINARY:
		if sameDictionary(arrs) {
			nulls := interleaveNulls(mem, arrs, picks)
			return MakeDictionary(arrs[0], len(picks), nulls, interleaveFixed[int32](mem, arrs, picks)), nil
		}
		return interleaveStrings(mem, dt, arrs, picks)
	case arrow.BOOL, arrow.LIST, arrow.MAP, arrow.STRUCT:
		return interleaveAny(mem, arrs, picks)
	}
	nulls := interleaveNulls(mem, arrs, picks)
	switch dt.(arrow.FixedWidthDataType).BitWidth() {
	case 8:
		return Make(dt, len(picks), nulls, interleaveFixed[uint8](mem, arrs, picks)), nil
	case 16:
		return Make(dt, len(picks), nulls, interleaveFixed[uint16](mem, arrs, picks)), nil
	case 32:
		return Make(dt, len(picks), nulls, interleaveFixed[uint32](mem, arrs, picks)), nil
	case 64:
		return Make(dt, len(picks), nulls, interleaveFixed[uint64](mem, arrs, picks)), nil
	}
	return Make(dt, len(picks), nulls, interleaveFixed[decimal128.Num](mem, arrs, picks)), nil
}

func interleaveNulls(mem memory.Allocator, arrs []arrow.Array, picks []Pick) *Nulls {
	nulls, any := &Nulls{Mem: mem, Rows: len(picks)}, false
	valid := make([]Validity, len(arrs))
	for i, a := range arrs {
		valid[i] = ValidityOf(a)
		any = any || !valid[i].AllValid()
	}
	if !any {
		return nulls
	}
	for i, p := range picks {
		if valid[p.Source].IsNull(int(p.Row)) {
			nulls.Set(i)
		}
	}
	return nulls
}

func interleaveFixed[T arrow.FixedWidthType](mem memory.Allocator, arrs []arrow.Array, picks []Pick) *memory.Buffer {
	sources := make([][]T, len(arrs))
	for i, a := range arrs {
		sources[i] = Values[T](a)
	}
	buf, out := Alloc[T](mem, len(picks))
	for i, p := range picks {
		out[i] = sources[p.Source][p.Row]
	}
	return buf
}

// texts is a string column of either layout.
type texts struct {
	values Strings
	codes  []int32 // nil for the plain layout
}

func (t *texts) at(row int32) []byte {
	if t.codes != nil {
		row = t.codes[row]
	}
	return t.values.At(int(row))
}

func interleaveStrings(mem memory.Allocator, dt arrow.DataType, arrs []arrow.Array, picks []Pick) (arrow.Array, error) {
	sources, valid := make([]texts, len(arrs)), make([]Validity, len(arrs))
	for i, a := range arrs {
		valid[i] = ValidityOf(a)
		if d, ok := DictionaryOf(a); ok {
			sources[i] = texts{d.Values, d.Codes}
		} else {
			sources[i] = texts{values: StringsOf(a)}
		}
	}
	total := int64(0)
	for _, p := range picks {
		if !valid[p.Source].IsNull(int(p.Row)) {
			total += int64(len(sources[p.Source].at(p.Row)))
		}
	}
	if total > math.MaxInt32 {
		return nil, plan.Failf(plan.FailureOutOfMemory, "a column's text exceeds 2 GiB in one batch: use smaller batches")
	}
	nulls := &Nulls{Mem: mem, Rows: len(picks)}
	offBuf, offsets := Alloc[int32](mem, len(picks)+1)
	valBuf, out := Alloc[uint8](mem, int(total))
	n := int32(0)
	for i, p := range picks {
		offsets[i] = n
		if valid[p.Source].IsNull(int(p.Row)) {
			nulls.Set(i)
			continue
		}
		n += int32(copy(out[n:], sources[p.Source].at(p.Row)))
	}
	offsets[len(picks)] = n
	return Make(dt, len(picks), nulls, offBuf, valBuf), nil
}

// interleaveAny serves every type: the rows of each source are taken together, joined end to end, and put in order.
func interleaveAny(mem memory.Allocator, arrs []arrow.Array, picks []Pick) (arrow.Array, error) {
	rows := make([][]int32, len(arrs))
	for _, p := range picks {
		rows[p.Source] = append(rows[p.Source], p.Row)
	}
	parts, next := make([]arrow.Array, len(arrs)), make([]int32, len(arrs))
	defer func() { releaseAll(parts) }()
	start := int32(0)
	for i, a := range arrs {
		parts[i] = Take(mem, a, rows[i])
		next[i] = start
		start += int32(len(rows[i]))
	}
	all, err := Concat(mem, parts)
	if err != nil {
		return nil, err
	}
	defer all.Release()
	order := make([]int32, len(picks))
	for i, p := range picks {
		order[i] = next[p.Source]
		next[p.Source]++
	}
	return Take(mem, all, order), nil
}
