// Package sql turns the text of a SQL statement (Spark's dialect) into a syntax tree with positions. It knows no names
// and no types: that is the work of package planner/logical, which other front ends can call without this one.
package sql

import "github.com/quern-engine/quern/internal/source"

// Query is a whole SELECT statement: WITH … body ORDER BY … LIMIT ….
type Query struct {
	With    []CTE
	Body    SetExpr
	OrderBy []OrderItem
	Limit   Expr // nil: none
	Offset  Expr // nil: none
	// Distribute is DISTRIBUTE BY or CLUSTER BY, SortBy is SORT BY or CLUSTER BY: hints where rows lie, without effect
	// on which rows there are.
	Distribute []Expr
	SortBy     []OrderItem
	// Files, of a whole statement, are the names in it that may be of files: csv.`path`.
	Files []*TableName
	Span  source.Span
}

// CTE is one named query of a WITH clause.
type CTE struct {
	Name    Ident
	Columns []Ident // nil: the query's own names
	Query   *Query
	// Recursive: of WITH RECURSIVE, and the query reads itself.
	Recursive bool
}

// SetExpr is what stands before ORDER BY: a *Select, a *ValuesClause, a *SetOperation or a parenthesised *Query.
type SetExpr interface{ setExpr() }

// Select is one SELECT block.
type Select struct {
	Distinct bool
	Items    []SelectItem
	From     []TableRef // joined by comma: a cross join
	// LateralViews follow FROM, each over what stands before it.
	LateralViews []LateralView
	Where        Expr
	GroupBy      []Expr // expressions and *GroupingSets
	GroupAll     bool   // GROUP BY ALL
	Having       Expr
	Qualify      Expr
	Windows      []NamedWindow
	TimeWindows  []*Call    // the calls of window(…) in the block, which all of it can use
	Pipe         *PipeItems // what |> EXTEND and |> AGGREGATE have added; nil elsewhere
	Span         source.Span
}

// PipeItems are the items of a SELECT, from one on, that an operator behind |> wrote: EXTEND, which takes no aggregate functions, or
// AGGREGATE, which takes nothing else.
type PipeItems struct {
	Operator string
	From     int
}

// GroupingSets is ROLLUP(…), CUBE(…) or GROUPING SETS(…) in GROUP BY. Kind: "rollup", "cube", "sets". Each of Sets is a
// parenthesised list or one expression; elements of "sets" may again be *GroupingSets, as the only member of their set.
//
// Of GROUP BY a, b GROUPING SETS (…), Given is a, b: the columns that exist in every set, NULL where a set lacks them.
type GroupingSets struct {
	Kind  string
	Sets  [][]Expr
	Given []Expr // nil where not written
	Span  source.Span
}

// LateralView is LATERAL VIEW [OUTER] f(…) table AS columns.
type LateralView struct {
	Outer   bool
	Call    *Call
	Table   *Ident
	Columns []Ident
	Span    source.Span
}

// NamedWindow is WINDOW name AS (spec).
type NamedWindow struct {
	Name Ident
	Spec *WindowSpec
}

// WindowSpec is what stands behind OVER. Base names a window that this one is, or extends.
type WindowSpec struct {
	Base        *Ident
	PartitionBy []Expr
	OrderBy     []OrderItem
	Frame       *Frame // nil: the default
	Span        source.Span
}

// Frame is ROWS or RANGE BETWEEN start AND end.
type Frame struct {
	Unit       string // "rows", "range"
	Start, End FrameBound
	Span       source.Span
}

// FrameBound is one end of a frame. Kind: "unbounded preceding", "preceding", "current", "following", "unbounded following".
type FrameBound struct {
	Kind   string
	Offset Expr // of "preceding" and "following"
}

// SelectItem is an expression with an optional alias, or a star.
type SelectItem struct {
	Expr  Expr   // a *Star for * and t.*
	Alias *Ident // nil: derived from the expression
	// Aliases are the names that a generator's columns get: explode(m) AS (k, v).
	Aliases []Ident
}

// SetOperation is UNION, INTERSECT or EXCEPT, each with ALL or without.
type SetOperation struct {
	Op          string // "union", "intersect", "except"
	All         bool
	ByName      bool // UNION BY NAME: columns go by name, not by place
	Left, Right SetExpr
	Span        source.Span
}

