package operator

import (
	"bytes"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// marked is a batch and what begins at each of its rows.
type marked struct {
	rec   arrow.Record
	marks []byte
}

const (
	markPeer = 1 // other sort keys than the row before
	markPart = 2 // other partition keys
)

// mark compares each row of a batch with the one before. It takes the batch over.
func (o *Window) mark(rec arrow.Record) marked {
	m := marked{rec, make([]byte, rec.NumRows())}
	first := o.lastPart == nil
	o.lastPart = differences(rec, o.partition, o.lastPart, m.marks, markPart|markPeer)
	o.lastPeer = differences(rec, o.order, o.lastPeer, m.marks, markPeer)
	if first {
		m.marks[0] |= markPart | markPeer
	}
	return m
}

// differences marks the rows whose keys differ from those of the row before. The first row's is known by its normalised
// keys alone, last, and so is the last row to the next batch.
func differences(rec arrow.Record, by []plan.SortKey, last []byte, marks []byte, mark byte) []byte {
	if len(by) == 0 {
		return []byte{}
	}
	rows := len(marks)
	if !bytes.Equal(keyOfRow(rec, by, 0), last) {
		marks[0] |= mark
	}
	for _, key := range by {
		differ(rec.Column(key.Column), marks, mark)
	}
	return keyOfRow(rec, by, rows-1)
}

func keyOfRow(rec arrow.Record, by []plan.SortKey, row int) []byte {
	one := vector.Slice(rec, row, row+1)
	defer one.Release()
	return bytes.Clone(sortkey.Encode(one, by).At(0))
}

// differ marks the rows of a column, from the second, that differ from the one before.
func differ(arr arrow.Array, marks []byte, mark byte) {
	valid := vector.ValidityOf(arr)
	switch arr.DataType().ID() {
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		differValues(vector.Int32s(arr), valid, marks, mark)
	case arrow.INT64, arrow.TIMESTAMP, arrow.DURATION:
		differValues(vector.Int64s(arr), valid, marks, mark)
	case arrow.FLOAT64:
		values := vector.Float64s(arr)
		differWhere(valid, marks, mark, func(i int) bool { return hash.FloatBits(values[i]) != hash.FloatBits(values[i-1]) })
	case arrow.STRING, arrow.BINARY:
		values := vector.StringsOf(arr)
		differWhere(valid, marks, mark, func(i int) bool { return !bytes.Equal(values.At(i), values.At(i-1)) })
	case arrow.DICTIONARY:
		d, _ := vector.DictionaryOf(arr)
		differWhere(valid, marks, mark, func(i int) bool {
			a, b := d.Codes[i], d.Codes[i-1]
			return a != b && !bytes.Equal(d.Values.At(int(a)), d.Values.At(int(b)))
		})
	default:
		keys := sortkey.EncodeColumns([]arrow.Array{arr}, len(marks), []plan.SortKey{{}})
		for i := 1; i < len(marks); i++ {
			if !bytes.Equal(keys.At(i), keys.At(i-1)) {
				marks[i] |= mark
			}
		}
	}
}

func differValues[T comparable](values []T, valid vector.Validity, marks []byte, mark byte) {
	if !valid.AllValid() {
		differWhere(valid, marks, mark, func(i int) bool { return values[i] != values[i-1] })
		return
	}
	for i := 1; i < len(values); i++ {
		if values[i] != values[i-1] {
			marks[i] |= mark
		}
	}
}

// differWhere asks only where neither row is NULL.
func differWhere(valid vector.Validity, marks []byte, mark byte, differ func(i int) bool) {
	for i := 1; i < len(marks); i++ {
		a, b := valid.IsNull(i), valid.IsNull(i-1)
		if a != b || !a && differ(i) {
			marks[i] |= mark
		}
	}
}
