package sql

import "github.com/quern-engine/quern/internal/source"

// Params lists the parameters, ${name}, of a query or an expression, in their order; none of a text that has no tokens.
func Params(text *source.Text) []*Param {
	tokens, err := lex(text, whole(text))
	if err != nil {
		return nil
	}
	var found []*Param
	for _, t := range tokens {
		if t.kind == tokenParam {
			found = append(found, &Param{Name: t.text, Span: t.span})
		}
	}
	return found
}
