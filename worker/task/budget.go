package task

import (
	"fmt"
	"sync"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// Budget is the memory that the slots of a worker share. Every task may hold at most the budget divided by the slots,
// even when the other slots are idle: whether a task fits then depends on the task alone and not on its neighbours, so
// that a job which passed once passes again. A task that is alone on the worker by the coordinator's word may hold all of it.
// A Budget is safe for concurrent use.
type Budget struct {
	total   int64
	slots   int
	reclaim func(spare int64) error // nil: nothing is lent

	mu    sync.Mutex
	inUse int64 // guarded by mu
	peak  int64 // guarded by mu
}

// NewBudget divides total bytes among slots.
func NewBudget(total int64, slots int) *Budget {
	return &Budget{total: total, slots: max(slots, 1)}
}

// Lend lets somebody else use what tasks do not hold, see Spare. Whenever they hold more, reclaim is told what is spare
// still, and has to see to it that no more is used. Call it before there are shares.
func (b *Budget) Lend(reclaim func(spare int64) error) { b.reclaim = reclaim }

// Spare is how many bytes may be lent: three quarters of what tasks do not hold, so that small growth asks nothing back
// and what is not counted has somewhere to go.
func (b *Budget) Spare() int64 { return max(b.total-b.InUse(), 0) / 4 * 3 }

// grown asks back what is lent after a share has grown.
func (b *Budget) grown(n int64) error {
	if n <= 0 || b.reclaim == nil {
		return nil
	}
	return b.reclaim(b.Spare())
}

// Share opens the account of one task. The caller closes it when the task has ended.
func (b *Budget) Share() *Share { return &Share{budget: b, limit: b.total / int64(b.slots)} }

// Whole opens the account of a task that has the worker to itself.
func (b *Budget) Whole() *Share { return &Share{budget: b, limit: b.total} }

// InUse is what all open shares hold together, in bytes.
func (b *Budget) InUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inUse
}

// Peak is the largest value that InUse has had.
func (b *Budget) Peak() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peak
}

// Share is one task's part of the budget. It is safe for concurrent use.
type Share struct {
	budget *Budget
	limit  int64
	held   int64 // guarded by budget.mu
}

var _ operator.Memory = (*Share)(nil)

// Reserve takes n more bytes, or gives back -n when negative. Beyond the task's share it takes nothing and fails with
// a plan.FailureOutOfMemory failure. Giving back more than is held gives back what is held.
func (s *Share) Reserve(n int64) error {
	if err := s.reserve(n); err != nil {
		return err
	}
	err := s.budget.grown(n)
	if err != nil {
		s.Take(-n)
	}
	return err
}

func (s *Share) reserve(n int64) error {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	if n > 0 && n > s.limit-s.held {
		return s.exceeded(n)
	}
	s.add(n)
	return nil
}

func (s *Share) exceeded(n int64) *plan.Failure {
	if s.limit == s.budget.total && s.budget.slots > 1 {
		return plan.Failf(plan.FailureOutOfMemory,
			"the task needs %s more memory and holds %s, but all that the worker has for tasks is %s, and no other task runs on it: raise --memory",
			bytesText(n), bytesText(s.held), bytesText(s.limit))
	}
	return plan.Failf(plan.FailureOutOfMemory,
		"the task needs %s more memory and holds %s, but its share is %s (%s for %d slots): raise --memory or lower --slots",
		bytesText(n), bytesText(s.held), bytesText(s.limit), bytesText(s.budget.total), s.budget.slots)
}

// Take takes n more bytes, or gives back -n when negative, also beyond the share.
func (s *Share) Take(n int64) {
	s.budget.mu.Lock()
	s.add(n)
	s.budget.mu.Unlock()
	_ = s.budget.grown(n) // what cannot be had back now is asked for again at the next growth, and that may fail
}

// add changes what is held. REQUIRES: budget.mu is held.
func (s *Share) add(n int64) {
	n = max(n, -s.held)
	s.held += n
	s.budget.inUse += n
	s.budget.peak = max(s.budget.peak, s.budget.inUse)
}

// Close gives back what the task still holds.
func (s *Share) Close() {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.budget.inUse -= s.held
	s.held = 0
}

// bytesText renders a size as people write it in --memory.
func bytesText(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
