package plan

// Slicing is how tasks can each do a slice of one partition's rows in the order of keys and time: what they put out, one
// after the other, is what one task would.
type Slicing struct {
	// Sort orders the rows that are divided; below it there is but a read of a partition.
	Sort *Node
	// Timed are the joins in time and windows of events for which a slice of the rows needs a part of the other side: one
	// that is read and sorted just as the rows are.
	Timed []*Node
	// Windows are SQL's, the topmost first. A slice is read with the rows around it that their frames may have, which are
	// left out above the first of them.
	Windows []*Node
}

// Slicing finds, going down from the root of a stage, whether its work can be done in slices. ok is false where nothing
// goes by keys and time, or something needs more than the surroundings of a slice.
func (n *Node) Slicing() (s Slicing, ok bool) {
	var others []*Node
	for {
		switch {
		case n.Op == NodeWindow && n.Window.Slices(n.Inputs[0].Schema):
			s.Windows = append(s.Windows, n)
		case len(s.Windows) > 0 && (n.Op == NodeAsofJoin || n.Op == NodeEventWindows || n.Op == NodeAggregate):
			return s, false // these would have to give the surroundings, too
		case n.Op == NodeAsofJoin:
			others, ok = append(others, n), true
		case n.Op == NodeEventWindows:
			others, ok = append(others, n), ok || n.EventWindows.bounded()
		case !n.Streams():
			s.Sort = n
			return s.over(others, ok)
		}
		n = n.Inputs[0]
	}
}

// over completes what was found above a node, the first that does not let rows through one by one.
func (s Slicing) over(others []*Node, ok bool) (Slicing, bool) {
	if s.Sort.Op != NodeSort || s.Sort.Sort.Limit >= 0 || !s.Sort.Inputs[0].readsPartition() {
		return s, false
	}
	keys := len(s.Sort.Sort.Keys)
	for _, w := range s.Windows {
		if len(w.Window.PartitionBy)+1 != keys {
			return s, false
		}
	}
	for _, k := range s.Sort.Sort.Keys {
		if k.Descending || k.NullsLast {
			return s, false
		}
	}
	for _, n := range others {
		if side := n.Inputs[1]; side.Op == NodeSort && side.Inputs[0].readsPartition() && n.keys()+1 == keys {
			s.Timed = append(s.Timed, n)
		}
	}
	return s, ok || len(s.Windows) > 0
}

// keys is by how many columns a join in time, or windows of events, bring rows together.
func (n *Node) keys() int {
	if n.Op == NodeAsofJoin {
		return len(n.AsofJoin.LeftKeys)
	}
	return len(n.EventWindows.LeftKeys)
}

func (n *Node) readsPartition() bool { return n.Op == NodeShuffleRead && !n.ShuffleRead.Broadcast }

// Streams reports an operator that makes of each row of its first input what it does whatever the others are, in order; of
// a partial aggregate, what is merged later.
func (n *Node) Streams() bool {
	switch n.Op {
	case NodeFilter, NodeProject, NodeUDF, NodeExpand, NodeGenerate, NodeEventWindows, NodeTally:
		return true
	case NodePluginTable:
		return n.PluginTable.Per == PerBatch
	case NodeAggregate:
		return n.Aggregate.Mode == AggregatePartial
	case NodeJoin:
		return n.Join.Type != JoinFull && !n.Join.Type.PutsOutRight()
	}
	return false
}

// bounded reports windows that all have a beginning: so the events before it are not needed.
func (n *EventWindows) bounded() bool {
	for _, w := range n.Windows {
		if w.Unbounded {
			return false
		}
	}
	return true
}

// Slices reports windows over keys and one time whose calls look at what is near a row in time, and nothing else.
func (w *Window) Slices(in Schema) bool {
	if len(w.PartitionBy) == 0 || len(w.OrderBy) != 1 || w.OrderBy[0].Descending || w.OrderBy[0].NullsLast {
		return false
	}
	for _, c := range w.Calls {
		near := func(b FrameBound) bool { return b.Kind == "current" || b.Kind == "offset" }
		if c.Frame.Unit != FrameRange || !near(c.Frame.Start) || !near(c.Frame.End) || !c.exact(in) {
			return false
		}
	}
	return true
}

// exact reports calls whose value does not depend on where the partition begins. Sums of doubles do: those of large frames
// are put together from blocks of rows that are counted from there.
func (c *WindowCall) exact(in Schema) bool {
	switch c.Func {
	case "count", "min", "max", "first", "last", "any_value", "nth_value":
		return true
	case "sum":
		t := in.Fields[c.Args[0]].Type
		return t.IsInteger() || t.Kind == KindDecimal
	case "avg":
		t := in.Fields[c.Args[0]].Type
		return (t.Kind == KindInt32 || t.Kind == KindInt64) && c.Filter == 0 && !c.Distinct || t.Kind == KindDecimal
	}
	return false
}
