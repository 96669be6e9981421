package sql

import (
	"strconv"

	"github.com/quern-engine/quern/internal/source"
)

// pipe reads |> and the operator behind it, which works on the rows of left. Each becomes the query that says the same:
// a clause of left where that has none like it, so that the names of left's tables stay visible, or else a query
// around left.
func (p *parser) pipe(left SetExpr, start source.Span) SetExpr {
	p.expectOp("|>", "")
	t := p.peek()
	switch {
	case t.is("WHERE"):
		return p.pipeWhere(left, start)
	case t.is("SELECT"):
		s := p.pipeSelect(left, start)
		p.selectList(s)
		if p.startsWindows() {
			s.Windows = p.windows()
		}
		return s
	case t.is("EXTEND"):
		p.advance()
		s := p.pipeSelect(left, start)
		s.Pipe = &PipeItems{Operator: "EXTEND", From: len(s.Items)}
		s.Items = append(s.Items, p.selectItems()...)
		return s
	case t.is("WINDOW") && p.peekAt(1).isName():
		p.fail(t.span, "UNSUPPORTED_FEATURE.CLAUSE_WITH_PIPE_OPERATORS", "WINDOW stands behind |> SELECT")
		return left
	case t.is("DROP"):
		p.advance()
		s := p.pipeSelect(left, start)
		star := &Star{Span: t.span}
		for _, id := range p.identSeq("the name of a column") {
			star.Except = append(star.Except, &Name{Parts: []Ident{id}, Span: id.Span})
		}
		s.Items = []SelectItem{{Expr: star}}
		return s
	case t.is("AS"):
		p.advance()
		alias := p.wholeIdent("a name after AS")
		span := p.spanFrom(start)
		return selectStar(&Subquery{Query: asQuery(left, span), Alias: &alias, Span: span}, span)
	case t.is("AGGREGATE"):
		return p.pipeAggregate(left, start)
	case t.is("SET"):
		return p.pipeSet(left, start)
	}
	return p.pipeRelation(left, start)
}

// pipeSet reads SET name = value, …: each of them sees what those before it have set.
func (p *parser) pipeSet(left SetExpr, start source.Span) SetExpr {
	t := p.advance()
	for {
		name := p.wholeIdent("the name of a column")
		if dot := p.peek(); dot.isOp(".") {
			p.fail(dot.span, "_LEGACY_ERROR_TEMP_0035", "SET takes the name of a column alone")
		}
		p.expectOp("=", " and the column's new value")
		star := &Star{Span: t.span, Replace: []Replacement{{Name: name, Value: p.expr()}}}
		left = &Select{Items: []SelectItem{{Expr: star}}, From: []TableRef{pipeRef(left, p.spanFrom(start))}, Span: p.spanFrom(start)}
		if !p.acceptOp(",") {
			return left
		}
	}
}

// pipeRelation reads the operators that stand in FROM or between queries elsewhere.
func (p *parser) pipeRelation(left SetExpr, start source.Span) SetExpr {
	if op, _ := p.setOperator(); op != "" {
		if _, several := left.(*SetOperation); several { // all of it is the left side, whatever binds tighter
			left = asQuery(left, p.spanFrom(start))
		}
		p.advance()
		e := &SetOperation{Op: op, Left: left}
		e.All, e.ByName = p.setQuantifier(op)
		e.Right = p.queryPrimary()
		e.Span = p.spanFrom(start)
		return e
	}
	if t := p.peek(); t.isOneOf("ORDER", "SORT", "CLUSTER", "DISTRIBUTE", "LIMIT", "OFFSET") {
		return p.pipeTail(left, start)
	}
	span := p.spanFrom(start)
	ref := pipeRef(left, span)
	t := p.peek()
	if sample := p.sample(start); sample != nil {
		return selectStar(withSample(sample, ref, p.spanFrom(start)), p.spanFrom(start))
	}
	joined := p.joinTail(ref, start)
	if joined == ref {
		p.failExpected("an operator behind |>, such as WHERE, SELECT, EXTEND, AGGREGATE, JOIN, ORDER BY or LIMIT")
		return &Select{Span: t.span}
	}
	return selectStar(joined, p.spanFrom(start))
}

// pipeWhere joins conditions by AND where nothing stands between them.
func (p *parser) pipeWhere(left SetExpr, start source.Span) SetExpr {
	t := p.advance()
	s, ok := left.(*Select)
	if !ok || !isSelectStar(s) {
		s = selectStar(pipeRef(left, p.spanFrom(start)), start)
	}
	cond := p.expr()
	if s.Where != nil {
		cond = &Binary{Op: "and", L: s.Where, R: cond, OpSpan: t.span, Span: s.Where.Pos().Join(cond.Pos())}
	}
	s.Where, s.Span = cond, p.spanFrom(start)
	return s
}

// pipeSelect is SELECT * FROM left, with room for other items.
func (p *parser) pipeSelect(left SetExpr, start source.Span) *Select {
	if s, ok := left.(*Select); ok && isSelectStar(s) {
		return s
	}
	return selectStar(pipeRef(left, p.spanFrom(start)), p.spanFrom(start))
}

