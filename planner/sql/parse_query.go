package sql

import (
	"strconv"
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
	case t.is("SELECT"):
		return true
	case t.is("WITH"), t.is("FROM"):
		return next.isName()
	case t.is("VALUES"): // may be a column's name
		return next.kind == tokenString || next.kind == tokenNumber || next.isOp("(") || next.isOp("-") ||
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
	outside := len(p.visible)
	if p.peek().is("WITH") {
		q.With = p.with()
	}
	q.Body = p.setExpr(setPipe)
	p.queryTail(q)
	q.Span = p.spanFrom(start)
	p.visible = p.visible[:outside]
	return q
}

// with reads WITH [RECURSIVE] name [(columns)] AS (query), …. Its definitions stay visible until the query around ends.
func (p *parser) with() []CTE {
	word := p.peek().span
	p.expect("WITH", "")
	recursive := p.peek().is("RECURSIVE") && p.peekAt(1).isName() && !p.peekAt(1).is("AS")
	if recursive {
		p.advance()
	}
	p.visible = append(p.visible, definitions{with: word})
	level := len(p.visible) - 1
	var list []CTE
	for {
		start := p.peek().span
		c := CTE{Name: p.wholeIdent("the name of a query after WITH")}
		for _, other := range list {
			if strings.EqualFold(other.Name.Name, c.Name.Name) {
				p.fail(c.Name.Span, "DUPLICATED_CTE_NAMES", "WITH names two queries %s", c.Name.Name)
			}
		}
		if p.peek().isOp("(") && !p.startsQuery(1, true) { // AS may be missing
			p.advance()
			c.Columns = p.idents("the name of a column")
		}
		maxLevel := 0
		if recursive && p.peek().is("MAX") {
			maxLevel = p.recursionLevel()
		}
		p.accept("AS")
		p.expectOp("(", " before the query of WITH")
		c.Query = p.query()
		p.closeQuery()
		if recursive {
			p.recursion(&c, p.spanFrom(start), maxLevel)
		}
		p.visible[level].spans = append(p.visible[level].spans, p.spanFrom(start))
		list = append(list, c)
		p.defined[strings.ToLower(c.Name.Name)] = true
		if !p.acceptOp(",") {
			return list
		}
	}
}

// recursionLevel reads MAX RECURSION LEVEL n.
func (p *parser) recursionLevel() int {
	for _, word := range []string{"MAX", "RECURSION", "LEVEL"} {
		p.expect(word, "")
	}
	t := p.advance()
	n, err := strconv.Atoi(t.text)
	if t.kind != tokenNumber || err != nil || n < 1 {
		p.fail(t.span, classSyntax, "MAX RECURSION LEVEL needs a whole number")
	}
	return n
}

