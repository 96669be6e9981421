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
	NodeUnion       NodeOp = "union"    // any number of inputs, one after the other; only columns by position
	NodeExpand      NodeOp = "expand"   // several rows for each, for grouping sets
	NodeGenerate    NodeOp = "generate" // a row for each element of a collection
	NodePluginTable NodeOp = "plugin_table"
	NodeWindow      NodeOp = "window"
	NodeAsofJoin    NodeOp = "asof_join" // Inputs: left, right, both sorted
	// NodeEventWindows has the inputs: rows, events, both sorted.
	NodeEventWindows NodeOp = "event_windows"
	NodeTally        NodeOp = "tally" // passes rows on and counts them
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
	Expand      *Expand      `json:"expand,omitempty"`
	Generate    *Generate    `json:"generate,omitempty"`
	PluginTable *PluginTable `json:"plugin_table,omitempty"`
	Window      *Window      `json:"window,omitempty"`
	AsofJoin    *AsofJoin    `json:"asof_join,omitempty"`

	EventWindows *EventWindows `json:"event_windows,omitempty"`
	Tally        *Tally        `json:"tally,omitempty"`
}

// Dropped is how much of a source planning ruled out: folders, which it has not listed, and files by their partitions, row groups
// by their statistics.
type Dropped struct {
	Folders   int `json:"folders,omitempty"`
	Files     int `json:"files,omitempty"`
	RowGroups int `json:"row_groups,omitempty"`
}

// Scan reads files. Columns go with Schema, index by index.
type Scan struct {
	Source string `json:"source"` // name for people
	Format string `json:"format"` // "parquet", "csv", "json", "arrow"; FormatFunction
	// Function is the source function of a plugin that makes the rows: a split's row groups are its tasks.
	Function string       `json:"function,omitempty"`
	Columns  []ScanColumn `json:"columns"`
	// Fields are all columns of the files, in order, where files do not say: those of text.
	Fields []Field `json:"fields,omitempty"`
	// Options of the format, such as "header" and "sep" of CSV, by Spark's names in lower case.
	Options map[string]string `json:"options,omitempty"`
	// Dropped are folders, files and row groups that planning ruled out: for people.
	Dropped *Dropped `json:"dropped,omitempty"`
	// RuntimeFilters narrow the scan by what a join's build side turned out to hold; see RuntimeFilter.
	RuntimeFilters []RuntimeFilter `json:"runtime_filters,omitempty"`
	// Prune holds conjuncts over the scan's output that the reader may use to skip row groups and pages. It need not
	// apply them: a NodeFilter above always does.
	Prune []*Expr `json:"prune,omitempty"`
}

// FormatFunction is the format of what no file has: a plugin's source function makes it.
const FormatFunction = "function"

// ScanColumn says where a column's values come from.
type ScanColumn struct {
	Name      string `json:"name"`                // column in the file
	Partition int    `json:"partition,omitempty"` // 0: in the file; n: the split's partition value n-1
	// Virtual columns are made by the reader: VirtualFile and VirtualRow. Empty for others.
	Virtual string `json:"virtual,omitempty"`
}

// The virtual columns of a scan, which together identify a row.
const (
	VirtualFile = "file_path" // string: the file's URL
	VirtualRow  = "row_index" // bigint: the row's number in its file, from 0
)

// RuntimeFilter tells a scan to read what a NodeJoin above it publishes when its build side is complete: rows whose
// Column lies outside the published range, or surely not in the published set, may be left out.
type RuntimeFilter struct {
	ID     int `json:"id"`     // of Join.Publishes
	Column int `json:"column"` // output ordinal of the scan
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
	// Sorted says that the rows of each group come side by side. Complete only, and with keys.
	Sorted bool `json:"sorted,omitempty"`
}

