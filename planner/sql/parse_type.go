package sql

import (
	"strconv"
	"strings"
)

// typeName reads a type.
func (p *parser) typeName() TypeName {
	start := p.peek().span
	t := TypeName{Name: "void"}
	if !p.enter() {
		return t
	}
	defer p.leave()
	first := p.peek()
	if first.kind != tokenWord || isReserved(first.upper) {
		p.failExpected("a type")
		return t
	}
	p.advance()
	t.Name = strings.ToLower(first.text)
	switch {
	case t.Name == "interval":
		t.Name = p.intervalType()
	case p.peek().isOp("<") || p.peek().isOp("<>"):
		t.Name = p.nestedType(t.Name)
	case p.acceptOp("("):
		t.Args = p.typeArgs()
	}
	t.Span = p.spanFrom(start)
	return t
}

// typeArgs reads the numbers of decimal(10, 2) behind the opening parenthesis.
func (p *parser) typeArgs() []int {
	var args []int
	for {
		n := p.peek()
		v, err := strconv.Atoi(n.text)
		if n.kind != tokenNumber || n.number != "integer" || n.upper != "" || err != nil {
			p.failExpected("a whole number")
			return nil
		}
		p.advance()
		args = append(args, v)
		if !p.acceptOp(",") {
			p.expectOp(")", " or a comma")
			return args
		}
	}
}

// intervalType reads the units behind INTERVAL in a type.
func (p *parser) intervalType() string {
	from := intervalUnit(p.peek())
	if from == "" {
		return "interval"
	}
	p.advance()
	if !p.accept("TO") {
		return "interval " + from
	}
	to := intervalUnit(p.peek())
	if to == "" {
		p.failExpected("a unit after TO")
	}
	p.advance()
	return "interval " + from + " to " + to
}

// nestedType reads the <…> of array, map and struct and returns the whole type.
func (p *parser) nestedType(name string) string {
	if p.acceptOp("<>") {
		if name != "struct" {
			p.fail(p.prev, classSyntax, "%s<> needs a type inside", name)
		}
		return name + "<>"
	}
	p.expectOp("<", "")
	var parts []string
	for {
		part := ""
		if name == "struct" {
			field := p.ident("the name of a field")
			p.acceptOp(":")
			part = formatIdent(field) + ":"
		}
		parts = append(parts, part+formatType(p.typeName(), strings.ToLower))
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp(">", " or a comma")
	if want := map[string]int{"array": 1, "map": 2, "struct": len(parts)}[name]; want != len(parts) {
		p.fail(p.prev, classSyntax, "%s<…> does not take %d types", name, len(parts))
	}
	return name + "<" + strings.Join(parts, ",") + ">"
}
