package sql

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// create reads CREATE VIEW and CREATE TABLE.
func (p *parser) create() Statement {
	start := p.advance().span
	replace := false
	if p.peek().is("OR") {
		p.advance()
		p.expect("REPLACE", " after CREATE OR")
		replace = true
	}
	global := p.peek().is("GLOBAL") && p.peekAt(1).isOneOf("TEMPORARY", "TEMP")
	if global {
		p.advance()
	}
	temporary := p.accept("TEMPORARY") || p.accept("TEMP")
	t := p.peek()
	switch {
	case p.accept("VIEW"):
		return p.createView(start, replace, temporary, global)
	case t.is("TABLE") && !temporary:
		p.advance()
		return p.createTable(start, replace)
	case t.is("TABLE"), t.isOneOf("EXTERNAL", "MATERIALIZED", "STREAMING"):
		p.unsupported(t.span, "CREATE "+t.upper+" of this kind is not supported: CREATE TABLE and CREATE VIEW are")
	case t.isOneOf("DATABASE", "SCHEMA", "NAMESPACE") && !temporary && !replace:
		p.advance()
		s := p.createSchema()
		s.Span = p.spanFrom(start)
		return s
	case p.accept("FUNCTION"):
		return p.createFunction(start, replace, temporary)
	case t.isOneOf("DATABASE", "SCHEMA", "NAMESPACE", "INDEX", "FLOW"):
		p.unsupported(t.span, "CREATE "+t.upper+" is not supported")
	case t.isOneOf("ROLE", "MACRO"):
		p.fail(t.span, "INVALID_STATEMENT_OR_CLAUSE", "CREATE %s is not valid", t.upper)
	default:
		p.failExpected("VIEW or TABLE after CREATE")
	}
	return &CreateTable{}
}

// createView reads what follows CREATE VIEW. A global view lies in the schema global_temp.
func (p *parser) createView(start source.Span, replace, temporary, global bool) *CreateView {
	s := &CreateView{Temporary: temporary, Replace: replace, Query: &Query{Body: &Select{}}}
	exists := p.peek()
	s.IfNotExists = p.ifExists("NOT")
	switch {
	case s.IfNotExists && replace:
		p.fail(exists.span, "CREATE_VIEW_WITH_IF_NOT_EXISTS_AND_REPLACE", "CREATE VIEW takes IF NOT EXISTS or OR REPLACE, not both")
	case s.IfNotExists && temporary:
		p.fail(exists.span, "_LEGACY_ERROR_TEMP_0053", "a temporary view takes no IF NOT EXISTS").WithHint("CREATE OR REPLACE TEMPORARY VIEW")
	}
	s.Name = p.tableParts()
	if n := len(s.Name); temporary && n > 1 && p.err == nil && !isSession(s.Name[:n-1]) {
		p.fail(spanOf(s.Name), "INVALID_TEMP_OBJ_QUALIFIER", "a temporary view has no schema before its name")
	}
	if temporary {
		s.Name = s.Name[len(s.Name)-1:]
	}
	if global {
		s.Name = slices.Concat([]Ident{{Name: "global_temp", Span: s.Name[0].Span}}, s.Name)
	}
	if typed := p.peekAt(2); p.peek().is("USING") || p.peek().isOp("(") && typed.isName() && !typed.is("COMMENT") {
		s.Query, s.Files = nil, p.viewFiles(temporary)
		s.Span = p.spanFrom(start)
		return s
	}
	if p.acceptOp("(") {
		s.Columns = p.viewColumns()
	}
	p.viewClauses(temporary)
	p.expect("AS", " and a query in CREATE VIEW")
	s.Query = p.query()
	s.Span = p.spanFrom(start)
	return s
}

// isSession reports the schema that temporary views lie in.
func isSession(parts []Ident) bool {
	last := parts[len(parts)-1]
	return strings.EqualFold(last.Name, "session") && (len(parts) == 1 || len(parts) == 2 && strings.EqualFold(parts[0].Name, "system"))
}

// viewColumns reads the columns of a view behind the parenthesis.
func (p *parser) viewColumns() []Ident {
	var names []Ident
	for {
		names = append(names, p.wholeIdent("the name of a column"))
		p.comment()
		if !p.acceptOp(",") {
			p.expectOp(")", " or a comma")
			return names
		}
	}
}