// queryTail reads what stands behind the body of a query, from ORDER BY to OFFSET.
func (p *parser) queryTail(q *Query) {
	if p.accept("ORDER") {
		p.expect("BY", " after ORDER")
		q.OrderBy = p.orderBy()
		p.after = "a comma, LIMIT, OFFSET"
	}
	p.distribution(q)
	if p.startsWindows() {
		p.queryWindows(q)
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

// distribution reads CLUSTER BY, DISTRIBUTE BY and SORT BY. CLUSTER BY says both of the others, and ORDER BY says all
// there is to say about the order.
func (p *parser) distribution(q *Query) {
	start := p.peek()
	by := func(keyword string) bool {
		if !p.peek().is(keyword) || !p.peekAt(1).is("BY") {
			return false
		}
		p.advance()
		p.advance()
		return true
	}
	if by("CLUSTER") {
		q.Distribute = p.exprList(p.expr())
		for _, e := range q.Distribute {
			q.SortBy = append(q.SortBy, OrderItem{Expr: e, NullsFirst: true, Span: e.Pos()})
		}
		p.conflict(start, q.OrderBy != nil || p.peek().isOneOf("SORT", "DISTRIBUTE"))
		return
	}
	distribute := by("DISTRIBUTE")
	if distribute {
		q.Distribute = p.exprList(p.expr())
	}
	sorted := by("SORT")
	if sorted {
		q.SortBy = p.orderItems()
	}
	p.conflict(start, q.OrderBy != nil && (distribute || sorted))
}

// conflict refuses clauses that say different things about the order of rows.
func (p *parser) conflict(t token, conflicting bool) {
	if conflicting {
		p.fail(t.span, "UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES", "a query takes only one of ORDER BY, CLUSTER BY, and DISTRIBUTE BY with SORT BY")
	}
}

// orderBy reads the items of ORDER BY. ORDER BY ALL comes as the name ALL, which the analyser knows.
func (p *parser) orderBy() []OrderItem {
	if t := p.peek(); t.is("ALL") {
		p.advance()
		item := p.orderDirection(&Name{Parts: []Ident{{Name: t.text, Span: t.span}}, Span: t.span}, t.span)
		return []OrderItem{item}
	}
	return p.orderItems()
}

func (p *parser) orderItems() []OrderItem {
	var items []OrderItem
	for {
		start := p.peek().span
		items = append(items, p.orderDirection(p.expr(), start))
		if !p.acceptOp(",") {
			return items
		}
	}
}

// orderDirection reads what stands behind a sort key.
func (p *parser) orderDirection(e Expr, start source.Span) OrderItem {
	item := OrderItem{Expr: e}
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
	return item
}

// The set operations' precedences: INTERSECT binds tighter.
const (
	setPipe = iota // |>
	setOr          // UNION, EXCEPT, MINUS
	setAnd         // INTERSECT
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
		if least == setPipe && p.peek().isOp("|>") && p.chain(n) {
			left = p.pipe(left, start)
			continue
		}
		op, precedence := p.setOperator()
		if op == "" || precedence < least || !p.chain(n) {
			return left
		}
		p.advance()
		e := &SetOperation{Op: op, Left: left}
		e.All, e.ByName = p.setQuantifier(op)
		e.Right = p.setExpr(precedence + 1)
		e.Span = p.spanFrom(start)
		left = e
	}
}

// setQuantifier reads [ALL|DISTINCT] [BY NAME] behind a set operation.
func (p *parser) setQuantifier(op string) (all, byName bool) {
	all = p.accept("ALL")
	if !all {
		p.accept("DISTINCT")
	}
	if op == "union" && p.peek().is("BY") && p.peekAt(1).is("NAME") {
		p.advance()
		p.advance()
		byName = true
	}
	return all, byName
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
	case t.is("FROM"):
		return p.fromQuery()
	case p.acceptOp("("):
		q := p.query()
		p.closeQuery()
		return q
	}
	p.failExpected("a query (SELECT, WITH, VALUES or TABLE)")
	return &Select{Span: t.span}
}

// selectStar is SELECT * FROM ref: what shorter forms stand for.
func selectStar(ref TableRef, span source.Span) *Select {
	return &Select{Items: []SelectItem{{Expr: &Star{Span: span}}}, From: []TableRef{ref}, Span: span}
}

// tableQuery reads TABLE name, which is SELECT * FROM name.
func (p *parser) tableQuery() SetExpr {
	start := p.advance().span
	name := &TableName{Parts: p.tableParts(), Span: p.spanFrom(start)}
	p.tables = append(p.tables, name)
	p.after = "ORDER, LIMIT"
	return selectStar(name, p.spanFrom(start))
}

// valuesQuery reads VALUES …, with an alias as in FROM.
func (p *parser) valuesQuery() SetExpr {
	start := p.peek().span
	v := p.values()
	alias, columns := p.valuesAlias(v)
	if alias == nil {
		return v
	}
	ref := &Subquery{Query: &Query{Body: v, Span: v.Span}, Alias: alias, Columns: columns, Span: p.spanFrom(start)}
	return selectStar(ref, ref.Span)
}

// valuesAlias reads the alias of VALUES, whose columns are as many as those of the rows.
func (p *parser) valuesAlias(v *ValuesClause) (*Ident, []Ident) {
	alias, columns := p.tableAlias()
	if n := len(v.Rows[0]); columns != nil && len(columns) != n {
		p.fail(v.Span, "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", "VALUES names %s and its rows have %s", plural(len(columns), "column"), plural(n, "column"))
	}
	return alias, columns
}

// values reads VALUES row, …: a row is (a, b), struct(a, b) or a single value.
func (p *parser) values() *ValuesClause {
	start := p.peek().span
	p.expect("VALUES", "")
	v := &ValuesClause{}
	for {
		switch e := p.expr().(type) {
		case *Row:
			v.Rows = append(v.Rows, e.Items)
		case *Call:
			if isStruct(e.Name) && e.Args != nil {
				v.Rows = append(v.Rows, e.Args)
				break
			}
			v.Rows = append(v.Rows, []Expr{e})
		default:
			v.Rows = append(v.Rows, []Expr{e})
		}
		if first := v.Rows[0]; len(v.Rows[len(v.Rows)-1]) != len(first) {
			p.fail(p.spanFrom(start), "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", "the rows of VALUES have %d columns and this one has %d",
				len(first), len(v.Rows[len(v.Rows)-1]))
		}
		if !p.acceptOp(",") {
			break
		}
	}
	v.Span = p.spanFrom(start)
	p.after = "a comma, an alias"
	return v
}
