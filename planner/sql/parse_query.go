package sql

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// startsQuery reports whether the tokens from the n-th on begin a query: behind any opening parentheses when through
// is true.
func (p *parser) startsQuery(n int, through bool) bool {
	for through && p.peekAt(n).isOp("(") {
		n++
	}
	t, next := p.peekAt(n), p.peekAt(n+1)
	switch {
	case t.is("SELECT"), t.is("WITH"):
		return true
	case t.is("VALUES"): // may be a column's name
		return next.kind == tokenString || next.kind == tokenNumber || next.isOp("(") ||
			next.kind == tokenWord && (next.is("CASE") || !isClause(next.upper))
	case t.is("TABLE"):
		return next.isName() && !isClause(next.upper)
	}
	return false
}

// query reads a whole query.
func (p *parser) query() *Query {
	start := p.peek().span
	q := &Query{Body: &Select{}}
	if !p.enter() {
		return q
	}
	defer p.leave()
	if p.peek().is("WITH") {
		q.With = p.with()
	}
	q.Body = p.setExpr(setOr)
	p.queryTail(q)
	q.Span = p.spanFrom(start)
	return q
}

// with reads WITH name [(columns)] AS (query), ….
func (p *parser) with() []CTE {
	p.expect("WITH", "")
	if t := p.peek(); t.is("RECURSIVE") && p.peekAt(1).isName() && !p.peekAt(1).is("AS") {
		p.unsupported(t.span, "recursive queries are not supported")
	}
	var list []CTE
	for {
		c := CTE{Name: p.ident("the name of a query after WITH")}
		for _, other := range list {
			if strings.EqualFold(other.Name.Name, c.Name.Name) {
				p.fail(c.Name.Span, "DUPLICATED_CTE_NAMES", "WITH names two queries %s", c.Name.Name)
			}
		}
		if p.acceptOp("(") {
			c.Columns = p.idents("the name of a column")
		}
		p.accept("AS")
		p.expectOp("(", " before the query of WITH")
		c.Query = p.query()
		p.closeQuery()
		list = append(list, c)
		if !p.acceptOp(",") {
			return list
		}
	}
}

// queryTail reads ORDER BY, LIMIT and OFFSET.
func (p *parser) queryTail(q *Query) {
	if t := p.peek(); t.isOneOf("SORT", "CLUSTER", "DISTRIBUTE") && p.peekAt(1).is("BY") {
		p.unsupported(t.span.Join(p.peekAt(1).span), t.upper+" BY is not supported: how rows are spread over partitions is the planner's choice")
	}
	if t := p.peek(); t.is("WINDOW") {
		p.unsupported(t.span, "named windows are not supported yet")
	}
	if p.accept("ORDER") {
		p.expect("BY", " after ORDER")
		q.OrderBy = p.orderItems()
		p.after = "a comma, LIMIT, OFFSET"
	}
	if p.accept("LIMIT") {
		if !p.accept("ALL") {
			q.Limit = p.expr()
		}
		p.after = "OFFSET"
	}
	if p.accept("OFFSET") {
		q.Offset = p.expr()
		p.after = ""
	}
}

func (p *parser) orderItems() []OrderItem {
	if t := p.peek(); t.is("ALL") {
		p.unsupported(t.span, "ORDER BY ALL is not supported yet")
	}
	var items []OrderItem
	for {
		start := p.peek().span
		item := OrderItem{Expr: p.expr()}
		if p.accept("DESC") {
			item.Descending = true
		} else {
			p.accept("ASC")
		}
		item.NullsFirst = !item.Descending
		if p.accept("NULLS") {
			switch {
			case p.accept("FIRST"):
				item.NullsFirst = true
			case p.accept("LAST"):
				item.NullsFirst = false
			default:
				p.failExpected("FIRST or LAST after NULLS")
			}
		}
		item.Span = p.spanFrom(start)
		items = append(items, item)
		if !p.acceptOp(",") {
			return items
		}
	}
}

// The set operations' precedences: INTERSECT binds tighter.
const (
	setOr  = 1 // UNION, EXCEPT, MINUS
	setAnd = 2 // INTERSECT
)

// setOperator is the set operation that comes next, "" when there is none.
func (p *parser) setOperator() (op string, precedence int) {
	t := p.peek()
	switch {
	case t.is("UNION"):
		return "union", setOr
	case t.is("EXCEPT"), t.is("MINUS"):
		return "except", setOr
	case t.is("INTERSECT"):
		return "intersect", setAnd
	}
	return "", 0
}

func (p *parser) setExpr(least int) SetExpr {
	start := p.peek().span
	return p.setTail(p.queryPrimary(), least, start)
}

// setTail goes on with the set operations behind left.
func (p *parser) setTail(left SetExpr, least int, start source.Span) SetExpr {
	for n := 0; ; n++ {
		op, precedence := p.setOperator()
		if op == "" || precedence < least || !p.chain(n) {
			return left
		}
		p.advance()
		all := p.accept("ALL")
		if !all {
			p.accept("DISTINCT")
		}
		right := p.setExpr(precedence + 1)
		left = &SetOperation{Op: op, All: all, Left: left, Right: right, Span: p.spanFrom(start)}
	}
}

