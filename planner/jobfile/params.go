package jobfile

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// Params are the values of a job's parameters for one run.
type Params struct{ list []resolved }

type resolved struct {
	param plan.Param
	value *plan.Expr
}

// Resolve gives each parameter its value: the given one, else its default. Mistakes are of type *source.Error.
func (f *File) Resolve(given map[string]string) (Params, error) {
	names := make([]string, len(f.Params))
	for i, p := range f.Params {
		names[i] = p.Name.Text
	}
	if err := f.refuseUnknown(given, names); err != nil {
		return Params{}, err
	}
	var out Params
	for _, p := range f.Params {
		text, ok := p.text(given)
		if !ok {
			return Params{}, f.Errorf(p.Name.Span, "the parameter %q has no value and no default", p.Name.Text).
				WithHint("give it with -p %s=… (%s: %s)", p.Name.Text, p.Type, valueForm(p.Type))
		}
		r, err := f.resolve(p, text)
		if err != nil {
			return Params{}, err
		}
		out.list = append(out.list, r)
	}
	return out, nil
}

// Check is [File.Resolve] for checking a job: it goes on after a mistake, and a parameter without a value is none, but gets
// one that is as good as any of its type. Missing are the names of those.
func (f *File) Check(given map[string]string) (out Params, missing []string, mistakes []error) {
	names := make([]string, len(f.Params))
	for i, p := range f.Params {
		names[i] = p.Name.Text
		text, ok := p.text(given)
		if !ok {
			missing = append(missing, p.Name.Text)
			text = anyValue(p.Type)
		}
		r, err := f.resolve(p, text)
		if err != nil {
			mistakes = append(mistakes, err)
			r, _ = f.resolve(p, anyValue(p.Type)) // which is of the type
		}
		out.list = append(out.list, r)
	}
	if err := f.refuseUnknown(given, names); err != nil {
		mistakes = append(mistakes, err)
	}
	return out, missing, mistakes
}

// text is the given value of a parameter, or its default; false if there is neither.
func (p *Param) text(given map[string]string) (string, bool) {
	text, ok := given[p.Name.Text]
	if !ok && p.Default != nil {
		return p.Default.Text, true
	}
	return text, ok
}

func (f *File) resolve(p Param, text string) (resolved, error) {
	value, err := parseValue(p.Type, text)
	if err != nil {
		return resolved{}, f.Errorf(p.Name.Span, "the parameter %q: %s", p.Name.Text, err)
	}
	return resolved{plan.Param{Name: p.Name.Text, Type: p.Type, Value: formatValue(value)}, value}, nil
}

// anyValue is a value of a type that parameters can have.
func anyValue(t plan.Type) string {
	switch t.Kind {
	case plan.KindBoolean:
		return "false"
	case plan.KindDate, plan.KindTimestamp:
		return "2001-01-01"
	}
	return "0"
}

