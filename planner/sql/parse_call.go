package sql

import "strings"

// isStruct reports the function struct, whose arguments can have names: struct(x AS a).
func isStruct(name Ident) bool { return !name.Quoted && strings.EqualFold(name.Name, "struct") }

// call reads the arguments of a function, and what may follow them.
func (p *parser) call(name Ident) Expr {
	c := &Call{Name: name}
	p.expectOp("(", "")
	if p.peek().isOneOf("DISTINCT", "ALL") && !standsAlone(p.peekAt(1)) {
		c.Distinct = p.advance().upper == "DISTINCT"
	}
	p.arguments(c)
	p.ignoreNulls(c)
	p.expectOp(")", " or a comma")
	if e := p.asExpression(c); e != nil {
		return e
	}
	if strings.EqualFold(c.Name.Name, "window") {
		p.timeWindows = append(p.timeWindows, c)
	}
	return p.callTail(c)
}

// asExpression is what the calls between(x, low, high) and when(condition, value, …) say in words; nil for other calls.
func (p *parser) asExpression(c *Call) Expr {
	span := p.spanFrom(c.Name.Span)
	switch n := len(c.Args); strings.ToLower(c.Name.Name) {
	case "between":
		if n != 3 {
			p.fail(span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "between takes 3 arguments, not %d", n)
			return placeholder(span)
		}
		return &Between{X: c.Args[0], Low: c.Args[1], High: c.Args[2], Span: span}
	case "when":
		if n < 2 {
			p.fail(span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "when takes a condition and a value at least")
			return placeholder(span)
		}
		e := &Case{Span: span}
		for i := 0; i+1 < n; i += 2 {
			e.Whens = append(e.Whens, When{Cond: c.Args[i], Then: c.Args[i+1]})
		}
		if n%2 == 1 {
			e.Else = c.Args[n-1]
		}
		return e
	}
	return nil
}

// arguments reads a, b, … up to the closing parenthesis: expressions, name => expression and, of a struct,
// expression AS name.
func (p *parser) arguments(c *Call) {
	if p.peek().isOp(")") {
		return
	}
	for {
		p.argument(c)
		if !p.acceptOp(",") {
			return
		}
	}
}

func (p *parser) argument(c *Call) {
	if t := p.peek(); t.isName() && p.peekAt(1).isOp("=>") {
		name := p.ident("a name")
		p.advance()
		c.Args = append(c.Args, p.expr())
		p.nameArgument(c, name)
		return
	}
	c.Args = append(c.Args, p.expr())
	if isStruct(c.Name) {
		p.fieldName(c)
	} else if c.Names != nil {
		p.fail(c.Args[len(c.Args)-1].Pos(), "UNEXPECTED_POSITIONAL_ARGUMENT", "an argument without a name cannot follow one with a name")
	}
}

// ignoreNulls reads IGNORE NULLS and RESPECT NULLS, which may stand behind the arguments or behind the parentheses.
func (p *parser) ignoreNulls(c *Call) {
	t := p.peek()
	if c.IgnoreNulls != nil || !t.isOneOf("IGNORE", "RESPECT") || !p.peekAt(1).is("NULLS") {
		return
	}
	p.advance()
	p.advance()
	c.IgnoreNulls = new(t.upper == "IGNORE")
}

