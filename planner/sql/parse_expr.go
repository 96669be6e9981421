package sql

import (
	"slices"

	"github.com/quern-engine/quern/internal/source"
)

// Precedences, from loosest to tightest, as in Spark's grammar. The parser climbs them and the printer sets
// parentheses by them.
const (
	precedenceLambda = iota // x -> body takes all that follows
	precedenceOr
	precedenceAnd
	precedenceNot
	precedencePredicate // IS, IN, LIKE, BETWEEN: at most one behind a value
	precedenceCompare
	precedenceBitOr
	precedenceBitXor
	precedenceBitAnd
	precedenceShift
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
	case "<<", ">>", ">>>":
		return precedenceShift
	case "+", "-", "||":
		return precedenceAdd
	case "*", "/", "%", "div":
		return precedenceMultiply
	}
	return 0
}

// binaryOperator is the operator that comes next and the number of its tokens, "" when there is none.
func (p *parser) binaryOperator() (op string, tokens int) {
	t := p.peek()
	switch {
	case t.isOp(">"): // maybe a shift, whose characters are tokens of their own
		n := 1
		for next := p.peekAt(n); n < 3 && next.isOp(">") && next.span.Start == p.peekAt(n-1).span.End; next = p.peekAt(n) {
			n++
		}
		return ">>>"[:n], n
	case t.kind == tokenOperator && binaryPrecedence(t.text) > 0:
		return t.text, 1
	case t.is("DIV"):
		return "div", 1
	case t.is("AND"):
		return "and", 1
	case t.is("OR"):
		return "or", 1
	}
	return "", 0
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
		opSpan := p.peek().span
		op, tokens := p.binaryOperator()
		precedence := binaryPrecedence(op)
		if op == "" || precedence < least || precedence > most || !p.chain(n) {
			return left
		}
		for range tokens {
			opSpan = opSpan.Join(p.advance().span)
		}
		switch {
		case precedence == precedenceCompare && p.startsQuantifier():
			left = p.quantified(left, op, start)
			continue
		case precedence <= precedenceAnd:
			left = &Binary{Op: op, L: left, R: p.logical(precedence + 1), OpSpan: opSpan}
		default:
			left = &Binary{Op: op, L: left, R: p.value(precedence + 1), OpSpan: opSpan}
		}
		left.(*Binary).Span = p.spanFrom(start)
	}
}

// startsQuantifier reports ANY (SELECT …): behind a comparison, any and some are functions, too.
func (p *parser) startsQuantifier() bool {
	return p.peek().isOneOf("ANY", "SOME", "ALL") && p.peekAt(1).isOp("(") && p.startsQuery(2, true)
}

// quantified reads ANY (SELECT …) behind a comparison.
func (p *parser) quantified(x Expr, op string, start source.Span) Expr {
	e := &Quantified{Op: op, X: x, All: p.advance().upper == "ALL"}
	p.expectOp("(", "")
	e.Query = p.query()
	p.closeQuery()
	e.Span = p.spanFrom(start)
	return e
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

// postfix goes on behind a primary expression with ::type, [index] and .field.
func (p *parser) postfix(e Expr, start source.Span) Expr {
	for n := 0; ; n++ {
		t := p.peek()
		if t.kind != tokenOperator && !t.is("COLLATE") || !p.chain(n) {
			return e
		}
		switch {
		case t.isOp("::"):
			p.advance()
			e = &Cast{X: e, Type: p.typeName()}
			e.(*Cast).Span = p.spanFrom(start)
		case t.isOp("["):
			p.advance()
			i := p.value(precedenceCompare)
			p.expectOp("]", " behind the index")
			e = &Index{X: e, I: i, Span: p.spanFrom(start)}
		case t.isOp("."):
			p.advance()
			name := p.ident("the name of a field after the dot")
			if column, ok := e.(*Name); ok { // in parentheses: (a).b is a.b
				e = &Name{Parts: append(slices.Clip(column.Parts), name), Span: p.spanFrom(start)}
			} else {
				e = &Field{X: e, Name: name, Span: p.spanFrom(start)}
			}
		case t.is("COLLATE"):
			p.unsupported(t.span, "COLLATE is not supported: strings compare by their bytes")
			return e
		default:
			return e
		}
	}
}

// placeholder stands where a mistake left no expression.
func placeholder(span source.Span) Expr { return &Literal{Kind: "null", Span: span} }
