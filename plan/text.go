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
		fmt.Fprintf(&b, "\noutput %s: stage %d, %d shards, %s/%s, %s\n", o.Name, o.Stage, o.Shards, o.Format, o.Compression, o.Schema)
	}
	return b.String()
}

// Text is the stage as a heading and, below it, its operators.
func (s *Stage) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stage %d: %d tasks → %s\n", s.ID, s.Tasks, s.Sink.text(s.Root.Schema))
	s.Root.text(&b, 1)
	return b.String()
}

func (s Sink) text(schema Schema) string {
	switch s.Kind {
	case SinkFile:
		return "file " + s.Output
	case SinkResult:
		return "result"
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
	b.WriteString(strings.Repeat("  ", depth) + n.describe() + "\n")
	for _, in := range n.Inputs {
		in.text(b, depth+1)
	}
}

func (n *Node) describe() string {
	switch n.Op {
	case NodeScan:
		return "scan " + n.Scan.Source + " [" + strings.Join(n.Schema.Names(), ", ") + "]" + exprList(" prune=", n.Scan.Prune)
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
	}
	return string(n.Op)
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
		texts[i] = g.Func + "(" + args + ")"
	}
	return fmt.Sprintf("%s keys=[%s] aggs=[%s]", a.Mode, columnNames(in, a.Keys), strings.Join(texts, ", "))
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
	text := string(j.Type) + " [" + strings.Join(keys, ", ") + "]"
	if j.Condition != nil {
		text += " if " + j.Condition.String()
	}
	return text
}

func (n *Node) sortText() string {
	keys := make([]string, len(n.Sort.Keys))
	for i, k := range n.Sort.Keys {
		keys[i] = columnNames(n.Schema, []int{k.Column})
		if k.Descending {
			keys[i] += " desc"
		}
		if k.NullsLast {
			keys[i] += " nulls last"
		}
	}
	text := "[" + strings.Join(keys, ", ") + "]"
	if n.Sort.Limit >= 0 {
		text += fmt.Sprintf(" limit %d", n.Sort.Limit)
	}
	return text
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