// callTail reads what may follow a call's parentheses: WITHIN GROUP, FILTER, IGNORE NULLS, OVER.
func (p *parser) callTail(c *Call) Expr {
	if p.peek().is("WITHIN") && p.peekAt(1).is("GROUP") {
		p.advance()
		p.advance()
		p.expectOp("(", " after WITHIN GROUP")
		p.expect("ORDER", " BY in WITHIN GROUP (…)")
		p.expect("BY", " after ORDER")
		c.WithinGroup = p.orderItems()
		p.expectOp(")", " at the end of WITHIN GROUP (…)")
	}
	if p.peek().is("FILTER") && p.peekAt(1).isOp("(") {
		p.advance()
		p.advance()
		p.expect("WHERE", " in FILTER (…)")
		c.Filter = p.expr()
		p.expectOp(")", " at the end of FILTER (…)")
	}
	p.ignoreNulls(c)
	if next := p.peekAt(1); p.peek().is("OVER") && (next.isOp("(") || next.isName() && !isClause(next.upper)) {
		p.advance()
		c.Over = p.windowSpec()
	}
	c.Span = p.spanFrom(c.Name.Span)
	return c
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
	case "TIMESTAMPADD", "DATEADD", "DATE_ADD", "TIMESTAMPDIFF", "DATEDIFF", "DATE_DIFF", "TIMEDIFF":
		return p.unitCall(t)
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
	if next := p.peekAt(1); next.isOp(")") || next.is("DISTINCT") || next.isName() && p.peekAt(2).isOp("=>") {
		return p.call(name)
	}
	c := &Call{Name: name}
	p.expectOp("(", "")
	first := p.peek().span
	x := p.value(precedenceCompare)
	if !p.peek().is(keywords[0]) {
		x = p.predicateTail(x, first)
		c.Args = []Expr{p.binaryTail(x, first, precedenceOr, precedenceAnd)}
		for p.acceptOp(",") {
			p.argument(c)
		}
	} else {
		c.Args = []Expr{x}
		for _, k := range keywords {
			if p.accept(k) {
				c.Args = append(c.Args, p.value(precedenceCompare))
			} else if k != keywords[len(keywords)-1] {
				p.failExpected(k + " in " + t.upper)
			}
		}
		switch t.upper { // each of these forms is a form of one function
		case "POSITION":
			c.Name.Name = "locate"
		case "SUBSTR":
			c.Name.Name = "substring"
		}
	}
	p.expectOp(")", " or a comma")
	return p.callTail(c)
}

// trim reads TRIM([BOTH|LEADING|TRAILING] [characters] FROM x) into trim, ltrim or rtrim, whose two-argument form has
// the characters first.
func (p *parser) trim() Expr {
	t, side := p.peek(), p.peekAt(2)
	if !side.isOneOf("BOTH", "LEADING", "TRAILING") || p.peekAt(3).isOp(")") {
		if !side.is("FROM") {
			return p.keywordCall("FROM")
		}
		side.upper = "BOTH"
	} else {
		p.advance()
	}
	p.advance()
	p.advance()
	name := map[string]string{"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}[side.upper]
	c := &Call{Name: Ident{Name: name, Span: t.span}}
	if !p.peek().is("FROM") {
		c.Args = append(c.Args, p.value(precedenceCompare))
	}
	p.expect("FROM", " in TRIM")
	c.Args = append(c.Args, p.value(precedenceCompare))
	p.expectOp(")", " at the end of TRIM")
	return p.callTail(c)
}

// IsUnit reports a word that functions such as timestampadd take as a unit.
func IsUnit(word string) bool { return isUnit(strings.ToUpper(word)) }

// isUnit reports the units that functions such as timestampadd take as a bare word, upper case.
func isUnit(word string) bool {
	switch word {
	case "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFYEAR", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND":
		return true
	}
	return false
}

// takesUnit reports the functions of isUnit.
func takesUnit(name Ident) bool {
	switch strings.ToLower(name.Name) {
	case "timestampadd", "dateadd", "date_add", "timestampdiff", "datediff", "date_diff", "timediff":
		return !name.Quoted
	}
	return false
}

// unitCall reads dateadd(DAY, a, b) with the unit as a string; nil when the first argument cannot be a unit. With two
// arguments date_add and datediff take no unit, and what looked like one is a column.
func (p *parser) unitCall(t token) Expr {
	unit := p.peekAt(2)
	if !p.peekAt(3).isOp(",") || unit.kind != tokenString && !(unit.kind == tokenWord && isUnit(unit.upper)) {
		return nil
	}
	c := &Call{Name: Ident{Name: t.text, Span: t.span}}
	for range 4 {
		p.advance()
	}
	rest := p.exprList(p.expr())
	var first Expr = &Literal{Kind: "string", Text: unit.text, Span: unit.span}
	switch isWord := unit.kind == tokenWord; {
	case isWord && len(rest) != 2:
		first = &Name{Parts: []Ident{{Name: unit.text, Span: unit.span}}, Span: unit.span}
	case !isWord && len(rest) == 2:
		p.fail(unit.span, "INVALID_PARAMETER_VALUE.DATETIME_UNIT", "%s takes a unit without quotes", t.upper).
			WithHint("YEAR, QUARTER, MONTH, WEEK, DAY, DAYOFYEAR, HOUR, MINUTE, SECOND, MILLISECOND and MICROSECOND are units")
	}
	c.Args = append([]Expr{first}, rest...)
	p.expectOp(")", " or a comma")
	return p.callTail(c)
}