// ValuesClause is VALUES (…), (…).
type ValuesClause struct {
	Rows [][]Expr
	Span source.Span
}

func (*Select) setExpr()       {}
func (*SetOperation) setExpr() {}
func (*ValuesClause) setExpr() {}
func (*Query) setExpr()        {}

// TableRef is something in FROM: a *TableName, *Subquery, *Join, *TableFunction, *Pivot, *Unpivot, *Sample or *Aliased.
type TableRef interface{ tableRef() }

// TableName is a table or CTE by name.
type TableName struct {
	Parts   []Ident
	Alias   *Ident
	Columns []Ident // t(a, b): new column names
	Span    source.Span
}

// Subquery is a query (VALUES included) in FROM.
type Subquery struct {
	Lateral bool
	Query   *Query
	Alias   *Ident
	Columns []Ident
	Span    source.Span
}

// Join is an explicit join.
type Join struct {
	// Type: "inner", "left", "right", "full", "cross", "left_semi", "left_anti", "asof", "asof_left".
	Type    string
	Natural bool
	Left    TableRef
	Right   TableRef
	On      Expr
	Using   []Ident
	Match   Expr // of an ASOF join: MATCH_CONDITION (left.t >= right.t)
	// Tolerance is TOLERANCE expr, and Ties TIES (a, b), of an ASOF join; nil where not written.
	Tolerance Expr
	Ties      []Expr
	Span      source.Span
}

// TableFunction is range(…), explode(…), VALUES-like functions in FROM. Name in any case.
type TableFunction struct {
	Lateral bool
	Call    *Call
	Table   *TableArgument // nil for none
	Alias   *Ident
	Columns []Ident
	Span    source.Span
}

// TableArgument is TABLE(…) PARTITION BY … ORDER BY …, the table that a function is given.
type TableArgument struct {
	Ref         TableRef
	PartitionBy []Expr
	Single      bool // WITH SINGLE PARTITION
	OrderBy     []OrderItem
	Span        source.Span
}

// Aliased is a parenthesised join or other reference with a name.
type Aliased struct {
	Ref     TableRef
	Alias   *Ident
	Columns []Ident
	Span    source.Span
}

// Sample is ref TABLESAMPLE (…) [REPEATABLE (seed)]. Kind: "percent", "rows", "bucket" (Bucket out of Buckets).
type Sample struct {
	Ref             TableRef
	Kind            string
	Amount          Expr // of percent and rows
	Bucket, Buckets int
	Seed            Expr // nil: 0
	Span            source.Span
}

// Pivot is ref PIVOT (aggregates FOR column IN (values)).
type Pivot struct {
	Ref        TableRef
	Aggregates []SelectItem
	Columns    []Expr // FOR a, or FOR (a, b)
	Values     []PivotValue
	Alias      *Ident
	Span       source.Span
}

// PivotValue is a value of IN, one item per column, with the name that its columns begin with.
type PivotValue struct {
	Items []Expr
	Alias *Ident
	Span  source.Span
}

// Unpivot is ref UNPIVOT [INCLUDE|EXCLUDE NULLS] (values FOR name IN (columns)).
type Unpivot struct {
	Ref          TableRef
	IncludeNulls bool
	Values       []Ident // the value column, or several
	Name         Ident
	Columns      []UnpivotColumn
	Alias        *Ident
	Span         source.Span
}

// UnpivotColumn is one column, or group of columns, that becomes a row.
type UnpivotColumn struct {
	Names []*Name
	Alias *Ident
}

func (*TableName) tableRef()     {}
func (*Subquery) tableRef()      {}
func (*Join) tableRef()          {}
func (*TableFunction) tableRef() {}
func (*Aliased) tableRef()       {}
func (*Sample) tableRef()        {}
func (*Pivot) tableRef()         {}
func (*Unpivot) tableRef()       {}

// OrderItem is a sort key. NullsFirst follows Spark's default when it is not written: first when ascending, last when
// descending.
type OrderItem struct {
	Expr       Expr
	Descending bool
	NullsFirst bool
	Span       source.Span
}

