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
	a := &plan.Adapt{Target: partitionBytes}
	streamed := streamedRead(s.Root)
	for _, in := range s.Inputs {
		switch {
		case reads[in] == 0:
		case whole[in] || c.stages[in].Sink.Partitions != s.Tasks:
			return nil // it is read in two ways, so there is no one way to divide it
		default:
			a.Inputs = append(a.Inputs, plan.AdaptInput{
				Stage: in, RowBytes: widths[in], Splits: reads[in] == 1 && in == streamed,
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
	for n := root; ; n = n.Inputs[0] {
		switch n.Op {
		case plan.NodeShuffleRead:
			if n.ShuffleRead.Broadcast {
				return -1
			}
			return n.ShuffleRead.Stage
		case plan.NodeFilter, plan.NodeProject, plan.NodeUDF, plan.NodeExpand, plan.NodeGenerate:
		case plan.NodeAggregate:
			if n.Aggregate.Mode != plan.AggregatePartial {
				return -1
			}
		case plan.NodeJoin:
			if n.Join.Type == plan.JoinFull || n.Join.Type.PutsOutRight() {
				return -1
			}
		case plan.NodeEventWindows:
			if below := n.Inputs[0]; below.Op == plan.NodeSort && below.Sort.Limit < 0 {
				n = below // rows that are sorted for this alone can be so in parts
			}
		default:
			return -1
		}
	}
}
