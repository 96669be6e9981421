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

// New makes the accumulator of an aggregate call in ANSI mode. mem serves copies of arguments that DISTINCT makes.
func New(mem memory.Allocator, a plan.Agg) (Accumulator, error) { return NewIn(mem, a, plan.Session{}) }

// NewIn makes the accumulator of an aggregate call under the settings of a session.
func NewIn(mem memory.Allocator, a plan.Agg, s plan.Session) (Accumulator, error) {
	if len(a.Args) != len(a.ArgTypes) {
		return nil, fmt.Errorf("aggregate %s: %d arguments of %d types", a.Func, len(a.Args), len(a.ArgTypes))
	}
	make := makers()[a.Func]
	if make == nil {
		return nil, fmt.Errorf("aggregate %s is not known", a.Func)
	}
	inner, err := make(a, s)
	if err != nil {
		return nil, err
	}
	if inner == nil {
		return nil, fmt.Errorf("aggregate %s(%v) with result %s is not known", a.Func, a.ArgTypes, a.Type)
	}
	if !a.Distinct && a.Func != "collect_set" {
		return inner, nil
	}
	return Distinct(mem, a.ArgTypes, inner), nil
}

// Distinct hands each group's first row with given arguments, which are of these types, to another accumulator, and drops the
// rest.
func Distinct(mem memory.Allocator, types []plan.Type, inner Accumulator) Accumulator {
	return &distinct{mem: mem, types: types, inner: inner}
}

// maker makes an accumulator; nil where the types do not go together.
type maker func(a plan.Agg, s plan.Session) (Accumulator, error)

// makers is the table of aggregates.
func makers() map[string]maker {
	ok := func(f func(a plan.Agg) Accumulator) maker {
		return func(a plan.Agg, _ plan.Session) (Accumulator, error) { return f(a), nil }
	}
	rows := func(f finisher) maker {
		return ok(func(a plan.Agg) Accumulator { return newCollected(a, f) })
	}
	moment := ok(newMoments)
	pair := ok(newPairs)
	pick := ok(newPick)
	bits := ok(newBits)
	return map[string]maker{
		"count":        ok(func(plan.Agg) Accumulator { return &count{} }),
		"regr_count":   ok(func(plan.Agg) Accumulator { return &count{} }),
		"count_if":     ok(newCountIf),
		"sum":          newSum,
		"try_sum":      newSum,
		"avg":          newSum,
		"try_avg":      newSum,
		"regr_avgx":    newRegrAvg,
		"regr_avgy":    newRegrAvg,
		"min":          ok(newMinMax),
		"max":          ok(newMinMax),
		"bool_and":     ok(newMinMax),
		"bool_or":      ok(newMinMax),
		"first":        pick,
		"last":         pick,
		"any_value":    pick,
		"single_value": pick,
		"max_by":       ok(newPickBy),
		"min_by":       ok(newPickBy),
		"bit_and":      bits, "bit_or": bits, "bit_xor": bits,
		"stddev_samp": moment, "stddev_pop": moment, "var_samp": moment, "var_pop": moment,
		"skewness": moment, "kurtosis": moment,
		"covar_samp": pair, "covar_pop": pair, "corr": pair, "regr_slope": pair, "regr_intercept": pair,
		"regr_r2": pair, "regr_sxx": pair, "regr_sxy": pair, "regr_syy": pair,
		"collect_list":          rows(listOf),
		"collect_set":           rows(listOf),
		"percentile":            rows(percentiles),
		"percentile_cont":       rows(percentiles),
		"percentile_disc":       rows(percentiles),
		"median":                rows(percentiles),
		"percentile_approx":     rows(percentileRanks),
		"mode":                  rows(modes),
		"histogram_numeric":     rows(histograms),
		"listagg":               rows(joined),
		"approx_count_distinct": newRegisters,
		"bitmap_construct_agg":  ok(newBitmap), "bitmap_or_agg": ok(newBitmap), "bitmap_and_agg": ok(newBitmap),
	}
}

// keepsRows reports the functions whose state is all their rows.
func keepsRows(name string) bool {
	switch name {
	case "collect_list", "collect_set", "percentile", "percentile_cont", "percentile_disc", "median", "percentile_approx",
		"mode", "histogram_numeric", "listagg":
		return true
	}
	return false
}

func newSum(a plan.Agg, s plan.Session) (Accumulator, error) {
	if len(a.ArgTypes) != 1 {
		return nil, fmt.Errorf("aggregate %s takes one argument, not %d", a.Func, len(a.ArgTypes))
	}
	arg := a.ArgTypes[0]
	try, mean := a.Func == "try_sum" || a.Func == "try_avg", a.Func == "avg" || a.Func == "try_avg"
	switch {
	case a.Type.Kind == plan.KindInt64 && arg.IsInteger() && !mean:
		return &sumInt{kind: a.Type.Kind, try: try, wrap: s.Legacy && !try}, nil
	case (arg.Kind == plan.KindYearMonthInterval || arg.Kind == plan.KindDayTimeInterval) && a.Type.Kind == arg.Kind:
		return &sumInt{kind: arg.Kind, argument: arg, result: a.Type, mean: mean, try: try}, nil
	case a.Type.Kind == plan.KindFloat64 && (arg.IsInteger() || arg.IsFloat()):
		return &sumFloat{mean: mean, try: try}, nil
	case a.Type.Kind == plan.KindDecimal && arg.Kind == plan.KindDecimal && arg.Scale <= a.Type.Scale && (mean || arg.Scale == a.Type.Scale):
		return &sumDecimal{state: sumState(a), result: a.Type, mean: mean, quiet: try || s.Legacy}, nil
	}
	return nil, nil
}

// newRegrAvg is the mean of one argument over the rows where both are there.
func newRegrAvg(a plan.Agg, s plan.Session) (Accumulator, error) {
	if len(a.ArgTypes) != 2 {
		return nil, fmt.Errorf("aggregate %s takes two arguments, not %d", a.Func, len(a.ArgTypes))
	}
	of := 0
	if a.Func == "regr_avgx" {
		of = 1
	}
	inner, err := newSum(plan.Agg{Func: "avg", Args: a.Args[:1], ArgTypes: a.ArgTypes[of : of+1], Type: a.Type}, s)
	if err != nil || inner == nil {
		return nil, err
	}
	return &complete{Accumulator: inner, of: of}, nil
}

// newMinMax serves bool_and and bool_or too: false is less than true.
func newMinMax(a plan.Agg) Accumulator {
	if len(a.ArgTypes) != 1 || !a.ArgTypes[0].Equal(a.Type) {
		return nil
	}
	return newExtremum(a.Type, a.Func == "max" || a.Func == "bool_or")
}

// smallStates is up to how many cells a slice is small.
const smallStates = 1 << 16

// extend makes room for the cells of n groups, new ones zero. A small slice becomes twice as long, which Grow does for very
// small ones only; a large one grows by a quarter, since that is what is reserved for it.
func extend[T any](cells []T, n int) []T {
	have := len(cells)
	if n <= have {
		return cells
	}
	more := n - have
	if n > cap(cells) && have < smallStates {
		more = max(more, have)
	}
	cells = slices.Grow(cells, more)[:n]
	clear(cells[have:])
	return cells
}