// Ident is a name as written, back quotes removed.
type Ident struct {
	Name   string
	Quoted bool
	Span   source.Span
}

// Expr is an unresolved expression.
type Expr interface {
	// Pos is the part of the text that the expression was read from.
	Pos() source.Span
}

// The expression forms.
type (
	// Name is a column reference: a, t.a, s.t.a.
	Name struct {
		Parts []Ident
		Span  source.Span
	}
	// Star is * or t.*.
	Star struct {
		Qualifier []Ident
		Except    []*Name // * EXCEPT (a, b)
		// Replace are columns that have another value: of |> SET a = x.
		Replace []Replacement
		Span    source.Span
	}
	// Literal is a constant as written. Kind: "null", "boolean", "integer", "decimal", "double", "string", "binary",
	// "typed" (DATE '…', TIMESTAMP '…', X'…': TypeName says which).
	Literal struct {
		Kind     string
		Text     string // digits, with the sign that stands before them; the string's value, escapes resolved; of X'…' hex digits
		Suffix   string // of a number, upper case: "L", "S", "Y", "D", "F", "BD"
		TypeName string // "date", "timestamp", "timestamp_ltz", "timestamp_ntz", "binary"
		Span     source.Span
	}
	// Param is ${name}: a typed parameter of the job.
	Param struct {
		Name string
		Span source.Span
	}
	// Unary is an operator before its operand: "-", "+", "~", "not".
	Unary struct {
		Op   string
		X    Expr
		Span source.Span
	}
	// Binary is an operator between operands, in canonical form: "or", "and", "=", "<=>", "<>", "<", "<=", ">", ">=",
	// "+", "-", "*", "/", "%", "div", "||", "&", "|", "^", "<<", ">>", ">>>".
	Binary struct {
		Op     string
		L, R   Expr
		OpSpan source.Span
		Span   source.Span
	}
	// Interval is INTERVAL '1-2' YEAR TO MONTH, INTERVAL 3 DAYS 4 HOURS, INTERVAL '3 days 4 hours'. Each part has the
	// sign that stands before it in its value. Of the form with TO there is one part.
	Interval struct {
		Parts []IntervalPart
		Span  source.Span
	}
	// Call is a function call, with DISTINCT, * as only argument, FILTER, and OVER. Forms with a grammar of their own
	// come as calls too: position(a IN b), substring(s FROM 2 FOR 3), trim(BOTH 'x' FROM s), overlay(…),
	// timestampadd(DAY, …) with the unit as a string literal, and so on, with arguments in the function's order.
	Call struct {
		Name        Ident
		Args        []Expr
		Names       []*Ident // of named arguments: f(a => 1), struct(x AS a); nil, or one per argument
		Bare        bool     // CURRENT_DATE and its like without parentheses: a column of that name comes first
		Distinct    bool
		Filter      Expr
		WithinGroup []OrderItem
		IgnoreNulls *bool // IGNORE NULLS or RESPECT NULLS; nil where not written
		Over        *WindowSpec
		Span        source.Span
	}
	// Lambda is x -> body or (x, y) -> body.
	Lambda struct {
		Params []Ident
		Body   Expr
		Span   source.Span
	}
	// Index is x[i].
	Index struct {
		X, I Expr
		Span source.Span
	}
	// Field is x.name where x is not a plain name: f(x).name, a[0].name.
	Field struct {
		X    Expr
		Name Ident
		Span source.Span
	}
	// Quantified is x op ANY|SOME|ALL (SELECT …); Op is a comparison, or "like", "ilike" with a List for
	// LIKE ANY ('a', 'b').
	Quantified struct {
		Op    string
		X     Expr
		All   bool
		Not   bool // NOT LIKE ANY
		Query *Query
		List  []Expr
		Span  source.Span
	}
	// Case is CASE [operand] WHEN … THEN … [ELSE …] END.
	Case struct {
		Operand Expr
		Whens   []When
		Else    Expr
		Span    source.Span
	}
	// Cast is CAST(x AS type), TRY_CAST(x AS type) and x::type.
	Cast struct {
		X    Expr
		Type TypeName
		Try  bool
		Span source.Span
	}
	// Between is x [NOT] BETWEEN lo AND hi.
	Between struct {
		X, Low, High Expr
		Not          bool
		Span         source.Span
	}
	// In is x [NOT] IN (list) or, with Query, x [NOT] IN (SELECT …).
	In struct {
		X     Expr
		List  []Expr
		Query *Query
		Not   bool
		Span  source.Span
	}
	// Like is x [NOT] LIKE|ILIKE|RLIKE pattern [ESCAPE 'c']. Op: "like", "ilike", "rlike".
	Like struct {
		Op      string
		X       Expr
		Pattern Expr
		Escape  Expr
		Not     bool
		Span    source.Span
	}
	// Is is x IS [NOT] NULL | TRUE | FALSE | UNKNOWN (What in lower case), or IS [NOT] DISTINCT FROM (Other).
	Is struct {
		X     Expr
		What  string // "null", "true", "false", "unknown", "distinct"
		Other Expr
		Not   bool
		Span  source.Span
	}
	// Exists is EXISTS (SELECT …).
	Exists struct {
		Query *Query
		Span  source.Span
	}
	// ScalarSubquery is (SELECT …) as a value.
	ScalarSubquery struct {
		Query *Query
		Span  source.Span
	}
	// Row is (a, b, …): several values as one, in VALUES and on the left of IN.
	Row struct {
		Items []Expr
		Span  source.Span
	}
	// InputColumn is a column of FROM by its number, from 1: what a number means in |> AGGREGATE … GROUP BY.
	InputColumn struct {
		Number int
		Span   source.Span
	}
	// Extract is EXTRACT(field FROM x).
	Extract struct {
		Field Ident
		X     Expr
		Span  source.Span
	}
)

