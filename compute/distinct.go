package compute

import (
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
)

// distinctValues finds equal values within runs of a column: NULL equals NULL, NaN equals NaN.
type distinctValues struct {
	compare vector.Comparer
	order   []int32
	first   []bool
}

func newDistinct(arr arrow.Array) *distinctValues {
	return &distinctValues{compare: vector.NewComparer(arr, arr)}
}

// fewValues is up to where comparing all pairs is faster than sorting.
const fewValues = 12

// repeated is the place of a value that stands before it in the run too, or -1.
func (d *distinctValues) repeated(from, to int) int {
	if to-from < 2 {
		return -1
	}
	for k, first := range d.firsts(from, to) {
		if !first {
			return from + k
		}
	}
	return -1
}

// firsts tells for each value of a run whether it is the first of its kind there. The answer holds until the next call.
func (d *distinctValues) firsts(from, to int) []bool {
	first := grow(&d.first, to-from)
	if to-from <= fewValues {
		for k := range first {
			first[k] = true
			for j := range k {
				if first[j] && d.compare(from+j, from+k) == 0 {
					first[k] = false
					break
				}
			}
		}
		return first
	}
	order := grow(&d.order, to-from)
	for k := range order {
		order[k] = int32(k)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return d.compare(from+int(a), from+int(b)) })
	for k, at := range order {
		first[at] = k == 0 || d.compare(from+int(order[k-1]), from+int(at)) != 0
	}
	return first
}

// positiveZeros takes a column over and gives it without -0.0, which map keys do not tell from 0.0.
func positiveZeros(mem memory.Allocator, arr arrow.Array) arrow.Array {
	switch arr.DataType().ID() {
	case arrow.FLOAT64:
		for _, v := range vector.Float64s(arr) {
			if v == 0 && math.Signbit(v) {
				return addZero(mem, arr, vector.Float64s(arr))
			}
		}
	case arrow.FLOAT32:
		for _, v := range vector.Float32s(arr) {
			if v == 0 && math.Signbit(float64(v)) {
				return addZero(mem, arr, vector.Float32s(arr))
			}
		}
	}
	return arr
}

func addZero[T float32 | float64](mem memory.Allocator, arr arrow.Array, values []T) arrow.Array {
	defer arr.Release()
	buf, out := vector.Alloc[T](mem, len(values))
	for i, v := range values {
		out[i] = v + 0
	}
	return finish(arr.DataType(), len(values), both(mem, len(values), value{arr: arr}), buf)
}
