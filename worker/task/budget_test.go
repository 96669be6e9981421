package task

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/plan"
)

func TestBudgetShareIsTheBudgetDividedBySlots(t *testing.T) {
	b := NewBudget(100<<20, 4)
	s := b.Share()
	if err := s.Reserve(25 << 20); err != nil {
		t.Fatalf("a task's whole share: %v", err)
	}
	err := s.Reserve(1)
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != plan.FailureOutOfMemory {
		t.Fatalf("one byte beyond the share: %v", err)
	}
	for _, want := range []string{"1 bytes more", "holds 25.0 MiB", "100.0 MiB for 4 slots", "raise --memory or lower --slots"} {
		if !strings.Contains(f.Message, want) {
			t.Errorf("message %q lacks %q", f.Message, want)
		}
	}
	if err := s.Reserve(-1); err != nil {
		t.Fatal(err)
	}
	if err := s.Reserve(1); err != nil {
		t.Fatalf("a byte that was given back: %v", err)
	}
	s.Close()
	if b.InUse() != 0 || b.Peak() != 25<<20 {
		t.Fatalf("after close: in use %d, peak %d", b.InUse(), b.Peak())
	}
}

// A task that is alone may hold what all slots may.
func TestBudgetWhole(t *testing.T) {
	b := NewBudget(100<<20, 4)
	s := b.Whole()
	defer s.Close()
	if err := s.Reserve(100 << 20); err != nil {
		t.Fatal(err)
	}
	err := s.Reserve(1)
	if f := plan.AsFailure(err); err == nil || f.Kind != plan.FailureOutOfMemory || !strings.HasSuffix(f.Message, "no other task runs on it: raise --memory") {
		t.Errorf("one byte beyond all: %v", err)
	}
}

func TestBudgetRefusesHugeRequestsWithoutOverflow(t *testing.T) {
	s := NewBudget(1<<62, 1).Share()
	if err := s.Reserve(1 << 61); err != nil {
		t.Fatal(err)
	}
	if err := s.Reserve(1<<63 - 1); err == nil {
		t.Fatal("reserving 8 EiB more succeeded")
	}
}

// The books balance whatever the tasks do: what the budget counts is what the shares hold, no share passes its limit,
// and closing all of them brings it back to zero.
func TestBudgetBooksBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 4).Draw(t, "slots")
		b := NewBudget(1000, slots)
		shares, held := make([]*Share, slots), make([]int64, slots)
		for i := range shares {
			shares[i] = b.Share()
		}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			i := rapid.IntRange(0, slots-1).Draw(t, "share")
			n := rapid.Int64Range(-400, 600).Draw(t, "bytes")
			err := shares[i].Reserve(n)
			if fits := held[i]+n <= 1000/int64(slots); fits != (err == nil) {
				t.Fatalf("reserve %d while holding %d of %d: %v", n, held[i], 1000/slots, err)
			}
			if err == nil {
				held[i] = max(0, held[i]+n)
			}
			sum := int64(0)
			for _, h := range held {
				sum += h
			}
			if b.InUse() != sum {
				t.Fatalf("in use %d, want %d", b.InUse(), sum)
			}
		}
		for _, s := range shares {
			s.Close()
		}
		if b.InUse() != 0 {
			t.Fatalf("in use %d after all shares closed", b.InUse())
		}
	})
}

// What was taken beyond the share can always be given back.
func TestTakenBeyondTheShare(t *testing.T) {
	share := NewBudget(10, 1).Share()
	defer share.Close()
	share.Take(100)
	if err := share.Reserve(1); err == nil {
		t.Error("reserved beyond the share")
	}
	if err := share.Reserve(-30); err != nil {
		t.Errorf("give back: %v", err)
	}
}

// What tasks do not hold is lent, and asked back before a reservation has succeeded.
func TestBudgetLends(t *testing.T) {
	b := NewBudget(100, 2)
	var told []int64
	var refusal error
	b.Lend(func(spare int64) error {
		told = append(told, spare)
		return refusal
	})
	s := b.Share()
	if b.Spare() != 75 {
		t.Errorf("of 100 bytes that nobody holds %d are spare", b.Spare())
	}
	if err := s.Reserve(20); err != nil {
		t.Fatal(err)
	}
	s.Take(60)
	if err := s.Reserve(-60); err != nil {
		t.Fatal(err)
	}
	if refusal = errors.New("the disk is full"); s.Reserve(4) != refusal {
		t.Error("a reservation succeeded although what was lent did not come back")
	}
	if b.InUse() != 20 || !slices.Equal(told, []int64{60, 15, 57}) {
		t.Errorf("%d bytes in use; told of %d spare", b.InUse(), told)
	}
	s.Close()
	if b.Spare() != 75 {
		t.Errorf("in the end %d bytes are spare", b.Spare())
	}
}
