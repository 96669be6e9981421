package plan

import (
	"fmt"
	"testing"
)

// The work above a sort by keys and time can be done in slices if all of it looks no further than around them.
func TestSlicing(t *testing.T) {
	schema := Schema{Fields: []Field{{Name: "k", Type: Int64}, {Name: "t", Type: Int64}, {Name: "v", Type: Int64}, {Name: "x", Type: Float64}}}
	node := func(op NodeOp, inputs ...*Node) *Node { return &Node{Op: op, Schema: schema, Inputs: inputs} }
	read := func(stage int) *Node {
		n := node(NodeShuffleRead)
		n.ShuffleRead = &ShuffleRead{Stage: stage}
		return n
	}
	sort := func(in *Node) *Node {
		n := node(NodeSort, in)
		n.Sort = &Sort{Limit: -1, Keys: []SortKey{{Column: 0}, {Column: 1}}}
		return n
	}
	hour := FrameBound{Kind: "offset", Offset: Int64Literal(-3600)}
	now, ever := FrameBound{Kind: "current"}, FrameBound{Kind: "unbounded"}
	window := func(in *Node, name string, col int, f Frame) *Node {
		n := node(NodeWindow, in)
		n.Window = &Window{PartitionBy: []int{0}, OrderBy: []SortKey{{Column: 1}}, Calls: []WindowCall{{Agg: Agg{Func: name, Args: []int{col}}, Frame: f}}}
		return n
	}
	events := func(left, right *Node, unbounded bool) *Node {
		n := node(NodeEventWindows, left, right)
		n.EventWindows = &EventWindows{LeftKeys: []int{0}, EventKeys: []int{0}, LeftTime: 1, EventTime: 1, Windows: []EventWindow{{Width: 60}, {Width: 60, Unbounded: unbounded}}}
		return n
	}
	asof := func(left, right *Node) *Node {
		n := node(NodeAsofJoin, left, right)
		n.AsofJoin = &AsofJoin{LeftKeys: []int{0}, RightKeys: []int{0}, LeftTime: 1, RightTime: 1}
		return n
	}
	left, right := sort(read(0)), sort(read(1))
	past := Frame{FrameRange, hour, now}
	for name, c := range map[string]struct {
		root *Node
		want string
	}{
		"windows of events":              {events(left, right, false), "sort of stage 0, timed 1, windows 0"},
		"their other side unsorted":      {events(left, node(NodeFilter, right), false), "sort of stage 0, timed 0, windows 0"},
		"one without a beginning":        {events(left, right, true), "none"},
		"below a join in time":           {asof(events(left, right, true), right), "sort of stage 0, timed 2, windows 0"},
		"a window":                       {node(NodeProject, window(left, "sum", 2, past)), "sort of stage 0, timed 0, windows 1"},
		"windows over a filter":          {window(node(NodeFilter, window(left, "max", 3, past)), "count", 2, past), "sort of stage 0, timed 0, windows 2"},
		"a join in time above a window":  {asof(window(left, "min", 2, past), right), "sort of stage 0, timed 1, windows 1"},
		"below a window":                 {window(asof(left, right), "min", 2, past), "none"},
		"a sum of doubles":               {window(left, "sum", 3, past), "none"},
		"a running sum":                  {window(left, "sum", 2, Frame{FrameRange, ever, now}), "none"},
		"rows":                           {window(left, "sum", 2, Frame{FrameRows, hour, now}), "none"},
		"a rank":                         {window(left, "rank", 2, Frame{}), "none"},
		"no more than a sort":            {left, "none"},
		"of something other than a read": {asof(sort(node(NodeFilter, read(0))), right), "none"},
	} {
		got := "none"
		if s, ok := c.root.Slicing(); ok {
			got = fmt.Sprintf("sort of stage %d, timed %d, windows %d", s.Sort.Inputs[0].ShuffleRead.Stage, len(s.Timed), len(s.Windows))
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
