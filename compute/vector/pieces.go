package vector

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// Piece is some rows of a batch.
type Piece struct {
	Record arrow.Record
	Rows   []int32 // nil for all of them
}

// TakePieces is the rows of pieces of one schema, one piece after the other: what Concat makes of what Take makes of each,
// but values of a fixed width are copied only once.
func TakePieces(mem memory.Allocator, schema plan.Schema, pieces []Piece) (arrow.Record, error) {
	rows := 0
	for _, p := range pieces {
		rows += p.rows()
	}
	cols := make([]arrow.Array, len(schema.Fields))
	defer func() { releaseAll(cols) }()
	parts := make([]arrow.Array, len(pieces))
	for c, f := range schema.Fields {
		for i, p := range pieces {
			parts[i] = p.Record.Column(c)
		}
		var err error
		if cols[c], err = takePieces(mem, parts, pieces, rows); err != nil {
			return nil, fmt.Errorf("join column %s: %w", f.Name, err)
		}
	}
	return NewRecord(schema, cols, rows), nil
}

func (p *Piece) rows() int {
	if p.Rows == nil {
		return int(p.Record.NumRows())
	}
	return len(p.Rows)
}

func takePieces(mem memory.Allocator, arrs []arrow.Array, pieces []Piece, rows int) (arrow.Array, error) {
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
	taken := make([]arrow.Array, len(arrs))
	defer releaseAll(taken)
	for i, a := range arrs {
		if pieces[i].Rows == nil {
			a.Retain()
			taken[i] = a
		} else {
			taken[i] = Take(mem, a, pieces[i].Rows)
		}
	}
	return Concat(mem, taken)
}

func piecesNulls(mem memory.Allocator, arrs []arrow.Array, pieces []Piece, rows int) *Nulls {
	nulls, at := &Nulls{Mem: mem, Rows: rows}, 0
	for i, a := range arrs {
		n := pieces[i].rows()
		if valid := ValidityOf(a); !valid.AllValid() {
			for k := range n {
				row := k
				if pieces[i].Rows != nil {
					row = int(pieces[i].Rows[k])
				}
				if valid.IsNull(row) {
					nulls.Set(at + k)
				}
			}
		}
		at += n
	}
	return nulls
}

func piecesFixed[T arrow.FixedWidthType](mem memory.Allocator, arrs []arrow.Array, pieces []Piece, rows int) *memory.Buffer {
	buf, out := Alloc[T](mem, rows)
	for i, a := range arrs {
		src := Values[T](a)
		if pieces[i].Rows == nil {
			out = out[copy(out, src):]
			continue
		}
		for k, row := range pieces[i].Rows {
			out[k] = src[row]
		}
		out = out[len(pieces[i].Rows):]
	}
	return buf
}
