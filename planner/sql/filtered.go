package sql

import "github.com/quern-engine/quern/internal/source"

// Filtered names what WHERE and HAVING clauses of a text may compare, columns among it: a hint, which knows nothing of scopes.
func Filtered(text *source.Text) []string {
	tokens, err := lex(text, whole(text))
	if err != nil {
		return nil
	}
	var names []string
	inside := false
	for _, t := range tokens {
		switch {
		case t.isOneOf("WHERE", "HAVING"):
			inside = true
		case t.isOneOf("SELECT", "FROM", "GROUP", "ORDER", "SORT", "CLUSTER", "DISTRIBUTE", "LIMIT", "WINDOW", "UNION", "INTERSECT", "EXCEPT", "JOIN"):
			inside = false
		case inside && t.isName():
			names = append(names, t.text)
		}
	}
	return names
}

// Names is all names in an expression's text, of columns or not.
func Names(text *source.Text) []string {
	tokens, err := lex(text, whole(text))
	if err != nil {
		return nil
	}
	var names []string
	for _, t := range tokens {
		if t.isName() {
			names = append(names, t.text)
		}
	}
	return names
}
