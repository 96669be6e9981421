// Package source ties errors to the text that a person wrote: a job file, a SQL statement. Its errors show the file,
// line and column, the line itself, and a caret below the place.
package source

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text is a piece of text inside a file: the whole of it, or a SQL block of a job file.
type Text struct {
	File string // name shown to people
	Body string // the piece
	// Line and Column say where the piece begins in the file (from 0), so that positions can be given in the file's
	// terms. In a YAML block scalar every line of the piece is indented by Column.
	Line, Column int
	// Prefix is what the file has before the piece on its first line, shown there in place of Column blanks: for a
	// piece that begins in the middle of a line.
	Prefix string
}

// Span is a half-open range of byte offsets in Text.Body.
type Span struct{ Start, End int }

// Join is the smallest span around two.
func (s Span) Join(o Span) Span { return Span{min(s.Start, o.Start), max(s.End, o.End)} }

// Error is a mistake in a text. Errors of this type are the user's, found before anything runs.
type Error struct {
	Class   string // Spark's error class where one exists ("UNRESOLVED_COLUMN"), else ""
	Message string
	Hint    string // what to do about it; may be empty
	File    string
	Line    int    // from 1; 0 when the place is not known
	Column  int    // from 1, in characters
	Width   int    // characters to underline, at least 1
	Source  string // the line
}

// Errorf makes an error at a span.
func (t *Text) Errorf(span Span, class, format string, args ...any) *Error {
	e := &Error{Class: class, Message: fmt.Sprintf(format, args...), File: t.File}
	start := min(max(span.Start, 0), len(t.Body))
	lineStart := strings.LastIndexByte(t.Body[:start], '\n') + 1
	lineEnd := len(t.Body)
	if i := strings.IndexByte(t.Body[start:], '\n'); i >= 0 {
		lineEnd = start + i
	}
	e.Line = t.Line + strings.Count(t.Body[:start], "\n") + 1
	e.Column = t.Column + utf8.RuneCountInString(t.Body[lineStart:start]) + 1
	before := strings.Repeat(" ", t.Column)
	if lineStart == 0 && t.Prefix != "" {
		before = t.Prefix
	}
	e.Source = before + strings.TrimRight(t.Body[lineStart:lineEnd], "\r")
	e.Width = max(1, utf8.RuneCountInString(t.Body[start:max(start, min(span.End, lineEnd))]))
	return e
}

// WithHint adds advice to an error.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Error is the whole picture, over several lines:
//
//	jobs/x.yaml:12:9: [UNRESOLVED_COLUMN] no column "orign" here
//	   12 |   SELECT orign, count(*)
//	      |          ^^^^^
//	      = did you mean "origin"?
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", e.Line, e.Column)
	}
	if b.Len() > 0 {
		b.WriteString(" ")
	}
	if e.Class != "" {
		b.WriteString("[" + e.Class + "] ")
	}
	b.WriteString(e.Message)
	if e.Line > 0 {
		gutter := strings.Repeat(" ", 5)
		fmt.Fprintf(&b, "\n%5d | %s\n%s | %s%s", e.Line, e.Source, gutter, indentLike(e.Source, e.Column-1), strings.Repeat("^", e.Width))
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "\n      = %s", e.Hint)
	}
	return b.String()
}

// indentLike is white space as wide as the first n characters of line, tabs kept so that the caret stays below.
func indentLike(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n <= 0 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
		n--
	}
	b.WriteString(strings.Repeat(" ", max(n, 0)))
	return b.String()
}

// Nearest is the candidate closest to name by edit distance, or "" when none is near enough to suggest.
func Nearest(name string, candidates []string) string {
	best, bestDistance := "", 1+len(name)/3
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(c)); d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
