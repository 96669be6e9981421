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
	if !first.isName() {
		p.failExpected("a type")
		return t
	}
	p.advance()
	t.Name = strings.ToLower(first.text)
	switch t.Name {
	case "interval":
		t.Name = p.intervalType()
	case "array", "map", "struct":
		p.nestedType(&t)
	default:
		if p.acceptOp("(") {
			t.Args = p.typeArgs()
		}
	}
	if t.Name == "timestamp" && p.peek().is("WITHOUT") && p.peekAt(1).is("TIME") && p.peekAt(2).is("ZONE") {
		for range 3 {
			p.advance()
		}
		t.Name = "timestamp_ntz"
	}
	if c := p.peek(); c.is("COLLATE") {
		p.unsupported(c.span, "COLLATE is not supported: strings compare by their bytes")
	}
	t.Span = p.spanFrom(start)
	p.checkType(t, first)
	return t
}

// checkType refuses types that do not exist, and numbers that a type does not take.
func (p *parser) checkType(t TypeName, first token) {
	most := 0
	switch t.Name {
	case "boolean", "tinyint", "byte", "smallint", "short", "int", "integer", "bigint", "long", "float", "real", "double", "date",
		"timestamp", "timestamp_ltz", "timestamp_ntz", "string", "binary", "void", "array", "map", "struct":
	case "decimal", "dec", "numeric":
		most = 2
	case "char", "character", "varchar":
		most = 1
		if t.Args == nil {
			p.fail(t.Span, "DATATYPE_MISSING_SIZE", "%s needs a length, such as %s(10)", strings.ToUpper(t.Name), strings.ToUpper(t.Name))
		}
	case "time":
		p.fail(t.Span, "UNSUPPORTED_TIME_TYPE", "the type TIME is not supported")
	case "variant", "geography", "geometry":
		p.unsupported(t.Span, "the type "+strings.ToUpper(t.Name)+" is not supported")
	default:
		if strings.HasPrefix(t.Name, "interval") {
			return
		}
		err := p.fail(t.Span, "UNSUPPORTED_DATATYPE", "there is no type %s", strings.ToUpper(first.text))
		if hint := typeHint(t.Name); hint != "" {
			err.WithHint("did you mean %s?", hint)
		}
	}
	if len(t.Args) > most {
		p.fail(t.Span, "UNSUPPORTED_DATATYPE", "the type %s does not take %s", strings.ToUpper(t.Name), plural(len(t.Args), "number"))
	}
}

// typeHint is the type here for names from other engines.
func typeHint(name string) string {
	switch name {
	case "text", "nvarchar", "clob":
		return "STRING"
	case "int2", "int16":
		return "SMALLINT"
	case "int4", "int32", "signed":
		return "INT"
	case "int8", "int64", "hugeint":
		return "BIGINT"
	case "float4", "float32":
		return "FLOAT"
	case "float8", "float64":
		return "DOUBLE"
	case "bool":
		return "BOOLEAN"
	case "datetime", "timestamptz":
		return "TIMESTAMP"
	case "blob", "bytea", "varbinary", "bytes":
		return "BINARY"
	}
	return ""
}

// typeArgs reads the numbers of decimal(10, 2) behind the opening parenthesis.
func (p *parser) typeArgs() []int {
	var args []int
	for {
		args = append(args, p.wholeNumber())
		if !p.acceptOp(",") {
			p.expectOp(")", " or a comma")
			return args
		}
	}
}

// intervalType reads the units behind INTERVAL in a type.
func (p *parser) intervalType() string {
	from := p.peek()
	order := intervalRank(from)
	if order == 0 {
		return "interval"
	}
	p.advance()
	name := "interval " + strings.ToLower(from.upper)
	to := p.peekAt(1)
	if !p.peek().is("TO") || intervalRank(to) == 0 {
		return name
	}
	p.advance()
	p.advance()
	if last := intervalRank(to); (order <= 2) != (last <= 2) || last <= order {
		p.fail(from.span.Join(to.span), classSyntax, "an interval does not go from %s to %s", from.upper, to.upper)
	}
	return name + " to " + strings.ToLower(to.upper)
}

// intervalRank orders the units of interval types: years and months, and days to seconds; 0 for other words.
func intervalRank(t token) int {
	if t.kind == tokenWord {
		for i, unit := range [...]string{"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"} {
			if t.upper == unit {
				return i + 1
			}
		}
	}
	return 0
}

// nestedType reads the <…> of array, map and struct.
func (p *parser) nestedType(t *TypeName) {
	upper := strings.ToUpper(t.Name)
	if t.Name == "struct" && p.acceptOp("<>") {
		t.Fields = []TypeField{}
		return
	}
	if !p.acceptOp("<") {
		p.fail(p.prev, "INCOMPLETE_TYPE_DEFINITION."+upper, "%s needs the type of what it holds, such as %s", upper, nestedExample(t.Name))
		return
	}
	t.Fields = []TypeField{}
	for t.Name != "struct" || !p.peek().isOp(">") {
		var f TypeField
		if t.Name == "struct" {
			f.Name = p.wholeIdent("the name of a field")
			p.acceptOp(":")
		}
		f.Type = p.typeName()
		if t.Name == "struct" {
			f.NotNull = p.notNull()
			p.comment()
		}
		t.Fields = append(t.Fields, f)
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp(">", " or a comma")
	if want := map[string]int{"array": 1, "map": 2, "struct": len(t.Fields)}[t.Name]; want != len(t.Fields) {
		p.fail(p.prev, classSyntax, "%s<…> does not take %s", upper, plural(len(t.Fields), "type"))
	}
}

func nestedExample(name string) string {
	switch name {
	case "array":
		return "ARRAY<INT>"
	case "map":
		return "MAP<STRING, INT>"
	}
	return "STRUCT<a: INT>"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// notNull reads NOT NULL.
func (p *parser) notNull() bool {
	if !(p.peek().is("NOT") || p.peek().isOp("!")) || !p.peekAt(1).is("NULL") {
		return false
	}
	p.advance()
	p.advance()
	return true
}

// comment reads COMMENT 'text', which says nothing about the rows.
func (p *parser) comment() bool {
	if !p.peek().is("COMMENT") || p.peekAt(1).kind != tokenString {
		return false
	}
	p.advance()
	p.stringValue()
	return true
}
