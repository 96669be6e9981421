package sql

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/quern-engine/quern/internal/source"
)

// Limits of a statement. They bound memory and stack on hostile input and are far beyond what people write.
const (
	// MaxTextBytes is the longest statement.
	MaxTextBytes = 1 << 20
	// MaxNameBytes is the longest identifier.
	MaxNameBytes = 1024
	// MaxDepth is how deep parentheses, subqueries and prefix operators may nest: Go's stack can grow to 1 GiB but
	// overflowing it ends the process, so the parser stops long before.
	MaxDepth = 500
	// MaxChain is how many operators of one statement may extend chains such as a + b + c…, which make trees as deep
	// as the chain is long (each chain's first few are free).
	MaxChain = 10_000
)

// classSyntax is Spark's error class for everything that the grammar refuses.
const classSyntax = "PARSE_SYNTAX_ERROR"

// lexer cuts a text into tokens.
type lexer struct {
	text   *source.Text
	body   string // the text up to where the statement ends
	pos    int
	tokens []token
}

// lex returns the tokens of a part of the text, the last of which is tokenEnd.
func lex(text *source.Text, part source.Span) ([]token, *source.Error) {
	l := &lexer{text: text, body: text.Body[:part.End], pos: part.Start}
	if err := l.checkText(); err != nil {
		return nil, err
	}
	for {
		if err := l.skipBlank(); err != nil {
			return nil, err
		}
		if l.pos >= len(l.body) {
			break
		}
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	end := part.Start
	if n := len(l.tokens); n > 0 {
		end = l.tokens[n-1].span.End
	}
	return append(l.tokens, token{kind: tokenEnd, span: source.Span{Start: end, End: end}}), nil
}

func (l *lexer) checkText() *source.Error {
	at := l.pos
	if n := len(l.body) - at; n > MaxTextBytes {
		return l.text.Errorf(source.Span{Start: at, End: at}, classSyntax, "the statement has %d bytes; at most %d are read", n, MaxTextBytes)
	}
	if utf8.ValidString(l.body[at:]) {
		return nil
	}
	for at < len(l.body) {
		r, size := utf8.DecodeRuneInString(l.body[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return l.text.Errorf(source.Span{Start: at, End: at + 1}, classSyntax, "the text is not UTF-8 here (byte 0x%02X)", l.body[at])
}

// skipBlank passes white space, comments and hints. Hints (/*+ … */) advise Spark's optimiser about how to join; they
// never change a result, so a statement that carries them is read as if they were comments.
func (l *lexer) skipBlank() *source.Error {
	for l.pos < len(l.body) {
		rest := l.body[l.pos:]
		switch {
		case strings.HasPrefix(rest, "--"):
			l.skipLineComment()
		case strings.HasPrefix(rest, "/*"):
			if err := l.skipComment(); err != nil {
				return err
			}
		default:
			r, size := utf8.DecodeRuneInString(rest)
			if !unicode.IsSpace(r) && r != '\uFEFF' {
				return nil
			}
			l.pos += size
		}
	}
	return nil
}

// skipLineComment passes "-- …" up to the end of the line; a backslash before the line's end continues it, as in Spark.
func (l *lexer) skipLineComment() {
	for l.pos < len(l.body) && l.body[l.pos] != '\n' {
		if strings.HasPrefix(l.body[l.pos:], "\\\n") {
			l.pos++
		}
		l.pos++
	}
}

// skipComment passes "/* … */", which nests.
func (l *lexer) skipComment() *source.Error {
	start, depth := l.pos, 0
	for l.pos < len(l.body) {
		rest := l.body[l.pos:]
		switch {
		case strings.HasPrefix(rest, "/*"):
			depth++
			l.pos += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			l.pos += 2
			if depth == 0 {
				return nil
			}
		default:
			l.pos++
		}
	}
	return l.text.Errorf(source.Span{Start: start, End: start + 2}, "UNCLOSED_BRACKETED_COMMENT",
		"this comment is never closed").WithHint("comments nest: each /* needs its own */")
}

// next reads one token.
func (l *lexer) next() *source.Error {
	c := l.body[l.pos]
	switch {
	case c == '\'' || c == '"':
		return l.quotedString(l.pos, false)
	case (c == 'r' || c == 'R') && l.pos+1 < len(l.body) && (l.body[l.pos+1] == '\'' || l.body[l.pos+1] == '"'):
		start := l.pos
		l.pos++
		return l.quotedString(start, true)
	case c == '`':
		return l.quotedName()
	case strings.HasPrefix(l.body[l.pos:], "${"):
		return l.param()
	case isDigit(c) || c == '.' && l.pos+1 < len(l.body) && isDigit(l.body[l.pos+1]):
		if l.number() {
			return nil
		}
	}
	if n := wordLength(l.body[l.pos:]); n > 0 {
		return l.word(n)
	}
	return l.operator()
}

func (l *lexer) emit(t token, end int) {
	t.span = source.Span{Start: l.pos, End: end}
	l.tokens = append(l.tokens, t)
	l.pos = end
}

func (l *lexer) word(n int) *source.Error {
	if n > MaxNameBytes {
		return l.text.Errorf(source.Span{Start: l.pos, End: l.pos + n}, classSyntax, "this name has %d bytes; at most %d are allowed", n, MaxNameBytes)
	}
	text := l.body[l.pos : l.pos+n]
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return l.text.Errorf(source.Span{Start: l.pos, End: l.pos + n}, "INVALID_IDENTIFIER",
				"a name without quotes has ASCII letters, digits and _ alone").WithHint("write `%s`", text)
		}
	}
	l.emit(token{kind: tokenWord, text: text, upper: strings.ToUpper(text)}, l.pos+n)
	return nil
}

// wordLength is the length of the word that s begins with, in bytes. As in Spark a word may begin with a digit.
func wordLength(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && !isDigitRune(r) && !(i > 0 && unicode.Is(unicode.Mn, r)) {
			return i
		}
	}
	return len(s)
}

// quotedName reads `…`, in which “ stands for a back quote.
func (l *lexer) quotedName() *source.Error {
	var name strings.Builder
	for i := l.pos + 1; i < len(l.body); i++ {
		if l.body[i] != '`' {
			name.WriteByte(l.body[i])
			continue
		}
		if i+1 < len(l.body) && l.body[i+1] == '`' {
			name.WriteByte('`')
			i++
			continue
		}
		span := source.Span{Start: l.pos, End: i + 1}
		switch {
		case name.Len() == 0:
			return l.text.Errorf(span, classSyntax, "a name in back quotes must not be empty")
		case name.Len() > MaxNameBytes:
			return l.text.Errorf(span, classSyntax, "this name has %d bytes; at most %d are allowed", name.Len(), MaxNameBytes)
		}
		l.emit(token{kind: tokenQuoted, text: name.String()}, i+1)
		return nil
	}
	return l.text.Errorf(source.Span{Start: l.pos, End: l.pos + 1}, classSyntax, "this back quote is never closed")
}

// param reads ${name}.
func (l *lexer) param() *source.Error {
	rest := l.body[l.pos+2:]
	n := wordLength(rest)
	if n == 0 || n > MaxNameBytes || n >= len(rest) || rest[n] != '}' {
		return l.text.Errorf(source.Span{Start: l.pos, End: l.pos + 2 + min(n, MaxNameBytes)}, classSyntax,
			"a parameter is written ${name}, with letters, digits and _ in its name")
	}
	l.emit(token{kind: tokenParam, text: rest[:n]}, l.pos+2+n+1)
	return nil
}

// number reads a number, or reports that the characters here are no number after all: 1a is a name.
func (l *lexer) number() bool {
	whole := l.pos + digits(l.body[l.pos:])
	if whole < len(l.body) && l.body[whole] == '.' {
		if l.numberUpTo(whole+1+digits(l.body[whole+1:]), true) {
			return true
		}
	}
	return whole > l.pos && l.numberUpTo(whole, false)
}

// numberUpTo emits the number whose digits end at end, with the exponent and suffix that follow, unless a character
// of a word comes directly behind.
func (l *lexer) numberUpTo(end int, point bool) bool {
	t := token{kind: tokenNumber, number: "integer"}
	if point {
		t.number = "decimal"
	}
	if n := exponent(l.body[end:]); n > 0 {
		end += n
		t.number = "double"
	}
	t.text = l.body[l.pos:end]
	rest := strings.ToUpper(l.body[end:min(end+2, len(l.body))])
	switch {
	case rest == "BD":
		t.number, t.upper = "decimal", "BD"
	case strings.HasPrefix(rest, "D"), strings.HasPrefix(rest, "F"):
		t.number, t.upper = "double", rest[:1]
	case t.number == "integer" && rest != "" && strings.Contains("LSY", rest[:1]):
		t.upper = rest[:1]
	}
	end += len(t.upper)
	if wordLength(l.body[end:]) > 0 {
		return false
	}
	l.emit(t, end)
	return true
}

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// exponent is the length of e+10 and its like at the start of s.
func exponent(s string) int {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0
	}
	n := 1
	if len(s) > 1 && (s[1] == '+' || s[1] == '-') {
		n = 2
	}
	d := digits(s[n:])
	if d == 0 {
		return 0
	}
	return n + d
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isDigitRune(r rune) bool { return r >= '0' && r <= '9' }

// operators, longest first, each with its canonical spelling. A shift to the right comes as two or three tokens ">",
// because in array<array<int>> they are brackets: the parser can tell.
func operatorAt(s string) (written, canonical string) {
	for _, o := range [...][2]string{
		{"<=>", "<=>"}, {"<>", "<>"}, {"!=", "<>"}, {"<=", "<="}, {">=", ">="}, {"!>", "<="}, {"!<", ">="}, {"==", "="},
		{"<<", "<<"}, {"||", "||"}, {"::", "::"}, {"->", "->"}, {"=>", "=>"}, {"|>", "|>"},
		{"=", "="}, {"<", "<"}, {">", ">"}, {"!", "!"}, {"+", "+"}, {"-", "-"}, {"*", "*"}, {"/", "/"}, {"%", "%"},
		{"&", "&"}, {"|", "|"}, {"^", "^"}, {"~", "~"}, {"(", "("}, {")", ")"}, {"[", "["}, {"]", "]"}, {",", ","},
		{".", "."}, {";", ";"}, {":", ":"}, {"?", "?"},
	} {
		if strings.HasPrefix(s, o[0]) {
			return o[0], o[1]
		}
	}
	return "", ""
}

func (l *lexer) operator() *source.Error {
	if written, canonical := operatorAt(l.body[l.pos:]); written != "" {
		l.emit(token{kind: tokenOperator, text: canonical}, l.pos+len(written))
		return nil
	}
	r, size := utf8.DecodeRuneInString(l.body[l.pos:])
	err := l.text.Errorf(source.Span{Start: l.pos, End: l.pos + size}, classSyntax, "unexpected character %q", r)
	switch r {
	case '‘', '’', '“', '”', '«', '»':
		err.WithHint("write strings with straight quotes: 'text'")
	case '$':
		err.WithHint("a parameter is written ${name}")
	}
	return err
}
