package compute

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// parseSQL reads an expression in SQL for tests. It knows what the test files use and no more.
func parseSQL(text string, in plan.Session) (e *plan.Expr, err error) {
	list, err := parseList(text, in)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("%d expressions", len(list))
	}
	return list[0], nil
}

// parseList reads expressions between commas.
func parseList(text string, in plan.Session) (list []*plan.Expr, err error) {
	p := &reader{session: in}
	if err := p.scan(text); err != nil {
		return nil, err
	}
	for {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if p.is("as") {
			p.at++
		}
		if !p.accept(",") {
			break
		}
	}
	if p.at != len(p.tokens) {
		return nil, syntaxError("unexpected " + p.peek())
	}
	return list, nil
}

// syntaxError tells what the reader does not know from what the functions refuse.
type syntaxError string

func (s syntaxError) Error() string { return "syntax: " + string(s) }

type reader struct {
	tokens []string // strings begin with a quote, and are unescaped
	at     int
	// variables are the parameters of the lambdas around the expression, by lower-case name.
	variables    map[string]*plan.Expr
	lastVariable int
	session      plan.Session
}

func (p *reader) scan(s string) error {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\n' || c == '\t':
			i++
		case c == '\'' || c == '"':
			var b strings.Builder
			b.WriteByte('\'')
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && i+1 < len(s) {
					i++
					switch s[i] {
					case 't':
						b.WriteByte('\t')
						continue
					case 'n':
						b.WriteByte('\n')
						continue
					case 'r':
						b.WriteByte('\r')
						continue
					case '%', '_':
						b.WriteByte('\\')
					case '\\', '\'', '"', ' ':
					default:
						return syntaxError("escape")
					}
				}
				b.WriteByte(s[i])
			}
			if i == len(s) {
				return syntaxError("open string")
			}
			i++
			p.tokens = append(p.tokens, b.String())
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			j := i
			for j < len(s) && (isWord(s[j]) || s[j] == '.' || (s[j] == '-' || s[j] == '+') && (s[j-1] == 'e' || s[j-1] == 'E')) {
				j++
			}
			p.tokens = append(p.tokens, s[i:j])
			i = j
		case isWord(c):
			j := i
			for j < len(s) && isWord(s[j]) {
				j++
			}
			p.tokens = append(p.tokens, s[i:j])
			i = j
		default:
			n := 1
			for _, op := range []string{">>>", "<=>", "<=", ">=", "<>", "!=", "==", "||", "<<", ">>", "::"} {
				if strings.HasPrefix(s[i:], op) {
					n = len(op)
					break
				}
			}
			p.tokens = append(p.tokens, s[i:i+n])
			i += n
		}
	}
	return nil
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *reader) peek() string {
	if p.at >= len(p.tokens) {
		return ""
	}
	return p.tokens[p.at]
}

func (p *reader) is(words ...string) bool {
	for i, w := range words {
		if p.at+i >= len(p.tokens) || !strings.EqualFold(p.tokens[p.at+i], w) {
			return false
		}
	}
	return true
}

func (p *reader) accept(words ...string) bool {
	if !p.is(words...) {
		return false
	}
	p.at += len(words)
	return true
}

func (p *reader) expect(word string) error {
	if !p.accept(word) {
		return syntaxError("want " + word + ", got " + p.peek())
	}
	return nil
}

// binary reads left-associative operators of one level.
func (p *reader) binary(next func() (*plan.Expr, error), ops ...string) (*plan.Expr, error) {
	left, err := next()
	for err == nil {
		op := ""
		for _, o := range ops {
			if p.is(o) {
				op = o
			}
		}
		if op == "" {
			return left, nil
		}
		p.at++
		var right *plan.Expr
		if right, err = next(); err == nil {
			left, err = Call(op, left, right)
		}
	}
	return nil, err
}

func (p *reader) or() (*plan.Expr, error)  { return p.binary(p.and, "or") }
func (p *reader) and() (*plan.Expr, error) { return p.binary(p.not, "and") }

func (p *reader) not() (*plan.Expr, error) {
	if p.accept("not") {
		e, err := p.not()
		if err != nil {
			return nil, err
		}
		return Call("not", e)
	}
	return p.predicate()
}

func (p *reader) predicate() (*plan.Expr, error) {
	left, err := p.binary(p.bits, "=", "==", "<>", "!=", "<", "<=", ">", ">=", "<=>")
	if err != nil {
		return nil, err
	}
	switch {
	case p.accept("is", "not", "null"):
		return Call("isnotnull", left)
	case p.accept("is", "null"):
		return Call("isnull", left)
	}
	negate := p.accept("not")
	var e *plan.Expr
	switch {
	case p.is("like"), p.is("ilike"), p.is("rlike"):
		e, err = p.like(left)
	case p.accept("in"):
		e, err = p.in(left)
	case p.accept("between"):
		e, err = p.between(left)
	default:
		if negate {
			return nil, syntaxError("NOT")
		}
		return left, nil
	}
	if err == nil && negate {
		e, err = Call("not", e)
	}
	return e, err
}

