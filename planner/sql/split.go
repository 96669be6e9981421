package sql

import (
	"strings"
	"unicode/utf8"

	"github.com/quern-engine/quern/internal/source"
)

// SplitStatements finds the statements of a script: what lies between semicolons outside of strings, names in back
// quotes and comments, without the blanks and comments around it. It never fails: a string that is not closed makes
// its statement reach to the end, and parsing that says so.
func SplitStatements(text *source.Text) []source.Span {
	var spans []source.Span
	l := &lexer{text: text, body: text.Body}
	for l.pos < len(l.body) {
		if span := l.statement(); span.End > span.Start {
			spans = append(spans, span)
		}
	}
	return spans
}

// statement passes one statement with its semicolon and returns where it is, without the semicolon.
func (l *lexer) statement() source.Span {
	span := source.Span{Start: -1, End: -1}
	for l.pos < len(l.body) {
		if err := l.skipBlank(); err != nil { // a comment without end: part of a statement, so that it is reported
			l.pos = len(l.body)
			return source.Span{Start: max(span.Start, 0), End: len(l.body)}
		}
		if l.pos >= len(l.body) {
			break
		}
		if l.body[l.pos] == ';' {
			l.pos++
			break
		}
		if span.Start < 0 {
			span.Start = l.pos
		}
		l.skipPiece()
		span.End = l.pos
	}
	return span
}

// skipPiece passes a quoted piece, or one character that begins none. An r before a quote makes a raw string, in which
// a backslash is no escape, unless it ends a word.
func (l *lexer) skipPiece() {
	n := wordLength(l.body[l.pos:])
	word := l.body[l.pos : l.pos+n]
	l.pos += n
	if l.pos >= len(l.body) || n > 0 && !strings.EqualFold(word, "r") {
		return
	}
	quote := l.body[l.pos]
	if quote != '\'' && quote != '"' && quote != '`' {
		if n == 0 {
			_, size := utf8.DecodeRuneInString(l.body[l.pos:])
			l.pos += size
		}
		return
	}
	if n > 0 && quote == '`' {
		return
	}
	for l.pos++; l.pos < len(l.body); l.pos++ {
		switch l.body[l.pos] {
		case '\\':
			if n == 0 && quote != '`' {
				l.pos++
			}
		case quote:
			l.pos++
			return
		}
	}
	l.pos = min(l.pos, len(l.body))
}
