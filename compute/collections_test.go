package compute

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
)

var listOfInt = plan.Array(plan.Int32, true)

// ints is an array of ints in which nil is NULL.
type ints []*int64

func drawInts(t *rapid.T, label string) ints {
	out := ints{}
	for range rapid.IntRange(0, 40).Draw(t, label) {
		v := rapid.Int64Range(-1, 9).Draw(t, "v")
		if v < 0 {
			out = append(out, nil)
			continue
		}
		out = append(out, &v)
	}
	return out
}

func (a ints) literal() plan.Literal {
	lit := plan.Literal{}
	for _, v := range a {
		if v == nil {
			lit.Items = append(lit.Items, plan.Literal{Null: true})
		} else {
			lit.Items = append(lit.Items, plan.Literal{Int: *v})
		}
	}
	return lit
}

func (a ints) String() string {
	parts := make([]string, len(a))
	for i, v := range a {
		if parts[i] = "null"; v != nil {
			parts[i] = fmt.Sprint(*v)
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func (a ints) has(v *int64) bool {
	return slices.ContainsFunc(a, func(w *int64) bool { return v == w || v != nil && w != nil && *v == *w })
}

func (a ints) keep(f func(*int64) bool) ints {
	out := ints{}
	for _, v := range a {
		if f(v) && !out.has(v) {
			out = append(out, v)
		}
	}
	return out
}

// TestArraysAsSets compares the set functions with naive ones, over columns of several rows.
func TestArraysAsSets(t *testing.T) {
	naive := map[string]func(a, b ints) ints{
		"array_union":     func(a, b ints) ints { return slices.Concat(a, b).keep(func(*int64) bool { return true }) },
		"array_intersect": func(a, b ints) ints { return a.keep(b.has) },
		"array_except":    func(a, b ints) ints { return a.keep(func(v *int64) bool { return !b.has(v) }) },
	}
	schema := plan.Schema{Fields: []plan.Field{{Name: "a", Type: listOfInt, Nullable: true}, {Name: "b", Type: listOfInt, Nullable: true}}}
	for name, want := range naive {
		e, err := Call(name, plan.ColumnExpr(0, schema.Fields[0]), plan.ColumnExpr(1, schema.Fields[1]))
		if err != nil {
			t.Fatal(err)
		}
		prog, err := Compile(e, schema, plan.Session{})
		if err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(t *rapid.T) {
			mem := memory.NewCheckedAllocator(recycle.Poison())
			var sides [2][]ints
			var cols []arrow.Array
			rows := rapid.IntRange(1, 5).Draw(t, "rows")
			for k := range sides {
				b := vector.NewBuilder(mem, listOfInt)
				for range rows {
					a := drawInts(t, "length")
					sides[k] = append(sides[k], a)
					b.AppendLiteral(a.literal())
				}
				col, err := b.Finish()
				if err != nil {
					t.Fatal(err)
				}
				cols = append(cols, col)
				b.Release()
			}
			rec := vector.NewRecord(schema, cols, rows)
			got, err := prog.Eval(mem, rec)
			if err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				if text := vector.Format(got, i); text != want(sides[0][i], sides[1][i]).String() {
					t.Fatalf("%s of %s and %s is %s", name, sides[0][i], sides[1][i], text)
				}
			}
			got.Release()
			rec.Release()
			releaseArrays(cols)
			if n := mem.CurrentAlloc(); n != 0 {
				t.Fatalf("%d bytes leaked", n)
			}
		})
	}
}

// TestCapturedColumns has lambdas that read columns of the batch, in nested lambdas and in branches.
func TestCapturedColumns(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	schema := plan.Schema{Fields: []plan.Field{{Name: "a", Type: listOfInt, Nullable: true}, {Name: "k", Type: plan.Int32, Nullable: true}}}
	b := vector.NewBuilder(mem, listOfInt)
	defer b.Release()
	one, two := int64(1), int64(2)
	for _, a := range []ints{{&one, &two}, {}, {nil, &two}} {
		b.AppendLiteral(a.literal())
	}
	b.AppendNull()
	list, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer list.Release()
	k := vector.NewBuilder(mem, plan.Int32)
	defer k.Release()
	for _, v := range []int64{10, 20, 0, 40} {
		k.AppendLiteral(plan.Literal{Int: v})
	}
	keys, err := k.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Release()
	rec := vector.NewRecord(schema, []arrow.Array{list, keys}, 4)
	defer rec.Release()
	for _, c := range []struct{ expr, want string }{
		{"transform(a, x -> x * k)", "[10,20] [] [null,0] NULL"},
		{"transform(a, (x, i) -> k + i)", "[10,11] [] [0,1] NULL"},
		{"filter(a, x -> if(k = 0, false, 10 div k > 0 and x > 1))", "[2] [] [] NULL"},
		{"transform(a, x -> aggregate(a, k, (acc, y) -> acc + coalesce(y, 0) * coalesce(x, 1)))", "[13,16] [] [2,4] NULL"},
		{"exists(a, x -> x * k = 20)", "true false NULL NULL"},
		{"aggregate(a, 0, (acc, x) -> acc + coalesce(x, 100), acc -> acc + k)", "13 20 102 NULL"},
		{"array_sort(a, (x, y) -> if(k = 10, y - x, 0))", "[2,1] [] [null,2] NULL"},
		{"zip_with(a, array(k), (x, y) -> coalesce(x, 0) + coalesce(y, 0))", "[11,2] [20] [0,2] NULL"},
		{"transform(a, x -> 1)", "[1,1] [] [1,1] NULL"},
		{"transform(array(1, 2), x -> x + k)", "[11,12] [21,22] [1,2] [41,42]"},
	} {
		p := &reader{variables: map[string]*plan.Expr{}}
		for i, f := range schema.Fields {
			p.variables[f.Name] = plan.ColumnExpr(i, f)
		}
		if err := p.scan(c.expr); err != nil {
			t.Fatal(err)
		}
		e, err := p.or()
		if err != nil {
			t.Fatal(c.expr, err)
		}
		prog, err := Compile(e, schema, plan.Session{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := prog.Eval(mem, rec)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		var rows []string
		for i := range got.Len() {
			rows = append(rows, vector.Format(got, i))
		}
		got.Release()
		if text := strings.Join(rows, " "); text != c.want {
			t.Errorf("%s: %s, want %s", c.expr, text, c.want)
		}
	}
}

func TestGenerators(t *testing.T) {
	for _, c := range []struct{ call, types, want string }{
		{"explode(array(5, NULL))", "struct<col:int>", "0,0 [5 null]"},
		{"explode(map('a', 1, 'b', NULL))", "struct<key:string,value:int>", "0,0 [a b] [1 null]"},
		{"posexplode(array('x', 'y'))", "struct<pos:int,col:string>", "0,0 [0 1] [x y]"},
		{"posexplode_outer(cast(NULL as array<int>))", "struct<pos:int,col:int>", " [] []"},
		{"inline(array(struct(1, 'a'), NULL))", "struct<col1:int,col2:string>", "0,0 [1 null] [a null]"},
		{"stack(2, 1, 'a', 3)", "struct<col0:int,col1:string>", "0,0 [1 3] [a null]"},
		{"stack(1 + 1, 'a', NULL, NULL, 1)", "struct<col0:string,col1:int>", "0,0 [a null] [null 1]"},
		{`json_tuple('{"a":1.10,"b":"x","c":{"d" : [1]},"e":null}', 'a', 'b', 'c', 'e', 'f')`,
			"struct<c0:string,c1:string,c2:string,c3:string,c4:string>", `0 [1.1] [x] [{"d":[1]}] [null] [null]`},
		{"json_tuple('{\"a\":', 'a')", "struct<c0:string>", "0 [null]"},
		{"replicate_rows(2, 'a', 7)", "struct<col0:string,col1:int>", "0,0 [a a] [7 7]"},
		{"stack(0, 1)", "", "[DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE]"},
		{"stack(2, 1, 2.5)", "", "[DATATYPE_MISMATCH.STACK_COLUMN_DIFF_TYPES]"},
		{"explode(1)", "", "[DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE]"},
		{"inline(array(1))", "", "[DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE]"},
		{"json_tuple('x')", "", "[WRONG_NUM_ARGS.WITHOUT_SUGGESTION]"},
	} {
		types, got := runGenerator(t, c.call)
		if got != c.want || types != c.types {
			t.Errorf("%s: %s %s, want %s %s", c.call, types, got, c.types, c.want)
		}
	}
}

// runGenerator runs a call for one row: the input rows, then the columns.
func runGenerator(t *testing.T, call string) (types, outcome string) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	p := &reader{}
	if err := p.scan(call); err != nil {
		t.Fatal(err)
	}
	f, ok := Lookup(p.tokens[0])
	if !ok || f.Kind != Generator {
		t.Fatalf("no generator %s", p.tokens[0])
	}
	p.at = 2
	args, err := p.callArguments(f)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := f.ResolveCall(args)
	if err != nil {
		return "", errorClass(err)
	}
	prog, err := CompileGenerator(plan.CallExpr(f.Name, sig.Returns, args...), plan.Schema{}, plan.Session{})
	if err != nil {
		return "", errorClass(err)
	}
	rec := vector.NewRecord(plan.Schema{}, nil, 1)
	defer rec.Release()
	rows, cols, err := prog.Run(mem, rec)
	if err != nil {
		return "", errorClass(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprint(r))
	}
	outcome = strings.Join(out, ",")
	for _, c := range cols {
		items := make([]string, c.Len())
		for i := range items {
			if items[i] = "null"; !vector.ValidityOf(c).IsNull(i) {
				items[i] = vector.Format(c, i)
			}
		}
		outcome += fmt.Sprint(" ", items)
	}
	releaseArrays(cols)
	return prog.Type().String(), outcome
}
