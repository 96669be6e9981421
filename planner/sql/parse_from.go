package sql

import "github.com/quern-engine/quern/internal/source"

// from reads what stands behind FROM, with the lateral views, which go into s.
func (p *parser) from(s *Select) []TableRef {
	start := p.peek().span
	var refs []TableRef
	for {
		refs = append(refs, p.relation())
		if !p.acceptOp(",") {
			break
		}
	}
	s.LateralViews = p.lateralViews()
	if p.startsPivot() && s.LateralViews != nil { // it turns the result of the views
		inner := selectStar(nil, p.spanFrom(start))
		inner.From, inner.LateralViews = refs, s.LateralViews
		var ref TableRef = &Subquery{Query: &Query{Body: inner, Span: inner.Span}, Span: inner.Span}
		s.LateralViews = nil
		refs = []TableRef{p.joinTail(ref, start)}
	}
	p.after = "a comma, a JOIN, WHERE, GROUP BY, ORDER BY, LIMIT"
	return refs
}

// relation reads a table with the joins and pivots behind it.
func (p *parser) relation() TableRef {
	start := p.peek().span
	return p.joinTail(p.relationPrimary(p.lateral()), start)
}

// lateral reads LATERAL before a subquery or a table function.
func (p *parser) lateral() bool { return p.accept("LATERAL") }

// relationPrimary reads a table, a subquery, a table function or a relation in parentheses.
func (p *parser) relationPrimary(lateral bool) TableRef {
	start := p.peek()
	switch {
	case start.is("VALUES") && p.startsQuery(0, false):
		v := p.values()
		ref := &Subquery{Lateral: lateral, Query: &Query{Body: v, Span: v.Span}}
		ref.Alias, ref.Columns = p.valuesAlias(v)
		ref.Span = p.spanFrom(start.span)
		return ref
	case start.isOp("("):
		q, ref := p.parenRelation()
		if q != nil {
			return p.aliasSubquery(q, lateral, start.span)
		}
		if lateral {
			p.fail(start.span, "INVALID_SQL_SYNTAX.LATERAL_WITHOUT_SUBQUERY_OR_TABLE_VALUED_FUNC", "LATERAL needs a subquery or a table function")
		}
		return p.aliasRelation(ref, start.span)
	case start.kind == tokenWord && isReserved(start.upper) && !p.startsFunction(), !start.isName():
		p.failExpected("a table or a subquery")
	case p.startsFunction():
		return p.tableFunction(lateral)
	}
	name := &TableName{Parts: p.tableParts()}
	p.tables = append(p.tables, name)
	if len(name.Parts) == 2 && isFormat(name.Parts[0].Name) {
		p.files = append(p.files, name)
	}
	if lateral {
		p.fail(spanOf(name.Parts), "INVALID_SQL_SYNTAX.LATERAL_WITHOUT_SUBQUERY_OR_TABLE_VALUED_FUNC", "LATERAL needs a subquery or a table function")
	}
	p.refuseTableClauses()
	sample := p.sample(start.span)
	name.Alias, name.Columns = p.tableAlias()
	name.Span = p.spanFrom(start.span)
	return withSample(sample, name, name.Span)
}

// startsFunction reports name ( in FROM: a table function.
func (p *parser) startsFunction() bool {
	t := p.peek()
	return t.isName() && p.peekAt(1).isOp("(") && (t.kind == tokenQuoted || !isReserved(t.upper) || t.isOneOf("LEFT", "RIGHT")) &&
		!t.is("IDENTIFIER")
}

// tableParts reads a table's name: a.b.c, or IDENTIFIER('a.b.c').
func (p *parser) tableParts() []Ident {
	if p.peek().is("IDENTIFIER") && p.peekAt(1).isOp("(") {
		return p.identifierClause()
	}
	return p.nameParts()
}

// startsIdentifier reports IDENTIFIER('…'), which can stand for any name.
func (p *parser) startsIdentifier() bool {
	return p.peek().is("IDENTIFIER") && p.peekAt(1).isOp("(") && p.peekAt(2).kind == tokenString && p.peekAt(3).isOp(")")
}

