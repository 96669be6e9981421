package sql

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// createFunction reads what follows CREATE FUNCTION.
func (p *parser) createFunction(start source.Span, replace, temporary bool) Statement {
	s := &CreateFunction{Temporary: temporary, Replace: replace, IfNotExists: p.ifExists("NOT")}
	s.Name = p.tableParts()
	if t := p.peek(); t.is("AS") {
		p.unsupported(t.span, "functions of Java classes are not supported: a function is defined in SQL, or by a plugin")
		return s
	}
	p.expectOp("(", " and parameters behind the function's name")
	if !p.acceptOp(")") {
		s.Params = p.columnDefs()
		p.checkParams(s)
	}
	if p.accept("RETURNS") {
		if s.Table = p.accept("TABLE"); !s.Table {
			s.Returns = new(p.typeName())
		} else if p.acceptOp("(") {
			s.Columns = p.columnDefs()
		}
	}
	p.characteristics()
	p.expect("RETURN", " and the function's body")
	if s.Table {
		s.Query = p.query()
	} else {
		s.Body = p.functionBody()
	}
	s.Span = p.spanFrom(start)
	return s
}

// functionBody is an expression, or a query without parentheses that gives a value.
func (p *parser) functionBody() Expr {
	if !p.startsQuery(0, false) {
		return p.expr()
	}
	start := p.peek().span
	q := p.query()
	return &ScalarSubquery{Query: q, Span: p.spanFrom(start)}
}

func (p *parser) checkParams(s *CreateFunction) {
	seen := map[string]bool{}
	for _, c := range s.Params {
		name := strings.ToLower(c.Name.Name)
		if seen[name] {
			p.fail(c.Name.Span, "DUPLICATE_ROUTINE_PARAMETER_NAMES", "two parameters are named %s", c.Name.Name)
		}
		seen[name] = true
	}
}

// characteristics passes what a function says about itself.
func (p *parser) characteristics() {
	for {
		t, next := p.peek(), p.peekAt(1)
		switch {
		case p.comment():
		case t.is("LANGUAGE") && next.is("SQL"), t.is("CONTAINS") && next.is("SQL"), t.is("NOT") && next.is("DETERMINISTIC"):
			p.advance()
			p.advance()
		case t.is("DETERMINISTIC"):
			p.advance()
		case t.is("READS") && next.is("SQL"), t.is("SQL") && next.is("SECURITY"):
			for range 3 {
				p.advance()
			}
		case t.is("LANGUAGE"):
			p.unsupported(next.span, "functions are written in SQL, or are plugins")
			return
		default:
			return
		}
	}
}
