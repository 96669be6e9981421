package vector

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// Piece is the rows of a batch from From up to, not including, To.
type Piece struct {
	Record   arrow.Record
	From, To int
}

// JoinPieces is the rows of pieces of one schema, one piece after the other: what Concat makes of slices, without making these.
func JoinPieces(mem memory.Allocator, schema plan.Schema, pieces []Piece) (arrow.Record, error) {
	rows := 0
	for _, p := range pieces {
		rows += p.To - p.From
	}
	cols := make([]arrow.Array, len(schema.Fields))
	defer func() { releaseAll(cols) }()
	parts := make([]arrow.Array, len(pieces))
	for c, f := range schema.Fields {
		for i, p := range pieces {
			parts[i] = p.Record.Column(c)
		}
		var err error
		if cols[c], err = joinPieces(mem, parts, pieces, rows); err != nil {
			return nil, fmt.Errorf("join column %s: %w", f.Name, err)
		}
	}
	return NewRecord(schema, cols, rows), nil
}

func joinPieces(mem memory.Allocator, arrs []arrow.Array, pieces []Piece, rows int) (arrow.Array, error) {
	first := arrs[0]
	switch dt := first.DataType().(type) {
	case *arrow.DictionaryType:
		if sameDictionary(arrs) {
			return MakeDictionary(first, rows, piecesNulls(mem, arrs, pieces, rows), piecesFixed[int32](mem, arrs, pieces, rows)), nil
		}
	case *arrow.BooleanType: // in bits
	case arrow.FixedWidthDataType:
		nulls := piecesNulls(mem, arrs, pieces, rows)
		switch dt.BitWidth() {
		case 8:
			return Make(dt, rows, nulls, piecesFixed[uint8](mem, arrs, pieces, rows)), nil
		case 16:
			return Make(dt, rows, nulls, piecesFixed[uint16](mem, arrs, pieces, rows)), nil
		case 32:
			return Make(dt, rows, nulls, piecesFixed[uint32](mem, arrs, pieces, rows)), nil
		case 64:
			return Make(dt, rows, nulls, piecesFixed[uint64](mem, arrs, pieces, rows)), nil
		case 128:
			return Make(dt, rows, nulls, piecesFixed[decimal128.Num](mem, arrs, pieces, rows)), nil
		}
	}
	if len(arrs) == 1 { // which Concat would not copy
		numbers := make([]int32, rows)
		for i := range numbers {
			numbers[i] = int32(pieces[0].From + i)
		}
		return Take(mem, first, numbers), nil
	}
	slices := make([]arrow.Array, len(arrs))
	defer releaseAll(slices)
	for i, a := range arrs {
		slices[i] = array.NewSlice(a, int64(pieces[i].From), int64(pieces[i].To))
	}
	return Concat(mem, slices)
}

func piecesNulls(mem memory.Allocator, arrs []arrow.Array, pieces []Piece, rows int) *Nulls {
	nulls, at := &Nulls{Mem: mem, Rows: rows}, 0
	for i, a := range arrs {
		from, to := pieces[i].From, pieces[i].To
		if valid := ValidityOf(a); !valid.AllValid() {
			for row := from; row < to; row++ {
				if valid.IsNull(row) {
					nulls.Set(at + row - from)
				}
			}
		}
		at += to - from
	}
	return nulls
}

func piecesFixed[T arrow.FixedWidthType](mem memory.Allocator, arrs []arrow.Array, pieces []Piece, rows int) *memory.Buffer {
	buf, out := Alloc[T](mem, rows)
	for i, a := range arrs {
		out = out[copy(out, Values[T](a)[pieces[i].From:pieces[i].To]):]
	}
	return buf
}
