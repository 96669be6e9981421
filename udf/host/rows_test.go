package host

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// treated binds all functions of a plugin with a treatment.
func treated(t *testing.T, exe string, treatment plan.Treatment) (*Host, *Functions) {
	t.Helper()
	h, _, fns := open(t, exe, nil)
	for i := range fns {
		fns[i].Treatment = treatment
	}
	f, err := h.Open(t.Context(), fns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, f
}

// sequence is the numbers from 0.
func sequence(t *testing.T, n int, but map[int]int) arrow.Record {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range n {
		v := i + 1000
		if other, ok := but[i]; ok {
			v = other
		}
		b.Append(int64(v))
	}
	return column(t, b.NewArray())
}

// F44 to F46: whatever a row does to its process, it is found, and the others are done.
func TestRowsAreFound(t *testing.T) {
	for function, reason := range map[string]string{
		"fails_on_13":  "thirteen",
		"panics_on_13": "panicked: thirteen",
		"exits_on_13":  "the plugin process died: exit status 3",
		"dies_on_13":   "the plugin process died: exit status 2, panic: thirteen, out of reach",
		"hangs_on_13":  "did not answer within 1.5s and was killed",
	} {
		for _, onError := range []plan.OnError{plan.QuarantineRow, plan.NullOnError} {
			t.Run(fmt.Sprint(function, onError), func(t *testing.T) {
				_, f := treated(t, built.panicky, plan.Treatment{OnError: onError, Timeout: 1500})
				rows := 5
				if !strings.HasPrefix(function, "hangs") {
					rows = 300
				}
				bad := map[int]int{3: 13, rows - 2: 13}
				if strings.HasPrefix(function, "hangs") {
					delete(bad, 3)
				}
				col, rejected, err := f.Call(t.Context(), function, sequence(t, rows, bad))
				if err != nil {
					t.Fatal(err)
				}
				defer col.Release()
				var want []plan.Rejection
				for i := range rows {
					if _, ok := bad[i]; !ok {
						if col.IsNull(i) || col.(*array.Int64).Value(i) != int64(i+1000) {
							t.Fatalf("row %d is %s", i, col.ValueStr(i))
						}
						continue
					}
					want = append(want, plan.Rejection{Row: i, Reason: reason})
					if col.IsValid(i) {
						t.Errorf("row %d is %s", i, col.ValueStr(i))
					}
				}
				if onError == plan.NullOnError {
					want = nil
				}
				if fmt.Sprint(rejected) != fmt.Sprint(want) {
					t.Errorf("rejected %v, want %v", rejected, want)
				}
			})
		}
	}
}

// A run that is to fail of a row that kills its process is told which one.
func TestCrashNamesTheRow(t *testing.T) {
	_, f, _ := open(t, built.panicky, nil)
	_, _, err := f.Call(t.Context(), "exits_on_13", sequence(t, 1000, map[int]int{613: 13}))
	failure(t, err, plan.FailurePlugin, "exits_on_13", "for (13), tried alone, twice", "exit status 3", "thirteen is too much for me")
}

// What killed a process once need not have been its rows.
func TestAccidentIsNoRejection(t *testing.T) {
	for _, onError := range []plan.OnError{plan.FailRun, plan.QuarantineRow} {
		h, f := treated(t, built.hostile, plan.Treatment{OnError: onError})
		if col, _, err := f.Call(t.Context(), "burns", ints(t, 0)); err != nil {
			t.Fatal(err)
		} else {
			col.Release()
		}
		victim := pids(h)
		kill := time.AfterFunc(50*time.Millisecond, func() {
			for _, pid := range victim {
				_ = syscall.Kill(pid, syscall.SIGKILL) // this test fails if there is none
			}
		})
		defer kill.Stop()
		col, rejected, err := f.Call(t.Context(), "burns", ints(t, 1, 1))
		if err != nil || len(rejected) > 0 {
			t.Fatalf("%v, %v", rejected, err)
		}
		col.Release()
		if now := pids(h); len(now) != 1 || now[0] == victim[0] {
			t.Errorf("processes %v, before %v: none was killed", now, victim)
		}
	}
}

// Batches that are not what was declared cost each row a process, which has an end.
func TestHopelessFunction(t *testing.T) {
	_, f := treated(t, built.liar, plan.Treatment{OnError: plan.QuarantineRow})
	f.deadly.Store(maxDeadly - 3)
	_, _, err := f.Call(t.Context(), "garbage", sequence(t, 10, nil))
	failure(t, err, plan.FailurePlugin, "rows of this task have gone wrong", "it is the function that is at fault", "result refused")
	_, f = treated(t, built.liar, plan.Treatment{OnError: plan.QuarantineRow})
	col, rejected, err := f.Call(t.Context(), "strange_row", ints(t, 1, 2))
	if err != nil || len(rejected) != 2 {
		t.Fatalf("%v, %v", rejected, err)
	}
	col.Release()
}
