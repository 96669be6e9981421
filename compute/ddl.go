package compute

import (
	"strconv"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// ParseSchema reads a schema as functions like from_json take it: the fields of a struct ("a INT, b ARRAY<STRING>"), or a
// type. Errors are user errors.
func ParseSchema(text string) (plan.Type, error) {
	p := &ddlReader{text: text}
	p.advance()
	if t, ok := p.wholeType(); ok {
		return t, nil
	}
	p = &ddlReader{text: text}
	p.advance()
	fields, ok := p.fields("", false)
	if !ok || p.token != "" {
		return plan.Type{}, userError("PARSE_SYNTAX_ERROR", "Syntax error at or near %s in the schema %s.", sqlString(p.token), sqlString(text))
	}
	return plan.Struct(fields...), nil
}

// ddlReader reads types token by token.
type ddlReader struct {
	text   string
	at     int
	token  string // the token at hand; empty at the end
	quoted bool   // it is a name in backticks, or a string
}

func (p *ddlReader) advance() {
	p.quoted = false
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	from := p.at
	if from == len(p.text) {
		p.token = ""
		return
	}
	c := p.text[p.at]
	p.at++
	switch {
	case c == '`' || c == '\'' || c == '"':
		end := strings.IndexByte(p.text[p.at:], c)
		if end < 0 {
			p.token, p.at = p.text[from:], len(p.text)
			return
		}
		p.token, p.quoted = p.text[p.at:p.at+end], true
		p.at += end + 1
		return
	case isNameByte(c):
		for p.at < len(p.text) && isNameByte(p.text[p.at]) {
			p.at++
		}
	}
	p.token = p.text[from:p.at]
}

func (p *ddlReader) accept(word string) bool {
	if p.quoted || !strings.EqualFold(p.token, word) {
		return false
	}
	p.advance()
	return true
}

func (p *ddlReader) wholeType() (plan.Type, bool) {
	t, ok := p.dataType()
	return t, ok && p.token == ""
}

func (p *ddlReader) dataType() (plan.Type, bool) {
	if p.quoted {
		return plan.Type{}, false
	}
	name := strings.ToLower(p.token)
	p.advance()
	switch name {
	case "array":
		if !p.accept("<") {
			return plan.Type{}, false
		}
		t, ok := p.dataType()
		return arrayOf(t), ok && p.accept(">")
	case "map":
		if !p.accept("<") {
			return plan.Type{}, false
		}
		key, ok := p.dataType()
		if !ok || !p.accept(",") {
			return plan.Type{}, false
		}
		val, ok := p.dataType()
		return mapOf(key, val), ok && p.accept(">")
	case "struct":
		return p.structType()
	case "decimal", "dec", "numeric":
		return p.decimal()
	case "interval":
		return p.interval()
	case "char", "varchar", "character":
		_, ok := p.parameters(1)
		return plan.String, ok
	}
	return plan.ParseTypeName(name)
}

func (p *ddlReader) structType() (plan.Type, bool) {
	if !p.accept("<") {
		return plan.Type{}, false
	}
	if p.accept(">") {
		return plan.Struct(), true
	}
	fields, ok := p.fields(">", true)
	return plan.Struct(fields...), ok && p.accept(">")
}

// fields reads "name type" or, inside struct<…>, "name: type", between commas.
func (p *ddlReader) fields(end string, colons bool) ([]plan.Field, bool) {
	var fields []plan.Field
	for {
		if p.token == "" || !p.quoted && !isNameByte(p.token[0]) {
			return nil, false
		}
		f := plan.Field{Name: p.token, Nullable: true}
		p.advance()
		if p.accept(":") && !colons {
			return nil, false
		}
		var ok bool
		if f.Type, ok = p.dataType(); !ok {
			return nil, false
		}
		if p.accept("not") {
			if !p.accept("null") {
				return nil, false
			}
		}
		if p.accept("comment") {
			if !p.quoted {
				return nil, false
			}
			p.advance()
		}
		fields = append(fields, f)
		if p.token == end && !p.quoted {
			return fields, true
		}
		if !p.accept(",") {
			return nil, false
		}
	}
}

// parameters reads up to n whole numbers in parentheses; there may be none.
func (p *ddlReader) parameters(n int) ([]int32, bool) {
	if !p.accept("(") {
		return nil, true
	}
	var out []int32
	for {
		v, err := strconv.ParseInt(p.token, 10, 32)
		if err != nil || len(out) == n {
			return nil, false
		}
		out = append(out, int32(v))
		p.advance()
		if p.accept(")") {
			return out, true
		}
		if !p.accept(",") {
			return nil, false
		}
	}
}

func (p *ddlReader) decimal() (plan.Type, bool) {
	params, ok := p.parameters(2)
	t := plan.Decimal(10, 0)
	if len(params) > 0 {
		t.Precision = params[0]
	}
	if len(params) > 1 {
		t.Scale = params[1]
	}
	return t, ok && t.Precision >= 1 && t.Precision <= plan.MaxPrecision && t.Scale >= 0 && t.Scale <= t.Precision
}

// interval reads the fields of an interval type: YEAR TO MONTH, DAY, HOUR TO SECOND ….
func (p *ddlReader) interval() (plan.Type, bool) {
	months := map[string]int32{"year": plan.FieldYear, "month": plan.FieldMonth}
	days := map[string]int32{"day": plan.FieldDay, "hour": plan.FieldHour, "minute": plan.FieldMinute, "second": plan.FieldSecond}
	for kind, fields := range map[plan.Kind]map[string]int32{plan.KindYearMonthInterval: months, plan.KindDayTimeInterval: days} {
		first, ok := fields[strings.ToLower(p.token)]
		if !ok {
			continue
		}
		p.advance()
		t := plan.Type{Kind: kind, Precision: first, Scale: first}
		if p.accept("to") {
			last, ok := fields[strings.ToLower(p.token)]
			p.advance()
			t.Scale = last
			return t, ok && last > first
		}
		return t, true
	}
	return plan.Interval, true
}
