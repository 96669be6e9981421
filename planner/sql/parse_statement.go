package sql

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// ParseScript reads the statements of a script, which semicolons part. The first mistake ends the reading.
func ParseScript(text *source.Text) ([]Statement, error) {
	var list []Statement
	for _, part := range SplitStatements(text) {
		s, err := ParseStatement(text, part)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// ParseStatement reads one statement, a part of a script as SplitStatements finds it. Mistakes are of type *source.Error.
func ParseStatement(text *source.Text, part source.Span) (Statement, error) {
	if word := firstWord(text.Body[part.Start:part.End]); word == "SET" || word == "RESET" {
		return parseSetting(text, part, word) // a setting's value follows no grammar
	}
	p, err := newParser(text, part)
	if err != nil {
		return nil, err
	}
	if p.peek().kind == tokenEnd {
		return nil, text.Errorf(part, "PARSE_EMPTY_STATEMENT", "there is no statement")
	}
	s := p.statement()
	p.endStatement()
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

// firstWord is the word that a text begins with, in upper case.
func firstWord(body string) string {
	l := &lexer{text: &source.Text{Body: body}, body: body}
	if l.skipBlank() != nil {
		return ""
	}
	return strings.ToUpper(body[l.pos : l.pos+wordLength(body[l.pos:])])
}

// statement reads one statement of any kind.
func (p *parser) statement() Statement {
	t := p.peek()
	switch {
	case t.isOneOf("SELECT", "VALUES", "TABLE", "FROM"), t.isOp("("):
		return p.query()
	case t.is("WITH"):
		return p.withStatement()
	case t.is("CREATE"):
		return p.create()
	case t.is("REPLACE") && p.peekAt(1).is("TABLE"):
		p.advance()
		p.advance()
		return p.createTable(t.span, true)
	case t.is("INSERT"):
		return p.insert(t.span, nil)
	case t.is("DROP"):
		return p.drop()
	case t.is("EXPLAIN"):
		return p.explain()
	case t.is("DECLARE") && p.peekAt(1).isName():
		return p.declare()
	case t.is("EXECUTE") && p.peekAt(1).is("IMMEDIATE"):
		return p.executeImmediate()
	}
	if s := p.catalogStatement(); s != nil {
		return s
	}
	p.refuseStatement(t)
	return &Query{Body: &Select{}}
}

// refuseStatement tells statements of Spark's that have no meaning here from mistakes.
func (p *parser) refuseStatement(t token) {
	switch t.upper {
	case "ALTER", "ANALYZE", "CACHE", "CLEAR", "COMMENT", "DELETE", "DESC", "DESCRIBE", "LOAD", "MERGE", "MSCK", "REFRESH", "REPAIR",
		"SHOW", "TRUNCATE", "UNCACHE", "UPDATE", "USE", "CALL", "DECLARE", "EXECUTE", "BEGIN", "ADD", "LIST", "MAP", "REDUCE":
		if t.kind == tokenWord && p.peekAt(1).kind != tokenEnd {
			p.unsupported(t.span, t.upper+" statements are not supported")
			return
		}
	case "GRANT", "REVOKE", "EXPORT", "IMPORT", "LOCK", "UNLOCK", "START", "COMMIT", "ROLLBACK", "DFS":
		if t.kind == tokenWord {
			p.fail(t.span, "INVALID_STATEMENT_OR_CLAUSE", "%s statements are not valid", t.upper)
			return
		}
	}
	p.failStatement()
}

// failStatement says what a statement begins with.
func (p *parser) failStatement() {
	t := p.peek()
	err := p.fail(t.span, classSyntax, "expected a statement (SELECT, WITH, VALUES, CREATE, INSERT, DROP, SET or EXPLAIN), found %s", p.describe(t))
	if near := source.Nearest(t.upper, []string{"SELECT", "VALUES", "CREATE", "INSERT", "EXPLAIN"}); t.kind == tokenWord && near != "" {
		err.WithHint("did you mean %s in place of %q?", near, t.text)
	}
}

// withStatement reads WITH … before a query or an INSERT.
func (p *parser) withStatement() Statement {
	start := p.peek()
	n := p.endOfWith()
	if !p.peekAt(n).is("INSERT") {
		return p.query()
	}
	list := p.with()
	return p.insert(start.span, list)
}

// endOfWith is the number of tokens of the WITH clause that comes next, by its parentheses.
func (p *parser) endOfWith() int {
	depth := 0
	for n := 1; ; n++ {
		t := p.peekAt(n)
		switch {
		case t.kind == tokenEnd:
			return n
		case t.isOp("("):
			depth++
		case t.isOp(")"):
			depth--
		case depth == 0 && p.peekAt(n-1).isOp(")") && t.kind == tokenWord && !t.is("AS"):
			return n
		}
	}
}

// insert reads INSERT INTO|OVERWRITE [TABLE] name [(columns)] query.
func (p *parser) insert(start source.Span, with []CTE) *Insert {
	p.advance()
	s := &Insert{Query: &Query{Body: &Select{}}}
	switch {
	case p.accept("OVERWRITE"):
		s.Overwrite = true
	case !p.accept("INTO"):
		p.failExpected("INTO or OVERWRITE after INSERT")
	}
	if t, next := p.peek(), p.peekAt(1); t.is("DIRECTORY") && next.kind == tokenString || t.is("LOCAL") && next.is("DIRECTORY") {
		p.unsupported(t.span, "INSERT into a directory is not supported")
	}
	if t := p.peek(); t.is("TABLE") && p.peekAt(1).isName() && !p.peekAt(1).isOneOf("SELECT", "VALUES", "TABLE", "FROM", "WITH") {
		p.advance()
	}
	s.Table = p.tableParts()
	if p.peek().is("BY") && p.peekAt(1).is("NAME") {
		p.advance()
		p.advance()
		s.ByName = true
	}
	p.refuseInsertClauses()
	if p.peek().isOp("(") && !p.startsQuery(1, true) {
		p.advance()
		s.Columns = p.idents("the name of a column")
	}
	s.Query = p.query()
	if with != nil {
		s.Query = &Query{With: with, Body: withinQuery(s.Query), Span: s.Query.Span}
	}
	s.Span = p.spanFrom(start)
	return s
}

// withinQuery is a query as the body of another: in parentheses when it has more than a body.
func withinQuery(q *Query) SetExpr {
	if q.With == nil && q.OrderBy == nil && q.Limit == nil && q.Offset == nil && q.Distribute == nil && q.SortBy == nil {
		return q.Body
	}
	return q
}

func (p *parser) refuseInsertClauses() {
	t, next := p.peek(), p.peekAt(1)
	switch {
	case t.is("PARTITION") && next.isOp("("):
		p.unsupported(t.span, "INSERT into a partition is not supported: the values of partition columns are columns of the query")
	case t.is("REPLACE") && next.is("WHERE"):
		p.unsupported(t.span, "INSERT … REPLACE WHERE is not supported")
	case t.is("IF") && next.is("NOT"):
		p.unsupported(t.span, "INSERT … IF NOT EXISTS is not supported")
	case t.is("WITH") && next.isOp("("), t.is("OPTIONS") && next.isOp("("):
		p.unsupported(t.span, "options of INSERT are not supported")
	}
}

// drop reads DROP VIEW|TABLE [IF EXISTS] name.
func (p *parser) drop() Statement {
	start := p.advance().span
	s := &Drop{}
	kind := p.peek()
	switch {
	case kind.isOneOf("DATABASE", "SCHEMA", "NAMESPACE"):
		p.advance()
		d := p.dropSchema()
		d.Span = p.spanFrom(start)
		return d
	case p.accept("VIEW"):
		s.Kind = "view"
	case p.accept("TABLE"):
		s.Kind = "table"
	case p.accept("FUNCTION"):
		s.Kind = "function"
	case kind.isOneOf("TEMPORARY", "TEMP") && p.peekAt(1).isOneOf("FUNCTION", "VARIABLE"):
		p.advance()
		s.Kind = "variable"
		if p.advance().is("FUNCTION") {
			s.Kind = "temporary function"
		}
	case kind.isOneOf("INDEX", "TEMPORARY", "TEMP"):
		p.unsupported(kind.span, "DROP "+kind.upper+" is not supported")
	default:
		p.failExpected("VIEW or TABLE after DROP")
	}
	s.IfExists = p.ifExists("")
	s.Name = p.tableParts()
	if s.Kind == "table" {
		p.accept("PURGE")
	}
	s.Span = p.spanFrom(start)
	return s
}

// ifExists reads IF EXISTS or, with not, IF NOT EXISTS.
func (p *parser) ifExists(not string) bool {
	if !p.peek().is("IF") || !p.peekAt(1).isOneOf("NOT", "EXISTS") && !p.peekAt(1).isOp("!") {
		return false
	}
	p.advance()
	if not != "" && !p.acceptOp("!") {
		p.expect(not, " EXISTS after IF")
	}
	p.expect("EXISTS", " after IF")
	return true
}

// explain reads EXPLAIN [mode] query.
func (p *parser) explain() *Explain {
	start := p.advance().span
	s := &Explain{Query: &Query{Body: &Select{}}}
	if t := p.peek(); t.isOneOf("LOGICAL", "FORMATTED", "EXTENDED", "CODEGEN", "COST", "ANALYZE") {
		s.Mode = strings.ToLower(p.advance().upper)
	}
	if t := p.peek(); t.isOneOf("CREATE", "INSERT", "DROP", "SET", "RESET", "EXPLAIN", "REPLACE", "DESCRIBE", "DESC", "SHOW") {
		p.unsupported(t.span, "EXPLAIN shows how a query runs; "+t.upper+" is none")
		return s
	}
	s.Query = p.query()
	s.Span = p.spanFrom(start)
	return s
}
