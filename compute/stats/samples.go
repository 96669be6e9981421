package stats

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// samples are the values of a column in the rows of the sample, in their order. Numbers are kept as such, since most of
// what is sampled is thinned out again.
type samples struct {
	of    plan.Type
	is    []sampleIs
	words []int64        // integers and times, or the bits of doubles
	other []plan.Literal // of other types
}

type sampleIs uint8

const (
	isValue sampleIs = iota
	isNull
	isLong // a text that is not kept
)

func (s *samples) add(arr arrow.Array, from int32, picked []int32) {
	switch s.of.Kind {
	case plan.KindInt8:
		addWords(s, arr, vector.Int8s(arr), from, picked)
	case plan.KindInt16:
		addWords(s, arr, vector.Int16s(arr), from, picked)
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		addWords(s, arr, vector.Int32s(arr), from, picked)
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		addWords(s, arr, vector.Int64s(arr), from, picked)
	case plan.KindFloat32:
		addWords(s, arr, vector.Float32s(arr), from, picked)
	case plan.KindFloat64:
		addWords(s, arr, vector.Float64s(arr), from, picked)
	default:
		for _, p := range picked {
			v := vector.LiteralAt(arr, int(from+p))
			is := isValue
			switch {
			case v.Null:
				is = isNull
			case len(v.Bytes) > maxText:
				v, is = plan.Literal{}, isLong
			}
			s.is, s.other = append(s.is, is), append(s.other, v)
		}
	}
}

func addWords[T int8 | int16 | int32 | int64 | float32 | float64](s *samples, arr arrow.Array, values []T, from int32, picked []int32) {
	if s.words == nil {
		s.is, s.words = make([]sampleIs, 0, 2*sampleRows), make([]int64, 0, 2*sampleRows)
	}
	valid, floats := vector.ValidityOf(arr), s.of.IsFloat()
	for _, p := range picked {
		is, i := isValue, int(from+p)
		if valid.IsNull(i) {
			is = isNull
		}
		word := int64(values[i])
		if floats {
			word = int64(math.Float64bits(float64(values[i])))
		}
		s.is, s.words = append(s.is, is), append(s.words, word)
	}
}

// thin keeps some of the values.
func (s *samples) thin(keep []int32) {
	s.is, s.words, s.other = thinnedOut(s.is, keep), thinnedOut(s.words, keep), thinnedOut(s.other, keep)
}

func thinnedOut[T any](values []T, keep []int32) []T {
	if len(values) == 0 {
		return values
	}
	for i, k := range keep {
		values[i] = values[k]
	}
	clear(values[len(keep):])
	return values[:len(keep)]
}

// value is a value that is one.
func (s *samples) value(i int) plan.Literal {
	switch {
	case s.words == nil:
		return s.other[i]
	case s.of.IsFloat():
		return plan.Literal{Bits: uint64(s.words[i])}
	}
	return plan.Literal{Int: s.words[i]}
}
