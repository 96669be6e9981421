package sql

import "github.com/quern-engine/quern/internal/source"

// predicate reads a value with the predicate behind it, if any.
func (p *parser) predicate() Expr {
	start := p.peek().span
	return p.predicateTail(p.value(precedenceCompare), start)
}

func (p *parser) predicateTail(x Expr, start source.Span) Expr {
	if p.peek().is("IS") {
		return p.isTail(x, start)
	}
	not := p.peek().is("NOT") || p.peek().isOp("!")
	t := p.peek()
	if not {
		t = p.peekAt(1)
	}
	if !t.isOneOf("BETWEEN", "IN", "LIKE", "ILIKE", "RLIKE", "REGEXP") {
		return x
	}
	if not {
		p.advance()
	}
	p.advance()
	switch t.upper {
	case "BETWEEN":
		return p.betweenTail(x, not, start)
	case "IN":
		return p.inTail(x, not, start)
	}
	return p.likeTail(x, t.upper, not, start)
}

func (p *parser) isTail(x Expr, start source.Span) Expr {
	p.expect("IS", "")
	e := &Is{X: x, Not: p.accept("NOT") || p.acceptOp("!")}
	switch {
	case p.accept("NULL"):
		e.What = "null"
	case p.accept("TRUE"):
		e.What = "true"
	case p.accept("FALSE"):
		e.What = "false"
	case p.accept("UNKNOWN"):
		e.What = "unknown"
	case p.accept("DISTINCT"):
		p.expect("FROM", " after IS DISTINCT")
		e.What, e.Other = "distinct", p.value(precedenceCompare)
	default:
		p.failExpected("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM after IS")
	}
	e.Span = p.spanFrom(start)
	return e
}

func (p *parser) betweenTail(x Expr, not bool, start source.Span) Expr {
	e := &Between{X: x, Not: not, Low: p.value(precedenceCompare)}
	p.expect("AND", " between the bounds of BETWEEN")
	e.High = p.value(precedenceCompare)
	e.Span = p.spanFrom(start)
	return e
}

// inTail reads the list or the query behind IN. A list may begin with a query in parentheses, its first value.
func (p *parser) inTail(x Expr, not bool, start source.Span) Expr {
	e := &In{X: x, Not: not}
	p.expectOp("(", " after IN")
	first := p.peek().span
	switch {
	case p.startsQuery(0, false):
		e.Query = p.query()
	case p.peek().isOp("("):
		q, item := p.paren()
		if q != nil && p.goesOnAsQuery() {
			e.Query = p.continueQuery(q, first)
			break
		}
		if q != nil {
			item = &ScalarSubquery{Query: q, Span: p.spanFrom(first)}
		}
		e.List = p.exprList(p.exprFrom(item, first))
	default:
		e.List = p.exprList(p.expr())
	}
	if e.Query != nil {
		p.closeQuery()
	} else {
		p.expectOp(")", " or a comma in the list of IN")
	}
	e.Span = p.spanFrom(start)
	return e
}

// exprList goes on with the expressions behind the first.
func (p *parser) exprList(first Expr) []Expr {
	list := []Expr{first}
	for p.acceptOp(",") {
		list = append(list, p.expr())
	}
	return list
}

func (p *parser) likeTail(x Expr, keyword string, not bool, start source.Span) Expr {
	e := &Like{X: x, Not: not}
	switch keyword {
	case "LIKE":
		e.Op = "like"
	case "ILIKE":
		e.Op = "ilike"
	default:
		e.Op = "rlike"
	}
	if t := p.peek(); e.Op != "rlike" && t.isOneOf("ANY", "ALL", "SOME") && p.peekAt(1).isOp("(") {
		return p.likeList(x, e.Op, not, start)
	}
	e.Pattern = p.value(precedenceCompare)
	if t := p.peek(); e.Op != "rlike" && p.accept("ESCAPE") {
		s := p.peek()
		if s.kind != tokenString || len([]rune(s.text)) != 1 {
			p.fail(t.span.Join(s.span), "INVALID_ESC", "ESCAPE needs a string of one character, found %s", p.describe(s))
		}
		e.Escape = p.primary()
	}
	e.Span = p.spanFrom(start)
	return e
}

// likeList reads ANY ('a', 'b') behind LIKE.
func (p *parser) likeList(x Expr, op string, not bool, start source.Span) Expr {
	t := p.advance()
	e := &Quantified{Op: op, X: x, Not: not, All: t.upper == "ALL"}
	p.advance()
	if p.peek().isOp(")") {
		p.fail(t.span.Join(p.peek().span), "INVALID_SQL_SYNTAX.EMPTY_QUANTIFIED_PATTERN", "expected a pattern between the parentheses of %s", t.upper)
	}
	e.List = p.exprList(p.expr())
	p.expectOp(")", " or a comma")
	e.Span = p.spanFrom(start)
	return e
}
