package sql

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
	case tokenQuoted:
		return p.nameOrCall()
	case tokenWord:
		return p.wordPrimary(t)
	}
	if t.isOp("(") {
		q, e := p.paren()
		if q != nil {
			return &ScalarSubquery{Query: q, Span: p.spanFrom(t.span)}
		}
		return e
	}
	p.failExpected("an expression")
	return placeholder(t.span)
}

// wordPrimary reads an operand that begins with a word: a special form, a literal, a call or a name.
func (p *parser) wordPrimary(t token) Expr {
	next := p.peekAt(1)
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
		text := "true"
		if t.upper == "FALSE" {
			text = "false"
		}
		return &Literal{Kind: "boolean", Text: text, Span: t.span}
	case "INTERVAL":
		if p.startsInterval() {
			return p.interval()
		}
	case "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_USER", "CURRENT_CATALOG", "CURRENT_DATABASE", "LOCALTIMESTAMP", "SESSION_USER":
		if !next.isOp("(") && !next.isOp(".") {
			p.advance()
			return &Call{Name: Ident{Name: t.text, Span: t.span}, Span: t.span}
		}
	case "LEFT", "RIGHT": // names of functions, too
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
		if p.err != nil && p.err.Hint == "" && (next.isOp(".") || next.isOp(",") || next.isOp("=")) {
			p.err.WithHint("%s is a keyword; in back quotes it is a name: `%s`", t.upper, t.text)
		}
		return placeholder(t.span)
	}
	return p.nameOrCall()
}

// nameOrCall reads a column's name, t.*, or a function call.
func (p *parser) nameOrCall() Expr {
	start := p.peek().span
	parts := []Ident{p.ident("a name")}
	for p.acceptOp(".") {
		if p.acceptOp("*") {
			return &Star{Qualifier: parts, Span: p.spanFrom(start)}
		}
		parts = append(parts, p.ident("a name after the dot"))
	}
	if t := p.peek(); t.isOp("->") || t.isOp("=>") {
		p.unsupported(t.span, "lambda functions and named arguments are not supported yet")
	}
	if !p.peek().isOp("(") {
		return &Name{Parts: parts, Span: p.spanFrom(start)}
	}
	if len(parts) > 1 {
		p.unsupported(p.spanFrom(start), "functions have no database or schema before their name")
	}
	return p.call(parts[0])
}

// call reads the arguments of a function, and what may follow them.
func (p *parser) call(name Ident) Expr {
	c := &Call{Name: name}
	p.expectOp("(", "")
	if p.peek().isOneOf("DISTINCT", "ALL") {
		c.Distinct = p.advance().upper == "DISTINCT"
	}
	if !p.peek().isOp(")") {
		c.Args = append(c.Args, p.argument())
		for p.acceptOp(",") {
			c.Args = append(c.Args, p.argument())
		}
	}
	p.refuseFieldName()
	inside := p.ignoreNulls(c)
	if t := p.peek(); t.is("ORDER") {
		p.unsupported(t.span, "ORDER BY in a function call is not supported yet")
	}
	p.expectOp(")", " or a comma")
	return p.callTail(c, inside)
}

func (p *parser) argument() Expr {
	if t := p.peek(); t.isOp("*") {
		p.advance()
		return &Star{Span: t.span}
	}
	return p.expr()
}

// ignoreNulls reads IGNORE NULLS, which is a second argument true of the functions that take it.
func (p *parser) ignoreNulls(c *Call) bool {
	t := p.peek()
	if !t.isOneOf("IGNORE", "RESPECT") || !p.peekAt(1).is("NULLS") {
		return false
	}
	p.advance()
	p.advance()
	if t.upper == "IGNORE" {
		c.Args = append(c.Args, &Literal{Kind: "boolean", Text: "true", Span: p.spanFrom(t.span)})
	}
	return true
}

