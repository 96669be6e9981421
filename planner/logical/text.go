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
	switch n := n.(type) {
	case *Union:
		return "Union [" + columnList(n.Cols) + "]"
	case *Expand:
		rows := make([]string, len(n.Projections))
		for i, p := range n.Projections {
			rows[i] = "(" + exprTexts(p) + ")"
		}
		return "Expand [" + columnList(n.Cols) + "] " + strings.Join(rows, " ")
	case *Generate:
		return fmt.Sprintf("Generate%s %s as [%s]", map[bool]string{true: " outer"}[n.Outer], n.Call, columnList(n.Cols))
	case *PluginTable:
		return describePluginTable(n)
	case *Window:
		return describeWindow(n)
	case *AsofJoin:
		return describeAsof(n)
	case *EventWindows:
		return describeEventWindows(n)
	case *Tally:
		return describeTally(n)
	}
	return fmt.Sprintf("%T", n)
}

func describeWindow(n *Window) string {
	calls := make([]string, len(n.Calls))
	for i, c := range n.Calls {
		calls[i] = c.call() + map[bool]string{true: " ignore nulls"}[c.IgnoreNulls] + " " + c.Frame.String() + " as " + c.Ref().String()
	}
	return fmt.Sprintf("Window partition=[%s] order=[%s] [%s]", exprTexts(n.PartitionBy), orderText(n.OrderBy), strings.Join(calls, ", "))
}

func describeAsof(n *AsofJoin) string {
	text := fmt.Sprintf("AsofJoin %s [%s] = [%s], %s to %s", n.Direction, exprTexts(n.LeftKeys), exprTexts(n.RightKeys), n.LeftTime, n.RightTime)
	if n.Available != nil {
		text += " available " + n.Available.String()
	}
	if n.On != nil {
		text += " on " + n.On.String()
	}
	return text
}

func exprTexts(exprs []*plan.Expr) string {
	texts := make([]string, len(exprs))
	for i, e := range exprs {
		texts[i] = e.String()
	}
	return strings.Join(texts, ", ")
}

func orderText(keys []OrderKey) string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = keyText(k.Expr, k.Descending, k.NullsLast)
	}
	return strings.Join(texts, ", ")
}

// keyText is a sort key; its place of NULLs is written where it is not the default.
func keyText(e *plan.Expr, descending, nullsLast bool) string {
	text := e.String()
	if descending {
		text += " desc"
	}
	if nullsLast != descending {
		text += map[bool]string{true: " nulls last", false: " nulls first"}[nullsLast]
	}
	return text
}

func describeScan(n *Scan) string {
	text := fmt.Sprintf("Scan %s [%s] ", n.Source, columnList(n.Cols))
	if len(n.Files) > 0 && n.Files[0].Folder {
		return text + fmt.Sprintf("folders=%d", len(n.Files)) // the plan before they were listed
	}
	text += fmt.Sprintf("files=%d", len(n.Files))
	if n.Dropped > 0 {
		text += fmt.Sprintf(" pruned=%d", n.Dropped)
	}
	if n.Table.Skipped > 0 {
		text += fmt.Sprintf(" folders_pruned=%d/%d", n.Table.Skipped, n.Table.Skipped+n.Table.Listed)
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
	if n.BuildLeft {
		text += " build-left"
	}
	if n.Filtering {
		text += " filtering"
	}
	if n.NullAware {
		text += " null-aware"
	}
	if n.On != nil {
		text += " on " + n.On.String()
	}
	if n.Type == plan.JoinMark {
		text += " as " + n.Mark.Ref().String()
	}
	return text
}

func describeSort(n *Sort) string {
	keys := make([]string, len(n.Keys))
	for i, k := range n.Keys {
		keys[i] = keyText(k.Column.Ref(), k.Descending, k.NullsLast)
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
		texts[i] = a.call() + " as " + a.Ref().String()
	}
	return strings.Join(texts, ", ")
}

// call is the call with all that belongs to it, without the column that it fills.
func (a AggCall) call() string {
	text := AggText(a.Func, a.Args, a.Distinct)
	if len(a.Params) > 0 {
		text += " params (" + exprTexts(a.Params) + ")"
	}
	if len(a.OrderBy) > 0 {
		text += " order by " + orderText(a.OrderBy)
	}
	if a.Filter != nil {
		text += " filter " + a.Filter.String()
	}
	return text
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

func describePluginTable(n *PluginTable) string {
	text := fmt.Sprintf("PluginTable %s(%s) per %s", n.Function, exprTexts(n.Args), n.Per)
	if len(n.PartitionBy) > 0 {
		text += " partition=[" + exprTexts(n.PartitionBy) + "]"
	}
	if len(n.OrderBy) > 0 {
		text += " order=[" + orderText(n.OrderBy) + "]"
	}
	if n.Single {
		text += " single"
	}
	return text + " as [" + columnList(n.Cols) + "]"
}
