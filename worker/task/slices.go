package task

import (
	"context"
	"fmt"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// slicing is what a task does that joins in time one slice of a partition: it keeps the slice of the left side, and of
// the right sides what that needs. All inputs are read whole, the left one twice: where the slice begins and ends
// follows from its rows.
type slicing struct {
	left  int // the stage whose rows are the left side
	slice api.Slice
	order []plan.SortKey
	joins map[*plan.Node]*plan.AsofJoin // by the read of their right side
	open  func() operator.Operator      // reads the left side once more
	found *operator.Slice
}

// newSlicing is nil for a task that does all of what it reads.
func (b *builder) newSlicing() (*slicing, error) {
	for _, in := range b.task.Inputs {
		if in.Part == nil || in.Part.Slice.Of < 2 {
			continue
		}
		s := &slicing{left: in.Stage, slice: in.Part.Slice, joins: map[*plan.Node]*plan.AsofJoin{}}
		if !s.follow(b.stage.Root) {
			return nil, fmt.Errorf("assignment %s: %s of stage %d, which stage %d does not join in time", b.task.AttemptID, in.Part, in.Stage, b.stage.ID)
		}
		return s, nil
	}
	return nil, nil
}

// follow goes down from the root to the sort of the left side.
func (s *slicing) follow(n *plan.Node) bool {
	var joins []*plan.Node
	for ; len(n.Inputs) > 0; n = n.Inputs[0] {
		if n.Op == plan.NodeAsofJoin {
			joins = append(joins, n)
		}
		if n.Op == plan.NodeSort {
			break
		}
	}
	if n.Op != plan.NodeSort || n.Inputs[0].Op != plan.NodeShuffleRead || n.Inputs[0].ShuffleRead.Stage != s.left {
		return false
	}
	s.order = n.Sort.Keys
	for _, j := range joins {
		right := j.Inputs[1]
		if len(j.AsofJoin.RightKeys)+1 == len(s.order) && right.Op == plan.NodeSort && right.Inputs[0].Op == plan.NodeShuffleRead {
			s.joins[right.Inputs[0]] = j.AsofJoin
		}
	}
	return len(joins) > 0
}

// sliced leaves of what a node reads only what the task's slice needs, if it does but a slice.
func (b *builder) sliced(n *plan.Node, read operator.Operator) operator.Operator {
	s := b.slicing
	if s == nil {
		return read
	}
	if n.ShuffleRead.Stage == s.left {
		return operator.NewSlicedLeft(b.operators, read, s.order, s.find)
	}
	if j := s.joins[n]; j != nil {
		return operator.NewSlicedRight(b.operators, read, j, s.find)
	}
	return read
}

// find is the task's slice; the first call reads the left side.
func (s *slicing) find(ctx context.Context) (*operator.Slice, error) {
	if s.found != nil {
		return s.found, nil
	}
	var err error
	s.found, err = operator.FindSlice(ctx, s.open(), s.order, s.slice.Number, s.slice.Of)
	return s.found, err
}