// Agg is one aggregate function call.
type Agg struct {
	Func     string `json:"func"` // name in package compute's function table, or of a plugin function
	Args     []int  `json:"args"` // input ordinals; none for count(*)
	ArgTypes []Type `json:"arg_types"`
	Distinct bool   `json:"distinct,omitempty"` // Complete only
	Type     Type   `json:"type"`               // of the result
	// Params are constant arguments, which have no column: the percentages of percentile, the accuracy of
	// approx_count_distinct, true for ignore-nulls of first and last. In the function's order of parameters.
	Params []*Expr `json:"params,omitempty"`
	// OrderBy sorts a group's rows before they are folded in, for listagg(…) WITHIN GROUP (ORDER BY …) and mode: the
	// keys' columns are the arguments after the first len(Args)-len(OrderBy). Complete only.
	OrderBy []SortKey `json:"order_by,omitempty"` // Column: place in Args
	// Filter is 1 + the ordinal of a boolean input column: rows for which it is not true are not seen. 0: no filter.
	Filter int `json:"filter,omitempty"`
	// State is the columns of the states of a plugin's function, which Func then names; none of the functions that are built in.
	State []Field `json:"state,omitempty"`
}

// Plugin reports a call of a plugin's function.
func (a *Agg) Plugin() bool { return len(a.State) > 0 }

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
	// JoinMark puts out each left row once, with one more boolean column: whether it has a partner.
	JoinMark JoinType = "mark"
	// JoinSingle is a left join that fails with SCALAR_SUBQUERY_TOO_MANY_ROWS when a left row has two partners.
	JoinSingle JoinType = "single"
	// JoinRightSemi and JoinRightAnti put out each right row once that has a partner, or that has none, in right order.
	// The planner makes them of left ones whose left side is the smaller.
	JoinRightSemi JoinType = "right_semi"
	JoinRightAnti JoinType = "right_anti"
)

// PutsOutRight reports a join whose output are rows of its build side alone.
func (t JoinType) PutsOutRight() bool { return t == JoinRightSemi || t == JoinRightAnti }

