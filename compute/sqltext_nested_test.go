package compute

import (
	"strings"

	"github.com/quern-engine/quern/plan"
)

// postfix reads the subscripts and fields behind an expression.
func (p *reader) postfix(e *plan.Expr) (*plan.Expr, error) {
	for {
		switch {
		case p.accept("["):
			at, err := p.or()
			if err != nil {
				return nil, err
			}
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			if e, err = Call("getitem", e, at); err != nil {
				return nil, err
			}
		case p.is(".") && p.at+1 < len(p.tokens) && isWord(p.tokens[p.at+1][0]):
			name := p.tokens[p.at+1]
			p.at += 2
			var err error
			if e, err = fieldNamed(e, name); err != nil {
				return nil, err
			}
		default:
			return e, nil
		}
	}
}

func fieldNamed(e *plan.Expr, name string) (*plan.Expr, error) {
	t := e.Type
	if isArray(t) {
		t = t.Element().Type
	}
	for i, f := range t.Children {
		if strings.EqualFold(f.Name, name) {
			lit := plan.Int64Literal(int64(i))
			lit.Type = plan.Int32
			return Call("getfield", e, lit)
		}
	}
	return nil, userError("FIELD_NOT_FOUND", "%s", name)
}

// lambdaAhead gives the names of the parameters of a lambda that begins here.
func (p *reader) lambdaAhead() (names []string, length int) {
	word := func(i int) bool { return i < len(p.tokens) && isWord(p.tokens[i][0]) }
	arrow := func(i int) bool { return i+1 < len(p.tokens) && p.tokens[i] == "-" && p.tokens[i+1] == ">" }
	if word(p.at) && arrow(p.at+1) {
		return p.tokens[p.at : p.at+1], 3
	}
	if !p.is("(") {
		return nil, 0
	}
	for i := p.at + 1; word(i); i += 2 {
		names = append(names, p.tokens[i])
		if i+1 < len(p.tokens) && p.tokens[i+1] == ")" && arrow(i+2) {
			return names, i + 4 - p.at
		}
		if i+1 >= len(p.tokens) || p.tokens[i+1] != "," {
			break
		}
	}
	return nil, 0
}

// callArguments reads a call's arguments, lambdas among them.
func (p *reader) callArguments(f *Function) (args []*plan.Expr, err error) {
	for !p.accept(")") {
		e, err := p.argument(f, args)
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

func (p *reader) argument(f *Function, before []*plan.Expr) (*plan.Expr, error) {
	names, length := p.lambdaAhead()
	if length == 0 {
		return p.or()
	}
	p.at += length
	fields, err := f.LambdaParams(before, len(before), len(names))
	if err != nil {
		return nil, err
	}
	lambda := &plan.Expr{Op: plan.OpLambda}
	outer := p.variables
	inner := map[string]*plan.Expr{}
	for name, v := range outer {
		inner[name] = v
	}
	for i, field := range fields {
		p.lastVariable++
		v := &plan.Expr{Op: plan.OpVariable, Name: names[i], Column: p.lastVariable, Type: field.Type, Nullable: field.Nullable}
		inner[strings.ToLower(names[i])] = v
		lambda.Args = append(lambda.Args, v)
	}
	p.variables = inner
	body, err := p.or()
	p.variables = outer
	if err != nil {
		return nil, err
	}
	lambda.Args = append([]*plan.Expr{body}, lambda.Args...)
	lambda.Type, lambda.Nullable = body.Type, body.Nullable
	return lambda, nil
}
