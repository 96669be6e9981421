package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// timeWindowFunction is window, whose windows start at every multiple of slide behind start, all in microseconds. Analysers turn
// the texts of a query into these, and the calls into a generator below what uses them.
func timeWindowFunction() Function {
	return Function{
		Name: "window", Kind: Generator, Usage: "window(time, duration[, slide[, start]])",
		Summary: "The windows of time that hold a time, as structs of start and end: '10 minutes' long, one every slide, which is as long unless given. " +
			"Stands in SELECT and GROUP BY, one for a query; rows without a time are left out.",
		resolve: resolveTimeWindow, generate: generateTimeWindows,
	}
}

func resolveTimeWindow(args []plan.Type) (Signature, error) {
	if len(args) != 4 {
		return Signature{}, arityError{"2, 3 or 4", len(args)}
	}
	t, ok := oneOf(`("TIMESTAMP" or "TIMESTAMP WITHOUT TIME ZONE")`, plan.Timestamp, plan.TimestampNTZ).accept(args[0])
	if !ok {
		return Signature{}, argumentError{0, `("TIMESTAMP" or "TIMESTAMP WITHOUT TIME ZONE")`, args[0]}
	}
	span := plan.Struct(columnField("start", t), columnField("end", t))
	return Signature{
		Args:    []plan.Type{t, plan.Int64, plan.Int64, plan.Int64},
		Returns: plan.Struct(plan.Field{Name: "window", Type: span}),
	}, nil
}

// generateTimeWindows puts out the last window that begins by the time first.
func generateTimeWindows(c *context, args []value, t plan.Type) ([]int32, []arrow.Array, error) {
	times, isNull := load[int64](c.scratch, args[0], 0), nullsOf(args[0])
	duration, slide := load[int64](c.scratch, args[1], 1).at(0), load[int64](c.scratch, args[2], 2).at(0)
	first := load[int64](c.scratch, args[3], 3).at(0)
	var rows []int32
	var starts []int64
	for i := range c.n {
		if isNull(i) {
			continue
		}
		at := times.at(i)
		behind := (at - first) % slide
		if behind < 0 {
			behind += slide
		}
		for start := at - behind; start > at-duration; start -= slide {
			if len(rows) >= maxElements {
				return nil, nil, errTooManyElements()
			}
			rows, starts = append(rows, int32(i)), append(starts, start)
		}
	}
	span := t.Children[0].Type
	bound := func(add int64) arrow.Array {
		buf, out := vector.Alloc[int64](c.mem, len(starts))
		for i, s := range starts {
			out[i] = s + add
		}
		return vector.Make(span.Children[0].Type.Arrow(), len(out), nil, buf)
	}
	return rows, []arrow.Array{vector.MakeStruct(span.Arrow(), len(rows), nil, bound(0), bound(duration))}, nil
}