// queryPrimary reads an operand of set operations.
func (p *parser) queryPrimary() SetExpr {
	t := p.peek()
	switch {
	case t.is("SELECT"):
		return p.selectBlock()
	case t.is("VALUES"):
		return p.valuesQuery()
	case t.is("TABLE") && p.startsQuery(0, false):
		return p.tableQuery()
	case p.acceptOp("("):
		q := p.query()
		p.closeQuery()
		return q
	case t.is("FROM"):
		p.unsupported(t.span, "a query that begins with FROM is not supported: begin with SELECT")
	default:
		p.failExpected("a query (SELECT, WITH, VALUES or TABLE)")
	}
	return &Select{Span: t.span}
}

// selectStar is SELECT * FROM ref: what shorter forms stand for.
func selectStar(ref TableRef, span source.Span) *Select {
	return &Select{Items: []SelectItem{{Expr: &Star{Span: span}}}, From: []TableRef{ref}, Span: span}
}

// tableQuery reads TABLE name, which is SELECT * FROM name.
func (p *parser) tableQuery() SetExpr {
	start := p.advance().span
	name := &TableName{Parts: p.nameParts(), Span: p.spanFrom(start)}
	p.after = "ORDER, LIMIT"
	return selectStar(name, p.spanFrom(start))
}

// valuesQuery reads VALUES …, with an alias as in FROM.
func (p *parser) valuesQuery() SetExpr {
	start := p.peek().span
	v := p.values()
	alias, columns := p.tableAlias()
	if alias == nil {
		return v
	}
	ref := &Subquery{Query: &Query{Body: v, Span: v.Span}, Alias: alias, Columns: columns, Span: p.spanFrom(start)}
	return selectStar(ref, ref.Span)
}

// values reads VALUES row, …: a row is (a, b) or a single value.
func (p *parser) values() *ValuesClause {
	start := p.peek().span
	p.expect("VALUES", "")
	v := &ValuesClause{}
	for {
		e := p.expr()
		if row, ok := e.(*Row); ok {
			v.Rows = append(v.Rows, row.Items)
		} else {
			v.Rows = append(v.Rows, []Expr{e})
		}
		if !p.acceptOp(",") {
			break
		}
	}
	v.Span = p.spanFrom(start)
	p.after = "a comma, an alias"
	return v
}

// selectBlock reads SELECT … up to and with HAVING.
func (p *parser) selectBlock() *Select {
	start := p.peek().span
	p.expect("SELECT", "")
	s := &Select{}
	if p.peek().isOneOf("DISTINCT", "ALL") {
		s.Distinct = p.advance().upper == "DISTINCT"
	}
	s.Items = p.selectItems()
	p.after = "a comma, FROM"
	if p.accept("FROM") {
		s.From = p.from()
	}
	if p.accept("WHERE") {
		s.Where = p.expr()
		p.after = "AND, OR, GROUP BY, HAVING, ORDER BY, LIMIT"
	}
	if p.accept("GROUP") {
		p.expect("BY", " after GROUP")
		p.groupBy(s)
	}
	if p.accept("HAVING") {
		s.Having = p.expr()
		p.after = "AND, OR, ORDER BY, LIMIT"
	}
	if t := p.peek(); t.is("QUALIFY") {
		p.unsupported(t.span, "QUALIFY is not supported yet")
	}
	s.Span = p.spanFrom(start)
	return s
}

func (p *parser) selectItems() []SelectItem {
	var items []SelectItem
	for {
		if t := p.peek(); t.is("FROM") && len(items) > 0 && !p.peekAt(1).isOp(",") {
			p.fail(t.span, classSyntax, "expected an expression after the comma, found %s", p.describe(t)).
				WithHint("remove the comma before FROM")
		}
		var item SelectItem
		if t := p.peek(); t.isOp("*") {
			p.advance()
			item.Expr = &Star{Span: t.span}
		} else {
			item.Expr = p.expr()
		}
		if _, star := item.Expr.(*Star); star {
			p.refuseStarExcept()
		} else {
			if t := p.peekAt(1); p.peek().is("AS") && t.isOp("(") {
				p.unsupported(t.span, "several aliases for one expression are not supported")
			}
			item.Alias = p.alias()
		}
		items = append(items, item)
		if !p.acceptOp(",") {
			return items
		}
	}
}

// refuseStarExcept tells * EXCEPT (a, b), which leaves columns out, from the set operation.
func (p *parser) refuseStarExcept() {
	if t := p.peek(); t.is("EXCEPT") && p.peekAt(1).isOp("(") && !p.startsQuery(1, true) {
		p.unsupported(t.span, "* EXCEPT (columns) is not supported yet: list the columns")
	}
}

func (p *parser) groupBy(s *Select) {
	defer func() { p.after = "a comma, HAVING, ORDER BY, LIMIT" }()
	if t := p.peek(); t.is("ALL") {
		p.advance()
		s.GroupAll = true
		return
	}
	for {
		t := p.peek()
		if t.is("GROUPING") && p.peekAt(1).is("SETS") || t.isOneOf("CUBE", "ROLLUP") && p.peekAt(1).isOp("(") {
			p.unsupported(t.span, "GROUPING SETS, CUBE and ROLLUP are not supported yet")
		}
		s.GroupBy = append(s.GroupBy, p.expr())
		if t := p.peek(); t.is("WITH") && p.peekAt(1).isOneOf("CUBE", "ROLLUP") || t.is("GROUPING") && p.peekAt(1).is("SETS") {
			p.unsupported(t.span, "GROUPING SETS, CUBE and ROLLUP are not supported yet")
		}
		if !p.acceptOp(",") {
			return
		}
	}
}