// viewFiles reads [(columns)] USING format [OPTIONS (…)].
func (p *parser) viewFiles(temporary bool) *Files {
	f := &Files{}
	if p.acceptOp("(") {
		f.Columns = p.columnDefs()
	}
	using := p.peek()
	p.expect("USING", " and a format behind the types of a view's columns")
	if !temporary {
		p.fail(using.span, classSyntax, "only a temporary view is made of files").WithHint("CREATE TEMPORARY VIEW … USING, or CREATE TABLE … USING")
	}
	parts := p.nameParts()
	f.Format = parts[len(parts)-1]
	if p.accept("OPTIONS") {
		f.Options = p.options()
	}
	return f
}

// viewClauses reads the clauses of CREATE VIEW that say nothing about its rows.
func (p *parser) viewClauses(temporary bool) {
	for {
		t := p.peek()
		switch {
		case p.comment():
		case t.is("TBLPROPERTIES"):
			p.advance()
			p.properties()
			if temporary {
				p.fail(t.span, "_LEGACY_ERROR_TEMP_0035", "TBLPROPERTIES cannot stand in CREATE TEMPORARY VIEW")
			}
		case t.is("WITH") && p.peekAt(1).is("SCHEMA"), t.is("PARTITIONED"), t.is("DEFAULT"):
			p.unsupported(t.span, t.upper+" is not supported in CREATE VIEW")
		default:
			return
		}
	}
}

// properties reads (key = value, …).
func (p *parser) properties() (list []Property) {
	p.expectOp("(", "")
	for {
		list = append(list, p.property())
		if !p.acceptOp(",") {
			p.expectOp(")", " or a comma")
			return list
		}
	}
}

// property reads key [=] [value]; a key that is not in quotes may have dots.
func (p *parser) property() Property {
	start := p.peek().span
	var out Property
	if p.peek().kind == tokenString {
		out.Key = p.advance().text
	} else {
		for i, part := range p.nameParts() {
			if i > 0 {
				out.Key += "."
			}
			out.Key += part.Name
		}
	}
	p.acceptOp("=")
	switch t := p.peek(); {
	case t.kind == tokenString, t.kind == tokenNumber:
		out.Value = p.advance().text
	case t.isOneOf("TRUE", "FALSE"):
		out.Value = strings.ToLower(p.advance().upper)
	}
	out.Span = p.spanFrom(start)
	return out
}

// options reads the properties of a format, each of which is there once.
func (p *parser) options() []Property {
	list := p.properties()
	seen := map[string]bool{}
	for _, o := range list {
		if key := strings.ToLower(o.Key); seen[key] {
			p.fail(o.Span, "DUPLICATE_KEY", "the option %s is there twice", o.Key)
		} else {
			seen[key] = true
		}
	}
	return list
}

// createTable reads what follows CREATE TABLE.
func (p *parser) createTable(start source.Span, replace bool) *CreateTable {
	s := &CreateTable{Replace: replace, IfNotExists: p.ifExists("NOT")}
	s.Name = p.tableParts()
	if p.accept("LIKE") {
		s.Like = p.tableParts()
	}
	if p.peek().isOp("(") && !p.startsQuery(1, true) {
		p.advance()
		s.Columns = p.columnDefs()
	}
	if p.accept("USING") {
		parts := p.nameParts()
		s.Format = strings.ToLower(parts[len(parts)-1].Name)
	}
	p.tableClauses(s)
	as := p.peek()
	if p.accept("AS") || p.startsQuery(0, true) {
		s.Query = p.query()
		if s.Columns != nil {
			p.fail(as.span, "_LEGACY_ERROR_TEMP_0035", "CREATE TABLE … AS takes its columns from the query").WithHint("CAST in the query gives columns their types")
		}
	}
	s.Span = p.spanFrom(start)
	return s
}

// columnDefs reads the columns of a table behind the parenthesis.
func (p *parser) columnDefs() []ColumnDef {
	var list []ColumnDef
	for {
		if t := p.peek(); t.isOneOf("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK") && (p.peekAt(1).isName() || p.peekAt(1).isOp("(")) && !isTypeWord(p.peekAt(1)) {
			p.unsupported(t.span, "constraints of tables are not supported")
		}
		list = append(list, p.columnDef())
		if !p.acceptOp(",") {
			p.expectOp(")", " or a comma")
			return list
		}
	}
}

