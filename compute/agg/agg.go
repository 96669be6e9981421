package agg

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// Batch says to which group each row of some columns belongs.
type Batch struct {
	Rows   int
	Groups []uint32 // one per row; nil puts every row into group 0
	Len    int      // how many groups there are by now: every number in Groups is below it
}

// groups is Groups with nil written out.
func (b Batch) groups() []uint32 {
	if b.Groups == nil {
		return make([]uint32, b.Rows)
	}
	return b.Groups
}

// Accumulator holds the states of one aggregate for all groups. It is not safe for concurrent use. After an error it
// is of no further use.
type Accumulator interface {
	// Update folds in rows by their arguments, which are only read.
	Update(b Batch, args []arrow.Array) error
	// Merge folds in rows that are states, in the columns of StateFields.
	Merge(b Batch, states []arrow.Array) error
	// States is the state columns of the groups from up to, not including, to. Groups that no row was put into have
	// the state of no rows.
	States(mem memory.Allocator, from, to int) ([]arrow.Array, error)
	// Result is the result column of these groups.
	Result(mem memory.Allocator, from, to int) (arrow.Array, error)
	// Bytes estimates the memory held.
	Bytes() int64
}

// New makes the accumulator of an aggregate call. mem serves copies of arguments that DISTINCT makes.
func New(mem memory.Allocator, a plan.Agg) (Accumulator, error) {
	if len(a.Args) != len(a.ArgTypes) {
		return nil, fmt.Errorf("aggregate %s: %d arguments of %d types", a.Func, len(a.Args), len(a.ArgTypes))
	}
	inner, err := newAccumulator(a)
	if err != nil || !a.Distinct {
		return inner, err
	}
	return &distinct{mem: mem, types: a.ArgTypes, inner: inner}, nil
}

func newAccumulator(a plan.Agg) (Accumulator, error) {
	if a.Func == "count" {
		return &count{}, nil
	}
	if len(a.ArgTypes) != 1 {
		return nil, fmt.Errorf("aggregate %s takes one argument, not %d", a.Func, len(a.ArgTypes))
	}
	arg := a.ArgTypes[0]
	switch a.Func {
	case "sum":
		switch {
		case a.Type.Kind == plan.KindInt64 && arg.IsInteger():
			return &sumInt{}, nil
		case a.Type.Kind == plan.KindFloat64 && (arg.IsInteger() || arg.IsFloat()):
			return &sumFloat{}, nil
		case a.Type.Kind == plan.KindDecimal && arg.Kind == plan.KindDecimal && arg.Scale == a.Type.Scale:
			return &sumDecimal{state: a.Type, result: a.Type}, nil
		}
	case "avg":
		switch {
		case a.Type.Kind == plan.KindFloat64 && (arg.IsInteger() || arg.IsFloat()):
			return &sumFloat{mean: true}, nil
		case a.Type.Kind == plan.KindDecimal && arg.Kind == plan.KindDecimal && arg.Scale <= a.Type.Scale:
			return &sumDecimal{state: avgSumType(a), result: a.Type, mean: true}, nil
		}
	case "min", "max":
		if arg.Equal(a.Type) {
			return newExtremum(a.Type, a.Func == "max"), nil
		}
	}
	return nil, fmt.Errorf("aggregate %s(%s) with result %s is not known", a.Func, arg, a.Type)
}

// extend makes room for the cells of n groups, new ones zero.
func extend[T any](cells []T, n int) []T {
	have := len(cells)
	if n <= have {
		return cells
	}
	cells = slices.Grow(cells, n-have)[:n]
	clear(cells[have:])
	return cells
}
