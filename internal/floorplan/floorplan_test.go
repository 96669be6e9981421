package floorplan

import (
	_ "embed"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

//go:embed floorplan.txt
var planText string

const (
	root   = "../.."
	module = "github.com/quern-engine/quern/"
)

// file is a parsed Go file of a room.
type file struct {
	room, path string
	test       bool
	syntax     *ast.File
}

func TestHouseFollowsThePlan(t *testing.T) {
	p, err := Parse(planText)
	if err != nil {
		t.Fatal(err)
	}
	commented, rooms := map[string]bool{}, map[string]bool{}
	for _, f := range goFiles(t) {
		if !f.test {
			rooms[f.room] = true
			commented[f.room] = commented[f.room] || f.syntax.Doc != nil
		}
		checkImports(t, p, f)
		if p.Pure[f.room] && !f.test {
			checkPure(t, f)
		}
	}
	for room := range rooms {
		if _, ok := p.Rooms[room]; !ok {
			t.Errorf("%s: not in floorplan.txt", room)
		}
		if !commented[room] {
			t.Errorf("%s: no package comment", room)
		}
	}
	for room := range p.Rooms {
		if !rooms[room] && !hasTests(room) {
			t.Errorf("%s: in floorplan.txt but not in the house", room)
		}
	}
}

func checkImports(t *testing.T, p *Plan, f file) {
	for _, spec := range f.syntax.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if dep, open := p.Door(f.room, path); !open && !f.test {
			t.Errorf("%s: %s may be imported only in %v", f.path, dep, p.Doors[dep])
		}
		if imported, inside := strings.CutPrefix(path, module); inside && !f.test && !p.Allows(f.room, imported) {
			t.Errorf("%s: %s may not import %s (floorplan.txt)", f.path, f.room, imported)
		}
	}
}

// impure lists what a pure room may not touch: whole packages, and single names of package time.
var impure = map[string]bool{
	"os": true, "net": true, "net/http": true, "log": true, "log/slog": true, "math/rand": true, "math/rand/v2": true,
	"crypto/rand": true, "hash/maphash": true, "os/exec": true, "io/fs": true,
}

var clock = map[string]bool{"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "NewTimer": true, "NewTicker": true, "Tick": true, "AfterFunc": true}

func checkPure(t *testing.T, f file) {
	for _, spec := range f.syntax.Imports {
		if path, _ := strconv.Unquote(spec.Path.Value); impure[path] {
			t.Errorf("%s: %s is a pure room and may not import %s", f.path, f.room, path)
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s: %s is a pure room and may not start goroutines", f.path, f.room)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && x.Obj == nil && clock[n.Sel.Name] {
				t.Errorf("%s: %s is a pure room and may not use time.%s", f.path, f.room, n.Sel.Name)
			}
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				t.Errorf("%s: no init functions", f.path)
			}
		}
		return true
	})
}

// goFiles parses every Go file of the module, generated ones included, but not bench, a module of its own.
func goFiles(t *testing.T) []file {
	var files []file
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (rel == "bench" || rel == "out" || (strings.HasPrefix(d.Name(), ".") && rel != ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, file{
			room: filepath.ToSlash(filepath.Dir(rel)), path: rel, test: strings.HasSuffix(path, "_test.go"), syntax: syntax,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func hasTests(room string) bool {
	found, _ := filepath.Glob(filepath.Join(root, room, "*_test.go"))
	return len(found) > 0
}

func TestPlanErrors(t *testing.T) {
	for text, want := range map[string]string{
		"room a: b":               "not in the plan",
		"room a: b\nroom b: a":    "circle",
		"room a:\nroom a:":        "twice",
		"window a: b":             "not a room",
		"room a:\nroom b: a\n# x": "",
	} {
		_, err := Parse(text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}
