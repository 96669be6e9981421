package vector

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
)

// Comparer compares row i of one column with row j of another: negative, 0 or positive.
type Comparer func(i, j int) int

// NewComparer makes a comparer of two columns of one SQL type, in whatever layouts; they must outlive it. The order is
// Spark's: NULL first, then values, NaN last among numbers, 0.0 and -0.0 equal; arrays element by element, the shorter
// first; structs field by field. Maps, which Spark does not order, compare as their entries sorted by key: they are
// equal when they hold the same entries. A comparer is for one goroutine at a time.
func NewComparer(a, b arrow.Array) Comparer {
	values := valueComparer(a, b)
	va, vb := ValidityOf(a), ValidityOf(b)
	if va.AllValid() && vb.AllValid() {
		return values
	}
	return func(i, j int) int {
		switch na, nb := va.IsNull(i), vb.IsNull(j); {
		case na && nb:
			return 0
		case na:
			return -1
		case nb:
			return 1
		}
		return values(i, j)
	}
}

// CompareAt compares row i of a with row j of b as [NewComparer] does. For more than a few rows make a comparer.
func CompareAt(a arrow.Array, i int, b arrow.Array, j int) int { return NewComparer(a, b)(i, j) }

// valueComparer compares rows that are not NULL.
func valueComparer(a, b arrow.Array) Comparer {
	switch valueType(a).ID() {
	case arrow.NULL:
		return func(int, int) int { return 0 }
	case arrow.BOOL:
		return compareBools(Bools(a), Bools(b))
	case arrow.INT8:
		return compareOrdered(Int8s(a), Int8s(b))
	case arrow.INT16:
		return compareOrdered(Int16s(a), Int16s(b))
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		return compareOrdered(Int32s(a), Int32s(b))
	case arrow.INT64, arrow.TIMESTAMP, arrow.DURATION:
		return compareOrdered(Int64s(a), Int64s(b))
	case arrow.FLOAT32:
		return compareFloats(Float32s(a), Float32s(b))
	case arrow.FLOAT64:
		return compareFloats(Float64s(a), Float64s(b))
	case arrow.DECIMAL128:
		x, y := Decimals(a), Decimals(b)
		return func(i, j int) int { return compareDecimals(x[i], y[j]) }
	case arrow.INTERVAL_MONTH_DAY_NANO:
		x, y := Intervals(a), Intervals(b)
		return func(i, j int) int { return compareIntervals(x[i], y[j]) }
	case arrow.LIST:
		return compareLists(ListsOf(a), ListsOf(b))
	case arrow.MAP:
		return compareMaps(MapsOf(a), MapsOf(b))
	case arrow.STRUCT:
		return compareStructs(FieldsOf(a), FieldsOf(b))
	}
	x, y := bytesOf(a), bytesOf(b)
	return func(i, j int) int { return bytes.Compare(x(i), y(j)) }
}

func bytesOf(arr arrow.Array) func(int) []byte {
	if d, ok := DictionaryOf(arr); ok {
		return func(i int) []byte { return d.Values.At(int(d.Codes[i])) }
	}
	return StringsOf(arr).At
}

func compareBools(a, b Bits) Comparer {
	return func(i, j int) int {
		switch x, y := a.At(i), b.At(j); {
		case x == y:
			return 0
		case y:
			return -1
		}
		return 1
	}
}

func compareOrdered[T cmp.Ordered](a, b []T) Comparer {
	return func(i, j int) int {
		switch x, y := a[i], b[j]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
}

// compareFloats has NaN last; cmp.Compare has it first.
func compareFloats[T float32 | float64](a, b []T) Comparer {
	return func(i, j int) int {
		switch x, y := a[i], b[j]; {
		case x < y:
			return -1
		case x > y:
			return 1
		case x == y:
			return 0
		case x == x:
			return -1
		case y == y:
			return 1
		}
		return 0
	}
}

func compareDecimals(a, b decimal128.Num) int {
	if c := cmp.Compare(a.HighBits(), b.HighBits()); c != 0 {
		return c
	}
	return cmp.Compare(a.LowBits(), b.LowBits())
}

func compareIntervals(a, b arrow.MonthDayNanoInterval) int {
	return cmp.Or(cmp.Compare(a.Months, b.Months), cmp.Compare(a.Days, b.Days), cmp.Compare(a.Nanoseconds, b.Nanoseconds))
}

func compareLists(a, b Lists) Comparer {
	elements := NewComparer(a.Elements, b.Elements)
	return func(i, j int) int {
		from, to := int(a.Offsets[i]), int(a.Offsets[i+1])
		other, end := int(b.Offsets[j]), int(b.Offsets[j+1])
		for ; from < to && other < end; from, other = from+1, other+1 {
			if c := elements(from, other); c != 0 {
				return c
			}
		}
		return cmp.Compare(to-from, end-other)
	}
}

func compareStructs(a, b []arrow.Array) Comparer {
	fields := make([]Comparer, len(a))
	for k := range a {
		fields[k] = NewComparer(a[k], b[k])
	}
	return func(i, j int) int {
		for _, f := range fields {
			if c := f(i, j); c != 0 {
				return c
			}
		}
		return 0
	}
}

func compareMaps(a, b Maps) Comparer {
	keys, values := NewComparer(a.Keys, b.Keys), NewComparer(a.Values, b.Values)
	left, right := NewComparer(a.Keys, a.Keys), NewComparer(b.Keys, b.Keys)
	var x, y []int
	return func(i, j int) int {
		x = sortedRange(x, int(a.Offsets[i]), int(a.Offsets[i+1]), left)
		y = sortedRange(y, int(b.Offsets[j]), int(b.Offsets[j+1]), right)
		for k := range min(len(x), len(y)) {
			if c := cmp.Or(keys(x[k], y[k]), values(x[k], y[k])); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(x), len(y))
	}
}

func sortedRange(buf []int, from, to int, compare Comparer) []int {
	buf = buf[:0]
	for ; from < to; from++ {
		buf = append(buf, from)
	}
	slices.SortStableFunc(buf, compare)
	return buf
}
