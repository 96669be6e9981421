package main

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// timing is what one run took. The processor time of both cores is what remains comparable when something else runs.
type timing struct{ wall, processor time.Duration }

// timings are those of several runs.
type timings []timing

// median takes each figure's own.
func (t timings) median() timing {
	return timing{t.ranked(timing.time)[len(t)/2], t.ranked(timing.cpu)[len(t)/2]}
}

func (t timing) time() time.Duration { return t.wall }
func (t timing) cpu() time.Duration  { return t.processor }

func (t timings) ranked(figure func(timing) time.Duration) []time.Duration {
	out := make([]time.Duration, len(t))
	for i, x := range t {
		out[i] = figure(x)
	}
	slices.Sort(out)
	return out
}

// alternate times a and b in turn, so that both meet the same noise.
func alternate(runs int, a, b func() ([]string, error)) (as, bs timings, err error) {
	for range runs {
		for _, side := range []struct {
			f    func() ([]string, error)
			into *timings
		}{{a, &as}, {b, &bs}} {
			runtime.GC()
			start, used := time.Now(), processorTime()
			if _, err := side.f(); err != nil {
				return nil, nil, err
			}
			*side.into = append(*side.into, timing{time.Since(start), processorTime() - used})
		}
	}
	return as, bs, nil
}

// processorTime is what this process and the children that have ended have used.
func processorTime() time.Duration {
	total := int64(0)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			total += u.Utime.Nano() + u.Stime.Nano()
		}
	}
	return time.Duration(total)
}

const header = "| query, %s | Quern | DuckDB | ratio | processor time: Quern | DuckDB | ratio |\n|---|---|---|---|---|---|---|\n"

func report(name string, ours, theirs timings) {
	text := func(t timings) string {
		d := t.ranked(timing.time)
		return fmt.Sprintf("%.1f (%.1f–%.1f)", ms(t.median().wall), ms(d[0]), ms(d[len(d)-1]))
	}
	a, b := ours.median(), theirs.median()
	fmt.Printf("| %s | %s | %s | %.2f | %.1f | %.1f | %.2f |\n", name, text(ours), text(theirs), ratio(a.wall, b.wall),
		ms(a.processor), ms(b.processor), ratio(a.processor, b.processor))
}

func ratio(ours, theirs time.Duration) float64 { return ms(theirs) / ms(ours) }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
