package sim

import (
	"flag"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quern-engine/quern/coordinator/state"
)

var (
	seeds = flag.Int("seeds", 1500, "how many seeds to simulate")
	from  = flag.Uint64("seed", 1, "the first of them")
)

// TestSeeds simulates one seed after the other. A failing one is run again with its history shown.
func TestSeeds(t *testing.T) {
	var (
		next  atomic.Uint64
		mu    sync.Mutex
		total Report
		bad   []uint64
		wg    sync.WaitGroup
	)
	total.Faults, total.Seen = map[string]int{}, map[state.EventKind]int{}
	begin := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				n := next.Add(1) - 1
				if n >= uint64(*seeds) {
					return
				}
				r := Run(*from+n, false)
				mu.Lock()
				total.add(r)
				if r.Violation != "" {
					bad = append(bad, r.Seed)
				}
				stop := len(bad) >= 5
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	t.Logf("%d seeds from %d, %.0f a second: %d events, %d log entries, %.1f simulated hours; runs: %d succeeded, %d failed by faults, %d cancelled; violations: %d",
		next.Load(), *from, float64(*seeds)/took.Seconds(), total.Events, total.Entries, total.Virtual.Hours(), total.Succeeded, total.Failed, total.Cancelled, len(bad))
	for _, kind := range slices.Sorted(maps.Keys(total.Faults)) {
		t.Logf("  %s: %d", kind, total.Faults[kind])
	}
	for _, kind := range slices.Sorted(maps.Keys(total.Seen)) {
		t.Logf("  %s: %d", kind, total.Seen[kind])
	}
	if *seeds >= 500 {
		for _, kind := range interesting {
			if total.Seen[kind] == 0 {
				t.Errorf("there was no %q: the simulation does not show what it is for", kind)
			}
		}
	}
	slices.Sort(bad)
	for _, seed := range bad {
		r := Run(seed, true)
		t.Errorf("seed %d: %s\n%s", seed, r.Violation, r.Tail(60))
	}
}

// interesting is what a few hundred seeds must lead to.
var interesting = []state.EventKind{
	state.EventRunEnded, state.EventTaskFailed, state.EventTaskStopped, state.EventReportRefused, state.EventOutputLost, state.EventWorkerLost,
	state.EventWorkerReplaced, state.EventWorkerDraining, state.EventWorkerExcluded, state.EventTwinGranted, state.EventStageAdapted,
}

func (r *Report) add(o Report) {
	r.Events += o.Events
	r.Entries += o.Entries
	r.Succeeded += o.Succeeded
	r.Failed += o.Failed
	r.Cancelled += o.Cancelled
	r.Virtual += o.Virtual
	for kind, n := range o.Faults {
		r.Faults[kind] += n
	}
	for kind, n := range o.Seen {
		r.Seen[kind] += n
	}
}

// A seed is all there is to a simulation.
func TestSeedsRepeat(t *testing.T) {
	for seed := range uint64(20) {
		a, b := Run(seed, true), Run(seed, true)
		if !slices.Equal(a.History, b.History) {
			t.Fatalf("seed %d went two ways", seed)
		}
	}
}
