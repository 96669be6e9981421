package plan

// NodeOp names a physical operator.
type NodeOp string

// The physical operators. A node has exactly the payload that its Op names.
const (
	NodeScan        NodeOp = "scan"         // leaf: reads the splits of the task
	NodeValues      NodeOp = "values"       // leaf: constant rows
	NodeShuffleRead NodeOp = "shuffle_read" // leaf: reads a stage's output
	NodeFilter      NodeOp = "filter"
	NodeProject     NodeOp = "project"
	NodeUDF         NodeOp = "udf"
	NodeAggregate   NodeOp = "aggregate"
	NodeJoin        NodeOp = "join" // Inputs: probe (left), build (right)
	NodeSort        NodeOp = "sort"
	NodeLimit       NodeOp = "limit"
)

// Node is a physical operator and, below it, its inputs. Schema is what it puts out; expressions in a payload refer to
// the input's columns by ordinal.
type Node struct {
	Op     NodeOp  `json:"op"`
	Schema Schema  `json:"schema"`
	Inputs []*Node `json:"inputs,omitempty"`

	Scan        *Scan        `json:"scan,omitempty"`
	Values      *Values      `json:"values,omitempty"`
	ShuffleRead *ShuffleRead `json:"shuffle_read,omitempty"`
	Filter      *Filter      `json:"filter,omitempty"`
	Project     *Project     `json:"project,omitempty"`
	UDF         *UDF         `json:"udf,omitempty"`
	Aggregate   *Aggregate   `json:"aggregate,omitempty"`
	Join        *Join        `json:"join,omitempty"`
	Sort        *Sort        `json:"sort,omitempty"`
	Limit       *Limit       `json:"limit,omitempty"`
}

// Scan reads files. Columns go with Schema, index by index.
type Scan struct {
	Source  string       `json:"source"` // name for people
	Format  string       `json:"format"` // "parquet"
	Columns []ScanColumn `json:"columns"`
	// Prune holds conjuncts over the scan's output that the reader may use to skip row groups and pages. It need not
	// apply them: a NodeFilter above always does.
	Prune []*Expr `json:"prune,omitempty"`
}

// ScanColumn says where a column's values come from.
type ScanColumn struct {
	Name      string `json:"name"`                // column in the file
	Partition int    `json:"partition,omitempty"` // 0: in the file; n: the split's partition value n-1
}

// Values is a constant table: Rows[i][j] is a literal of column j. No columns and one row is SELECT without FROM.
type Values struct {
	Rows [][]*Expr `json:"rows"`
}

// ShuffleRead reads what a stage wrote for this task's partition, map outputs in task order.
type ShuffleRead struct {
	Stage int `json:"stage"`
	// Broadcast makes every task read partition 0 of every map output, whatever its own partition.
	Broadcast bool `json:"broadcast,omitempty"`
}

// Filter keeps the rows for which the predicate is true.
type Filter struct {
	Predicate *Expr `json:"predicate"`
}

// Project computes one column per expression.
type Project struct {
	Exprs []*Expr `json:"exprs"`
}

// UDF calls plugin functions; the output is the input's columns followed by one column per call.
type UDF struct {
	Calls []UDFCall `json:"calls"`
}

// UDFCall is one scalar plugin function over input columns.
type UDFCall struct {
	Function string `json:"function"` // name in Job.Functions
	Args     []int  `json:"args"`     // input ordinals
}

// AggregateMode says which half of a two-phase aggregation a node is.
type AggregateMode string

// Partial puts out keys and states, Final merges them, Complete does both at once (needed for DISTINCT).
const (
	AggregatePartial  AggregateMode = "partial"
	AggregateFinal    AggregateMode = "final"
	AggregateComplete AggregateMode = "complete"
)

// Aggregate groups by Keys (input ordinals). Output: the keys, then for each aggregate its state columns (partial; see
// package compute/agg) or its result. Input of the final mode is the partial's output in that same layout, so there
// Keys are 0…n-1 and the arguments of Aggs are not used. Without keys there is exactly one group, even of no rows
// (except partial over no rows, which may put out nothing). Groups come out in order of first appearance.
type Aggregate struct {
	Mode AggregateMode `json:"mode"`
	Keys []int         `json:"keys"`
	Aggs []Agg         `json:"aggs"`
}

// Agg is one aggregate function call.
type Agg struct {
	Func     string `json:"func"` // "count", "sum", "avg", "min", "max"
	Args     []int  `json:"args"` // input ordinals; none for count(*)
	ArgTypes []Type `json:"arg_types"`
	Distinct bool   `json:"distinct,omitempty"` // Complete only
	Type     Type   `json:"type"`               // of the result
}

// JoinType is the SQL join type.
type JoinType string

// The join types that exist as operators. A right join is planned as a left join with sides exchanged.
const (
	JoinInner    JoinType = "inner"
	JoinLeft     JoinType = "left"
	JoinFull     JoinType = "full"
	JoinLeftSemi JoinType = "left_semi"
	JoinLeftAnti JoinType = "left_anti"
	JoinCross    JoinType = "cross"
)

// Join is a hash join: the right input is the build side, read whole; the left streams through. Rows come out in left
// order, and matches of one left row in right order. NULL keys match nothing, unless NullSafe says so for that key.
// Output: left columns then right columns (left only for semi and anti).
type Join struct {
	Type      JoinType `json:"type"`
	LeftKeys  []int    `json:"left_keys"`
	RightKeys []int    `json:"right_keys"`
	NullSafe  []bool   `json:"null_safe,omitempty"` // per key: joined by <=>
	Condition *Expr    `json:"condition,omitempty"` // over left then right columns, beyond the keys
}

// SortKey orders by an input column.
type SortKey struct {
	Column     int  `json:"column"`
	Descending bool `json:"descending,omitempty"`
	NullsLast  bool `json:"nulls_last,omitempty"`
}

// Sort orders its input, stably. Limit, when not negative, keeps the first rows only (top-N).
type Sort struct {
	Keys  []SortKey `json:"keys"`
	Limit int64     `json:"limit"`
}

// Limit skips Offset rows and passes Count (all when negative).
type Limit struct {
	Count  int64 `json:"count"`
	Offset int64 `json:"offset,omitempty"`
}

// Walk calls visit for the node and everything below it, parents first.
func (n *Node) Walk(visit func(*Node)) {
	visit(n)
	for _, in := range n.Inputs {
		in.Walk(visit)
	}
}
