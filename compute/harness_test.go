package compute

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
)

func errorClass(err error) string {
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != plan.FailureUser {
		return "not a user error: " + err.Error()
	}
	_, rest, ok := strings.Cut(err.Error(), "[")
	if !ok {
		return "no class: " + err.Error()
	}
	class, _, _ := strings.Cut(rest, "]")
	return "[" + class + "]"
}

// atNoon is the session of tests that do not say otherwise: UTC, and a time of the query.
var atNoon = plan.Session{Now: 1_600_000_000_000_000}

// zoneOf is a session's time zone for writing.
func zoneOf(in plan.Session) *time.Location {
	if in.TimeZone == "" {
		return time.UTC
	}
	zone, err := time.LoadLocation(in.TimeZone)
	if err != nil {
		panic(err)
	}
	return zone
}

// asConstant folds an expression.
func asConstant(e *plan.Expr, in plan.Session) string {
	folded, err := Fold(e, in)
	if err != nil {
		return errorClass(err)
	}
	if !folded.IsLiteral() {
		return "not folded: " + folded.String()
	}
	arr := vector.FromLiteral(memory.NewGoAllocator(), folded.Type, folded.Value, 1)
	return vector.FormatIn(arr, 0, zoneOf(in))
}

// layout is a way to hold the columns of a batch.
type layout struct {
	name       string
	before     int // rows cut off at the start
	nulls      bool
	dictionary bool
}

var layouts = []layout{
	{name: "plain"}, {name: "slice", before: 3}, {name: "nulls", before: 5, nulls: true},
	{name: "dictionary", dictionary: true}, {name: "dictionary slice with nulls", before: 9, nulls: true, dictionary: true},
}

const harnessRows = 21

// isNullRow is the rows that hold NULL in column c; every other row has all values.
func (l layout) isNullRow(row, c, columns int) bool { return l.nulls && row%(columns+1) == c+1 }

// fullRow reports rows without NULLs.
func (l layout) fullRow(row, columns int) bool { return !l.nulls || row%(columns+1) == 0 }

// columns replaces literals by columns. Literals that shape a call's type stay.
func columns(e *plan.Expr) (*plan.Expr, []*plan.Expr) {
	var lits []*plan.Expr
	var visit func(x *plan.Expr, keep bool) *plan.Expr
	visit = func(x *plan.Expr, keep bool) *plan.Expr {
		if x.IsLiteral() {
			if keep || x.Type.Kind == plan.KindNull {
				return x
			}
			lits = append(lits, x)
			return plan.ColumnExpr(len(lits)-1, plan.Field{Name: "c", Type: x.Type, Nullable: true})
		}
		out := *x
		out.Args = nil
		shaped := (x.Name == "round" || x.Name == "bround") && x.Type.Kind == plan.KindDecimal
		for i, a := range x.Args {
			out.Args = append(out.Args, visit(a, keep || shaped && i > 0 || shapes(x.Name, i)))
		}
		return &out
	}
	return visit(e, false), lits
}

// shapes reports arguments that must be constants.
func shapes(name string, arg int) bool {
	f, ok := Lookup(name)
	if !ok {
		return false
	}
	switch f.Name {
	case "date_part":
		return arg == 0
	case "to_number", "try_to_number", "to_char", "to_binary", "try_to_binary", "ceil", "floor":
		return arg > 0
	case "named_struct":
		return arg%2 == 0
	case "getfield", "from_json", "from_csv", "to_json", "to_csv", "mask":
		return arg > 0
	}
	return f.resolveExprs != nil
}

// column makes a literal's column.
func (l layout) column(mem memory.Allocator, lit *plan.Expr, c, columns int) arrow.Array {
	base := vector.FromLiteral(mem, lit.Type, lit.Value, 1)
	defer base.Release()
	index := make([]int32, l.before+harnessRows)
	for i := range index {
		if i >= l.before && l.isNullRow(i-l.before, c, columns) {
			index[i] = -1
		}
	}
	all := vector.Take(mem, base, index)
	defer all.Release()
	if l.dictionary && (lit.Type.Kind == plan.KindString || lit.Type.Kind == plan.KindBinary) && !lit.Value.Null {
		dict := encode(mem, base, index)
		defer dict.Release()
		return array.NewSlice(dict, int64(l.before), int64(l.before+harnessRows))
	}
	return array.NewSlice(all, int64(l.before), int64(l.before+harnessRows))
}

