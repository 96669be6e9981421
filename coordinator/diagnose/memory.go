package diagnose

import (
	"fmt"
	"math"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// muchSpilled is how many bytes in scratch files are told of, however little time that took: the next day may have more.
const muchSpilled = 64 << 20

// spills finds operators that did not fit in memory.
func (d *diagnosis) spills() {
	for i := range d.Stages {
		s := &d.Stages[i]
		for _, o := range s.Operators {
			if o.Spilled > 0 {
				d.spill(s, o)
			}
		}
	}
}

func (d *diagnosis) spill(s *api.StageProfile, o api.OperatorProfile) {
	f := api.Finding{
		Kind: api.FindingSpill, Stage: s.ID, Seconds: d.part(s, nanos(o.Own)),
		Title: fmt.Sprintf("spill: the %s of stage %d wrote %s to scratch files", operatorName(o.Op), s.ID, bytes(o.Spilled)),
		Why: []string{
			clipped(o.Text, 88),
			fmt.Sprintf("%d of %s did; the operator worked %s of the %s that they took", s.Spilled, count(s.Tasks, "task"), took(nanos(o.Own)), took(s.Busy)),
		},
		Do: "Give the workers more memory, or fewer slots, so that each task has more.",
	}
	if share := s.Facts.Memory; share > 0 && o.Needed > 0 {
		f.Why = append(f.Why, fmt.Sprintf("a task may hold %s in all; not to spill, this operator would have needed about %s", bytes(share), bytes(o.Needed)))
		f.Do = d.enough(needed(s)/float64(share), f.Do)
	}
	if o.Spilled >= muchSpilled {
		d.found = append(d.found, f)
		return
	}
	d.tell(f)
}

// needed is how much memory the operators of a stage would have needed all together.
func needed(s *api.StageProfile) float64 {
	n := int64(0)
	for _, o := range s.Operators {
		n += max(o.Needed, o.Peak)
	}
	return float64(n)
}

// enough says what would have been, with so many times the memory.
func (d *diagnosis) enough(factor float64, otherwise string) string {
	for _, w := range d.Workers {
		if w.Memory > 0 && factor > 1 {
			memory := math.Ceil(float64(w.Memory)*factor*1.1/(64<<20)) * (64 << 20)
			text := fmt.Sprintf("About %s of memory for a worker with %s would do; it has %s.", bytes(int64(memory)), count(w.Slots, "slot"), bytes(w.Memory))
			if w.Slots > 1 {
				text += " Fewer slots give each task more of it."
			}
			return text
		}
	}
	return otherwise
}

// operatorName is an operator as people call it.
func operatorName(op plan.NodeOp) string {
	switch op {
	case plan.NodeAsofJoin:
		return "as-of join"
	case plan.NodeEventWindows:
		return "event windows"
	case plan.NodeAggregate:
		return "aggregation"
	}
	return string(op)
}
