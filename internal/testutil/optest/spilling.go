package optest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

// shares are the bytes that an operator may reserve in the worlds with a scratch disk: nothing at all, and an amount
// that runs out somewhere in the middle of a small input.
var shares = []int64{0, 2000}

// spilled runs the case with little memory and a scratch disk. The rows must be those of enough memory, in the same
// order, whether the case cares for the order or not.
func (w *world) spilled() {
	w.t.Helper()
	want, wantErr := w.rows(-1)
	for _, share := range shares {
		got, err := w.rows(share)
		if w.c.Unspillable && isOutOfMemory(err) {
			continue
		}
		if share == 0 && w.c.Spills && w.scratch.written == 0 {
			w.failf("nothing was spilled")
		}
		if !w.ended(err) {
			w.failf("with %d bytes of memory: ended with %v, want %v", share, err, wantErr)
		}
		if w.c.WantError == nil && !slices.Equal(got, want) {
			w.failf("with %d bytes of memory: rows\n%q\nwant\n%q", share, got, want)
		}
	}
}

// rows runs the case to its end with a share of memory, or with enough of it if share is negative.
func (w *world) rows(share int64) ([]string, error) {
	w.t.Helper()
	op := w.open()
	w.limit(share)
	recs, err := w.read(context.Background(), op)
	w.shut(op)
	var got []string
	for _, r := range recs {
		got = append(got, columns.Rows(r)...)
	}
	release(recs)
	w.checkMemory()
	return got, err
}

func (w *world) limit(share int64) {
	if share >= 0 {
		w.budget.limited, w.budget.limit = true, share
	}
}

// isOutOfMemory reports a refused reservation.
func isOutOfMemory(err error) bool {
	var f *plan.Failure
	return errors.As(err, &f) && f.Kind == plan.FailureOutOfMemory
}

// scratchFails injects an error into each kind of step on the scratch disk, some time into the work.
func (w *world) scratchFails() {
	w.t.Helper()
	for _, step := range []string{"create", "write", "open", "read"} {
		for _, at := range []int{0, 2} {
			injected := fmt.Errorf("injected at %s %d of the scratch disk", step, at)
			op, calls := w.open(), 0
			w.limit(0)
			w.scratch.before = func(s string) error {
				if s != step {
					return nil
				}
				if calls++; calls <= at {
					return nil
				}
				return injected
			}
			recs, err := w.read(context.Background(), op)
			if calls > at && !errors.Is(err, injected) {
				w.failf("ended with %v, want %v", err, injected)
			}
			release(recs)
			w.shut(op)
			w.checkMemory()
		}
	}
}

// spillEarlyEnd closes in the middle of reading what was spilled.
func (w *world) spillEarlyEnd() {
	w.t.Helper()
	for batches := range 3 {
		op := w.open()
		w.limit(0)
		for range batches {
			rec, err := op.Next(context.Background())
			if err != nil {
				break
			}
			rec.Release()
		}
		w.shut(op)
		w.checkMemory()
	}
}