// identifierClause reads IDENTIFIER('a.b'), which is a name given as a string.
func (p *parser) identifierClause() []Ident {
	p.advance()
	p.expectOp("(", "")
	t := p.peek()
	if t.kind != tokenString {
		p.unsupported(t.span, "IDENTIFIER (…) takes a string")
		return []Ident{{Name: "_", Span: t.span}}
	}
	body := p.stringValue()
	span := p.spanFrom(t.span)
	p.expectOp(")", " behind the name")
	if body == "" {
		p.fail(span, "PARSE_EMPTY_STATEMENT", "IDENTIFIER needs a name")
	}
	inner, err := newParser(&source.Text{Body: body}, source.Span{End: len(body)})
	if err != nil {
		p.fail(span, classSyntax, "%q is not a name", body)
		return []Ident{{Name: "_", Span: span}}
	}
	parts := inner.nameParts()
	inner.end()
	if inner.err != nil {
		p.fail(span, classSyntax, "%q is not a name", body)
	}
	for i := range parts {
		parts[i].Span, parts[i].Quoted = span, true
	}
	return parts
}

// refuseTableClauses refuses what Spark reads behind a table's name and this engine has no meaning for.
func (p *parser) refuseTableClauses() {
	t, next := p.peek(), p.peekAt(1)
	switch {
	case t.is("FOR") && next.isOneOf("SYSTEM_VERSION", "VERSION", "SYSTEM_TIME", "TIMESTAMP"),
		t.isOneOf("SYSTEM_VERSION", "VERSION", "SYSTEM_TIME", "TIMESTAMP") && next.is("AS") && p.peekAt(2).is("OF"):
		p.unsupported(t.span, "older versions of a table (… AS OF …) are not supported")
	case t.is("WITH") && next.isOp("("):
		p.unsupported(t.span, "options behind a table's name are not supported")
	}
}

// tableFunction reads range(…) and its like.
func (p *parser) tableFunction(lateral bool) TableRef {
	start := p.peek()
	for n := 3; !p.peekAt(n).isOp(")") && p.peekAt(n).kind != tokenEnd; n++ {
		if t := p.peekAt(n); t.is("TABLE") && (p.peekAt(n-1).isOp("(") || p.peekAt(n-1).isOp(",") || p.peekAt(n-1).isOp("=>")) && p.startsQuery(n, false) {
			p.unsupported(t.span, "a function takes one table, as its only argument: f(TABLE(t))")
		}
	}
	f := &TableFunction{Lateral: lateral}
	if p.peekAt(2).is("TABLE") && (p.peekAt(3).isOp("(") || p.startsQuery(2, false)) {
		f.Call, f.Table = p.tableCall()
	} else {
		f.Call = p.lateralCall()
	}
	sample := p.sample(start.span)
	f.Alias, f.Columns = p.tableAlias()
	f.Span = p.spanFrom(start.span)
	return withSample(sample, f, f.Span)
}

// tableCall reads f(TABLE(…) PARTITION BY … ORDER BY …).
func (p *parser) tableCall() (*Call, *TableArgument) {
	start := p.peek().span
	c := &Call{Name: p.functionName()}
	p.expectOp("(", "")
	t := &TableArgument{}
	begin := p.advance().span // TABLE
	if p.peek().isOp("(") {
		q, ref := p.parenRelation()
		if t.Ref = ref; q != nil {
			t.Ref = &Subquery{Query: q, Span: p.spanFrom(begin)}
		}
	} else {
		name := &TableName{Parts: p.tableParts()}
		p.tables = append(p.tables, name)
		name.Span = p.spanFrom(begin)
		t.Ref = name
	}
	switch {
	case p.accept("PARTITION"):
		p.expect("BY", " after PARTITION")
		t.PartitionBy = p.exprList(p.expr())
	case p.accept("WITH"):
		p.expect("SINGLE", " after WITH")
		p.expect("PARTITION", " after WITH SINGLE")
		t.Single = true
	}
	if p.accept("ORDER") {
		p.expect("BY", " after ORDER")
		t.OrderBy = p.orderItems()
	}
	t.Span = p.spanFrom(begin)
	p.expectOp(")", ", PARTITION BY, WITH SINGLE PARTITION or ORDER BY")
	c.Span = p.spanFrom(start)
	return c, t
}

