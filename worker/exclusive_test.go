package worker

import (
	"slices"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// An attempt that is to be alone waits for those that run, takes all slots, and no work is asked for beside it.
func TestExclusiveAttemptHasTheWorkerToItself(t *testing.T) {
	f := startFake(t)
	startWorker(t, f, Options{Slots: 3})
	first, alone, later := f.hangingTask("r1"), f.hangingTask("r2"), f.hangingTask("r3")
	alone.Exclusive = true
	f.grant(first)
	f.wait("the first attempt to hang", func() bool { return f.hanging == 1 })
	f.grant(alone)
	held := func(a api.Assignment) bool {
		return len(f.beats) > 0 && slices.Contains(f.beats[len(f.beats)-1].Running, a.AttemptID)
	}
	f.wait("the second attempt in a heartbeat", func() bool { return held(alone) })
	f.grant(later)
	leases := 0
	f.change(func() {
		if leases = len(f.leases); f.hanging != 1 {
			t.Errorf("%d attempts run", f.hanging)
		}
		f.stop = []plan.AttemptID{first.AttemptID}
	})
	f.await(first.AttemptID)
	f.wait("the second attempt to run", func() bool { return f.hanging == 1 && f.fetches[outputsPath("r2", 0, 1)] == 1 })
	f.change(func() {
		if len(f.leases) != leases || len(f.queue) != 1 {
			t.Errorf("asked for work beside an attempt that is alone: %+v", f.leases[leases:])
		}
		f.stop = []plan.AttemptID{alone.AttemptID}
	})
	f.await(alone.AttemptID)
	f.wait("the third attempt", func() bool { return held(later) && f.hanging == 1 })
}