// encode makes a dictionary column whose dictionary also holds values that no row has.
func encode(mem memory.Allocator, value arrow.Array, index []int32) arrow.Array {
	t, _ := plan.TypeOf(value.DataType())
	other := vector.FromLiteral(mem, t, plan.Literal{Bytes: []byte("unused")}, 1)
	defer other.Release()
	values, err := vector.Concat(mem, []arrow.Array{other, value})
	if err != nil {
		panic(err)
	}
	defer values.Release()
	b := array.NewInt32Builder(mem)
	defer b.Release()
	for _, i := range index {
		if i < 0 {
			b.AppendNull()
		} else {
			b.Append(1)
		}
	}
	codes := b.NewArray()
	defer codes.Release()
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: value.DataType()}
	return array.NewDictionaryArray(dt, codes, values)
}

// asColumns evaluates an expression whose literals have become columns, in every layout, and gives the first outcome
// that differs from want, or want.
func asColumns(t *testing.T, e *plan.Expr, want string, in plan.Session) string {
	t.Helper()
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	over, lits := columns(e)
	schema := plan.Schema{}
	for range lits {
		schema.Fields = append(schema.Fields, plan.Field{Name: "c", Nullable: true})
	}
	for i, l := range lits {
		schema.Fields[i].Type = l.Type
	}
	prog, err := Compile(over, schema, in)
	if err != nil {
		if got := errorClass(err); got != want {
			return "compile: " + got
		}
		return want
	}
	branches := takesBranches(e)
	for _, l := range layouts {
		for round := range 2 { // the second round finds what the first one kept
			got := l.run(mem, prog, schema, lits, want, in)
			if l.nulls && strings.HasPrefix(got, "[") && branches {
				continue // rows with NULLs take other branches, which may raise what the constant does not
			}
			if got != want {
				return fmt.Sprintf("%s (round %d): %s", l.name, round, got)
			}
		}
	}
	return want
}

func (l layout) run(mem memory.Allocator, prog *Program, schema plan.Schema, lits []*plan.Expr, want string, in plan.Session) string {
	cols := make([]arrow.Array, len(lits))
	for i, lit := range lits {
		cols[i] = l.column(mem, lit, i, len(lits))
		defer cols[i].Release()
	}
	rec := vector.NewRecord(schema, cols, harnessRows)
	defer rec.Release()
	arr, err := prog.Eval(mem, rec)
	if err != nil {
		return errorClass(err)
	}
	defer arr.Release()
	if arr.Len() != harnessRows {
		return fmt.Sprintf("%d rows", arr.Len())
	}
	if got := layoutOf(arr); !arrow.TypeEqual(got, prog.Type().Arrow()) {
		return fmt.Sprintf("array of %s for %s", got, prog.Type())
	}
	_, isStrict := prog.root.(*strictNode)
	for row := range harnessRows {
		full := l.fullRow(row, len(lits))
		if got := vector.FormatIn(arr, row, zoneOf(in)); full && got != want {
			return got
		} else if got != "NULL" && !full && isStrict && len(lits) == len(prog.root.(*strictNode).args) && allColumns(prog.root) {
			return "not NULL where an argument is: " + got
		}
	}
	return want
}

// layoutOf is a column's Arrow type, a dictionary taken for its values.
func layoutOf(arr arrow.Array) arrow.DataType {
	if d, ok := arr.DataType().(*arrow.DictionaryType); ok {
		return d.ValueType
	}
	return arr.DataType()
}