// parenRelation reads ( … ) in FROM: a query or a relation, which only its innermost beginning tells apart.
func (p *parser) parenRelation() (q *Query, ref TableRef) {
	p.expectOp("(", "")
	start := p.peek().span
	if !p.enter() {
		return nil, &TableName{}
	}
	defer p.leave()
	switch {
	case p.startsQuery(0, false) && !p.peek().is("VALUES"):
		q = p.query()
	case p.peek().isOp("("):
		q, ref = p.parenRelation()
		switch {
		case q == nil:
			ref = p.joinTail(p.aliasRelation(ref, start), start)
		case p.goesOnAsQuery():
			q = p.continueQuery(q, start)
		case !p.peek().isOp(")"):
			q, ref = nil, p.joinTail(p.aliasSubquery(q, false, start), start)
		}
	case p.peek().is("VALUES") && p.startsQuery(0, false):
		q, ref = p.parenValues(start)
	default:
		ref = p.relation()
		p.after = "a JOIN"
	}
	p.closeQuery()
	return q, ref
}

// parenValues reads VALUES … behind a parenthesis, which may begin a query or a join.
func (p *parser) parenValues(start source.Span) (*Query, TableRef) {
	v := p.values()
	if p.peek().isOp(")") || p.goesOnAsQuery() {
		return p.continueQuery(v, start), nil
	}
	alias, columns := p.valuesAlias(v)
	ref := &Subquery{Query: &Query{Body: v, Span: v.Span}, Alias: alias, Columns: columns, Span: p.spanFrom(start)}
	if p.goesOnAsQuery() {
		return p.continueQuery(selectStar(ref, ref.Span), start), nil
	}
	return nil, p.joinTail(ref, start)
}

// goesOnAsQuery reports that what follows a query in parentheses makes it part of a larger query.
func (p *parser) goesOnAsQuery() bool {
	op, _ := p.setOperator()
	t := p.peek()
	return op != "" || t.isOp("|>") || t.isOneOf("ORDER", "SORT", "CLUSTER", "DISTRIBUTE") && p.peekAt(1).is("BY") ||
		t.is("LIMIT") || t.is("OFFSET") && p.startsClause()
}

// continueQuery reads the larger query that begins with body.
func (p *parser) continueQuery(body SetExpr, start source.Span) *Query {
	q := &Query{Body: p.setTail(body, setPipe, start)}
	p.queryTail(q)
	q.Span = p.spanFrom(start)
	return q
}

// aliasSubquery reads the sample and the alias of a subquery.
func (p *parser) aliasSubquery(q *Query, lateral bool, start source.Span) TableRef {
	sample := p.sample(start)
	alias, columns := p.tableAlias()
	ref := &Subquery{Lateral: lateral, Query: q, Alias: alias, Columns: columns, Span: p.spanFrom(start)}
	return withSample(sample, ref, ref.Span)
}

// aliasRelation reads the sample and the alias of a relation in parentheses, if any. An alias hides the names inside.
func (p *parser) aliasRelation(ref TableRef, start source.Span) TableRef {
	sample := p.sample(start)
	alias, columns := p.tableAlias()
	if t, ok := ref.(*TableName); ok && t.Alias == nil && alias != nil {
		t.Alias, t.Columns, t.Span = alias, columns, p.spanFrom(start)
	} else if alias != nil {
		ref = &Aliased{Ref: ref, Alias: alias, Columns: columns, Span: p.spanFrom(start)}
	}
	return withSample(sample, ref, p.spanFrom(start))
}

// tableAlias reads [AS] name [(columns)].
func (p *parser) tableAlias() (*Ident, []Ident) {
	alias := p.alias()
	if alias != nil && p.acceptOp("(") {
		return alias, p.idents("the name of a column")
	}
	return alias, nil
}