// refuseUnknown refuses values for parameters that the job does not have; the first by name, so that the message does
// not change from run to run.
func (f *File) refuseUnknown(given map[string]string, names []string) error {
	var unknown []string
	for name := range given {
		if i := indexOf(names, name); i < 0 {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	sort.Strings(unknown)
	err := &source.Error{File: f.Text.File, Message: fmt.Sprintf("the job has no parameter %q", unknown[0])}
	switch near := source.Nearest(unknown[0], names); {
	case near != "":
		err.Hint = fmt.Sprintf("did you mean %q?", near)
	case len(names) > 0:
		err.Hint = "its parameters are " + strings.Join(names, ", ")
	default:
		err.Hint = "it has none"
	}
	return err
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// Literal is a parameter's value as a typed constant.
func (p Params) Literal(name string) (*plan.Expr, bool) {
	for _, r := range p.list {
		if r.param.Name == name {
			return r.value, true
		}
	}
	return nil, false
}

// List is all parameters with their values as text, in the file's order.
func (p Params) List() []plan.Param {
	list := make([]plan.Param, len(p.list))
	for i, r := range p.list {
		list[i] = r.param
	}
	return list
}

// Expand replaces each ${name} in a path of the file by the parameter's value. A value that could lead elsewhere is
// refused: what it may be is decided by who writes the job, not by who runs it.
func (p Params) Expand(f *File, path Value) (string, error) {
	text, err := f.expand(path, func(name string) (string, string) {
		for _, r := range p.list {
			if r.param.Name == name {
				return r.param.Value, refusePathValue(r.param)
			}
		}
		return "", "there is no parameter " + quoted([]string{name})
	})
	if err != nil {
		return "", err
	}
	return text, nil
}

// Text replaces each ${name} in a text of the file that is not a path by the parameter's value.
func (p Params) Text(f *File, v Value) (string, error) {
	text, err := f.expand(v, func(name string) (string, string) {
		for _, r := range p.list {
			if r.param.Name == name {
				return r.param.Value, ""
			}
		}
		return "", "there is no parameter " + quoted([]string{name})
	})
	if err != nil {
		return "", err
	}
	return text, nil
}

// refusePathValue says why a value cannot be part of a path, "" when it can. Only characters that mean nothing in
// paths, patterns and URLs are allowed.
func refusePathValue(p plan.Param) string {
	bad := strings.IndexFunc(p.Value, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune(" _-.:=+,@", c)
	})
	switch {
	case p.Value == "":
		return fmt.Sprintf("the parameter %q is empty, and cannot be part of a path", p.Name)
	case strings.Contains(p.Value, ".."):
		return fmt.Sprintf("the value %q of the parameter %q contains \"..\", and cannot be part of a path", p.Value, p.Name)
	case bad >= 0:
		c, _ := utf8.DecodeRuneInString(p.Value[bad:])
		return fmt.Sprintf("the value %q of the parameter %q contains %q, and cannot be part of a path", p.Value, p.Name, c)
	}
	return ""
}

// expand replaces each ${name} in a path by what value says; its second result is a mistake.
func (f *File) expand(path Value, value func(name string) (string, string)) (string, *source.Error) {
	var b strings.Builder
	rest := path.Text
	for n := 0; ; n++ {
		before, after, found := strings.Cut(rest, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed || !namePattern.MatchString(name) {
			return "", f.Errorf(f.nthParam(path, n, ""), "a parameter is written ${name}, with letters, digits and _ in its name")
		}
		text, mistake := value(name)
		if mistake != "" {
			names := make([]string, len(f.Params))
			for i, p := range f.Params {
				names[i] = p.Name.Text
			}
			err := f.Errorf(f.nthParam(path, n, name), "%s", mistake)
			if near := source.Nearest(name, names); near != "" && near != name {
				err.WithHint("did you mean ${%s}?", near)
			}
			return "", err
		}
		b.WriteString(text)
		rest = tail
	}
}

// nthParam is the place of the n-th ${ in a path: the whole path where escapes make it uncertain.
func (f *File) nthParam(path Value, n int, name string) source.Span {
	raw := f.Text.Body[path.Span.Start:path.Span.End]
	if strings.Count(raw, "${") != strings.Count(path.Text, "${") {
		return path.Span
	}
	at := strings.Index(raw, "${")
	for ; n > 0; n-- {
		at += 2 + strings.Index(raw[at+2:], "${")
	}
	start := path.Span.Start + at
	end := start + 2
	if name != "" {
		end += len(name) + 1
	}
	return source.Span{Start: start, End: end}
}

// valueForm says how a value of a type is written; "" for types that parameters do not have.
func valueForm(t plan.Type) string {
	switch t.Kind {
	case plan.KindBoolean:
		return "true or false"
	case plan.KindInt32, plan.KindInt64:
		return "a whole number such as 7"
	case plan.KindFloat64:
		return "a number such as 0.5 or 1e-3"
	case plan.KindDecimal:
		return fmt.Sprintf("a number with at most %d digits before the point and %d behind it", t.Precision-t.Scale, t.Scale)
	case plan.KindString:
		return "any text"
	case plan.KindDate:
		return "a day such as 2001-01-31"
	case plan.KindTimestamp:
		return "a time such as 2001-01-31 12:30:00 or 2001-01-31T12:30:00Z"
	}
	return ""
}

// parseValue reads a value of a type.
func parseValue(t plan.Type, text string) (*plan.Expr, error) {
	v, ok := goValue(t, text)
	if !ok {
		if t.Kind == plan.KindString {
			return nil, errors.New("the text is not UTF-8")
		}
		return nil, fmt.Errorf("%q is not of type %s; write %s", text, t, valueForm(t))
	}
	return plan.LiteralExpr(t, v)
}

// Numbers are written in the decimal system, without the hexadecimal forms and the underscores that Go also reads.
var (
	wholePattern  = regexp.MustCompile(`^[+-]?[0-9]+$`)
	numberPattern = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
)

// goValue reads a value as what plan.LiteralExpr takes.
func goValue(t plan.Type, text string) (any, bool) {
	switch t.Kind {
	case plan.KindBoolean:
		switch strings.ToLower(text) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	case plan.KindInt32, plan.KindInt64:
		bits := 64
		if t.Kind == plan.KindInt32 {
			bits = 32
		}
		v, err := strconv.ParseInt(text, 10, bits)
		return v, err == nil && wholePattern.MatchString(text)
	case plan.KindFloat64:
		v, err := strconv.ParseFloat(text, 64)
		return v, err == nil && !math.IsInf(v, 0) && numberPattern.MatchString(text)
	case plan.KindDecimal:
		return parseDecimal(t, text)
	case plan.KindString:
		return text, utf8.ValidString(text)
	case plan.KindDate:
		v, err := time.Parse("2006-01-02", text)
		return v.Unix() / 86400, err == nil && v.Year() > 0 // years before 1970 are whole days, too
	case plan.KindTimestamp:
		return parseTimestamp(text)
	}
	return nil, false
}

var decimalValuePattern = regexp.MustCompile(`^([+-]?)([0-9]{1,60})(?:\.([0-9]{0,60}))?$`)

// parseDecimal reads a decimal exactly: digits that the type cannot hold are refused, not rounded.
func parseDecimal(t plan.Type, text string) (any, bool) {
	m := decimalValuePattern.FindStringSubmatch(text)
	if m == nil {
		return nil, false
	}
	fraction := strings.TrimRight(m[3], "0")
	if len(fraction) > int(t.Scale) {
		return nil, false
	}
	digits := m[2] + fraction + strings.Repeat("0", int(t.Scale)-len(fraction))
	if len(strings.TrimLeft(digits, "0")) > int(t.Precision) {
		return nil, false
	}
	unscaled, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return nil, false
	}
	if m[1] == "-" {
		unscaled.Neg(unscaled)
	}
	return decimal128.FromBigInt(unscaled), true
}

// parseTimestamp reads a time; without a zone it is UTC, like all times in SQL here.
func parseTimestamp(text string) (any, bool) {
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", time.RFC3339} {
		v, err := time.Parse(layout, text)
		if err == nil && v.Year() > 0 && v.Year() < 10000 && v.Nanosecond()%1000 == 0 {
			return v.UnixMicro(), true
		}
	}
	return nil, false
}

// formatValue is a value in its canonical form, as it stands in manifests and paths.
func formatValue(e *plan.Expr) string {
	switch e.Type.Kind {
	case plan.KindString:
		return string(e.Value.Bytes)
	case plan.KindDate:
		return time.Unix(e.Value.Int*86400, 0).UTC().Format("2006-01-02")
	case plan.KindTimestamp:
		return time.UnixMicro(e.Value.Int).UTC().Format("2006-01-02 15:04:05.999999")
	}
	return plan.FormatLiteral(e.Type, e.Value)
}
