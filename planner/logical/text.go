package logical

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// Format is the plan as an indented tree, one node a line, inputs below it.
func Format(n Node) string {
	var b strings.Builder
	format(&b, n, 0)
	return b.String()
}

func format(b *strings.Builder, n Node, depth int) {
	b.WriteString(strings.Repeat("  ", depth) + Describe(n) + "\n")
	for _, in := range n.Inputs() {
		format(b, in, depth+1)
	}
}

// Describe is one node as a line, without its inputs.
func Describe(n Node) string {
	switch n := n.(type) {
	case *Scan:
		return describeScan(n)
	case *Values:
		return fmt.Sprintf("Values %d rows [%s]", len(n.Rows), columnList(n.Cols))
	case *Filter:
		return "Filter " + n.Predicate.String()
	case *Project:
		return "Project [" + defList(n.Defs) + "]"
	case *Aggregate:
		return fmt.Sprintf("Aggregate keys=[%s] aggs=[%s]", defList(n.Keys), aggList(n.Aggs))
	case *Join:
		return describeJoin(n)
	case *Sort:
		return describeSort(n)
	case *Limit:
		return strings.TrimRight("Limit"+countText(" count=", n.Count)+offsetText(n.Offset), " ")
	}
	return fmt.Sprintf("%T", n)
}

func describeScan(n *Scan) string {
	text := fmt.Sprintf("Scan %s [%s] files=%d", n.Source, columnList(n.Cols), len(n.Files))
	if n.Dropped > 0 {
		text += fmt.Sprintf(" pruned=%d", n.Dropped)
	}
	if n.DroppedGroups > 0 {
		text += fmt.Sprintf(" row_groups_pruned=%d", n.DroppedGroups)
	}
	return text
}

func describeJoin(n *Join) string {
	text := "Join " + string(n.Type)
	if n.Broadcast {
		text += " broadcast"
	}
	if n.On != nil {
		text += " on " + n.On.String()
	}
	return text
}

func describeSort(n *Sort) string {
	keys := make([]string, len(n.Keys))
	for i, k := range n.Keys {
		keys[i] = k.Column.Ref().String()
		if k.Descending {
			keys[i] += " desc"
		}
		if k.NullsLast != k.Descending {
			keys[i] += map[bool]string{true: " nulls last", false: " nulls first"}[k.NullsLast]
		}
	}
	return "Sort [" + strings.Join(keys, ", ") + "]" + countText(" limit=", n.Limit)
}

func countText(label string, n int64) string {
	if n < 0 {
		return ""
	}
	return fmt.Sprintf("%s%d", label, n)
}

func offsetText(n int64) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" offset=%d", n)
}

func columnList(cols []Column) string {
	texts := make([]string, len(cols))
	for i, c := range cols {
		texts[i] = c.Ref().String()
	}
	return strings.Join(texts, ", ")
}

func defList(defs []Definition) string {
	texts := make([]string, len(defs))
	for i, d := range defs {
		texts[i] = d.Expr.String() + " as " + d.Ref().String()
	}
	return strings.Join(texts, ", ")
}

func aggList(aggs []AggCall) string {
	texts := make([]string, len(aggs))
	for i, a := range aggs {
		texts[i] = AggText(a.Func, a.Args, a.Distinct) + " as " + a.Ref().String()
	}
	return strings.Join(texts, ", ")
}

// AggText is an aggregate call as text: "count(*)", "count(distinct a#1)".
func AggText(name string, args []*plan.Expr, distinct bool) string {
	if len(args) == 0 {
		return name + "(*)"
	}
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = a.String()
	}
	if distinct {
		return name + "(distinct " + strings.Join(texts, ", ") + ")"
	}
	return name + "(" + strings.Join(texts, ", ") + ")"
}
