package plan

import (
	"fmt"
	"strings"
)

// Text is the job's stages as indented text, for people and for golden tests.
func (j *Job) Text() string {
	var b strings.Builder
	for i, s := range j.Stages {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s.Text())
	}
	for _, o := range j.Outputs {
		fmt.Fprintf(&b, "\noutput %s: stage %d, %d shards, %s/%s, %s%s\n", o.Name, o.Stage, o.Shards, o.Format, o.Compression, o.Schema, o.layout())
	}
	return b.String()
}

// Text is the stage as a heading and, below it, its operators.
func (s *Stage) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stage %d: %d tasks → %s\n", s.ID, s.Tasks, s.SinkText())
	s.Root.text(&b, 1)
	return b.String()
}

// SinkText says where the stage's rows go.
func (s *Stage) SinkText() string { return s.Sink.text(s.Root.Schema) }

// SinkKeys are the columns that the stage's rows are shuffled by, between commas, as people know them; empty if they are not.
func (s *Stage) SinkKeys() string {
	var names []string
	for _, k := range s.Sink.Keys {
		name, _, _ := strings.Cut(s.Root.Schema.Fields[k].Name, "#")
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// Lines visits the stage's operators, parents first, each with its depth below the root and its text.
func (s *Stage) Lines(visit func(depth int, n *Node, text string)) { s.Root.lines(0, visit) }

func (s Sink) text(schema Schema) string {
	switch s.Kind {
	case SinkFile:
		return "file " + s.Output
	case SinkResult:
		return "result"
	case SinkReport:
		return "report"
	}
	if s.Partitions == 1 {
		return "shuffle into 1"
	}
	return fmt.Sprintf("shuffle into %d by %s(%s)", s.Partitions, s.Hash, columnNames(schema, s.Keys))
}

// Text is the tree of operators, one a line, inputs below.
func (n *Node) Text() string {
	var b strings.Builder
	n.text(&b, 0)
	return b.String()
}

func (n *Node) text(b *strings.Builder, depth int) {
	n.lines(depth, func(depth int, _ *Node, text string) { b.WriteString(strings.Repeat("  ", depth) + text + "\n") })
}

func (n *Node) lines(depth int, visit func(depth int, n *Node, text string)) {
	visit(depth, n, n.describe())
	for _, in := range n.Inputs {
		in.lines(depth+1, visit)
	}
}

func (n *Node) describe() string {
	switch n.Op {
	case NodeScan:
		return "scan " + n.Scan.Source + " [" + strings.Join(n.Schema.Names(), ", ") + "]" + exprList(" prune=", n.Scan.Prune) + n.runtimeText()
	case NodeValues:
		return fmt.Sprintf("values %d rows [%s]", len(n.Values.Rows), strings.Join(n.Schema.Names(), ", "))
	case NodeShuffleRead:
		if n.ShuffleRead.Broadcast {
			return fmt.Sprintf("read stage %d whole", n.ShuffleRead.Stage)
		}
		return fmt.Sprintf("read stage %d", n.ShuffleRead.Stage)
	case NodeFilter:
		return "filter " + n.Filter.Predicate.String()
	case NodeProject:
		return "project " + n.projectText()
	case NodeUDF:
		return "udf " + n.udfText()
	case NodeAggregate:
		return "aggregate " + n.aggregateText()
	case NodeJoin:
		return "join " + n.joinText()
	case NodeSort:
		return "sort " + n.sortText()
	case NodeLimit:
		return fmt.Sprintf("limit %d offset %d", n.Limit.Count, n.Limit.Offset)
	case NodeExpand:
		return "expand " + n.expandText()
	case NodeGenerate:
		return "generate " + outerText(n.Generate.Outer) + n.Generate.Call.String()
	case NodePluginTable:
		return "plugin table " + n.pluginTableText()
	case NodeWindow:
		return "window " + n.windowText()
	case NodeAsofJoin:
		return "asof join " + n.asofText()
	case NodeTally:
		return "tally " + n.tallyText()
	case NodeEventWindows:
		return "event windows " + n.eventWindowsText()
	}
	return string(n.Op)
}

func (n *Node) pluginTableText() string {
	in, t := n.Inputs[0].Schema, n.PluginTable
	text := t.Function + "(" + columnNames(in, t.Args) + ") per " + string(t.Per)
	if len(t.Keys) > 0 {
		text += " [" + columnNames(in, t.Keys) + "]"
	}
	return text
}

func (n *Node) runtimeText() string {
	if len(n.Scan.RuntimeFilters) == 0 {
		return ""
	}
	texts := make([]string, len(n.Scan.RuntimeFilters))
	for i, f := range n.Scan.RuntimeFilters {
		texts[i] = fmt.Sprintf("%s by filter %d", columnNames(n.Schema, []int{f.Column}), f.ID)
	}
	return " runtime=[" + strings.Join(texts, ", ") + "]"
}

func (n *Node) projectText() string {
	texts := make([]string, len(n.Project.Exprs))
	for i, e := range n.Project.Exprs {
		texts[i] = e.String()
		if name := n.Schema.Fields[i].Name; e.Op != OpColumn || e.Name != name {
			texts[i] += " as " + name
		}
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func (n *Node) udfText() string {
	texts := make([]string, len(n.UDF.Calls))
	for i, c := range n.UDF.Calls {
		texts[i] = c.Function + "(" + columnNames(n.Inputs[0].Schema, c.Args) + ")"
	}
	return strings.Join(texts, ", ")
}

func (n *Node) aggregateText() string {
	a, in := n.Aggregate, n.Inputs[0].Schema
	texts := make([]string, len(a.Aggs))
	for i, g := range a.Aggs {
		args := "*"
		switch {
		case a.Mode == AggregateFinal:
			args = "…"
		case len(g.Args) > 0:
			args = columnNames(in, g.Args)
		}
		if g.Distinct {
			args = "distinct " + args
		}
		texts[i] = g.Func + "(" + args + ")" + exprList(" params ", g.Params)
		if g.Filter > 0 && a.Mode != AggregateFinal {
			texts[i] += " filter " + columnNames(in, []int{g.Filter - 1})
		}
	}
	mode := string(a.Mode)
	if a.Sorted {
		mode += " sorted"
	}
	return fmt.Sprintf("%s keys=[%s] aggs=[%s]", mode, columnNames(in, a.Keys), strings.Join(texts, ", "))
}

func (n *Node) joinText() string {
	j := n.Join
	keys := make([]string, len(j.LeftKeys))
	for i := range keys {
		op := " = "
		if len(j.NullSafe) > 0 && j.NullSafe[i] {
			op = " <=> "
		}
		keys[i] = columnNames(n.Inputs[0].Schema, j.LeftKeys[i:i+1]) + op + columnNames(n.Inputs[1].Schema, j.RightKeys[i:i+1])
	}
	text := string(j.Type)
	if j.NullAware {
		text += " null-aware"
	}
	text += " [" + strings.Join(keys, ", ") + "]"
	if j.Condition != nil {
		text += " if " + j.Condition.String()
	}
	for i, id := range j.Publishes {
		if id > 0 {
			text += fmt.Sprintf(" filter %d from %s", id, columnNames(n.Inputs[1].Schema, j.RightKeys[i:i+1]))
		}
	}
	return text
}

func (n *Node) sortText() string {
	text := "[" + sortKeys(n.Schema, n.Sort.Keys) + "]"
	if n.Sort.Limit >= 0 {
		text += fmt.Sprintf(" limit %d", n.Sort.Limit)
	}
	return text
}

// Text is the key with a name for its column: "price desc nulls last".
func (k SortKey) Text(column string) string {
	if k.Descending {
		column += " desc"
	}
	if k.NullsLast {
		column += " nulls last"
	}
	return column
}

func sortKeys(s Schema, list []SortKey) string {
	keys := make([]string, len(list))
	for i, k := range list {
		keys[i] = k.Text(columnNames(s, []int{k.Column}))
	}
	return strings.Join(keys, ", ")
}

func columnNames(s Schema, ordinals []int) string {
	names := make([]string, len(ordinals))
	for i, o := range ordinals {
		names[i] = fmt.Sprintf("#%d", o)
		if o >= 0 && o < len(s.Fields) {
			names[i] = fmt.Sprintf("%s#%d", s.Fields[o].Name, o)
		}
	}
	return strings.Join(names, ", ")
}

func exprList(label string, exprs []*Expr) string {
	if len(exprs) == 0 {
		return ""
	}
	texts := make([]string, len(exprs))
	for i, e := range exprs {
		texts[i] = e.String()
	}
	return label + "[" + strings.Join(texts, ", ") + "]"
}

func outerText(outer bool) string {
	if outer {
		return "outer "
	}
	return ""
}

func (n *Node) expandText() string {
	rows := make([]string, len(n.Expand.Projections))
	for i, p := range n.Expand.Projections {
		rows[i] = exprList("", p)
	}
	return strings.Join(rows, " ")
}

func (n *Node) windowText() string {
	in, w := n.Inputs[0].Schema, n.Window
	calls := make([]string, len(w.Calls))
	for i, c := range w.Calls {
		calls[i] = c.Func + "(" + columnNames(in, c.Args) + ") " + c.Frame.String()
	}
	return fmt.Sprintf("partition=[%s] order=[%s] [%s]", columnNames(in, w.PartitionBy), sortKeys(in, w.OrderBy), strings.Join(calls, ", "))
}

// String is the frame as SQL writes it.
func (f Frame) String() string {
	return string(f.Unit) + " between " + f.Start.text("preceding") + " and " + f.End.text("following")
}

func (b FrameBound) text(unbounded string) string {
	switch b.Kind {
	case "unbounded":
		return "unbounded " + unbounded
	case "current":
		return "current row"
	}
	return "current row + " + b.Offset.String()
}

func (n *Node) asofText() string {
	a, left, right := n.AsofJoin, n.Inputs[0].Schema, n.Inputs[1].Schema
	text := fmt.Sprintf("%s [%s] = [%s], %s to %s", a.Direction, columnNames(left, a.LeftKeys), columnNames(right, a.RightKeys),
		columnNames(left, []int{a.LeftTime}), columnNames(right, []int{a.RightTime}))
	if !a.Exact {
		text += " strictly"
	}
	if a.PreferForward {
		text += " or later"
	}
	if a.Visible > 0 {
		text += " visible from " + columnNames(right, []int{a.Visible - 1})
	}
	if len(a.Ties) > 0 {
		text += " ties [" + columnNames(right, a.Ties) + "]"
	}
	if len(a.SkipNulls) > 0 {
		text += " skip nulls of [" + columnNames(right, a.SkipNulls) + "]"
	}
	if a.Tolerance != nil {
		text += " within " + a.Tolerance.String()
	}
	if a.Condition != nil {
		text += " if " + a.Condition.String()
	}
	return text
}

// layout says how the rows of an output's shards lie in files, if not as they come.
func (o *Output) layout() (s string) {
	names := o.Schema.Names()
	if len(o.PartitionBy) > 0 {
		s += ", partitioned by [" + columnNames(o.Schema, o.PartitionBy) + "]"
	}
	if len(o.SortBy) > 0 {
		s += ", sorted by [" + sortKeys(o.Schema, o.SortBy) + "]"
	}
	if o.RowsPerFile > 0 {
		s += fmt.Sprintf(", %d rows a file", o.RowsPerFile)
	}
	if o.Time > 0 {
		s += ", time " + names[o.Time-1]
	}
	return s
}
