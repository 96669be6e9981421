package sql

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// tokenKind is the family of a token.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a keyword or a plain name: only the parser can tell
	tokenQuoted           // a name in back quotes
	tokenString           // a string literal, escapes resolved
	tokenNumber
	tokenParam    // ${name}
	tokenOperator // operators and punctuation
)

// token is a piece of the text. The end of the text is a token too, placed right behind the last real one so that a
// caret there sits on a line that people recognise.
type token struct {
	kind   tokenKind
	number string // of a number: "integer", "decimal" or "double", as Literal.Kind
	text   string // the name, the string's value, the number's digits, the parameter's name, the canonical operator
	upper  string // of a word: its upper case; of a number: its suffix
	span   source.Span
}

// is reports the keyword (given in upper case).
func (t token) is(keyword string) bool { return t.kind == tokenWord && t.upper == keyword }

// isOp reports the operator (in canonical form).
func (t token) isOp(op string) bool { return t.kind == tokenOperator && t.text == op }

// isName reports a token that can be a name somewhere.
func (t token) isName() bool { return t.kind == tokenWord || t.kind == tokenQuoted }

// isOneOf reports one of several keywords.
func (t token) isOneOf(keywords ...string) bool {
	if t.kind != tokenWord {
		return false
	}
	for _, k := range keywords {
		if t.upper == k {
			return true
		}
	}
	return false
}

// describe shows a token in a message.
func (p *parser) describe(t token) string {
	if t.kind == tokenEnd {
		return "the end of the text"
	}
	raw := p.text.Body[t.span.Start:t.span.End]
	const most = 40
	if r := []rune(raw); len(r) > most {
		raw = string(r[:most]) + "…"
	}
	switch t.kind {
	case tokenWord, tokenOperator, tokenParam, tokenNumber:
		return fmt.Sprintf("%q", raw)
	}
	return strings.ReplaceAll(raw, "\n", " ")
}
