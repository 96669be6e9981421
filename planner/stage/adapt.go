package stage

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// adapt says how the tasks of a stage may be divided anew when the sizes of its inputs are known; nil where there is
// nothing to divide. Shards stay as many as the user asked for.
func (c *cutter) adapt(s *plan.Stage) *plan.Adapt {
	if s.Splits != nil || s.Tasks < 2 || s.Sink.Kind == plan.SinkFile {
		return nil
	}
	reads := map[int]int{} // of partitioned inputs, by stage
	whole := map[int]bool{}
	widths := map[int]int64{}
	s.Root.Walk(func(n *plan.Node) {
		if n.Op != plan.NodeShuffleRead {
			return
		}
		if n.ShuffleRead.Broadcast {
			whole[n.ShuffleRead.Stage] = true
			return
		}
		reads[n.ShuffleRead.Stage]++
		widths[n.ShuffleRead.Stage] = logical.RowBytes(n.Schema)
	})
	a := &plan.Adapt{Target: c.opts.PartitionBytes}
	streamed, sliced := streamedRead(s.Root), slicedRead(s.Root)
	for _, in := range s.Inputs {
		switch {
		case reads[in] == 0:
		case whole[in] || c.stages[in].Sink.Partitions != s.Tasks:
			return nil // it is read in two ways, so there is no one way to divide it
		default:
			a.Inputs = append(a.Inputs, plan.AdaptInput{
				Stage: in, RowBytes: widths[in], Splits: reads[in] == 1 && in == streamed, Slices: reads[in] == 1 && in == sliced,
			})
		}
	}
	if len(a.Inputs) == 0 {
		return nil
	}
	return a
}

// streamedRead is the stage whose rows stream through to the end of a stage one by one, or -1: what is between can be done
// for some of them here and for others there, as long as everything else is read whole in both places. A partial aggregate
// at the end is merged later.
func streamedRead(root *plan.Node) int {
	n := root
	for streams(n) {
		below := n.Inputs[0]
		if n.Op == plan.NodeEventWindows && below.Op == plan.NodeSort && below.Sort.Limit < 0 {
			below = below.Inputs[0] // rows that are sorted for this alone can be so in parts
		}
		n = below
	}
	return partitionRead(n)
}

// slicedRead is the stage whose rows are the left side of joins in time, all by one order, at the bottom of what streams
// through to the end of a stage, or -1: these joins can be done for some slices of that order here and for others there.
func slicedRead(root *plan.Node) int {
	n, joined := root, false
	for streams(n) || n.Op == plan.NodeAsofJoin {
		joined = joined || n.Op == plan.NodeAsofJoin
		n = n.Inputs[0]
	}
	if !joined || n.Op != plan.NodeSort || n.Sort.Limit >= 0 {
		return -1
	}
	return partitionRead(n.Inputs[0])
}

// partitionRead is the stage that a node reads partition by partition, or -1.
func partitionRead(n *plan.Node) int {
	if n.Op != plan.NodeShuffleRead || n.ShuffleRead.Broadcast {
		return -1
	}
	return n.ShuffleRead.Stage
}

// streams reports an operator that makes of each row of its first input what it does whatever the others are, in order.
func streams(n *plan.Node) bool {
	switch n.Op {
	case plan.NodeFilter, plan.NodeProject, plan.NodeUDF, plan.NodeExpand, plan.NodeGenerate, plan.NodeEventWindows:
		return true
	case plan.NodeAggregate:
		return n.Aggregate.Mode == plan.AggregatePartial
	case plan.NodeJoin:
		return n.Join.Type != plan.JoinFull && !n.Join.Type.PutsOutRight()
	}
	return false
}