func (p *reader) like(left *plan.Expr) (*plan.Expr, error) {
	name := strings.ToLower(p.peek())
	p.at++
	pattern, err := p.sum()
	if err != nil {
		return nil, err
	}
	args := []*plan.Expr{left, pattern}
	if p.accept("escape") {
		esc, err := p.sum()
		if err != nil {
			return nil, err
		}
		args = append(args, esc)
	}
	return Call(name, args...)
}

func (p *reader) in(left *plan.Expr) (*plan.Expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	list, err := p.arguments()
	if err != nil {
		return nil, err
	}
	return Call("in", append([]*plan.Expr{left}, list...)...)
}

func (p *reader) between(left *plan.Expr) (*plan.Expr, error) {
	low, err := p.sum()
	if err != nil {
		return nil, err
	}
	if err := p.expect("and"); err != nil {
		return nil, err
	}
	high, err := p.sum()
	if err != nil {
		return nil, err
	}
	a, err := Call(">=", left, low)
	if err != nil {
		return nil, err
	}
	b, err := Call("<=", left, high)
	if err != nil {
		return nil, err
	}
	return Call("and", a, b)
}

func (p *reader) bits() (*plan.Expr, error)    { return p.binary(p.bitXor, "|") }
func (p *reader) bitXor() (*plan.Expr, error)  { return p.binary(p.bitAnd, "^") }
func (p *reader) bitAnd() (*plan.Expr, error)  { return p.binary(p.shift, "&") }
func (p *reader) shift() (*plan.Expr, error)   { return p.binary(p.sum, "<<", ">>", ">>>") }
func (p *reader) sum() (*plan.Expr, error)     { return p.binary(p.product, "+", "-", "||") }
func (p *reader) product() (*plan.Expr, error) { return p.binary(p.unary, "*", "/", "%", "div") }

func (p *reader) unary() (*plan.Expr, error) {
	if p.accept("+") {
		e, err := p.unary()
		if err != nil {
			return nil, err
		}
		return Call("positive", e)
	}
	if p.accept("~") {
		e, err := p.unary()
		if err != nil {
			return nil, err
		}
		return Call("~", e)
	}
	if !p.accept("-") {
		return p.primary()
	}
	if c := p.peek(); c != "" && (c[0] >= '0' && c[0] <= '9' || c[0] == '.') {
		p.at++
		return numberLiteral("-" + c)
	}
	e, err := p.unary()
	if err != nil {
		return nil, err
	}
	return Call("negative", e)
}

func (p *reader) primary() (*plan.Expr, error) {
	e, err := p.simple()
	if err != nil {
		return nil, err
	}
	return p.postfix(e)
}

func (p *reader) simple() (*plan.Expr, error) {
	t := p.peek()
	next := ""
	if p.at+1 < len(p.tokens) {
		next = p.tokens[p.at+1]
	}
	p.at++
	switch lower := strings.ToLower(t); {
	case t == "":
		return nil, syntaxError("end of text")
	case t == "(":
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case t[0] == '\'':
		return plan.StringLiteral(t[1:]), nil
	case t[0] >= '0' && t[0] <= '9' || t[0] == '.':
		return numberLiteral(t)
	case lower == "null":
		return plan.NullLiteral(plan.Null), nil
	case lower == "true" || lower == "false":
		return plan.BoolLiteral(lower == "true"), nil
	case isTypedLiteral(lower) && next != "" && next[0] == '\'':
		p.at++
		return p.typedLiteral(lower, next[1:])
	case lower == "interval":
		return p.interval()
	case lower == "extract" && next == "(":
		return p.extract()
	case lower == "cast" || lower == "try_cast":
		return p.cast(lower)
	case lower == "case":
		return p.caseWhen()
	case next == "(" && isWord(t[0]):
		p.at++
		f, ok := Lookup(lower)
		if !ok || f.Kind != Scalar {
			return nil, syntaxError("function " + lower)
		}
		args, err := p.callArguments(f)
		if err != nil {
			return nil, err
		}
		return Call(lower, args...)
	case p.variables[lower] != nil:
		return p.variables[lower], nil
	}
	return nil, syntaxError("unexpected " + t)
}

func isTypedLiteral(word string) bool {
	switch word {
	case "date", "timestamp", "timestamp_ntz", "timestamp_ltz", "x":
		return true
	}
	return false
}

