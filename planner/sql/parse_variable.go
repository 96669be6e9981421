package sql

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// declare reads DECLARE [OR REPLACE] [VARIABLE] names [type] [DEFAULT value].
func (p *parser) declare() Statement {
	start := p.advance().span
	s := &Declare{}
	if p.peek().is("OR") && p.peekAt(1).is("REPLACE") {
		p.advance()
		p.advance()
		s.Replace = true
	}
	if p.peek().isOneOf("VARIABLE", "VAR") && p.peekAt(1).isName() {
		p.advance()
	}
	s.Names = [][]Ident{p.tableParts()}
	for p.acceptOp(",") {
		s.Names = append(s.Names, p.tableParts())
	}
	if t := p.peek(); t.isName() && !t.is("DEFAULT") {
		s.Type = new(p.typeName())
	}
	if p.accept("DEFAULT") || p.acceptOp("=") {
		from := p.pos
		s.Default = p.expr()
		p.refuseSubquery(from)
	} else if s.Type == nil {
		p.fail(p.spanFrom(start), "INVALID_SQL_SYNTAX.VARIABLE_TYPE_OR_DEFAULT_REQUIRED", "a variable needs a type or a value")
	}
	s.Span = p.spanFrom(start)
	return s
}

// refuseSubquery refuses queries among the tokens of a default value.
func (p *parser) refuseSubquery(from int) {
	if p.err != nil {
		return
	}
	for n := from; n < p.pos; n++ {
		if p.tokens[n].isOp("(") && p.startsQuery(n+1-p.pos, false) {
			p.fail(p.tokens[n].span, "INVALID_DEFAULT_VALUE.SUBQUERY_EXPRESSION", "a default value cannot come from a query").
				WithHint("SET VAR gives a variable the result of a query")
			return
		}
	}
}

// parseSetVariable reads SET VAR name = value, … and SET VAR (names) = (query).
func parseSetVariable(text *source.Text, part source.Span) (Statement, error) {
	p, err := newParser(text, part)
	if err != nil {
		return nil, err
	}
	start := p.advance().span
	p.advance()
	s := &SetVariable{}
	if p.acceptOp("(") {
		for {
			s.Assignments = append(s.Assignments, Assignment{Name: p.tableParts()})
			if !p.acceptOp(",") {
				break
			}
		}
		p.expectOp(")", " or a comma")
		p.expectOp("=", " and a query in parentheses")
		p.expectOp("(", " before the query")
		s.Query = p.query()
		p.closeQuery()
	} else {
		for {
			a := Assignment{Name: p.tableParts()}
			p.expectOp("=", " behind the name of a variable")
			if t := p.peek(); t.is("DEFAULT") && (p.peekAt(1).isOp(",") || p.peekAt(1).isOp(";") || p.peekAt(1).kind == tokenEnd) {
				p.advance()
			} else {
				a.Value = p.expr()
			}
			s.Assignments = append(s.Assignments, a)
			if !p.acceptOp(",") {
				break
			}
		}
	}
	s.Span = p.spanFrom(start)
	p.endStatement()
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

// executeImmediate reads EXECUTE IMMEDIATE text [INTO variables] [USING values].
func (p *parser) executeImmediate() Statement {
	start := p.advance().span
	p.advance()
	s := &ExecuteImmediate{Text: p.expr()}
	if p.accept("INTO") {
		s.Into = [][]Ident{p.tableParts()}
		for p.acceptOp(",") {
			s.Into = append(s.Into, p.tableParts())
		}
	}
	if p.accept("USING") {
		paren := p.acceptOp("(")
		for {
			item := SelectItem{Expr: p.expr()}
			item.Alias = p.alias()
			s.Using = append(s.Using, item)
			if !p.acceptOp(",") {
				break
			}
		}
		if paren {
			p.expectOp(")", " or a comma")
		}
	}
	s.Span = p.spanFrom(start)
	return s
}

// BindMarkers puts values, as SQL, in place of the markers ? and :name of a statement. Mistakes are of type *source.Error.
func BindMarkers(text *source.Text, positional []string, named map[string]string) (string, error) {
	tokens, err := lex(text, whole(text))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	var unbound *source.Error
	end, count, names := 0, 0, 0
	for i, t := range tokens[:len(tokens)-1] {
		value, known := "", false
		span := t.span
		switch next := tokens[i+1]; {
		case t.isOp("?"):
			if known = count < len(positional); known {
				value = positional[count]
			}
			count++
		case t.isOp(":") && next.kind == tokenWord && next.span.Start == t.span.End && (i == 0 || tokens[i-1].span.End < t.span.Start || !tokens[i-1].isName()):
			names++
			span.End = next.span.End
			value, known = named[next.upper]
			if !known && len(positional) > 0 {
				return "", text.Errorf(span, "ALL_PARAMETERS_MUST_BE_NAMED", "the values need names, as the statement has markers with names")
			}
		default:
			continue
		}
		if count > 0 && names > 0 {
			return "", text.Errorf(span, "INVALID_QUERY_MIXED_QUERY_PARAMETERS", "a statement has markers with names, or without, but not both")
		}
		if !known && unbound == nil {
			unbound = text.Errorf(span, "UNBOUND_SQL_PARAMETER", "no value for %s", text.Body[span.Start:span.End])
		}
		b.WriteString(text.Body[end:span.Start])
		b.WriteString(value)
		end = span.End
	}
	if unbound != nil {
		return "", unbound
	}
	return b.String() + text.Body[end:], nil
}

// ComputedIdentifiers finds what stands in IDENTIFIER(…) of a statement where that is more than a string.
func ComputedIdentifiers(text *source.Text, part source.Span) []source.Span {
	if !strings.Contains(strings.ToUpper(text.Body[part.Start:part.End]), "IDENTIFIER") {
		return nil
	}
	tokens, err := lex(text, part)
	if err != nil {
		return nil // parsing says what is wrong
	}
	var found []source.Span
	for i := 0; i+2 < len(tokens); i++ {
		if !tokens[i].is("IDENTIFIER") || !tokens[i+1].isOp("(") || tokens[i+2].kind == tokenString && tokens[min(i+3, len(tokens)-1)].isOp(")") {
			continue
		}
		depth, j := 1, i+2
		for ; j < len(tokens)-1 && depth > 0; j++ {
			switch {
			case tokens[j].isOp("("):
				depth++
			case tokens[j].isOp(")"):
				depth--
			}
		}
		if depth == 0 && j-2 > i+1 {
			found = append(found, tokens[i+2].span.Join(tokens[j-2].span))
		}
	}
	return found
}
