package worker

import (
	"context"
	"errors"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

func attemptID(run string, stage, task, n int) plan.AttemptID {
	return plan.AttemptID{TaskID: plan.TaskID{Run: run, Stage: stage, Task: task}, Attempt: n}
}

func granted(id plan.AttemptID, epoch uint64) api.Assignment {
	return api.Assignment{AttemptID: id, Epoch: epoch}
}

func TestAttemptsFenceOldEpochs(t *testing.T) {
	a := newAttempts(4)
	steps := []struct {
		task  int
		epoch uint64
		want  verdict
	}{{0, 3, admitted}, {0, 3, duplicate}, {0, 2, duplicate}, {1, 2, outdated}, {2, 3, admitted}, {3, 5, admitted}, {4, 4, outdated}, {4, 5, admitted}}
	for i, s := range steps {
		if got := a.admit(granted(attemptID("r", 0, s.task, 0), s.epoch), func(error) {}); got != s.want {
			t.Errorf("step %d (task %d, epoch %d): %d, want %d", i, s.task, s.epoch, got, s.want)
		}
	}
	if a.free() != 0 {
		t.Errorf("%d free of 4 with 4 live", a.free())
	}
}

func TestAttemptsAreHeldUntilReported(t *testing.T) {
	a := newAttempts(1)
	id := attemptID("r", 1, 2, 3)
	a.admit(granted(id, 1), func(error) {})
	a.end(id)
	a.release(granted(id, 1))
	if a.free() != 1 {
		t.Error("the slot of an ended attempt is not free")
	}
	if l := a.list(); len(l) != 1 || l[0] != id {
		t.Errorf("an unreported attempt is not listed: %v", l)
	}
	select {
	case <-a.freed:
	default:
		t.Error("nobody is told of the free slot")
	}
	a.settle(id)
	if l := a.list(); len(l) != 0 {
		t.Errorf("still listed after its report: %v", l)
	}
}

func TestAttemptsForgetARunOnceItsLastAttemptEnds(t *testing.T) {
	a := newAttempts(2)
	first, second := attemptID("r", 0, 0, 0), attemptID("r", 0, 1, 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	a.admit(granted(first, 1), cancel)
	a.admit(granted(second, 1), func(error) {})
	if a.forget("other") {
		t.Error("a run never seen can be forgotten")
	}
	if a.forget("r") {
		t.Error("a run with live attempts can be forgotten")
	}
	if !errors.Is(context.Cause(ctx), errForgotten) {
		t.Errorf("its attempt goes on: %v", context.Cause(ctx))
	}
	if a.end(first) {
		t.Error("forgotten while its second attempt is live")
	}
	if !a.end(second) {
		t.Error("not forgotten after its last attempt")
	}
	if a.end(second) || a.forget("r") {
		t.Error("forgotten twice")
	}
}
