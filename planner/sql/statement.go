package sql

import "github.com/quern-engine/quern/internal/source"

// Statement is one statement of a script: a *Query, *CreateView, *CreateTable, *Insert, *Drop, *Command, *Set,
// *Declare, *SetVariable, *ExecuteImmediate, *CreateFunction or *Explain.
type Statement interface {
	// Where is the part of the text that the statement was read from, without the semicolon.
	Where() source.Span
}

// CreateView is CREATE [OR REPLACE] [GLOBAL] TEMPORARY VIEW [IF NOT EXISTS] name [(columns)] AS query, or USING and
// files. A temporary view lies in no schema; that is all the difference, as nothing outlives the invocation.
type CreateView struct {
	Name        []Ident
	Columns     []Ident
	Temporary   bool
	Replace     bool
	Alter       bool // ALTER VIEW name AS query: the view exists
	IfNotExists bool
	Query       *Query
	Files       *Files // instead of a query
	Span        source.Span
}

// Files is a view or a table of files: (columns) USING format OPTIONS (…).
type Files struct {
	Columns []ColumnDef
	Format  Ident
	Options []Property
}

// Property is key = value of OPTIONS and its like.
type Property struct {
	Key, Value string
	Span       source.Span
}

// CreateTable is CREATE TABLE [IF NOT EXISTS] name [(columns)] [USING format] [OPTIONS (…)] [LOCATION path] [AS query].
type CreateTable struct {
	Name        []Ident
	Columns     []ColumnDef
	Format      string // lower case; "" for none
	Options     []Property
	Location    *Property // nil for none
	Replace     bool
	IfNotExists bool
	Like        []Ident // of CREATE TABLE … LIKE: the table whose columns it gets
	Query       *Query  // nil: an empty table
	Span        source.Span
}

// ColumnDef is a column of CREATE TABLE.
type ColumnDef struct {
	Name    Ident
	Type    TypeName
	NotNull bool
	Default Expr // nil for none
}

// Insert is INSERT INTO|OVERWRITE [TABLE] name [(columns)] query; VALUES is a query.
type Insert struct {
	Table     []Ident
	Columns   []Ident
	Overwrite bool
	ByName    bool // BY NAME: columns go by name
	Query     *Query
	Span      source.Span
}

// Drop is DROP VIEW|TABLE|FUNCTION|VARIABLE [IF EXISTS] name.
type Drop struct {
	Kind     string // "view", "table", "function", "temporary function", "variable"
	Name     []Ident
	IfExists bool
	Span     source.Span
}

// Command is a statement about schemas, tables and views as such. Kind is one of the Command constants.
type Command struct {
	Kind        string
	Name        []Ident // of the schema, table or view; nil where none is given
	To          []Ident // of RENAME TO
	Pattern     string  // of SHOW … LIKE
	HasPattern  bool
	Conditional bool // IF EXISTS, IF NOT EXISTS
	Cascade     bool
	Query       *Query // of DESCRIBE QUERY
	Scope       string // of SHOW FUNCTIONS: "USER", "SYSTEM" or "" for both
	Extended    bool   // DESCRIBE FUNCTION EXTENDED
	Span        source.Span
}

// Set is SET key = value, SET TIME ZONE value (key "spark.sql.session.timeZone"), or RESET key (Reset). Value is the raw
// text; of SET TIME ZONE it is the string, "LOCAL", or of an interval an offset such as "+08:30". Without a value SET
// shows the setting, and without a key all of them; RESET without a key takes all back.
type Set struct {
	Key      string
	Value    string
	HasValue bool
	Reset    bool
	Span     source.Span
}

// Declare is DECLARE [OR REPLACE] VARIABLE names [type] [DEFAULT value]; type or value may be missing.
type Declare struct {
	Names   [][]Ident
	Type    *TypeName
	Default Expr
	Replace bool
	Span    source.Span
}

// SetVariable is SET VAR name = value, … or SET VAR (names) = (query).
type SetVariable struct {
	Assignments []Assignment
	Query       *Query
	Span        source.Span
}

// Assignment gives a variable a value; nil is its default.
type Assignment struct {
	Name  []Ident
	Value Expr
}

// ExecuteImmediate is EXECUTE IMMEDIATE text [INTO variables] [USING values].
type ExecuteImmediate struct {
	Text  Expr
	Into  [][]Ident
	Using []SelectItem
	Span  source.Span
}

// CreateFunction is CREATE [OR REPLACE] [TEMPORARY] FUNCTION name(parameters) [RETURNS type | TABLE (columns)] RETURN body.
type CreateFunction struct {
	Name        []Ident
	Params      []ColumnDef
	Returns     *TypeName   // nil: as the body has it
	Columns     []ColumnDef // of a function that gives a table
	Table       bool
	Body        Expr   // of a function that gives a value
	Query       *Query // of one that gives a table
	Temporary   bool
	Replace     bool
	IfNotExists bool
	Span        source.Span
}

// Explain is EXPLAIN [EXTENDED|ANALYZE …] query. Mode is lower case, "" for none.
type Explain struct {
	Mode  string
	Query *Query
	Span  source.Span
}

// Where implements Statement.
func (s *Query) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *CreateView) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *CreateTable) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *Insert) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *Drop) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *Command) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *Declare) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *SetVariable) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *ExecuteImmediate) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *CreateFunction) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *Set) Where() source.Span { return s.Span }

// Where implements Statement.
func (s *Explain) Where() source.Span { return s.Span }
