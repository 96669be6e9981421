package task

import (
	"context"
	"fmt"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// slicing is what a task does that does one slice of a partition: it keeps the rows of the slice, and of what is read beside
// them what these need. All inputs are read whole, the one that is divided twice: where the slice begins and ends follows
// from its rows.
type slicing struct {
	plan.Slicing
	slice   api.Slice
	windows *operator.Reach                // of SQL windows; nil without any
	timed   map[*plan.Node]*plan.Node      // joins and windows of events by the read of their other side
	events  map[*plan.Node]*operator.Reach // of windows of events
	open    func() operator.Operator       // reads the rows once more
	found   *operator.Slice

	known *Divisions
	key   divisionKey
}

// newSlicing is nil for a task that does all of what it reads.
func (b *builder) newSlicing() (*slicing, error) {
	for _, in := range b.task.Inputs {
		if in.Part == nil || in.Part.Slice.Of < 2 {
			continue
		}
		how, ok := b.stage.Root.Slicing()
		if !ok || how.Sort.Inputs[0].ShuffleRead.Stage != in.Stage {
			return nil, fmt.Errorf("assignment %s: %s of stage %d, which stage %d does not do in slices", b.task.AttemptID, in.Part, in.Stage, b.stage.ID)
		}
		s, err := sliceOf(how, in.Part.Slice, b.task.Job.Session)
		if err != nil {
			return nil, err
		}
		s.known, s.key = b.env.Divisions, divisionKey{b.task.Run, b.task.Stage, in.Stage, in.Version, in.Part.From, in.Part.Slice.Of}
		return s, nil
	}
	return nil, nil
}

func sliceOf(how plan.Slicing, slice api.Slice, session plan.Session) (*slicing, error) {
	s := &slicing{Slicing: how, slice: slice, timed: map[*plan.Node]*plan.Node{}, events: map[*plan.Node]*operator.Reach{}}
	for _, n := range how.Timed {
		s.timed[n.Inputs[1].Inputs[0]] = n
		if w := n.EventWindows; w != nil {
			s.events[n] = operator.EventReach(w, n.Inputs[1].Schema.Fields[w.EventTime].Type)
		}
	}
	if len(how.Windows) == 0 {
		return s, nil
	}
	var err error
	s.windows, err = operator.WindowReach(how.Windows, session)
	return s, err
}

// sliced leaves of what a node reads only what the task's slice needs, if it does but a slice.
func (b *builder) sliced(n *plan.Node, read operator.Operator) operator.Operator {
	s := b.slicing
	if s == nil {
		return read
	}
	if n == s.Sort.Inputs[0] {
		return operator.NewSliced(b.operators, read, s.Sort.Sort.Keys, s.find, s.windows)
	}
	switch t := s.timed[n]; {
	case t == nil:
		return read
	case t.AsofJoin != nil:
		return operator.NewSlicedRight(b.operators, read, t.AsofJoin, s.find)
	default:
		w := t.EventWindows
		return operator.NewSliced(b.operators, read, ascending(append(w.EventKeys[:len(w.EventKeys):len(w.EventKeys)], w.EventTime)), s.find, s.events[t])
	}
}

// above leaves of what the topmost SQL window puts out the rows of the slice.
func (s *slicing) above(n *plan.Node, made operator.Operator, env operator.Env) operator.Operator {
	if n != s.Windows[0] {
		return made
	}
	return operator.NewSliced(env, made, append(ascending(n.Window.PartitionBy), n.Window.OrderBy...), s.find, nil)
}

func ascending(columns []int) []plan.SortKey {
	keys := make([]plan.SortKey, len(columns))
	for i, c := range columns {
		keys[i].Column = c
	}
	return keys
}

// find is the task's slice. The first call reads the rows that are divided, unless another attempt has done so.
func (s *slicing) find(ctx context.Context) (*operator.Slice, error) {
	if s.found != nil {
		return s.found, nil
	}
	division := s.known.find(s.key)
	if division == nil {
		var err error
		if division, err = operator.NewDivision(ctx, s.open(), s.Sort.Sort.Keys, s.slice.Of, s.reaches()); err != nil {
			return nil, err
		}
		s.known.add(s.key, division)
	}
	s.found = division.Slice(s.slice.Number)
	return s.found, nil
}

// reaches is how far the slices of the windows look.
func (s *slicing) reaches() []*operator.Reach {
	var reaches []*operator.Reach
	if s.windows != nil {
		reaches = append(reaches, s.windows)
	}
	for _, n := range s.Timed {
		if r := s.events[n]; r != nil {
			reaches = append(reaches, r)
		}
	}
	return reaches
}
