package operator

import (
	"cmp"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// A sort with a limit knows, after its first cut, a row that whatever comes must come before. To compare encoded keys it
// would have to encode those of all rows; most of them are told by the values of their first key.

// noLaterThan is the rows whose first key does not come after the bound's: a sorted row's, alone in its array. ok is false
// where that cannot be told so. Where in doubt (NaN) a row is among them.
func noLaterThan(arr, bound arrow.Array, key plan.SortKey) (rows []int32, ok bool) {
	if arr.DataType().ID() != bound.DataType().ID() || bound.IsNull(0) {
		return nil, false
	}
	switch arr.DataType().ID() {
	case arrow.INT8:
		return inOrder(arr, vector.Int8s(arr), vector.Int8s(bound)[0], key), true
	case arrow.INT16:
		return inOrder(arr, vector.Int16s(arr), vector.Int16s(bound)[0], key), true
	case arrow.INT32, arrow.DATE32:
		return inOrder(arr, vector.Int32s(arr), vector.Int32s(bound)[0], key), true
	case arrow.INT64, arrow.TIMESTAMP:
		return inOrder(arr, vector.Int64s(arr), vector.Int64s(bound)[0], key), true
	case arrow.FLOAT32:
		return inOrder(arr, vector.Float32s(arr), vector.Float32s(bound)[0], key), true
	case arrow.FLOAT64:
		return inOrder(arr, vector.Float64s(arr), vector.Float64s(bound)[0], key), true
	case arrow.DECIMAL128:
		return decimalsInOrder(arr, vector.Decimals(arr), vector.Decimals(bound)[0], key), true
	}
	return nil, false
}

func inOrder[T cmp.Ordered](arr arrow.Array, values []T, bound T, key plan.SortKey) (rows []int32) {
	valid := vector.ValidityOf(arr)
	all := valid.AllValid()
	for i, v := range values {
		later := v > bound
		if key.Descending {
			later = v < bound
		}
		if !all && valid.IsNull(i) {
			later = key.NullsLast
		}
		if !later {
			rows = append(rows, int32(i))
		}
	}
	return rows
}

func decimalsInOrder(arr arrow.Array, values []decimal128.Num, bound decimal128.Num, key plan.SortKey) (rows []int32) {
	valid := vector.ValidityOf(arr)
	all := valid.AllValid()
	for i, v := range values {
		later := v.HighBits() > bound.HighBits() || v.HighBits() == bound.HighBits() && v.LowBits() > bound.LowBits()
		if key.Descending {
			later = !later && v != bound
		}
		if !all && valid.IsNull(i) {
			later = key.NullsLast
		}
		if !later {
			rows = append(rows, int32(i))
		}
	}
	return rows
}

// possible is the rows of a batch whose first key does not rule them out. It takes over rec.
func (o *Sort) possible(rec arrow.Record) arrow.Record {
	if o.bound == nil {
		return rec
	}
	rows, ok := noLaterThan(rec.Column(o.keys[0].Column), o.bound, o.keys[0])
	if !ok || len(rows) == int(rec.NumRows()) {
		return rec
	}
	defer rec.Release()
	return vector.TakeRecord(o.env.Mem, rec, rows)
}

// setBound notes the first key of a row of a batch.
func (o *Sort) setBound(rec arrow.Record, row int32) {
	o.dropBound()
	if len(o.keys) > 0 {
		o.bound = vector.Take(o.env.Mem, rec.Column(o.keys[0].Column), []int32{row})
	}
}

func (o *Sort) dropBound() {
	if o.bound != nil {
		o.bound.Release()
		o.bound = nil
	}
}
