package sql

import "github.com/quern-engine/quern/internal/source"

// joinTail goes on with the joins and pivots behind left. They associate to the left.
func (p *parser) joinTail(left TableRef, start source.Span) TableRef {
	for n := 0; ; n++ {
		if p.startsPivot() {
			if !p.chain(n) {
				return left
			}
			left = p.pivots(left, start)
			continue
		}
		keyword := p.peek()
		j, ok := p.joinType()
		if !ok || !p.chain(n) {
			return left
		}
		j.Left, j.Right = left, p.relationPrimary(p.lateral())
		p.joinCriteria(j)
		if isLateral(j.Right) {
			p.checkLateral(j, keyword)
		}
		j.Span = p.spanFrom(start)
		left = j
	}
}

// joinCriteria reads ON … or USING (…), and what an ASOF join has besides.
func (p *parser) joinCriteria(j *Join) {
	asof := j.Type == "asof" || j.Type == "asof_left"
	if asof && p.peek().is("MATCH_CONDITION") && p.peekAt(1).isOp("(") {
		p.advance()
		p.advance()
		j.Match = p.expr()
		p.expectOp(")", " at the end of MATCH_CONDITION")
	}
	switch {
	case j.Natural:
	case p.accept("ON"):
		j.On = p.expr()
	case p.accept("USING"):
		p.expectOp("(", " after USING")
		j.Using = p.idents("the name of a column")
	}
	if !asof {
		return
	}
	if p.peek().is("TOLERANCE") && p.startsClause() {
		p.advance()
		j.Tolerance = p.value(precedenceCompare)
	}
	if p.peek().is("TIES") && p.peekAt(1).isOp("(") {
		p.advance()
		p.advance()
		j.Ties = p.exprList(p.expr())
		p.expectOp(")", " or a comma")
	}
}

// isLateral reports a relation that sees the columns of those before it.
func isLateral(ref TableRef) bool {
	switch ref := ref.(type) {
	case *Subquery:
		return ref.Lateral
	case *TableFunction:
		return ref.Lateral
	case *Sample:
		return isLateral(ref.Ref)
	}
	return false
}

// checkLateral refuses joins to a lateral relation that have no meaning.
func (p *parser) checkLateral(j *Join, keyword token) {
	switch {
	case j.Natural:
		p.fail(keyword.span, "INCOMPATIBLE_JOIN_TYPES", "a join is NATURAL or LATERAL, not both")
	case j.Using != nil:
		p.fail(keyword.span, "UNSUPPORTED_FEATURE.LATERAL_JOIN_USING", "USING is not supported in a join with LATERAL")
	case j.Type != "inner" && j.Type != "left" && j.Type != "cross":
		p.fail(keyword.span, "INVALID_LATERAL_JOIN_TYPE", "LATERAL takes an inner, cross or left join")
	}
}

// joinType reads the words of a join up to and with JOIN; false when no join comes next.
func (p *parser) joinType() (*Join, bool) {
	j := &Join{Type: "inner"}
	first := p.peek()
	if !first.isOneOf("JOIN", "NATURAL", "CROSS", "INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI") && !(first.is("ASOF") && p.startsClause()) {
		return nil, false
	}
	j.Natural = p.accept("NATURAL")
	switch t := p.peek(); {
	case p.accept("INNER"):
	case t.is("CROSS"):
		p.advance()
		j.Type = "cross"
		if j.Natural {
			p.fail(t.span, "INCOMPATIBLE_JOIN_TYPES", "a join is NATURAL or CROSS, not both")
		}
	case t.isOneOf("LEFT", "RIGHT", "FULL"):
		p.advance()
		j.Type = p.outerType(t)
	case p.accept("SEMI"):
		j.Type = "left_semi"
	case p.accept("ANTI"):
		j.Type = "left_anti"
	case p.accept("ASOF"):
		j.Type = "asof"
		if p.accept("LEFT") {
			p.accept("OUTER")
			j.Type = "asof_left"
		} else {
			p.accept("INNER")
		}
	}
	p.expect("JOIN", "")
	return j, p.err == nil
}

// outerType reads what may stand between LEFT, RIGHT or FULL and JOIN.
func (p *parser) outerType(t token) string {
	left := t.upper == "LEFT"
	switch {
	case left && p.accept("SEMI"):
		return "left_semi"
	case left && p.accept("ANTI"):
		return "left_anti"
	case left && p.accept("ASOF"):
		return "asof_left"
	}
	p.accept("OUTER")
	switch t.upper {
	case "RIGHT":
		return "right"
	case "FULL":
		return "full"
	}
	return "left"
}