// arguments reads up to the closing parenthesis.
func (p *reader) arguments() (args []*plan.Expr, err error) {
	for !p.accept(")") {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		args = append(args, e)
		if !p.accept(",") && !p.is(")") {
			return nil, syntaxError("want ), got " + p.peek())
		}
	}
	return args, nil
}

func (p *reader) cast(name string) (*plan.Expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if err := p.expect("as"); err != nil {
		return nil, err
	}
	t, err := p.typeName()
	if err != nil {
		return nil, err
	}
	if !CanCast(e.Type, t) {
		return nil, CastRefusal(e.Type, t)
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if name == "try_cast" {
		return TryCast(e, t), nil
	}
	return Cast(e, t), nil
}

// typeName reads up to the parenthesis that closes the cast.
func (p *reader) caseWhen() (*plan.Expr, error) {
	var args []*plan.Expr
	for p.accept("when") {
		for _, word := range []string{"then", ""} {
			e, err := p.or()
			if err != nil {
				return nil, err
			}
			args = append(args, e)
			if word != "" {
				if err := p.expect(word); err != nil {
					return nil, err
				}
			}
		}
	}
	if p.accept("else") {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		args = append(args, e)
	}
	if err := p.expect("end"); err != nil {
		return nil, err
	}
	return Call("case", args...)
}

func (p *reader) typedLiteral(kind, s string) (*plan.Expr, error) {
	switch kind {
	case "x":
		b, err := hex.DecodeString(s)
		if err != nil {
			return nil, syntaxError(s)
		}
		return plan.LiteralExpr(plan.Binary, b)
	case "date":
		v, ok := parseDate(s)
		if !ok {
			return nil, userError("INVALID_TYPED_LITERAL", "%s", s)
		}
		return plan.LiteralExpr(plan.Date, int64(v))
	}
	in, err := newSession(p.session)
	if err != nil {
		return nil, err
	}
	t, read := plan.Timestamp, in.parseTimestamp
	if kind == "timestamp_ntz" {
		t, read = plan.TimestampNTZ, in.parseNTZ
	}
	v, ok := read(s)
	if !ok {
		return nil, userError("INVALID_TYPED_LITERAL", "%s", s)
	}
	return plan.LiteralExpr(t, v)
}

// numberLiteral reads 1, 1L, 1S, 1Y, 1.5 and 1.5BD (decimal), 1e3 and 1.5D (double), 1.5F (float).
func numberLiteral(s string) (*plan.Expr, error) {
	upper := strings.ToUpper(s)
	for _, suffix := range []struct {
		text string
		t    plan.Type
	}{{"BD", plan.Decimal(38, 0)}, {"L", plan.Int64}, {"S", plan.Int16}, {"Y", plan.Int8}, {"D", plan.Float64}, {"F", plan.Float32}} {
		body, ok := strings.CutSuffix(upper, suffix.text)
		switch {
		case !ok:
			continue
		case suffix.text == "BD":
			return decimalLiteral(body)
		case suffix.t.IsInteger():
			v, err := strconv.ParseInt(body, 10, 64)
			if low, high := intRange(suffix.t.Kind); err != nil || v < low || v > high {
				return nil, syntaxError(s)
			}
			return plan.LiteralExpr(suffix.t, v)
		}
		v, err := strconv.ParseFloat(body, map[plan.Kind]int{plan.KindFloat32: 32, plan.KindFloat64: 64}[suffix.t.Kind])
		if err != nil {
			return nil, syntaxError(s)
		}
		return plan.LiteralExpr(suffix.t, v)
	}
	switch {
	case strings.ContainsAny(upper, "E"):
		v, err := strconv.ParseFloat(upper, 64)
		if err != nil {
			return nil, syntaxError(s)
		}
		return plan.LiteralExpr(plan.Float64, v)
	case strings.Contains(s, "."):
		return decimalLiteral(s)
	}
	if v, err := strconv.ParseInt(s, 10, 32); err == nil {
		return plan.LiteralExpr(plan.Int32, v)
	}
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return plan.LiteralExpr(plan.Int64, v)
	}
	return decimalLiteral(s)
}

func decimalLiteral(s string) (*plan.Expr, error) {
	digits, scale, ok := scanDecimal(s)
	v, good := new(big.Int).SetString(digits, 10)
	if !ok || !good || scale < 0 {
		return nil, syntaxError(s)
	}
	text := v.Text(10)
	precision := max(len(strings.TrimPrefix(text, "-")), scale)
	if precision > plan.MaxPrecision {
		return nil, syntaxError("too many digits: " + s)
	}
	return plan.LiteralExpr(plan.Decimal(int32(precision), int32(scale)), decimal128.FromBigInt(v))
}
