package sql

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// ident reads a name; any word will do, since the caller knows that only a name can stand here. what completes the
// sentence "expected …".
func (p *parser) ident(what string) Ident {
	t := p.peek()
	if p.startsIdentifier() {
		parts := p.identifierClause()
		if len(parts) > 1 {
			p.fail(spanOf(parts), "IDENTIFIER_TOO_MANY_NAME_PARTS", "IDENTIFIER gives one name here")
		}
		return parts[0]
	}
	if !t.isName() {
		p.failExpected(what)
		return Ident{Name: "_", Span: t.span}
	}
	p.advance()
	return Ident{Name: t.text, Quoted: t.kind == tokenQuoted, Span: t.span}
}

// wholeIdent is ident where no operator can follow: then a minus sign behind the word is part of a name like
// test-table, which needs back quotes.
func (p *parser) wholeIdent(what string) Ident {
	id := p.ident(what)
	if t, next := p.peek(), p.peekAt(1); t.isOp("-") && next.isName() && t.span.Start == id.Span.End && !id.Quoted {
		name := id.Name + "-" + next.text
		p.fail(id.Span.Join(next.span), "INVALID_IDENTIFIER", "the name %s needs back quotes", name).WithHint("write `%s`", name)
	}
	return id
}

// idents reads (a, b, …) behind its opening parenthesis.
func (p *parser) idents(what string) []Ident {
	names := p.identSeq(what)
	p.expectOp(")", " or a comma")
	return names
}

// identSeq reads a, b, ….
func (p *parser) identSeq(what string) []Ident {
	names := []Ident{p.ident(what)}
	for p.acceptOp(",") {
		names = append(names, p.ident(what))
	}
	return names
}

// nameParts reads a.b.c.
func (p *parser) nameParts() []Ident {
	if p.startsIdentifier() {
		return p.identifierClause()
	}
	parts := []Ident{p.wholeIdent("a name")}
	for p.acceptOp(".") {
		parts = append(parts, p.wholeIdent("a name after the dot"))
	}
	return parts
}

// name reads a column's name.
func (p *parser) name() *Name {
	start := p.peek().span
	parts := p.nameParts()
	return &Name{Parts: parts, Span: p.spanFrom(start)}
}

// isReserved reports the keywords that rarely begin an expression, upper case. Spark itself reserves almost nothing,
// and then reads "SELECT a, FROM t" as a column called FROM; reserving the words that carry a statement's structure
// makes such slips errors. In back quotes, behind a dot and behind AS they are names like any other, and so they are
// where no other reading is left (standsAlone).
func isReserved(word string) bool {
	switch word {
	case "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "BY", "LIMIT", "UNION", "INTERSECT", "EXCEPT", "ON", "USING",
		"JOIN", "NATURAL", "CROSS", "INNER", "FULL", "LEFT", "RIGHT", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "AS",
		"IN", "IS", "BETWEEN", "LIKE", "CASE", "NOT", "WITH", "DISTINCT", "ALL", "BOTH", "LEADING",
		"TRAILING", "CAST", "TRY_CAST":
		return true
	}
	return false
}

// standsAlone reports that next, the token behind a reserved word, can only follow an operand: in "left = 1" and
// "order.id" the word is a name.
func standsAlone(next token) bool {
	if next.kind != tokenOperator {
		return next.isOneOf("IS", "AS", "FROM")
	}
	switch next.text {
	case "(", "*", "-", "+", "~", "!", ";":
		return false
	}
	return true
}

// startsJoin reports a token that, behind LEFT, RIGHT or FULL, goes on with a join or calls a function.
func startsJoin(next token) bool {
	return next.isOneOf("JOIN", "OUTER", "SEMI", "ANTI", "ASOF") || next.isOp("(") || next.kind == tokenEnd
}

// isClause reports the keywords that go on with a query, and so are no alias unless AS stands before them.
func isClause(word string) bool {
	if isReserved(word) {
		return word != "WITH" && word != "CAST" && word != "TRY_CAST"
	}
	switch word {
	case "MINUS", "LATERAL", "SEMI", "ANTI", "FOR", "ILIKE", "RLIKE", "REGEXP", "COLLATE", "ESCAPE":
		return true
	}
	return false
}

// startsClause reports that the word that comes next goes on with the query. Many keywords are names, too, and only
// what follows them tells.
func (p *parser) startsClause() bool {
	t, next := p.peek(), p.peekAt(1)
	if t.kind != tokenWord {
		return false
	}
	if isClause(t.upper) {
		return true
	}
	switch t.upper {
	case "OFFSET", "QUALIFY":
		return next.kind != tokenEnd && !next.isOp(",") && !next.isOp(")") && !next.isOp(";") && !next.is("FROM") && !next.is("WHERE")
	case "WINDOW":
		return next.isName() && p.peekAt(2).is("AS")
	case "SORT", "CLUSTER", "DISTRIBUTE", "PARTITION":
		return next.is("BY")
	case "TABLESAMPLE", "PIVOT", "MATCH_CONDITION", "TIES":
		return next.isOp("(")
	case "UNPIVOT":
		return next.isOp("(") || next.isOneOf("INCLUDE", "EXCLUDE")
	case "ASOF":
		return next.isOneOf("JOIN", "LEFT", "INNER")
	case "GROUPING":
		return next.is("SETS")
	case "TOLERANCE":
		return next.kind != tokenEnd && !next.isOp(",") && !next.isOp(")") && !next.isOp("(")
	case "NULLS":
		return next.isOneOf("FIRST", "LAST")
	}
	return false
}

// alias reads [AS] name; nil when there is none.
func (p *parser) alias() *Ident {
	t := p.peek()
	if p.accept("AS") {
		if next := p.peek(); next.kind == tokenString {
			p.fail(next.span, classSyntax, "an alias is a name, not a string").
				WithHint("quote names with back quotes: `%s`", strings.ReplaceAll(next.text, "`", "``"))
		}
		name := p.wholeIdent("a name after AS")
		return &name
	}
	if t.kind == tokenQuoted || t.kind == tokenWord && !p.startsClause() {
		name := p.wholeIdent("a name")
		return &name
	}
	return nil
}

// spanOf is the text of several names.
func spanOf(parts []Ident) source.Span {
	return parts[0].Span.Join(parts[len(parts)-1].Span)
}