func takesBranches(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		switch x.Name {
		case "case", "if", "coalesce", "nvl", "ifnull", "nvl2", "and", "or", "in", "assert_true":
			found = true
		case "map", "map_from_arrays", "map_from_entries", "transform_keys", "array_sort": // a NULL key is an error, or order
			found = true
		}
		return !found
	})
	return found
}

func allColumns(n node) bool {
	for _, a := range n.(*strictNode).args {
		if _, ok := a.(*columnNode); !ok {
			return false
		}
	}
	return true
}

// TestExpressions runs the lines "expression => result" of the files below testdata, as constants and over columns.
func TestExpressions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no test files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			in := atNoon
			for n, line := range strings.Split(string(text), "\n") {
				if rest, ok := strings.CutPrefix(line, "#session "); ok {
					in = sessionNamed(rest)
				}
				if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				expr, want, ok := strings.Cut(line, " => ")
				if !ok {
					want, ok = "", strings.HasSuffix(line, " =>")
					expr = strings.TrimSuffix(line, " =>")
				}
				if !ok {
					t.Errorf("line %d: no =>", n+1)
					continue
				}
				checkLine(t, n+1, expr, strings.Trim(want, "|"), in)
			}
		})
	}
}

// sessionNamed reads "#session legacy" and "#session America/Los_Angeles"; lines below it run in that session.
func sessionNamed(text string) plan.Session {
	in := atNoon
	for _, word := range strings.Fields(text) {
		if word == "legacy" {
			in.Legacy = true
		} else {
			in.TimeZone = word
		}
	}
	return in
}

// checkLine checks one line; a result "type: value" also checks the type.
func checkLine(t *testing.T, line int, expr, want string, in plan.Session) {
	t.Helper()
	e, err := parseSQL(expr, in)
	if err != nil {
		var s syntaxError
		if errors.As(err, &s) {
			t.Errorf("line %d: %s: %v", line, expr, err)
		} else if got := errorClass(err); got != want {
			t.Errorf("line %d: %s\n got %s (%v)\nwant %s", line, expr, got, err, want)
		}
		return
	}
	if typ, value, ok := strings.Cut(want, ": "); ok && knownType(typ) {
		if e.Type.String() != typ {
			t.Errorf("line %d: %s: type %s, want %s", line, expr, e.Type, typ)
		}
		want = value
	}
	if got := asConstant(e, in); got != want {
		t.Errorf("line %d: %s\n got %s\nwant %s", line, expr, got, want)
		return
	}
	if got := asColumns(t, e, want, in); got != want {
		t.Errorf("line %d: over columns: %s\n got %s\nwant %s", line, expr, got, want)
	}
}

func knownType(s string) bool {
	name, _, _ := strings.Cut(s, "(")
	name, _, nested := strings.Cut(name, "<")
	_, ok := plan.ParseTypeName(name)
	return ok || nested && (name == "array" || name == "map" || name == "struct") || strings.HasPrefix(s, "interval ")
}

// TestExamples runs the examples of the function table.
func TestExamples(t *testing.T) {
	for _, f := range Functions() {
		t.Run(f.Name, func(t *testing.T) {
			if f.Usage == "" || f.Summary == "" {
				t.Error("undocumented")
			}
			if f.Kind != Scalar {
				return
			}
			if f.build == nil && f.Name != "cast" && f.Name != "try_cast" {
				t.Error("has no kernel")
			}
			checkLine(t, 0, f.Example, f.ExampleResult, atNoon)
		})
	}
}

// TestTable checks that names are lower case and lead to one function each.
func TestTable(t *testing.T) {
	seen := map[string]string{}
	for _, f := range Functions() {
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			if name != strings.ToLower(name) {
				t.Errorf("%s is not in lower case", name)
			}
			if first, ok := seen[name]; ok {
				t.Errorf("%s belongs to %s and %s", name, first, f.Name)
			}
			seen[name] = f.Name
			if got, ok := Lookup(strings.ToUpper(name)); !ok || got.Name != f.Name {
				t.Errorf("Lookup(%s) does not find it", name)
			}
		}
	}
}
