package compute

import (
	"strconv"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// interval reads INTERVAL 'text', INTERVAL 'text' FIELD [TO FIELD] and INTERVAL n UNIT ….
func (p *reader) interval() (*plan.Expr, error) {
	sign := ""
	if p.accept("-") {
		sign = "-"
	}
	units := ""
	for isQuantity(p.peek()) {
		value := sign + strings.TrimPrefix(p.peek(), "'")
		p.at++
		unit := strings.ToLower(p.peek())
		if _, ok := intervalUnits[strings.TrimSuffix(unit, "s")]; !ok {
			units += " " + value
			break
		}
		p.at++
		if p.accept("to") {
			t, err := intervalType(unit, strings.ToLower(p.peek()))
			p.at++
			if err != nil {
				return nil, err
			}
			v, err := ParseInterval(value, t)
			return &plan.Expr{Op: plan.OpLiteral, Type: t, Value: v}, err
		}
		units += " " + value + " " + unit
	}
	if units == "" {
		return nil, syntaxError("interval")
	}
	t, v, err := ParseIntervalUnits(units)
	return &plan.Expr{Op: plan.OpLiteral, Type: t, Value: v}, err
}

func isQuantity(token string) bool {
	return token != "" && (token[0] == '\'' || token[0] >= '0' && token[0] <= '9')
}

func intervalType(first, last string) (plan.Type, error) {
	for _, k := range []plan.Type{plan.YearMonthInterval, plan.DayTimeInterval} {
		from, to := -1, -1
		for i, f := range fieldsOf(k) {
			if f.name == strings.TrimSuffix(first, "s") {
				from = i
			}
			if f.name == strings.TrimSuffix(last, "s") {
				to = i
			}
		}
		if from >= 0 && to >= from {
			return plan.Type{Kind: k.Kind, Precision: int32(from), Scale: int32(to)}, nil
		}
	}
	return plan.Type{}, syntaxError("interval " + first + " to " + last)
}

// extract reads EXTRACT(field FROM source).
func (p *reader) extract() (*plan.Expr, error) {
	p.at++
	field := p.peek()
	p.at++
	if err := p.expect("from"); err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	return Call("extract", plan.StringLiteral(field), e)
}

func (p *reader) typeName() (plan.Type, error) {
	name := strings.ToLower(p.peek())
	p.at++
	switch name {
	case "interval":
		return p.intervalName()
	case "array", "map", "struct":
		return p.nestedName(name)
	}
	t, ok := plan.ParseTypeName(name)
	if !ok {
		return t, syntaxError("type " + name)
	}
	if t.Kind == plan.KindDecimal && p.accept("(") {
		precision, _ := strconv.Atoi(p.peek())
		p.at++
		scale := 0
		if p.accept(",") {
			scale, _ = strconv.Atoi(p.peek())
			p.at++
		}
		t = plan.Decimal(int32(precision), int32(scale))
		return t, p.expect(")")
	}
	return t, nil
}

func (p *reader) intervalName() (plan.Type, error) {
	first := strings.ToLower(p.peek())
	if _, ok := intervalUnits[first]; !ok {
		return plan.Interval, nil
	}
	p.at++
	last := first
	if p.accept("to") {
		last = strings.ToLower(p.peek())
		p.at++
	}
	return intervalType(first, last)
}

func (p *reader) nestedName(name string) (plan.Type, error) {
	if err := p.expect("<"); err != nil {
		return plan.Type{}, err
	}
	var fields []plan.Field
	for !p.accept(">") {
		if strings.HasPrefix(p.peek(), ">>") { // the end of this type and of the one around it
			p.tokens[p.at] = p.tokens[p.at][1:]
			break
		}
		f := plan.Field{Name: p.peek(), Nullable: true}
		if name == "struct" {
			p.at++
			p.accept(":")
		}
		t, err := p.typeName()
		if err != nil {
			return t, err
		}
		f.Type = t
		fields = append(fields, f)
		p.accept(",")
	}
	switch {
	case name == "array" && len(fields) == 1:
		return plan.Array(fields[0].Type, true), nil
	case name == "map" && len(fields) == 2:
		return plan.Map(fields[0].Type, fields[1].Type, true), nil
	case name == "struct":
		return plan.Struct(fields...), nil
	}
	return plan.Type{}, syntaxError("type " + name)
}
