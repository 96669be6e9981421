package vector

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Decode is the column in plain layout: the column itself, retained, unless it is dictionary-encoded. (The parts of
// nested columns are plain already.) Values that
// together outgrow the plain layout's 2 GiB stay dictionary-encoded; no batch of sane size does.
func Decode(mem memory.Allocator, arr arrow.Array) arrow.Array {
	if arr.DataType().ID() != arrow.DICTIONARY {
		arr.Retain()
		return arr
	}
	dict, _ := DictionaryOf(arr)
	values := array.MakeFromData(arr.Data().Dictionary())
	defer values.Release()
	valid := ValidityOf(arr)
	if valid.AllValid() {
		return Take(mem, values, dict.Codes)
	}
	idx := make([]int32, len(dict.Codes))
	for i, code := range dict.Codes {
		if valid.IsNull(i) {
			code = -1
		}
		idx[i] = code
	}
	return Take(mem, values, idx)
}

// DecodeRecord decodes every column of a batch; a batch that is plain already comes back retained.
func DecodeRecord(mem memory.Allocator, rec arrow.Record) arrow.Record {
	plain := true
	for _, c := range rec.Columns() {
		plain = plain && c.DataType().ID() != arrow.DICTIONARY
	}
	if plain {
		rec.Retain()
		return rec
	}
	cols := make([]arrow.Array, rec.NumCols())
	for i, c := range rec.Columns() {
		cols[i] = Decode(mem, c)
	}
	defer releaseAll(cols)
	return array.NewRecord(withLayouts(rec.Schema(), cols), cols, rec.NumRows())
}