// Join is a hash join: the right input is the build side, read whole; the left streams through. Rows come out in left
// order, and matches of one left row in right order. NULL keys match nothing, unless NullSafe says so for that key.
// Output: left columns then right columns (left only for semi and anti, right only for right semi and anti, left and a
// boolean for mark).
type Join struct {
	Type      JoinType `json:"type"`
	LeftKeys  []int    `json:"left_keys"`
	RightKeys []int    `json:"right_keys"`
	NullSafe  []bool   `json:"null_safe,omitempty"` // per key: joined by <=>
	Condition *Expr    `json:"condition,omitempty"` // over left then right columns, beyond the keys
	// NullAware gives left_anti and mark the three values of IN: a pair whose comparison (all keys that are not
	// NullSafe) is NULL makes the mark NULL unless another pair is true, and keeps left_anti from passing the row. The
	// NullSafe keys and the Condition say which pairs are compared at all.
	NullAware bool `json:"null_aware,omitempty"`
	// Publishes are runtime filters that this join fills from its build keys: one id per key, 0 for none.
	Publishes []int `json:"publishes,omitempty"`
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

// Expand puts out, for each input row, one row per projection, in that order.
type Expand struct {
	Projections [][]*Expr `json:"projections"`
}

// Generate calls a generator function ("explode", "posexplode", "inline", "stack", "json_tuple" …) for each input row
// and puts out the input's columns followed by the generator's, a row for each that it gives.
type Generate struct {
	Call  *Expr `json:"call"`
	Outer bool  `json:"outer,omitempty"` // a row for which the generator gives none appears once, with NULLs
}

// PluginTable calls a table function of a plugin with all rows of the task: the output is what it gives. Of functions per group,
// rows of equal keys come side by side.
type PluginTable struct {
	Function string `json:"function"` // name in Job.Functions
	Args     []int  `json:"args"`     // input ordinals of the function's columns
	Per      Per    `json:"per"`
	Keys     []int  `json:"keys,omitempty"` // of functions per group: input ordinals
	// Quarantine has the function called with some rows, or whole groups, at a time: those that it cannot do are put aside.
	Quarantine bool `json:"quarantine,omitempty"`
}

// Window computes window functions over input that comes sorted by PartitionBy, then OrderBy. Output: the input's
// columns, then one for each call.
type Window struct {
	PartitionBy []int        `json:"partition_by"`
	OrderBy     []SortKey    `json:"order_by"`
	Calls       []WindowCall `json:"calls"`
}

// WindowCall is a ranking function (row_number, rank, dense_rank, percent_rank, cume_dist, ntile), an offset function
// (lag, lead, nth_value, first_value, last_value) or any aggregate over a frame.
type WindowCall struct {
	Agg
	IgnoreNulls bool  `json:"ignore_nulls,omitempty"`
	Frame       Frame `json:"frame"`
}

// FrameUnit says what the offsets of a frame count.
type FrameUnit string

// Rows counts rows; Range compares the values of the one sort key.
const (
	FrameRows  FrameUnit = "rows"
	FrameRange FrameUnit = "range"
)

// Frame is the window frame of a call.
type Frame struct {
	Unit  FrameUnit  `json:"unit"`
	Start FrameBound `json:"start"`
	End   FrameBound `json:"end"`
}

// FrameBound is one end of a frame.
type FrameBound struct {
	// Kind: "unbounded" (preceding at the start, following at the end), "current", "offset".
	Kind string `json:"kind"`
	// Offset is a literal: for rows a bigint, negative when preceding; for range a number or interval that goes with
	// the sort key, negative when preceding.
	Offset *Expr `json:"offset,omitempty"`
}

// AsofDirection says on which side in time an as-of join looks for partners.
type AsofDirection string

// Backward takes the greatest right row that is not later, forward the least that is not earlier, nearest the one of
// these two whose time is less far away.
const (
	AsofBackward AsofDirection = "backward"
	AsofForward  AsofDirection = "forward"
	AsofNearest  AsofDirection = "nearest"
)

// AsofJoin gives each left row the one right row of equal keys that is nearest in time by Direction. Right rows are
// ordered by RightTime, then Ties: backward takes the greatest, forward the least. NULL keys and NULL times match
// nothing. Both inputs come sorted by their keys, then time; the right one by Visible instead of time where that is set,
// and with a Condition by its Ties last. Output: left columns then right columns, exactly one row per left row when
// Left, else only rows with a match, in left order.
type AsofJoin struct {
	LeftKeys  []int         `json:"left_keys"`
	RightKeys []int         `json:"right_keys"`
	LeftTime  int           `json:"left_time"`
	RightTime int           `json:"right_time"`
	Ties      []int         `json:"ties,omitempty"` // right columns
	Direction AsofDirection `json:"direction"`
	Exact     bool          `json:"exact"` // equal times match
	// PreferForward has nearest take the later of two right rows that are equally far away; else it takes the earlier.
	PreferForward bool `json:"prefer_forward,omitempty"`
	// Visible is 1 + the ordinal of a right column of the times' type: rows count for left rows from that time on, NULL
	// for none. 0: always.
	Visible int `json:"visible,omitempty"`
	// SkipNulls are right columns whose values come each from the best of the right rows in which it is not NULL.
	SkipNulls []int `json:"skip_nulls,omitempty"`
	// Tolerance bounds |left time - right time|, inclusive; nil for none. A literal that goes with the time's type.
	Tolerance *Expr `json:"tolerance,omitempty"`
	// Condition, over left then right columns, must hold of a right row for it to count. Not with nearest, Visible and
	// SkipNulls.
	Condition *Expr `json:"condition,omitempty"`
	Left      bool  `json:"left"` // left rows without a match are kept
	// Tally is the number of the TallyInfo for the left rows and those of them that have a match; 0: nobody asks.
	Tally int `json:"tally,omitempty"`
}

// Entry is the right column by which rows of a key come sorted.
func (j *AsofJoin) Entry() int {
	if j.Visible > 0 {
		return j.Visible - 1
	}
	return j.RightTime
}

// Walk calls visit for the node and everything below it, parents first.
func (n *Node) Walk(visit func(*Node)) {
	visit(n)
	for _, in := range n.Inputs {
		in.Walk(visit)
	}
}
