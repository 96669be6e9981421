package logical

import (
	"slices"

	"github.com/quern-engine/quern/plan"
)

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
	Folder bool // File is a folder that is not listed yet: see [plan.Folders]
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
	Params   []*plan.Expr // constant arguments; see plan.Agg
	// OrderBy sorts a group's rows first; each key is an expression over the input.
	OrderBy []OrderKey
	// Filter is a condition over the input: rows for which it is not true are not seen. nil for none.
	Filter *plan.Expr
	// State is the columns of the states of a plugin's function.
	State []plan.Field
}

// OrderKey is a sort key that is still an expression.
type OrderKey struct {
	Expr       *plan.Expr
	Descending bool
	NullsLast  bool
}

// Join joins two inputs on a condition; nil is true. Equal keys are found in the condition when stages are made.
type Join struct {
	Type        plan.JoinType
	Left, Right Node
	On          *plan.Expr
	// Broadcast has the right side sent whole to every task of the left one.
	Broadcast bool
	// BuildLeft has a left_semi or left_anti join whose sides are shuffled index its left side, and stream the right one.
	BuildLeft bool
	// Filtering has scans on the left leave out what the keys of the right side turn out to rule out.
	Filtering bool
	// NullAware has left_anti and mark compare as IN does: the conjuncts of On that are in Compared may be NULL.
	NullAware bool
	// Compared is the comparison of IN, each an equality of a left and a right expression; only with NullAware.
	Compared []*plan.Expr
	// Mark is the column that a mark join adds.
	Mark Column
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

// Union puts its inputs one after the other. Cols go with the inputs' columns by position, which have the same types.
type Union struct {
	Ins  []Node
	Cols []Column
}

// Expand puts out, for each input row, a row per projection. Cols are new; projections read the input.
type Expand struct {
	Input       Node
	Cols        []Column
	Projections [][]*plan.Expr
}

// Generate puts out, for each input row, the rows that a generator function gives, after the input's columns. Outer
// keeps rows for which it gives none.
type Generate struct {
	Input Node
	Call  *plan.Expr
	Cols  []Column // of the generator
	Outer bool
}

// PluginTable calls a table function of a plugin, and puts out what it gives. Per says with which rows it is called together:
// with those of equal PartitionBy, in the order of OrderBy, or with those of a task; Single has all in one task.
type PluginTable struct {
	Input       Node
	Function    string
	Per         plan.Per
	Args        []*plan.Expr // the function's columns
	PartitionBy []*plan.Expr
	OrderBy     []OrderKey
	Single      bool
	Quarantine  bool // rows that the function cannot do are put aside
	Cols        []Column
}

// Window adds a column for each call, computed over partitions of the input. All calls share partition and order.
type Window struct {
	Input       Node
	PartitionBy []*plan.Expr
	OrderBy     []OrderKey
	Calls       []WindowCall
}

// WindowCall is one window function call.
type WindowCall struct {
	AggCall
	IgnoreNulls bool
	Frame       plan.Frame
}

// AsofJoin gives each left row the one right row with equal keys that is nearest in time; see plan.AsofJoin.
type AsofJoin struct {
	Left, Right         Node
	LeftKeys, RightKeys []*plan.Expr // in pairs, of equal types
	LeftTime, RightTime *plan.Expr
	// Available is, over the right input, the left time from which on a row counts, of the times' type; NULL: never. A nil
	// expression: always.
	Available     *plan.Expr
	Ties          []*plan.Expr // over the right input
	SkipNulls     []*plan.Expr // columns of the right input
	Direction     plan.AsofDirection
	Exact         bool
	PreferForward bool       // of two right rows as near
	Tolerance     *plan.Expr // a literal; nil for none
	On            *plan.Expr // what else must hold; nil for nothing
	Keep          bool       // left rows without a match stay
	Tally         int        // see plan.AsofJoin
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
	_ Node = (*Union)(nil)
	_ Node = (*Expand)(nil)
	_ Node = (*Generate)(nil)
	_ Node = (*PluginTable)(nil)
	_ Node = (*Window)(nil)
	_ Node = (*AsofJoin)(nil)
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
	switch n.Type {
	case plan.JoinLeftSemi, plan.JoinLeftAnti:
		return left
	case plan.JoinMark:
		return append(left[:len(left):len(left)], n.Mark)
	}
	out := make([]Column, 0, len(left)+len(right))
	for _, c := range left {
		c.Nullable = c.Nullable || n.Type == plan.JoinFull
		out = append(out, c)
	}
	for _, c := range right {
		c.Nullable = c.Nullable || n.Type == plan.JoinFull || n.Type == plan.JoinLeft || n.Type == plan.JoinSingle
		out = append(out, c)
	}
	return out
}

// Columns implements Node.
func (n *Sort) Columns() []Column { return n.Input.Columns() }

// Columns implements Node.
func (n *Limit) Columns() []Column { return n.Input.Columns() }

// Columns implements Node.
func (n *Union) Columns() []Column { return n.Cols }

// Columns implements Node.
func (n *Expand) Columns() []Column { return n.Cols }

// Columns implements Node.
func (n *Generate) Columns() []Column { return slices.Concat(n.Input.Columns(), n.Cols) }

// Columns implements Node.
func (n *PluginTable) Columns() []Column { return n.Cols }

// Columns implements Node.
func (n *Window) Columns() []Column {
	cols := slices.Clone(n.Input.Columns())
	for _, c := range n.Calls {
		cols = append(cols, c.Column)
	}
	return cols
}

// Columns implements Node. Where left rows without a match stay, the right side may be missing.
func (n *AsofJoin) Columns() []Column {
	cols := slices.Clone(n.Left.Columns())
	for _, c := range n.Right.Columns() {
		c.Nullable = c.Nullable || n.Keep
		cols = append(cols, c)
	}
	return cols
}

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

// Inputs implements Node.
func (n *Union) Inputs() []Node { return n.Ins }

// Inputs implements Node.
func (n *Expand) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Generate) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *PluginTable) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *Window) Inputs() []Node { return []Node{n.Input} }

// Inputs implements Node.
func (n *AsofJoin) Inputs() []Node { return []Node{n.Left, n.Right} }

// KeepAll defines each column as itself, for a projection that passes columns on.
func KeepAll(cols []Column) []Definition { return keepAll(cols) }