// isTypeWord reports a word that names a simple type.
func isTypeWord(t token) bool {
	return t.isOneOf("INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "STRING", "DOUBLE", "FLOAT", "BOOLEAN", "DATE", "TIMESTAMP", "DECIMAL", "BINARY",
		"VARCHAR", "CHAR", "ARRAY", "MAP", "STRUCT")
}

// columnDef reads name type [NOT NULL] [DEFAULT value] [COMMENT 'text'], the last three in any order and each once.
func (p *parser) columnDef() ColumnDef {
	c := ColumnDef{Name: p.wholeIdent("the name of a column"), Type: p.typeName()}
	commented := false
	for {
		t := p.peek()
		twice := false
		switch {
		case (t.is("NOT") || t.isOp("!")) && p.peekAt(1).is("NULL"):
			p.notNull()
			twice, c.NotNull = c.NotNull, true
		case t.is("DEFAULT"):
			p.advance()
			twice, c.Default = c.Default != nil, p.expr()
		case p.comment():
			twice, commented = commented, true
		case t.isOneOf("GENERATED", "CONSTRAINT", "PRIMARY", "UNIQUE", "REFERENCES", "CHECK"):
			p.unsupported(t.span, "generated columns and constraints are not supported")
			return c
		default:
			return c
		}
		if twice {
			p.fail(t.span, "CREATE_TABLE_COLUMN_DESCRIPTOR_DUPLICATE", "the column %s has %s twice", c.Name.Name, t.upper)
		}
	}
}

// tableClauses reads the clauses of CREATE TABLE behind its columns.
func (p *parser) tableClauses(s *CreateTable) {
	for {
		t := p.peek()
		switch {
		case p.comment():
		case t.is("TBLPROPERTIES"):
			p.advance()
			p.properties()
		case t.is("PARTITIONED"):
			p.advance()
			p.expect("BY", " after PARTITIONED")
			p.partitions(s, t)
		case t.is("OPTIONS"):
			p.advance()
			if s.Options != nil {
				p.fail(t.span, "DUPLICATE_CLAUSES", "OPTIONS is there twice")
			}
			s.Options = p.options()
		case t.is("LOCATION"):
			p.advance()
			if p.peek().kind != tokenString {
				p.failExpected("a path in quotes")
				return
			}
			s.Location = &Property{Key: "path", Value: p.stringValue(), Span: p.spanFrom(t.span)}
		case t.isOneOf("CLUSTERED", "SKEWED", "STORED"), t.is("CLUSTER") && p.peekAt(1).is("BY"),
			t.is("ROW") && p.peekAt(1).is("FORMAT"), t.is("DEFAULT"):
			p.unsupported(t.span, t.upper+" is not supported in CREATE TABLE")
			return
		default:
			return
		}
	}
}

// partitions reads PARTITIONED BY (a, b). Partition columns come last in a table, so that the clause changes nothing
// where they do already, and is refused elsewhere.
func (p *parser) partitions(s *CreateTable, t token) {
	p.expectOp("(", " after PARTITIONED BY")
	names := p.idents("the name of a column")
	tail := s.Columns[max(len(s.Columns)-len(names), 0):]
	same := slices.EqualFunc(names, tail, func(n Ident, c ColumnDef) bool { return strings.EqualFold(n.Name, c.Name.Name) })
	if !same {
		p.unsupported(t.span, "PARTITIONED BY is only supported with the last columns of the list, in their order")
	}
}

// isFormat reports the formats that a file may be read by in FROM.
func isFormat(name string) bool {
	switch strings.ToLower(name) {
	case "parquet", "csv", "json", "arrow":
		return true
	}
	return false
}

// ParseColumns reads the columns of a declaration: "a INT NOT NULL, b ARRAY<STRING>". Mistakes are of type *source.Error.
func ParseColumns(text *source.Text) ([]ColumnDef, error) {
	p, err := newParser(text, source.Span{End: len(text.Body)})
	if err != nil {
		return nil, err
	}
	columns := []ColumnDef{p.columnDef()}
	for p.acceptOp(",") {
		columns = append(columns, p.columnDef())
	}
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return columns, nil
}

// ParseType reads a type, such as "ARRAY<STRING>".
func ParseType(text *source.Text) (TypeName, error) {
	p, err := newParser(text, whole(text))
	if err != nil {
		return TypeName{}, err
	}
	t := p.typeName()
	p.end()
	if p.err != nil {
		return TypeName{}, p.err
	}
	return t, nil
}
