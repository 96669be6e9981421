package compute

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
)

// TestDocs keeps the page about functions in step with the table.
func TestDocs(t *testing.T) { golden.Check(t, "../docs/functions.md", functionsPage(t)) }

// functionsPage is the function table in Markdown, by family.
func functionsPage(t *testing.T) string {
	var out strings.Builder
	out.WriteString("# Functions\n\nGenerated from the function table by `go test ./compute -run TestDocs -rewrite`. Every example is a test.\n" +
		"Names are those of Spark SQL; case does not matter. [sql.md](sql.md) tells of types, NULL and errors.\n")
	total := 0
	for _, f := range chapters() {
		fmt.Fprintf(&out, "\n## %s\n\n| usage | what it gives | example | result |\n|---|---|---|---|\n", f.title)
		for i := range f.functions {
			out.WriteString(functionRow(&f.functions[i]))
		}
		total += len(f.functions)
	}
	if total != len(Functions()) {
		t.Errorf("the page has %d functions, the table %d", total, len(Functions()))
	}
	return out.String()
}

func functionRow(f *Function) string {
	summary := f.Summary
	if len(f.Aliases) > 0 {
		names := make([]string, len(f.Aliases))
		for i, a := range f.Aliases {
			names[i] = code(a)
		}
		summary += " Also " + strings.Join(names, ", ") + "."
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", code(f.Usage), bar(summary), code(f.Example), code(f.ExampleResult))
}

// code is text as Markdown code in a table; nothing stays nothing.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + bar(s) + "`"
}

func bar(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
