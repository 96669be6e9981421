package logical

import (
	"strings"

	"github.com/quern-engine/quern/compute"
)

// FunctionNames lists the names of the built-in functions, without the operators.
func FunctionNames() []string {
	var names []string
	for _, f := range compute.Functions() {
		if strings.Trim(f.Name, "abcdefghijklmnopqrstuvwxyz_0123456789") == "" {
			names = append(append(names, f.Name), f.Aliases...)
		}
	}
	return names
}

// DescribeFunction is what the function table says of a built-in function, line by line; false for a name that is none.
func DescribeFunction(name string, extended bool) ([]string, bool) {
	f, ok := compute.Lookup(name)
	if !ok {
		return nil, false
	}
	lines := []string{"Function: " + strings.ToLower(name), "Usage: " + f.Usage + " - " + f.Summary}
	if extended && f.Example != "" {
		lines = append(lines, "Extended Usage:\n    Examples:\n      > SELECT "+f.Example+";\n       "+f.ExampleResult)
	}
	return lines, true
}
