package sql

import "strings"

// Kinds of [Command].
const (
	CommandUse           = "use"
	CommandCreateSchema  = "create schema"
	CommandDropSchema    = "drop schema"
	CommandShowTables    = "show tables"
	CommandShowViews     = "show views"
	CommandShowSchemas   = "show schemas"
	CommandShowColumns   = "show columns"
	CommandShowCatalogs  = "show catalogs"
	CommandShowCurrent   = "show current namespace"
	CommandDescribe      = "describe"
	CommandDescribeQuery = "describe query"
	CommandShowFunctions = "show functions"
	CommandDescribeFunc  = "describe function"
	CommandRenameTable   = "rename table"
	CommandRenameView    = "rename view"
	CommandTruncate      = "truncate"
	CommandNothing       = "nothing" // REFRESH, ANALYZE, CACHE and their like: about speed alone
)

// catalogStatement reads the statements about schemas, tables and views as such; nil where another one begins.
func (p *parser) catalogStatement() Statement {
	t, next := p.peek(), p.peekAt(1)
	if t.kind != tokenWord {
		return nil
	}
	s := &Command{}
	switch {
	case t.is("USE"):
		p.advance()
		s.Kind = CommandUse
		if next := p.peek(); next.isOneOf("SCHEMA", "DATABASE", "NAMESPACE") && p.peekAt(1).isName() {
			p.advance()
		}
		s.Name = p.tableParts()
	case t.is("SHOW"):
		p.advance()
		p.show(s)
	case t.isOneOf("DESCRIBE", "DESC") && next.is("FUNCTION"):
		p.advance()
		p.advance()
		p.describeFunction(s)
	case t.isOneOf("DESCRIBE", "DESC") && !next.isOneOf("FUNCTION", "DATABASE", "SCHEMA", "NAMESPACE", "CATALOG", "PROCEDURE"):
		p.advance()
		p.describeStatement(s)
	case t.is("ALTER") && next.isOneOf("TABLE", "VIEW"):
		return p.alter()
	case t.is("TRUNCATE") && next.is("TABLE"):
		p.advance()
		p.advance()
		s.Kind, s.Name = CommandTruncate, p.tableParts()
	case t.isOneOf("REFRESH", "UNCACHE", "ANALYZE") && next.is("TABLE"), t.is("CACHE") && (next.is("TABLE") || next.is("LAZY")):
		p.aboutSpeed(s)
	case t.is("CLEAR") && next.is("CACHE"):
		p.advance()
		p.advance()
		s.Kind = CommandNothing
	default:
		return nil
	}
	s.Span = p.spanFrom(t.span)
	return s
}

// show reads what follows SHOW.
func (p *parser) show(s *Command) {
	t := p.peek()
	switch {
	case t.isOneOf("TABLES", "VIEWS"):
		p.advance()
		s.Kind = CommandShowTables
		if t.is("VIEWS") {
			s.Kind = CommandShowViews
		}
		if p.accept("FROM") || p.accept("IN") {
			s.Name = p.tableParts()
		}
		p.pattern(s)
	case t.isOneOf("DATABASES", "SCHEMAS", "NAMESPACES"):
		p.advance()
		s.Kind = CommandShowSchemas
		p.pattern(s)
	case t.is("COLUMNS"):
		p.advance()
		s.Kind = CommandShowColumns
		if !p.accept("FROM") && !p.accept("IN") {
			p.failExpected("FROM or IN after SHOW COLUMNS")
		}
		s.Name = p.tableParts()
		if p.accept("FROM") || p.accept("IN") {
			s.Name = append(p.tableParts(), s.Name[len(s.Name)-1])
		}
	case t.is("FUNCTIONS"), t.isOneOf("USER", "SYSTEM", "ALL") && p.peekAt(1).is("FUNCTIONS"):
		p.showFunctions(s)
	case t.is("CATALOGS"):
		p.advance()
		s.Kind = CommandShowCatalogs
		p.pattern(s)
	case t.is("CURRENT") && p.peekAt(1).isOneOf("NAMESPACE", "SCHEMA", "DATABASE"):
		p.advance()
		p.advance()
		s.Kind = CommandShowCurrent
	default:
		p.unsupported(t.span, "SHOW "+t.upper+" is not supported")
	}
}

// showFunctions reads [USER|SYSTEM|ALL] FUNCTIONS [FROM schema] [LIKE 'text' | name].
func (p *parser) showFunctions(s *Command) {
	s.Kind = CommandShowFunctions
	if t := p.advance(); t.isOneOf("USER", "SYSTEM", "ALL") {
		p.advance()
		if !t.is("ALL") {
			s.Scope = t.upper
		}
	}
	if p.accept("FROM") || p.accept("IN") {
		p.tableParts() // functions have no schema
	}
	if t := p.peek(); t.isName() && !t.is("LIKE") {
		name := p.functionName()
		s.Pattern, s.HasPattern = name.Name, true
		return
	}
	p.pattern(s)
}

