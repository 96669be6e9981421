package sql

import "github.com/quern-engine/quern/internal/source"

// from reads what stands behind FROM.
func (p *parser) from() []TableRef {
	var refs []TableRef
	for {
		refs = append(refs, p.relation())
		if !p.acceptOp(",") {
			break
		}
	}
	if t := p.peek(); t.is("LATERAL") {
		p.unsupported(t.span, "LATERAL VIEW is not supported yet")
	}
	p.after = "a comma, a JOIN, WHERE, GROUP BY, ORDER BY, LIMIT"
	return refs
}

// relation reads a table with the joins behind it.
func (p *parser) relation() TableRef {
	start := p.peek().span
	return p.joinTail(p.relationPrimary(), start)
}

// relationPrimary reads a table, a subquery or a relation in parentheses.
func (p *parser) relationPrimary() TableRef {
	start := p.peek()
	switch {
	case start.is("LATERAL"):
		p.unsupported(start.span, "LATERAL subqueries are not supported yet")
	case start.is("VALUES") && p.startsQuery(0, false):
		v := p.values()
		return p.aliasSubquery(&Query{Body: v, Span: v.Span}, start.span)
	case start.isOp("("):
		q, ref := p.parenRelation()
		if q != nil {
			return p.aliasSubquery(q, start.span)
		}
		return p.aliasRelation(ref, start.span)
	case start.kind == tokenWord && isReserved(start.upper), !start.isName():
		p.failExpected("a table or a subquery")
	}
	name := &TableName{Parts: p.nameParts()}
	if t := p.peek(); t.isOp("(") {
		p.unsupported(start.span, "table functions are not supported yet")
	}
	if t := p.peek(); t.isOneOf("TABLESAMPLE", "PIVOT", "UNPIVOT") {
		p.unsupported(t.span, t.upper+" is not supported yet")
	}
	name.Alias, name.Columns = p.tableAlias()
	name.Span = p.spanFrom(start.span)
	if t := p.peek(); t.isOneOf("TABLESAMPLE", "PIVOT", "UNPIVOT") {
		p.unsupported(t.span, t.upper+" is not supported yet")
	}
	return name
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
	case p.startsQuery(0, false):
		q = p.query()
	case p.peek().isOp("("):
		q, ref = p.parenRelation()
		switch {
		case q == nil:
			ref = p.joinTail(p.aliasRelation(ref, start), start)
		case p.goesOnAsQuery():
			q = p.continueQuery(q, start)
		case !p.peek().isOp(")"):
			q, ref = nil, p.joinTail(p.aliasSubquery(q, start), start)
		}
	default:
		ref = p.relation()
		p.after = "a JOIN"
	}
	p.closeQuery()
	return q, ref
}

// goesOnAsQuery reports that what follows a query in parentheses makes it part of a larger query.
func (p *parser) goesOnAsQuery() bool {
	op, _ := p.setOperator()
	t := p.peek()
	return op != "" || t.is("ORDER") && p.peekAt(1).is("BY") || t.is("LIMIT") || t.is("OFFSET")
}

// continueQuery reads the larger query that begins with q in parentheses.
func (p *parser) continueQuery(q *Query, start source.Span) *Query {
	whole := &Query{Body: p.setTail(q, setOr, start)}
	p.queryTail(whole)
	whole.Span = p.spanFrom(start)
	return whole
}

// aliasSubquery reads the alias of a subquery.
func (p *parser) aliasSubquery(q *Query, start source.Span) TableRef {
	alias, columns := p.tableAlias()
	return &Subquery{Query: q, Alias: alias, Columns: columns, Span: p.spanFrom(start)}
}

// aliasRelation reads the alias of a relation in parentheses, if any. An alias on a join hides the names inside, as if
// the join were SELECT * FROM it, and that is what it becomes.
func (p *parser) aliasRelation(ref TableRef, start source.Span) TableRef {
	alias, columns := p.tableAlias()
	if alias == nil {
		return ref
	}
	if t, ok := ref.(*TableName); ok && t.Alias == nil {
		t.Alias, t.Columns, t.Span = alias, columns, p.spanFrom(start)
		return t
	}
	span := p.spanFrom(start)
	return &Subquery{Query: &Query{Body: selectStar(ref, span), Span: span}, Alias: alias, Columns: columns, Span: span}
}

// tableAlias reads [AS] name [(columns)].
func (p *parser) tableAlias() (*Ident, []Ident) {
	alias := p.alias()
	if alias != nil && p.acceptOp("(") {
		return alias, p.idents("the name of a column")
	}
	return alias, nil
}

// joinTail goes on with the joins behind left. They associate to the left.
func (p *parser) joinTail(left TableRef, start source.Span) TableRef {
	for n := 0; ; n++ {
		j, ok := p.joinType()
		if !ok || !p.chain(n) {
			return left
		}
		j.Left, j.Right = left, p.relationPrimary()
		switch {
		case p.accept("ON"):
			j.On = p.expr()
		case p.accept("USING"):
			p.expectOp("(", " after USING")
			j.Using = p.idents("the name of a column")
		}
		j.Span = p.spanFrom(start)
		left = j
	}
}

// joinType reads the words of a join up to and with JOIN; false when no join comes next.
func (p *parser) joinType() (*Join, bool) {
	j := &Join{Type: "inner"}
	if t := p.peek(); t.is("ASOF") && p.peekAt(1).is("JOIN") {
		p.unsupported(t.span, "ASOF JOIN is not supported yet")
	}
	first := p.peek()
	if !first.isOneOf("JOIN", "NATURAL", "CROSS", "INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI") {
		return nil, false
	}
	j.Natural = p.accept("NATURAL")
	switch t := p.peek(); {
	case p.accept("INNER"):
	case p.accept("CROSS"):
		j.Type = "cross"
	case t.isOneOf("LEFT", "RIGHT", "FULL"):
		p.advance()
		j.Type = map[string]string{"LEFT": "left", "RIGHT": "right", "FULL": "full"}[t.upper]
		switch {
		case p.accept("OUTER"):
		case t.upper == "LEFT" && p.accept("SEMI"):
			j.Type = "left_semi"
		case t.upper == "LEFT" && p.accept("ANTI"):
			j.Type = "left_anti"
		}
	case p.accept("SEMI"):
		j.Type = "left_semi"
	case p.accept("ANTI"):
		j.Type = "left_anti"
	}
	p.expect("JOIN", "")
	return j, p.err == nil
}

// nameParts reads a.b.c.
func (p *parser) nameParts() []Ident {
	parts := []Ident{p.ident("a name")}
	for p.acceptOp(".") {
		parts = append(parts, p.ident("a name after the dot"))
	}
	return parts
}
