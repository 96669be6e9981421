package sql

import "github.com/quern-engine/quern/internal/source"

// Precedences, from loosest to tightest, as in Spark's grammar. The parser climbs them and the printer sets
// parentheses by them.
const (
	precedenceOr = iota + 1
	precedenceAnd
	precedenceNot
	precedencePredicate // IS, IN, LIKE, BETWEEN: at most one behind a value
	precedenceCompare
	precedenceBitOr
	precedenceBitXor
	precedenceBitAnd
	precedenceAdd
	precedenceMultiply
	precedenceUnary
	precedencePrimary
)

// binaryPrecedence is the precedence of a binary operator in canonical form.
func binaryPrecedence(op string) int {
	switch op {
	case "or":
		return precedenceOr
	case "and":
		return precedenceAnd
	case "=", "<=>", "<>", "<", "<=", ">", ">=":
		return precedenceCompare
	case "|":
		return precedenceBitOr
	case "^":
		return precedenceBitXor
	case "&":
		return precedenceBitAnd
	case "+", "-", "||":
		return precedenceAdd
	case "*", "/", "%", "div":
		return precedenceMultiply
	}
	return 0
}

// binaryOperator is the operator that t spells, "" when it is none.
func binaryOperator(t token) string {
	switch {
	case t.kind == tokenOperator && binaryPrecedence(t.text) > 0:
		return t.text
	case t.is("DIV"):
		return "div"
	case t.is("AND"):
		return "and"
	case t.is("OR"):
		return "or"
	}
	return ""
}

// expr reads an expression.
func (p *parser) expr() Expr { return p.logical(precedenceOr) }

// logical reads OR, AND and NOT down to the precedence least.
func (p *parser) logical(least int) Expr {
	start := p.peek()
	if !p.enter() {
		return placeholder(start.span)
	}
	defer p.leave()
	var left Expr
	if p.acceptOp("!") || p.accept("NOT") {
		x := p.logical(precedenceNot)
		left = &Unary{Op: "not", X: x, Span: p.spanFrom(start.span)}
	} else {
		left = p.predicate()
	}
	return p.binaryTail(left, start.span, least, precedenceAnd)
}

// exprFrom goes on with the expression whose first operand was read already.
func (p *parser) exprFrom(left Expr, start source.Span) Expr {
	left = p.postfix(left, start)
	left = p.predicateTail(p.binaryTail(left, start, precedenceCompare, precedenceMultiply), start)
	return p.binaryTail(left, start, precedenceOr, precedenceAnd)
}

// value reads an expression without AND, OR, NOT and predicates.
func (p *parser) value(least int) Expr {
	start := p.peek().span
	return p.binaryTail(p.unary(), start, least, precedenceMultiply)
}

// binaryTail goes on behind left with the operators between two precedences. All of them associate to the left.
func (p *parser) binaryTail(left Expr, start source.Span, least, most int) Expr {
	for n := 0; ; n++ {
		t := p.peek()
		op := binaryOperator(t)
		precedence := binaryPrecedence(op)
		if op == "" || precedence < least || precedence > most || !p.chain(n) {
			return left
		}
		p.advance()
		var right Expr
		if precedence <= precedenceAnd {
			right = p.logical(precedence + 1)
		} else {
			right = p.value(precedence + 1)
		}
		left = &Binary{Op: op, L: left, R: right, OpSpan: t.span, Span: p.spanFrom(start)}
	}
}

// unary reads signs and ~. A minus directly before a number belongs to the number, so that the smallest bigint can be
// written.
func (p *parser) unary() Expr {
	t := p.peek()
	if !t.isOp("-") && !t.isOp("+") && !t.isOp("~") {
		return p.postfix(p.primary(), t.span)
	}
	p.advance()
	if t.isOp("-") && p.peek().kind == tokenNumber {
		return p.postfix(p.number(t.span, true), t.span)
	}
	if !p.enter() {
		return placeholder(t.span)
	}
	defer p.leave()
	x := p.unary()
	return &Unary{Op: t.text, X: x, Span: p.spanFrom(t.span)}
}

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
	if t := p.peek(); t.isOneOf("ANY", "ALL", "SOME") && p.peekAt(1).isOp("(") {
		p.unsupported(t.span, keyword+" "+t.upper+" (…) is not supported yet: join single patterns with OR or AND")
	}
	e.Pattern = p.value(precedenceCompare)
	if t := p.peek(); e.Op != "rlike" && p.accept("ESCAPE") {
		s := p.peek()
		if s.kind != tokenString || len([]rune(s.text)) != 1 {
			p.fail(t.span.Join(s.span), "INVALID_ESCAPE_CHAR", "ESCAPE needs a string of one character, found %s", p.describe(s))
		}
		e.Escape = p.primary()
	}
	e.Span = p.spanFrom(start)
	return e
}

// paren reads ( … ) in an expression: a query, an expression or a row, which only its innermost beginning tells apart.
func (p *parser) paren() (q *Query, e Expr) {
	outer := p.peek().span
	p.expectOp("(", "")
	start := p.peek().span
	switch {
	case p.startsQuery(0, false):
		q = p.query()
	case p.peek().isOp("("):
		q, e = p.innerParen(start)
	default:
		e = p.expr()
	}
	if q != nil {
		p.closeQuery()
		return q, nil
	}
	p.refuseFieldName()
	if !p.peek().isOp(",") {
		p.expectOp(")", " or an operator")
		return nil, e
	}
	items := p.exprList(e)
	p.refuseFieldName()
	p.expectOp(")", " or a comma")
	return nil, &Row{Items: items, Span: p.spanFrom(outer)}
}

// refuseFieldName refuses AS behind a value of a row or an argument, where it would name a struct's field.
func (p *parser) refuseFieldName() {
	if t := p.peek(); t.is("AS") && p.peekAt(1).isName() {
		p.unsupported(t.span, "names for the fields of structs are not supported yet")
	}
}

// innerParen reads what begins with a second parenthesis.
func (p *parser) innerParen(start source.Span) (*Query, Expr) {
	if !p.enter() {
		return nil, placeholder(start)
	}
	defer p.leave()
	q, e := p.paren()
	switch {
	case q != nil && p.goesOnAsQuery():
		return p.continueQuery(q, start), nil
	case q != nil && p.peek().isOp(")"):
		return q, nil
	case q != nil:
		e = &ScalarSubquery{Query: q, Span: p.spanFrom(start)}
	}
	return nil, p.exprFrom(e, start)
}

// postfix goes on behind a primary expression with ::type.
func (p *parser) postfix(e Expr, start source.Span) Expr {
	for n := 0; ; n++ {
		t := p.peek()
		switch {
		case t.isOp("::"):
			if !p.chain(n) {
				return e
			}
			p.advance()
			e = &Cast{X: e, Type: p.typeName()}
			e.(*Cast).Span = p.spanFrom(start)
		case t.isOp("["):
			p.unsupported(t.span, "elements of arrays and maps ([…]) are not supported yet")
		case t.isOp("."):
			p.unsupported(t.span, "fields of structs are not supported yet")
		case t.is("COLLATE"):
			p.unsupported(t.span, "COLLATE is not supported: strings compare by their bytes")
		default:
			return e
		}
	}
}

// placeholder stands where a mistake left no expression.
func placeholder(span source.Span) Expr { return &Literal{Kind: "null", Span: span} }