// Replacement is a column's new value.
type Replacement struct {
	Name  Ident
	Value Expr
}

// IntervalPart is a value with its unit. Value is a number, or a string that holds one or, with To set, several.
type IntervalPart struct {
	Value *Literal
	Unit  string // singular, lower case: "year" … "microsecond"; "" of a string that has its units inside
	To    string // "month", "hour", "minute", "second"; "" for none
}

// When is one arm of a CASE.
type When struct{ Cond, Then Expr }

// TypeName is a type as written: bigint, decimal(10,2), array<int>, struct<a: int>.
type TypeName struct {
	// Name in lower case: "array", "map", "struct", "interval day to second"; of an interval all of it.
	Name   string
	Args   []int       // decimal(10, 2), varchar(20)
	Fields []TypeField // array: the element; map: key and value; struct: its fields
	Span   source.Span
}

// TypeField is a part of a nested type; only struct fields have names.
type TypeField struct {
	Name    Ident
	Type    TypeName
	NotNull bool
}

// Pos implements Expr.
func (e *Name) Pos() source.Span           { return e.Span }
func (e *Star) Pos() source.Span           { return e.Span }
func (e *Literal) Pos() source.Span        { return e.Span }
func (e *Param) Pos() source.Span          { return e.Span }
func (e *Unary) Pos() source.Span          { return e.Span }
func (e *Binary) Pos() source.Span         { return e.Span }
func (e *Call) Pos() source.Span           { return e.Span }
func (e *Case) Pos() source.Span           { return e.Span }
func (e *Cast) Pos() source.Span           { return e.Span }
func (e *Between) Pos() source.Span        { return e.Span }
func (e *In) Pos() source.Span             { return e.Span }
func (e *Like) Pos() source.Span           { return e.Span }
func (e *Is) Pos() source.Span             { return e.Span }
func (e *Exists) Pos() source.Span         { return e.Span }
func (e *ScalarSubquery) Pos() source.Span { return e.Span }
func (e *Row) Pos() source.Span            { return e.Span }
func (e *Extract) Pos() source.Span        { return e.Span }
func (e *GroupingSets) Pos() source.Span   { return e.Span }
func (e *Interval) Pos() source.Span       { return e.Span }
func (e *Lambda) Pos() source.Span         { return e.Span }
func (e *Index) Pos() source.Span          { return e.Span }
func (e *Field) Pos() source.Span          { return e.Span }
func (e *Quantified) Pos() source.Span     { return e.Span }
func (e *InputColumn) Pos() source.Span    { return e.Span }
