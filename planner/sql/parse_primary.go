package sql

import "strings"

// primary reads an operand.
func (p *parser) primary() Expr {
	t := p.peek()
	switch t.kind {
	case tokenNumber:
		return p.number(t.span, false)
	case tokenString:
		return &Literal{Kind: "string", Text: p.stringValue(), Span: p.spanFrom(t.span)}
	case tokenParam:
		p.advance()
		return &Param{Name: t.text, Span: t.span}
	case tokenQuoted, tokenWord:
		if p.startsLambda() {
			return p.lambda()
		}
		if t.kind == tokenQuoted {
			return p.nameOrCall()
		}
		return p.wordPrimary(t)
	}
	switch {
	case t.isOp("("):
		q, e := p.paren()
		if q != nil {
			return &ScalarSubquery{Query: q, Span: p.spanFrom(t.span)}
		}
		return e
	case t.isOp("*"):
		p.advance()
		return p.star(nil, t.span.Start)
	case t.isOp("?"), t.isOp(":") && p.peekAt(1).isName() && p.peekAt(1).span.Start == t.span.End:
		p.fail(t.span, "UNBOUND_SQL_PARAMETER", "no value for this marker").WithHint("EXECUTE IMMEDIATE … USING gives markers values; a job's parameter is written ${name}")
		return placeholder(t.span)
	}
	p.failExpected("an expression")
	return placeholder(t.span)
}

// star goes on behind * with EXCEPT (a, b), which leaves columns out, unless it is the set operation.
func (p *parser) star(qualifier []Ident, start int) *Star {
	e := &Star{Qualifier: qualifier}
	if p.peek().is("EXCEPT") && p.peekAt(1).isOp("(") && !p.startsQuery(1, true) {
		p.advance()
		p.advance()
		for {
			e.Except = append(e.Except, p.name())
			if !p.acceptOp(",") {
				break
			}
		}
		p.expectOp(")", " or a comma")
	}
	e.Span.Start, e.Span.End = start, p.prev.End
	return e
}

// wordPrimary reads an operand that begins with a word: a special form, a literal, a call or a name.
func (p *parser) wordPrimary(t token) Expr {
	next := p.peekAt(1)
	if isReserved(t.upper) && (standsAlone(next) && !t.is("FROM") || t.isOneOf("LEFT", "RIGHT", "FULL") && !startsJoin(next)) {
		return p.keywordName()
	}
	switch t.upper {
	case "CASE":
		return p.caseExpr()
	case "CAST", "TRY_CAST":
		return p.cast()
	case "NULL":
		p.advance()
		return &Literal{Kind: "null", Text: "null", Span: t.span}
	case "TRUE", "FALSE":
		p.advance()
		return &Literal{Kind: "boolean", Text: strings.ToLower(t.upper), Span: t.span}
	case "INTERVAL":
		if p.startsInterval() {
			return p.interval()
		}
	case "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_USER", "SESSION_USER":
		if !next.isOp("(") && !next.isOp(".") {
			p.advance()
			return &Call{Name: Ident{Name: t.text, Span: t.span}, Bare: true, Span: t.span}
		}
	case "LEFT", "RIGHT", "LIKE", "BETWEEN", "WHEN": // names of functions, too
		if next.isOp("(") {
			return p.nameOrCall()
		}
	}
	if next.kind == tokenString {
		return p.typedLiteral()
	}
	if next.isOp("(") {
		if e := p.specialCall(t); e != nil {
			return e
		}
	}
	if isReserved(t.upper) || t.is("VALUES") && next.isOp("(") {
		p.failExpected("an expression")
		return placeholder(t.span)
	}
	return p.nameOrCall()
}

// keywordName reads a name that is a keyword elsewhere. The tree has it in quotes, so that it is one in every place.
func (p *parser) keywordName() Expr {
	e := p.nameOrCall()
	if n, ok := e.(*Name); ok {
		n.Parts[0].Quoted = true
	}
	return e
}

// nameOrCall reads a column's name, t.*, or a function call.
func (p *parser) nameOrCall() Expr {
	start := p.peek().span
	if p.startsIdentifier() {
		parts := p.identifierClause()
		if p.peek().isOp("(") && len(parts) == 1 {
			return p.call(parts[0])
		}
		return &Name{Parts: parts, Span: p.spanFrom(start)}
	}
	parts := []Ident{p.ident("a name")}
	for p.acceptOp(".") {
		if p.acceptOp("*") {
			return p.star(parts, start.Start)
		}
		parts = append(parts, p.ident("a name after the dot"))
	}
	if !p.peek().isOp("(") {
		return &Name{Parts: parts, Span: p.spanFrom(start)}
	}
	return p.call(p.oneName(parts))
}

// functionName reads the name of a function.
func (p *parser) functionName() Ident {
	parts := []Ident{p.ident("the name of a function")}
	for p.acceptOp(".") {
		parts = append(parts, p.ident("a name after the dot"))
	}
	return p.oneName(parts)
}

// oneName is the name of a function: the last part, behind the name of the schema that holds the built-in ones.
func (p *parser) oneName(parts []Ident) Ident {
	last := parts[len(parts)-1]
	switch len(parts) {
	case 1:
		return last
	case 2:
		if strings.EqualFold(parts[0].Name, "builtin") {
			return last
		}
	case 3:
		if strings.EqualFold(parts[0].Name, "system") && strings.EqualFold(parts[1].Name, "builtin") {
			return last
		}
	}
	p.fail(spanOf(parts), "UNRESOLVED_ROUTINE", "there is no function %s: functions have no database or schema before their name", formatIdents(parts, "."))
	return last
}

func (p *parser) caseExpr() Expr {
	start := p.peek().span
	p.expect("CASE", "")
	e := &Case{}
	if !p.peek().is("WHEN") {
		e.Operand = p.expr()
	}
	for p.accept("WHEN") {
		cond := p.expr()
		p.expect("THEN", " after the condition of WHEN")
		e.Whens = append(e.Whens, When{Cond: cond, Then: p.expr()})
	}
	if len(e.Whens) == 0 {
		p.failExpected("WHEN in CASE")
	}
	if p.accept("ELSE") {
		e.Else = p.expr()
		p.expect("END", " at the end of CASE")
	} else {
		p.expect("END", ", WHEN or ELSE")
	}
	e.Span = p.spanFrom(start)
	return e
}

func (p *parser) cast() Expr {
	t := p.advance()
	e := &Cast{Try: t.upper == "TRY_CAST"}
	p.expectOp("(", " after "+t.upper)
	e.X = p.expr()
	p.expect("AS", " and a type in "+t.upper)
	e.Type = p.typeName()
	p.expectOp(")", " behind the type")
	e.Span = p.spanFrom(t.span)
	return e
}
