package sql

import "github.com/quern-engine/quern/internal/source"

// paren reads ( … ) in an expression: a query, an expression or a row, which only its innermost beginning tells apart.
func (p *parser) paren() (q *Query, e Expr) {
	outer := p.peek().span
	if p.startsLambda() {
		return nil, p.lambda()
	}
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
	if t := p.peek(); !t.isOp(",") && !(t.is("AS") && p.peekAt(1).isName()) {
		p.expectOp(")", " or an operator")
		return nil, e
	}
	return nil, p.row(e, outer)
}

// row goes on behind the first value of (a, b), or of (a AS x, b AS y), which is a struct with names for its fields.
func (p *parser) row(first Expr, start source.Span) Expr {
	c := &Call{Name: Ident{Name: "struct", Span: start}}
	c.Args = []Expr{first}
	p.fieldName(c)
	if c.Names != nil && !p.peek().isOp(",") {
		p.failExpected("a comma and a second value: a row has several")
	}
	for p.acceptOp(",") {
		c.Args = append(c.Args, p.expr())
		p.fieldName(c)
	}
	p.expectOp(")", " or a comma")
	c.Span = p.spanFrom(start)
	if c.Names == nil {
		return &Row{Items: c.Args, Span: c.Span}
	}
	return c
}

// fieldName reads AS name behind the argument of a struct that was read last.
func (p *parser) fieldName(c *Call) {
	if t := p.peek(); t.is("AS") && p.peekAt(1).isName() {
		p.advance()
		p.nameArgument(c, p.ident("a name"))
	} else if c.Names != nil {
		c.Names = append(c.Names, nil)
	}
}

// nameArgument gives the argument read last a name.
func (p *parser) nameArgument(c *Call, name Ident) {
	for len(c.Names) < len(c.Args)-1 {
		c.Names = append(c.Names, nil)
	}
	c.Names = append(c.Names, &name)
}

// startsLambda reports x -> and (x, y) ->.
func (p *parser) startsLambda() bool {
	if p.peek().isName() {
		return p.peekAt(1).isOp("->")
	}
	if !p.peek().isOp("(") || !p.peekAt(1).isName() || !p.peekAt(2).isOp(",") {
		return false
	}
	n := 2
	for p.peekAt(n).isOp(",") && p.peekAt(n+1).isName() {
		n += 2
	}
	return p.peekAt(n).isOp(")") && p.peekAt(n+1).isOp("->")
}

// lambda reads x -> body or (x, y) -> body.
func (p *parser) lambda() Expr {
	start := p.peek().span
	e := &Lambda{}
	if p.acceptOp("(") {
		e.Params = p.idents("the name of a parameter")
	} else {
		e.Params = []Ident{p.ident("the name of a parameter")}
	}
	p.expectOp("->", " behind the parameters of a lambda function")
	e.Body = p.expr()
	e.Span = p.spanFrom(start)
	return e
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