// describeFunction reads what follows DESCRIBE FUNCTION: a name, which may be an operator.
func (p *parser) describeFunction(s *Command) {
	s.Kind = CommandDescribeFunc
	s.Extended = p.accept("EXTENDED")
	t := p.peek()
	if t.isName() && !isReserved(t.upper) {
		s.Name = []Ident{p.functionName()}
		return
	}
	p.advance()
	s.Name = []Ident{{Name: strings.ToLower(t.text), Span: t.span}}
}

// pattern reads [LIKE] 'text'.
func (p *parser) pattern(s *Command) {
	if p.accept("LIKE") || p.peek().kind == tokenString {
		s.Pattern = p.stringValue()
		s.HasPattern = true
	}
}

// describeStatement reads what follows DESCRIBE: a table's name or a query.
func (p *parser) describeStatement(s *Command) {
	if p.accept("QUERY") || p.startsQuery(0, true) && !p.peek().is("TABLE") {
		s.Kind, s.Query = CommandDescribeQuery, p.query()
		return
	}
	p.accept("TABLE")
	if t := p.peek(); t.isOneOf("EXTENDED", "FORMATTED") && p.peekAt(1).isName() {
		p.unsupported(t.span, "DESCRIBE "+t.upper+" is not supported: DESCRIBE shows the columns")
	}
	s.Kind, s.Name = CommandDescribe, p.tableParts()
	if t := p.peek(); t.kind != tokenEnd && !t.isOp(";") {
		p.unsupported(t.span, "DESCRIBE of a part of a table is not supported")
	}
}

// alter reads ALTER TABLE|VIEW name RENAME TO name, and ALTER VIEW name AS query.
func (p *parser) alter() Statement {
	start := p.advance().span
	kind := p.advance()
	s := &Command{Kind: CommandRenameTable, Name: p.tableParts()}
	if kind.is("VIEW") {
		s.Kind = CommandRenameView
	}
	t := p.peek()
	switch {
	case t.is("RENAME") && p.peekAt(1).is("TO"):
		p.advance()
		p.advance()
		s.To = p.tableParts()
	case kind.is("VIEW") && (t.is("AS") || p.startsQuery(0, true)):
		p.accept("AS")
		v := &CreateView{Name: s.Name, Alter: true, Replace: true, Query: p.query()}
		v.Span = p.spanFrom(start)
		return v
	default:
		p.unsupported(t.span, "ALTER "+kind.upper+" … "+t.upper+" is not supported")
	}
	s.Span = p.spanFrom(start)
	return s
}

// aboutSpeed passes statements that change nothing but how fast others are.
func (p *parser) aboutSpeed(s *Command) {
	verb := p.advance()
	s.Kind = CommandNothing
	p.accept("LAZY")
	p.expect("TABLE", "")
	if verb.is("UNCACHE") {
		p.ifExists("")
	}
	s.Name = p.tableParts()
	if t := p.peek(); verb.is("CACHE") && t.kind != tokenEnd && !t.isOp(";") {
		p.unsupported(t.span, "CACHE TABLE with a query or options is not supported: CREATE TEMPORARY VIEW names a query")
	}
	for verb.is("ANALYZE") && p.peek().kind != tokenEnd && !p.peek().isOp(";") {
		p.advance()
	}
}

// createSchema reads what follows CREATE SCHEMA.
func (p *parser) createSchema() *Command {
	s := &Command{Kind: CommandCreateSchema, Conditional: p.ifExists("NOT")}
	s.Name = p.tableParts()
	for {
		t := p.peek()
		switch {
		case p.comment():
		case t.is("LOCATION") && p.peekAt(1).kind == tokenString:
			p.unsupported(t.span, "LOCATION is not supported: the tables of a script live in a temporary folder")
		case t.is("WITH") && p.peekAt(1).isOneOf("DBPROPERTIES", "PROPERTIES"):
			p.advance()
			p.advance()
			p.properties()
		default:
			return s
		}
	}
}

// dropSchema reads what follows DROP SCHEMA.
func (p *parser) dropSchema() *Command {
	s := &Command{Kind: CommandDropSchema, Conditional: p.ifExists("")}
	s.Name = p.tableParts()
	s.Cascade = p.accept("CASCADE")
	if !s.Cascade {
		p.accept("RESTRICT")
	}
	return s
}
