package sql

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// Parse reads one query: SELECT, WITH, VALUES or TABLE, with set operations. A semicolon may end it. Mistakes are of
// type *source.Error.
func Parse(text *source.Text) (*Query, error) {
	p, q, err := parse(text)
	if err != nil {
		return nil, err
	}
	q.Files = p.files
	return q, nil
}

// Reads lists the tables that a query reads: the names in FROM that no WITH of it defines. Mistakes are those of [Parse].
func Reads(text *source.Text) ([]*TableName, error) {
	p, _, err := parse(text)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(p.tables, func(t *TableName) bool {
		return len(t.Parts) == 1 && p.defined[strings.ToLower(t.Parts[0].Name)]
	}), nil
}

func parse(text *source.Text) (*parser, *Query, error) {
	p, err := newParser(text, whole(text))
	if err != nil {
		return nil, nil, err
	}
	q := p.query()
	p.endStatement()
	if p.err != nil {
		return nil, nil, p.err
	}
	return p, q, nil
}

// ParseExpr reads one expression.
func ParseExpr(text *source.Text) (Expr, error) {
	p, err := newParser(text, whole(text))
	if err != nil {
		return nil, err
	}
	e := p.expr()
	p.after = "an operator"
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return e, nil
}

func whole(text *source.Text) source.Span { return source.Span{End: len(text.Body)} }

// parser reads tokens by recursive descent, and expressions by precedence. It keeps the first mistake and then sees
// nothing but the end of the text, so every method returns soon and none needs to hand errors on; what a method
// returns after a mistake is never nil and never seen by a caller of this package.
type parser struct {
	text   *source.Text
	tokens []token
	pos    int
	depth  int         // levels of nesting that are open
	excess int         // operators beyond the first few of their chains
	after  string      // what may follow the clause that was read last, for messages
	prev   source.Span // the token that was read last
	files  []*TableName
	tables []*TableName // all names in FROM
	// defined are the names of the queries of WITH clauses, in lower case.
	defined map[string]bool
	err     *source.Error
	// visible are the definitions of the WITH clauses around, and recursions the recursive ones read so far.
	visible    []definitions
	recursions []Recursion
	// timeWindows are the calls of window(…) of the block that is read.
	timeWindows []*Call
}

func newParser(text *source.Text, part source.Span) (*parser, error) {
	tokens, err := lex(text, part)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, tokens: tokens, defined: map[string]bool{}}, nil
}

// peek is the next token.
func (p *parser) peek() token { return p.tokens[p.pos] }

// peekAt is the token n places further; the end of the text when there are fewer.
func (p *parser) peekAt(n int) token { return p.tokens[min(p.pos+n, len(p.tokens)-1)] }

// advance reads the next token; the end of the text is never passed.
func (p *parser) advance() token {
	t := p.tokens[p.pos]
	if t.kind != tokenEnd {
		p.pos++
		p.prev = t.span
	}
	return t
}

// spanFrom is the text from start to the end of the token read last.
func (p *parser) spanFrom(start source.Span) source.Span {
	return source.Span{Start: start.Start, End: max(p.prev.End, start.End)}
}

// accept reads the keyword if it comes next.
func (p *parser) accept(keyword string) bool {
	if !p.peek().is(keyword) {
		return false
	}
	p.advance()
	return true
}

// acceptOp reads the operator if it comes next.
func (p *parser) acceptOp(op string) bool {
	if !p.peek().isOp(op) {
		return false
	}
	p.advance()
	return true
}

// expect reads the keyword, which must come next; where completes the sentence "expected X …".
func (p *parser) expect(keyword, where string) {
	if !p.accept(keyword) {
		p.failExpected(keyword + where)
	}
}

// expectOp reads the operator, which must come next.
func (p *parser) expectOp(op, where string) {
	if !p.acceptOp(op) {
		p.failExpected(`"` + op + `"` + where)
	}
}

// closeQuery reads the ")" behind a query, or says what else the query's last clause could go on with.
func (p *parser) closeQuery() {
	if !p.acceptOp(")") {
		p.failExpected(p.following(`")"`))
	}
}

// endStatement makes sure that nothing but semicolons is left.
func (p *parser) endStatement() {
	for p.acceptOp(";") {
		p.after = ""
		if t := p.peek(); t.kind != tokenEnd && !t.isOp(";") {
			p.fail(t.span, classSyntax, "one statement at a time: expected the end of the text behind the semicolon, found %s", p.describe(t))
		}
	}
	p.end()
}

// end makes sure that nothing is left.
func (p *parser) end() {
	if p.peek().kind != tokenEnd {
		p.failExpected(p.following("the end of the text"))
	}
}

func (p *parser) following(closer string) string {
	if p.after == "" {
		return closer
	}
	return p.after + " or " + closer
}

// fail records a mistake, if it is the first, and ends the reading.
func (p *parser) fail(span source.Span, class, format string, args ...any) *source.Error {
	if p.err != nil {
		return &source.Error{} // a consequence of the first mistake: nobody will see it
	}
	p.err = p.text.Errorf(span, class, format, args...)
	p.pos = len(p.tokens) - 1
	return p.err
}

// failExpected is the usual mistake: something else was due here.
func (p *parser) failExpected(what string) {
	if p.err != nil {
		return
	}
	t, before := p.peek(), token{}
	if p.pos > 0 {
		before = p.tokens[p.pos-1]
	}
	hint := p.keywordHint(before, t)
	if t.isOp("?") || t.isOp(":") {
		hint = "a parameter is written ${name}"
	}
	err := p.fail(t.span, classSyntax, "expected %s, found %s", what, p.describe(t))
	if hint != "" {
		err.WithHint("%s", hint)
	}
}

// keywordHint suggests a keyword for the word that stopped the parser, or for the word before it: in "SELECT a FORM t"
// the name FORM was taken for an alias, and the parser stumbles one word later.
func (p *parser) keywordHint(words ...token) string {
	clauses := []string{"SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION", "JOIN", "INNER",
		"BETWEEN", "DISTINCT", "VALUES", "WHEN", "THEN"}
	for i := len(words) - 1; i >= 0; i-- {
		w := words[i]
		if w.kind != tokenWord || len(w.text) < 3 || w.isOneOf(clauses...) || isReserved(w.upper) {
			continue
		}
		if near := source.Nearest(w.upper, clauses); near != "" {
			return `did you mean ` + near + ` in place of "` + w.text + `"?`
		}
	}
	return ""
}

// unsupported refuses what Spark knows and this engine does not.
func (p *parser) unsupported(span source.Span, what string) {
	p.fail(span, "UNSUPPORTED_FEATURE", "%s", what)
}

// enter opens a level of nesting; false when there are too many. Each enter that returned true needs a leave.
func (p *parser) enter() bool {
	if p.depth >= MaxDepth {
		p.fail(p.peek().span, classSyntax, "the statement nests more than %d levels deep", MaxDepth)
		return false
	}
	p.depth++
	return true
}

func (p *parser) leave() { p.depth-- }

// chain counts the n-th operator of a chain; false when the statement has too many.
func (p *parser) chain(n int) bool {
	const free = 16
	if n <= free {
		return true
	}
	p.excess++
	if p.excess > MaxChain {
		p.fail(p.peek().span, classSyntax, "the statement chains more than %d operators", MaxChain).
			WithHint("a long OR of comparisons is shorter, and faster, as IN (…)")
		return false
	}
	return true
}