// callTail reads FILTER (WHERE …) behind a call's parentheses.
func (p *parser) callTail(c *Call, nullsRead bool) Expr {
	if t := p.peek(); t.is("WITHIN") && p.peekAt(1).is("GROUP") {
		p.unsupported(t.span, "WITHIN GROUP is not supported yet")
	}
	if p.peek().is("FILTER") && p.peekAt(1).isOp("(") {
		p.advance()
		p.advance()
		p.expect("WHERE", " in FILTER (…)")
		c.Filter = p.expr()
		p.expectOp(")", " at the end of FILTER (…)")
	}
	if !nullsRead {
		p.ignoreNulls(c)
	}
	if t := p.peek(); t.is("OVER") {
		p.unsupported(t.span, "window functions (OVER …) are not supported yet")
	}
	c.Span = p.spanFrom(c.Name.Span)
	return c
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

// specialCall reads the calls whose arguments are set apart by keywords; nil when the word at t is no such function.
func (p *parser) specialCall(t token) Expr {
	switch t.upper {
	case "EXISTS":
		if !p.startsQuery(2, true) {
			return nil
		}
		p.advance()
		p.advance()
		q := p.query()
		p.closeQuery()
		return &Exists{Query: q, Span: p.spanFrom(t.span)}
	case "EXTRACT":
		return p.extract()
	case "SUBSTR", "SUBSTRING":
		return p.keywordCall("FROM", "FOR")
	case "OVERLAY":
		return p.keywordCall("PLACING", "FROM", "FOR")
	case "POSITION":
		return p.keywordCall("IN")
	case "TRIM":
		return p.trim()
	}
	return nil
}

func (p *parser) extract() Expr {
	start := p.advance().span
	p.expectOp("(", "")
	var field Ident
	if t := p.peek(); t.kind == tokenString {
		p.advance()
		field = Ident{Name: t.text, Quoted: true, Span: t.span}
	} else {
		field = p.ident("a field such as YEAR or HOUR")
	}
	if !field.Quoted || !p.acceptOp(",") { // extract('year', x) is fine, too
		p.expect("FROM", " after the field of EXTRACT")
	}
	e := &Extract{Field: field, X: p.expr()}
	p.expectOp(")", " at the end of EXTRACT")
	e.Span = p.spanFrom(start)
	return e
}

// keywordCall reads f(a FROM b FOR c), with its own keywords, into f(a, b, c); plain commas are fine, too. The last
// keyword may be missing unless it is the only one.
func (p *parser) keywordCall(keywords ...string) Expr {
	t := p.advance()
	name := Ident{Name: t.text, Span: t.span}
	if p.peekAt(1).isOp(")") || p.peekAt(1).is("DISTINCT") {
		return p.call(name)
	}
	c := &Call{Name: name}
	p.expectOp("(", "")
	first := p.peek().span
	x := p.value(precedenceCompare)
	if !p.peek().is(keywords[0]) {
		x = p.predicateTail(x, first)
		c.Args = p.exprList(p.binaryTail(x, first, precedenceOr, precedenceAnd))
	} else {
		c.Args = []Expr{x}
		for _, k := range keywords {
			if p.accept(k) {
				c.Args = append(c.Args, p.expr())
			} else if k != keywords[len(keywords)-1] {
				p.failExpected(k + " in " + t.upper)
			}
		}
	}
	p.expectOp(")", " or a comma")
	return p.callTail(c, true)
}

// trim reads TRIM([BOTH|LEADING|TRAILING] [characters] FROM x) into trim, ltrim or rtrim, whose two-argument form has
// the characters first.
func (p *parser) trim() Expr {
	t, side := p.peek(), p.peekAt(2)
	keyword := side.isOneOf("BOTH", "LEADING", "TRAILING")
	if !keyword {
		return p.keywordCall("FROM")
	}
	p.advance()
	p.advance()
	p.advance()
	name := map[string]string{"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}[side.upper]
	c := &Call{Name: Ident{Name: name, Span: t.span}}
	if !p.peek().is("FROM") {
		c.Args = append(c.Args, p.expr())
	}
	p.expect("FROM", " in TRIM")
	c.Args = append(c.Args, p.expr())
	p.expectOp(")", " at the end of TRIM")
	return p.callTail(c, true)
}
