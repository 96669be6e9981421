package planner

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unreachable are messages that no job file brings about: what they are about has been looked at before, or is bounded elsewhere.
var unreachable = []string{
	"%s cannot be planned: %s", "%d keys of rows but %d of events", "%s is %s but %s is %s", "%s in window %d of %d",
	"the time %s is %s: windows go by timestamp, timestamp_ntz or bigint", "what an empty window gives is %q: %q and %q are known",
	"%s does not leave out duplicates: last_k does", "windows of preset %s need timestamps, not bigint",
	"a window cannot both have a width and be unbounded", "a delay of %d: it must not be negative",
	"a window closed on %q: pandas knows right, left, both and neither",
	"no preset %q: exact, chronon, chronon_snapshot, zipline, feathr, sql_range and pandas_rolling are known",
}

// Every message that a step or a check of an output has for its user is shown by a block of testdata/steps.txt or
// testdata/checks, and so in docs/errors.md.
func TestEveryStepErrorIsShown(t *testing.T) {
	shown := ""
	files, _ := filepath.Glob("testdata/checks/*.txt")
	for _, file := range append(files, "testdata/steps.txt") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(text)
	}
	sources, _ := filepath.Glob("step/*.go")
	found := 0
	for _, file := range append(sources, "logical/eventwindows.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for place, format := range messages(t, file) {
			found++
			if !messagePattern(format).MatchString(shown) {
				t.Errorf("%s: no block shows %q", place, format)
			}
		}
	}
	if found < 80 {
		t.Errorf("only %d messages found", found)
	}
}

// messages are the formats of what a file tells users, by place.
func messages(t *testing.T, file string) map[string]string {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := ""
		switch f := call.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		if name != "fail" && name != "failAt" && name != "Errorf" {
			return true
		}
		for _, arg := range call.Args {
			lit, ok := arg.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			if format, err := strconv.Unquote(lit.Value); err == nil && !passesOn(format) && !slices.Contains(unreachable, format) {
				out[set.Position(lit.Pos()).String()] = format
			}
			break
		}
		return true
	})
	return out
}

// passesOn reports a format that only wraps another message.
func passesOn(format string) bool {
	return format == "%s" || strings.HasSuffix(format, ": %w")
}

var verb = regexp.MustCompile(`%[+#]?[a-z]`)

// messagePattern finds what a format has made.
func messagePattern(format string) *regexp.Regexp {
	parts := verb.Split(strings.ReplaceAll(format, "%%", "%"), -1)
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(strings.Join(parts, ".+"))
}
