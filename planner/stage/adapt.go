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
	a := &plan.Adapt{Target: c.opts.PartitionBytes, Shares: true}
	streamed, sliced := streamedRead(s.Root), slicedRead(s.Root)
	for _, in := range s.Inputs {
		switch {
		case reads[in] == 0:
		case whole[in] || c.stages[in].Sink.Partitions != s.Tasks:
			return nil // it is read in two ways, so there is no one way to divide it
		default:
			a.Shares = a.Shares && c.stages[in].Sink.Hash == plan.HashExchange
			a.Inputs = append(a.Inputs, plan.AdaptInput{
				Stage: in, RowBytes: widths[in], Splits: reads[in] == 1 && in == streamed, Slices: in == sliced,
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
	for n.Streams() {
		below := n.Inputs[0]
		if n.Op == plan.NodeEventWindows && below.Op == plan.NodeSort && below.Sort.Limit < 0 {
			below = below.Inputs[0] // rows that are sorted for this alone can be so in parts
		}
		n = below
	}
	return partitionRead(n)
}

// slicedRead is the stage whose rows can be done in slices of keys and time, or -1.
func slicedRead(root *plan.Node) int {
	s, ok := root.Slicing()
	if !ok {
		return -1
	}
	return partitionRead(s.Sort.Inputs[0])
}

// partitionRead is the stage that a node reads partition by partition, or -1.
func partitionRead(n *plan.Node) int {
	if n.Op != plan.NodeShuffleRead || n.ShuffleRead.Broadcast {
		return -1
	}
	return n.ShuffleRead.Stage
}