// isSelectStar reports SELECT * FROM … [WHERE …] without more.
func isSelectStar(s *Select) bool {
	if len(s.Items) != 1 || s.From == nil || s.Distinct || s.GroupBy != nil || s.GroupAll || s.Having != nil || s.Qualify != nil || s.Windows != nil {
		return false
	}
	star, ok := s.Items[0].Expr.(*Star)
	return ok && star.Qualifier == nil && star.Except == nil && star.Replace == nil
}

// pipeRef is a query as a table. The rows of one table keep that table's name.
func pipeRef(e SetExpr, span source.Span) TableRef {
	s, ok := e.(*Select)
	if !ok || len(s.From) != 1 || s.LateralViews != nil {
		return &Subquery{Query: asQuery(e, span), Span: span}
	}
	if isSelectStar(s) && s.Where == nil {
		return s.From[0]
	}
	ref := &Subquery{Query: asQuery(e, span), Span: span}
	if s.GroupBy == nil && !replaces(s) {
		ref.Alias = refName(s.From[0])
	}
	return ref
}

// replaces reports a block that is |> SET, behind which the table's name is no more.
func replaces(s *Select) bool {
	if len(s.Items) != 1 {
		return false
	}
	star, ok := s.Items[0].Expr.(*Star)
	return ok && star.Replace != nil
}

// refName is the name under which the columns of a table are known; nil for a join.
func refName(ref TableRef) *Ident {
	switch ref := ref.(type) {
	case *TableName:
		if ref.Alias == nil {
			return new(ref.Parts[len(ref.Parts)-1])
		}
		return ref.Alias
	case *Subquery:
		return ref.Alias
	case *TableFunction:
		return ref.Alias
	case *Aliased:
		return ref.Alias
	case *Sample:
		return refName(ref.Ref)
	}
	return nil
}

// asQuery is the query of a body.
func asQuery(e SetExpr, span source.Span) *Query {
	if q, ok := e.(*Query); ok {
		return q
	}
	return &Query{Body: e, Span: span}
}

// pipeTail reads ORDER BY, LIMIT and OFFSET. LIMIT behind ORDER BY goes with it, so that it takes the first rows.
func (p *parser) pipeTail(left SetExpr, start source.Span) SetExpr {
	q, ok := left.(*Query)
	ordered := ok && q.Limit == nil && q.Offset == nil && p.peek().isOneOf("LIMIT", "OFFSET")
	if !ordered {
		q = &Query{Body: left}
	}
	order := q.OrderBy
	p.queryTail(q)
	if q.OrderBy == nil {
		q.OrderBy = order
	}
	q.Span = p.spanFrom(start)
	return q
}

// pipeAggregate reads AGGREGATE items GROUP BY keys, which yields the keys and then the items.
func (p *parser) pipeAggregate(left SetExpr, start source.Span) SetExpr {
	t := p.advance()
	s := p.pipeSelect(left, start)
	s.Items = nil
	var items []SelectItem
	if next := p.peek(); !next.is("GROUP") && next.kind != tokenEnd && !next.isOp(")") && !next.isOp("|>") && !next.isOp(";") {
		items = p.selectItems()
	}
	if p.accept("GROUP") {
		p.expect("BY", " after GROUP")
		p.pipeGroupBy(s)
	}
	s.Pipe = &PipeItems{Operator: "AGGREGATE", From: len(s.Items)}
	s.Items = append(s.Items, items...)
	if len(s.Items) == 0 {
		p.fail(t.span, "_LEGACY_ERROR_TEMP_0035", "AGGREGATE needs aggregates, GROUP BY or both")
	}
	s.Span = p.spanFrom(start)
	return s
}

// pipeGroupBy reads the keys of AGGREGATE, which can have names.
func (p *parser) pipeGroupBy(s *Select) {
	for {
		t := p.peek()
		if p.startsGrouping() || t.is("ALL") && !standsAlone(p.peekAt(1)) {
			p.refuseGrouping(t)
			return
		}
		item := SelectItem{Expr: p.expr()}
		if l, ok := item.Expr.(*Literal); ok && l.Kind == "integer" {
			n, _ := strconv.Atoi(l.Text) // 0 is no column either
			item.Expr = &InputColumn{Number: n, Span: l.Span}
		}
		s.GroupBy = append(s.GroupBy, item.Expr)
		if t := p.peek(); t.is("WITH") && p.peekAt(1).isOneOf("ROLLUP", "CUBE") || t.is("GROUPING") && p.peekAt(1).is("SETS") {
			p.refuseGrouping(t)
			return
		}
		item.Alias = p.alias()
		s.Items = append(s.Items, item)
		if !p.acceptOp(",") {
			return
		}
	}
}

func (p *parser) refuseGrouping(t token) {
	p.fail(t.span, "UNSUPPORTED_FEATURE.PIPE_OPERATOR_AGGREGATE_UNSUPPORTED_CASE", "|> AGGREGATE groups by expressions alone").
		WithHint("SELECT … GROUP BY has grouping sets")
}
