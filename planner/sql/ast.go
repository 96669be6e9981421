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
	Span    source.Span
}

// CTE is one named query of a WITH clause.
type CTE struct {
	Name    Ident
	Columns []Ident // nil: the query's own names
	Query   *Query
}

// SetExpr is what stands before ORDER BY: a *Select, a *ValuesClause, a *SetOperation or a parenthesised *Query.
type SetExpr interface{ setExpr() }

// Select is one SELECT block.
type Select struct {
	Distinct bool
	Items    []SelectItem
	From     []TableRef // joined by comma: a cross join
	Where    Expr
	GroupBy  []Expr
	GroupAll bool // GROUP BY ALL
	Having   Expr
	Span     source.Span
}

// SelectItem is an expression with an optional alias, or a star.
type SelectItem struct {
	Expr  Expr   // a *Star for * and t.*
	Alias *Ident // nil: derived from the expression
}

// SetOperation is UNION, INTERSECT or EXCEPT, each with ALL or without.
type SetOperation struct {
	Op          string // "union", "intersect", "except"
	All         bool
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

// TableRef is something in FROM: a *TableName, *Subquery or *Join.
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
	Query   *Query
	Alias   *Ident
	Columns []Ident
	Span    source.Span
}

// Join is an explicit join.
type Join struct {
	Type    string // "inner", "left", "right", "full", "cross", "left_semi", "left_anti"
	Natural bool
	Left    TableRef
	Right   TableRef
	On      Expr
	Using   []Ident
	Span    source.Span
}

func (*TableName) tableRef() {}
func (*Subquery) tableRef()  {}
func (*Join) tableRef()      {}

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
		Span      source.Span
	}
	// Literal is a constant as written. Kind: "null", "boolean", "integer", "decimal", "double", "string", "binary",
	// "typed" (DATE '…', TIMESTAMP '…', X'…': TypeName says which), "interval".
	Literal struct {
		Kind     string
		Text     string // digits, with the sign that stands before them; the string's value, escapes resolved; of X'…' hex digits
		Suffix   string // of a number, upper case: "L", "S", "Y", "D", "F", "BD"
		TypeName string // "date", "timestamp", "binary"
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
	// "+", "-", "*", "/", "%", "div", "||", "&", "|", "^".
	Binary struct {
		Op     string
		L, R   Expr
		OpSpan source.Span
		Span   source.Span
	}
	// Call is a function call, with DISTINCT, * as only argument, and FILTER.
	Call struct {
		Name     Ident
		Args     []Expr
		Distinct bool
		Filter   Expr
		Span     source.Span
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
	// Extract is EXTRACT(field FROM x).
	Extract struct {
		Field Ident
		X     Expr
		Span  source.Span
	}
)

// When is one arm of a CASE.
type When struct{ Cond, Then Expr }

// TypeName is a type as written: bigint, decimal(10,2), array<int>, struct<a: int>.
type TypeName struct {
	Name string // lower case; of a nested type all of it: "array<int>", "struct<a:decimal(10,2)>"
	Args []int  // decimal(10, 2), varchar(20)
	Span source.Span
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
