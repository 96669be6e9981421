package sql

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// dump writes a tree without its spans and what only tells how a piece was written: (Type field: value …), on several lines where one would be too long. Zero
// fields are left out. Trees are equal when their dumps are.
func dump(v any) string { return dumpValue(reflect.ValueOf(v), "") }

func dumpValue(v reflect.Value, indent string) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return "nil"
		}
		return dumpValue(v.Elem(), indent)
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = dumpValue(v.Index(i), indent+"  ")
		}
		return wrap("[", parts, "]", indent)
	case reflect.Struct:
		return dumpStruct(v, indent)
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	}
	return fmt.Sprint(v.Interface())
}

func dumpStruct(v reflect.Value, indent string) string {
	if id, ok := v.Interface().(Ident); ok {
		if id.Quoted {
			return "`" + id.Name + "`"
		}
		return id.Name
	}
	parts := []string{v.Type().Name()}
	for i := range v.NumField() {
		f := v.Field(i)
		// A nil slice and an empty one differ: f() has no arguments, t has no column list.
		if f.Type() == reflect.TypeFor[source.Span]() || f.Type() == reflect.TypeFor[*PipeItems]() || f.IsZero() {
			continue
		}
		parts = append(parts, v.Type().Field(i).Name+":"+dumpValue(f, indent+"  "))
	}
	return wrap("(", parts, ")", indent)
}

func wrap(left string, parts []string, right, indent string) string {
	line := left + strings.Join(parts, " ") + right
	if len(indent)+len(line) <= 100 && !strings.Contains(line, "\n") {
		return line
	}
	return left + strings.Join(parts, "\n  "+indent) + right
}
