package host

import (
	"runtime"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// What a call of a run takes is measured with several batches together, in shared memory where there is some; and in messages, one by one.
func TestMeasure(t *testing.T) {
	if built.panicky == "" {
		t.Skip("no go command")
	}
	p, err := Ask(t.Context(), built.panicky)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	fn, err := p.Bind(t.Context(), "same_bigint", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var batches []arrow.Record
	for range 10 {
		batches = append(batches, wide("same_bigint", 8, 16384))
	}
	run, messages, err := p.Measure(t.Context(), fn, nil, batches, time.Millisecond)
	releaseAll(batches)
	if err != nil {
		t.Fatal(err)
	}
	if run.Shared != (runtime.GOOS == "linux") || messages.Shared {
		t.Errorf("shared memory: %t, and in messages: %t", run.Shared, messages.Shared)
	}
	for _, m := range []struct {
		*Measurement
		together int64 // rows a call, of which the last one has fewer
	}{{run, 163840 / 3}, {messages, 16384}} {
		if m.Rows%163840 != 0 || m.Rows == 0 || m.Rows/m.Calls != m.together || m.Bytes < 16*m.Rows || m.Bytes > 17*m.Rows || m.Elapsed <= m.Busy || m.Busy <= 0 {
			t.Errorf("%+v", m.Measurement)
		}
	}
	fails, err := p.Bind(t.Context(), "fails_on_13", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Measure(t.Context(), fails, nil, []arrow.Record{ints(t, 12, 13)}, time.Millisecond)
	failure(t, err, plan.FailureUser, "fails_on_13", "thirteen")
}
