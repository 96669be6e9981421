package logical

import "github.com/quern-engine/quern/plan"

// Column is a column of a node's output.
type Column struct {
	ID int
	plan.Field
}

// Ref is an expression that reads the column.
func (c Column) Ref() *plan.Expr { return plan.ColumnExpr(c.ID, c.Field) }

// Definition is a column together with what computes it.
type Definition struct {
	Column
	Expr *plan.Expr
}

// Node is a logical operator. Nodes are immutable: rewriting makes new ones.
type Node interface {
	// Columns is the output, in order. Ids are unique in it.
	Columns() []Column
	// Inputs are the nodes below.
	Inputs() []Node
	// withInputs is the node over other inputs, as many as before.
	withInputs(in []Node) Node
	// mapExprs is the node with each of its own expressions replaced.
	mapExprs(f func(*plan.Expr) *plan.Expr) Node
}

// Scan reads a table.
type Scan struct {
	Source   string
	Table    *plan.Table
	Cols     []Column
	Ordinals []int // per column: its ordinal in Table.Schema
	// Files are what is left to read, in URL order.
	Files []FileScan
	// Dropped and DroppedGroups say how many files and row groups pruning has taken away.
	Dropped, DroppedGroups int
}

// FileScan is a file of a scan. Groups lists the row groups to read, ascending; nil before statistics are known.
type FileScan struct {
	File   plan.File
	Groups []int
}

// Values is a constant table. One row of no columns is a SELECT without FROM.
type Values struct {
	Cols []Column
	Rows [][]*plan.Expr
}

// Filter keeps the rows for which Predicate is true.
type Filter struct {
	Input     Node
	Predicate *plan.Expr
}

// Project computes columns.
type Project struct {
	Input Node
	Defs  []Definition
}

// Aggregate groups by Keys; without keys there is one group. Without Aggs it is DISTINCT.
type Aggregate struct {
	Input Node
	Keys  []Definition
	Aggs  []AggCall
}

// AggCall is one aggregate function call. Its arguments read the aggregate's input.
type AggCall struct {
	Column
	Func     string
	Args     []*plan.Expr // none for count(*)
	Distinct bool
}

// Join joins two inputs on a condition; nil is true. Equal keys are found in the condition when stages are made.
type Join struct {
	Type        plan.JoinType
	Left, Right Node
	On          *plan.Expr
	// Broadcast has the right side sent whole to every task of the left one.
	Broadcast bool
}

// Sort orders by columns of its input. Limit keeps the first rows only, all when negative.
type Sort struct {
	Input Node
	Keys  []SortKey
	Limit int64
}

// SortKey orders by a column id.
type SortKey struct {
	Column     Column
	Descending bool
	NullsLast  bool
}

// Limit skips Offset rows and passes Count; all when negative.
type Limit struct {
	Input  Node
	Count  int64
	Offset int64
}

var (
	_ Node = (*Scan)(nil)
	_ Node = (*Values)(nil)
	_ Node = (*Filter)(nil)
	_ Node = (*Project)(nil)
	_ Node = (*Aggregate)(nil)
	_ Node = (*Join)(nil)
	_ Node = (*Sort)(nil)
	_ Node = (*Limit)(nil)
)

// Columns implements Node.
func (n *Scan) Columns() []Column { return n.Cols }

// Columns implements Node.
func (n *Values) Columns() []Column { return n.Cols }

// Columns implements Node.
func (n *Filter) Columns() []Column { return n.Input.Columns() }

// Columns implements Node.
func (n *Project) Columns() []Column { return columnsOf(n.Defs) }

// Columns implements Node.
func (n *Aggregate) Columns() []Column {
	cols := columnsOf(n.Keys)
	for _, a := range n.Aggs {
		cols = append(cols, a.Column)
	}
	return cols
}

// Columns implements Node. The side of an outer join that may be missing becomes nullable.
func (n *Join) Columns() []Column {
	left, right := n.Left.Columns(), n.Right.Columns()
	if n.Type == plan.JoinLeftSemi || n.Type == plan.JoinLeftAnti {
		return left
	}
	out := make([]Column, 0, len(left)+len(right))
	for _, c := range left {
		c.Nullable = c.Nullable || n.Type == plan.JoinFull
		out = append(out, c)
	}
	for _, c := range right {
		c.Nullable = c.Nullable || n.Type == plan.JoinFull || n.Type == plan.JoinLeft
		out = append(out, c)
	}
	return out
}

// Columns implements Node.
func (n *Sort) Columns() []Column { return n.Input.Columns() }

// Columns implements Node.
func (n *Limit) Columns() []Column { return n.Input.Columns() }

func columnsOf(defs []Definition) []Column {
	cols := make([]Column, len(defs))
	for i, d := range defs {
		cols[i] = d.Column
	}
	return cols
}

// Inputs implements Node.
func (n *Scan) Inputs() []Node { return nil }

// Inputs implements Node.
func (n *Values) Inputs() []Node { return nil }

// Inputs implements Node.
func (n *Filter) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Project) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Aggregate) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Join) Inputs() []Node { return []Node{n.Left, n.Right} }

// Inputs implements Node.
func (n *Sort) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Limit) Inputs() []Node { return []Node{n.Input} }

// KeepAll defines each column as itself, for a projection that passes columns on.
func KeepAll(cols []Column) []Definition { return keepAll(cols) }
