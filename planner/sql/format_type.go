package sql

import (
	"strconv"
	"strings"
)

// formatType is a type as SQL; upper sets the case of its words, not of its fields' names.
func formatType(t TypeName, upper bool) string {
	name := t.Name
	if upper {
		name = strings.ToUpper(name)
	}
	if t.Fields != nil {
		parts := make([]string, len(t.Fields))
		for i, field := range t.Fields {
			if t.Name == "struct" {
				parts[i] = formatIdent(field.Name) + ": "
			}
			parts[i] += formatType(field.Type, upper)
			if field.NotNull {
				parts[i] += " NOT NULL"
			}
		}
		return name + "<" + strings.Join(parts, ", ") + ">"
	}
	if t.Args == nil {
		return name
	}
	args := make([]string, len(t.Args))
	for i, a := range t.Args {
		args[i] = strconv.Itoa(a)
	}
	return name + "(" + strings.Join(args, ",") + ")"
}
