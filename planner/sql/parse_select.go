package sql

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// selectBlock reads SELECT … up to and with QUALIFY and WINDOW.
func (p *parser) selectBlock() *Select {
	start := p.peek().span
	s := &Select{}
	outer := p.timeWindows
	p.timeWindows = nil
	p.selectList(s)
	p.after = "a comma, FROM"
	if p.accept("FROM") {
		s.From = p.from(s)
	}
	p.selectTail(s)
	s.TimeWindows, p.timeWindows = p.timeWindows, outer
	s.Span = p.spanFrom(start)
	return s
}

// fromQuery reads FROM … SELECT …, in which SELECT stands last, and FROM …, which selects all.
func (p *parser) fromQuery() *Select {
	start := p.advance().span
	s := &Select{}
	s.From = p.from(s)
	if p.peek().is("SELECT") {
		p.selectList(s)
		p.after = "a comma, WHERE"
		s.LateralViews = append(s.LateralViews, p.lateralViews()...)
		p.selectTail(s)
		if t := p.peek(); t.is("SELECT") || t.is("FROM") {
			p.unsupported(t.span, "several SELECT behind one FROM are not supported")
		}
	} else {
		s.Items = []SelectItem{{Expr: &Star{Span: start}}}
		if t := p.peek(); t.is("INSERT") {
			p.unsupported(t.span, "INSERT behind FROM is not supported: write INSERT INTO … SELECT … FROM …")
		}
	}
	s.Span = p.spanFrom(start)
	return s
}

// selectList reads SELECT [DISTINCT] items.
func (p *parser) selectList(s *Select) {
	p.expect("SELECT", "")
	if t := p.peek(); t.isOneOf("DISTINCT", "ALL") && !standsAlone(p.peekAt(1)) {
		s.Distinct = p.advance().upper == "DISTINCT"
	}
	s.Items = p.selectItems()
	if t := p.peek(); t.is("USING") && p.peekAt(1).kind == tokenString {
		p.unsupported(t.span, "SELECT TRANSFORM … USING a program is not supported")
	}
}

// selectTail reads what stands behind FROM, up to and with WINDOW.
func (p *parser) selectTail(s *Select) {
	if p.accept("WHERE") {
		s.Where = p.expr()
		p.after = "AND, OR, GROUP BY, HAVING, ORDER BY, LIMIT"
	}
	if p.accept("GROUP") {
		p.expect("BY", " after GROUP")
		p.groupBy(s)
		p.after = "a comma, HAVING, ORDER BY, LIMIT"
	}
	if p.accept("HAVING") {
		s.Having = p.expr()
		p.after = "AND, OR, ORDER BY, LIMIT"
	}
	for range 2 { // engines differ in which of the two comes first
		switch {
		case p.peek().is("QUALIFY") && s.Qualify == nil && p.startsClause():
			p.advance()
			s.Qualify = p.expr()
			p.after = "AND, OR, ORDER BY, LIMIT"
		case p.startsWindows() && s.Windows == nil:
			s.Windows = p.windows()
			p.after = "a comma, ORDER BY, LIMIT"
		}
	}
}

func (p *parser) selectItems() []SelectItem {
	var items []SelectItem
	for {
		if t := p.peek(); t.is("FROM") && len(items) > 0 && !p.peekAt(1).isOp(",") {
			p.fail(t.span, "TRAILING_COMMA_IN_SELECT", "expected an expression after the comma, found %s", p.describe(t)).
				WithHint("remove the comma before FROM")
		}
		items = append(items, p.selectItem())
		if !p.acceptOp(",") {
			return items
		}
	}
}

// selectItem reads expression [AS alias], or expression AS (a, b) for a generator's columns.
func (p *parser) selectItem() SelectItem {
	item := SelectItem{Expr: p.expr()}
	if _, star := item.Expr.(*Star); star {
		return item
	}
	list := p.peek()
	if list.is("AS") {
		list = p.peekAt(1)
	}
	if !list.isOp("(") {
		item.Alias = p.alias()
		return item
	}
	p.accept("AS")
	p.expectOp("(", "")
	item.Aliases = p.idents("the name of a column")
	return item
}

// groupBy reads what stands behind GROUP BY.
func (p *parser) groupBy(s *Select) {
	if t := p.peek(); t.is("ALL") && !standsAlone(p.peekAt(1)) {
		p.advance()
		s.GroupAll = true
		return
	}
	start := p.peek().span
	for {
		if p.startsGrouping() {
			s.GroupBy = append(s.GroupBy, p.groupingSets())
		} else {
			s.GroupBy = append(s.GroupBy, p.expr())
		}
		if !p.acceptOp(",") {
			break
		}
	}
	p.groupByTail(s, start)
}

// groupByTail reads the older forms, in which WITH ROLLUP, WITH CUBE or GROUPING SETS (…) follows the expressions.
func (p *parser) groupByTail(s *Select, start source.Span) {
	t, next := p.peek(), p.peekAt(1)
	var g *GroupingSets
	switch {
	case t.is("WITH") && next.isOneOf("ROLLUP", "CUBE"):
		p.advance()
		p.advance()
		g = &GroupingSets{Kind: strings.ToLower(next.upper)}
		for _, e := range s.GroupBy {
			g.Sets = append(g.Sets, []Expr{e})
		}
	case t.is("GROUPING") && next.is("SETS"):
		g = p.groupingSets()
		g.Given = s.GroupBy
	default:
		return
	}
	for _, e := range s.GroupBy {
		if _, nested := e.(*GroupingSets); nested {
			p.fail(t.span.Join(next.span), classSyntax, "%s %s cannot follow grouping sets", t.upper, next.upper)
		}
	}
	g.Span = p.spanFrom(start)
	s.GroupBy = []Expr{g}
}

// startsGrouping reports ROLLUP (, CUBE ( or GROUPING SETS (.
func (p *parser) startsGrouping() bool {
	t, next := p.peek(), p.peekAt(1)
	return t.isOneOf("ROLLUP", "CUBE") && next.isOp("(") || t.is("GROUPING") && next.is("SETS") && p.peekAt(2).isOp("(")
}

// groupingSets reads ROLLUP (…), CUBE (…) or GROUPING SETS (…).
func (p *parser) groupingSets() *GroupingSets {
	t := p.advance()
	g := &GroupingSets{Kind: strings.ToLower(t.upper)}
	if t.is("GROUPING") {
		g.Kind = "sets"
		p.expect("SETS", " after GROUPING")
	}
	if !p.enter() {
		return g
	}
	defer p.leave()
	p.expectOp("(", "")
	for {
		g.Sets = append(g.Sets, p.groupingSet(g.Kind == "sets"))
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp(")", " or a comma")
	g.Span = p.spanFrom(t.span)
	return g
}

// groupingSet reads (a, b), a or (), and in GROUPING SETS more grouping sets.
func (p *parser) groupingSet(nested bool) []Expr {
	if nested && p.startsGrouping() {
		return []Expr{p.groupingSets()}
	}
	if p.peek().isOp("(") && p.peekAt(1).isOp(")") {
		p.advance()
		p.advance()
		return []Expr{}
	}
	e := p.expr()
	if row, ok := e.(*Row); ok {
		return row.Items
	}
	return []Expr{e}
}
