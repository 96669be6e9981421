package main

import (
	"iter"
	"time"

	"github.com/quern-engine/quern/udf"
)

// gapOptions are options of gaps.
type gapOptions struct {
	Minutes int64 `json:"minutes" doc:"how long a gap has to be"`
}

type flight struct {
	Origin string
	Date   time.Time
}

type gap struct {
	Origin  string
	Since   time.Time
	Minutes int64
}

// gaps is called with the flights of one airport at a time, in order of time.
func gaps(ctx *udf.Context, flights iter.Seq[flight], emit func(gap)) error {
	least := udf.Options[gapOptions](ctx).Minutes
	var last time.Time
	for f := range flights {
		if !last.IsZero() {
			if minutes := int64(f.Date.Sub(last) / time.Minute); minutes >= least {
				emit(gap{f.Origin, last, minutes})
				ctx.Count("gaps", 1)
			}
		}
		last = f.Date
	}
	return nil
}

type numberedFlight struct {
	Number int64
	Origin string
	Date   time.Time
}

// numbered is called with all rows of a task.
func numbered(_ *udf.Context, flights iter.Seq[flight], emit func(numberedFlight)) error {
	n := int64(0)
	for f := range flights {
		n++
		emit(numberedFlight{n, f.Origin, f.Date})
	}
	return nil
}

type route struct{ Origin, Destination string }

type end struct{ Airport, Role string }

// endpoints is called with a row at a time.
func endpoints(_ *udf.Context, r route, emit func(end)) error {
	emit(end{r.Origin, "from"})
	emit(end{r.Destination, "to"})
	return nil
}
