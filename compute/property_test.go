package compute

import (
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
)

// propertySchema is the columns of random batches; a and b of a kind make ties likely.
var propertySchema = plan.Schema{Fields: []plan.Field{
	{Name: "i", Type: plan.Int32, Nullable: true}, {Name: "l", Type: plan.Int64, Nullable: true},
	{Name: "d", Type: plan.Float64, Nullable: true}, {Name: "s", Type: plan.String, Nullable: true},
	{Name: "t", Type: plan.String, Nullable: true}, {Name: "b", Type: plan.Boolean, Nullable: true},
	{Name: "n", Type: plan.Decimal(12, 3), Nullable: true}, {Name: "day", Type: plan.Date, Nullable: true},
}}

var samples = map[plan.Kind][]plan.Literal{
	plan.KindInt32: {{Int: 0}, {Int: 1}, {Int: -1}, {Int: 7}, {Int: math.MaxInt32}, {Int: math.MinInt32}},
	plan.KindInt64: {{Int: 0}, {Int: 2}, {Int: -3}, {Int: math.MaxInt64}, {Int: math.MinInt64}},
	plan.KindFloat64: {{Bits: 0}, {Bits: math.Float64bits(math.Copysign(0, -1))}, {Bits: math.Float64bits(1.5)},
		{Bits: math.Float64bits(math.NaN())}, {Bits: math.Float64bits(math.Inf(1))}, {Bits: math.Float64bits(-2)}},
	plan.KindString:  {{Bytes: []byte("")}, {Bytes: []byte("a")}, {Bytes: []byte("ab")}, {Bytes: []byte("12")}, {Bytes: []byte("Äb")}, {Bytes: []byte("2020-02-29")}},
	plan.KindBoolean: {{Int: 0}, {Int: 1}},
	plan.KindDecimal: {{Int: 0}, {Int: 1500}, {Int: -1}, {Int: 999_999_999_999}},
	plan.KindDate:    {{Int: 0}, {Int: 18321}, {Int: -1}, {Int: math.MaxInt32}},
}

func drawLiteral(t *rapid.T, k plan.Kind) plan.Literal {
	all := samples[k]
	if i := rapid.IntRange(-1, len(all)-1).Draw(t, "value"); i >= 0 {
		return all[i]
	}
	return plan.Literal{Null: true}
}

// drawRows makes rows of literals, one per column of the schema.
func drawRows(t *rapid.T) [][]plan.Literal {
	rows := make([][]plan.Literal, rapid.IntRange(1, 40).Draw(t, "rows"))
	for i := range rows {
		for _, f := range propertySchema.Fields {
			rows[i] = append(rows[i], drawLiteral(t, f.Type.Kind))
		}
	}
	return rows
}

// batch builds rows as a record; strings are dictionary-encoded if asked for, and columns begin at an offset.
func batch(mem memory.Allocator, rows [][]plan.Literal, encoded bool, offset int) arrow.Record {
	cols := make([]arrow.Array, len(propertySchema.Fields))
	for c, f := range propertySchema.Fields {
		var pieces []arrow.Array
		for range offset {
			pieces = append(pieces, vector.FromLiteral(mem, f.Type, plan.Literal{Null: true}, 1))
		}
		for _, r := range rows {
			pieces = append(pieces, vector.FromLiteral(mem, f.Type, r[c], 1))
		}
		all, err := vector.Concat(mem, pieces)
		if err != nil {
			panic(err)
		}
		for _, p := range pieces {
			p.Release()
		}
		if encoded && f.Type.Kind == plan.KindString {
			plainArr := all
			all = dictionaryEncode(mem, plainArr)
			plainArr.Release()
		}
		cols[c] = array.NewSlice(all, int64(offset), int64(offset+len(rows)))
		all.Release()
	}
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	return vector.NewRecord(propertySchema, cols, len(rows))
}

func dictionaryEncode(mem memory.Allocator, arr arrow.Array) arrow.Array {
	b := array.NewDictionaryBuilder(mem, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}).(*array.BinaryDictionaryBuilder)
	defer b.Release()
	for i := range arr.Len() {
		if arr.IsNull(i) {
			b.AppendNull()
		} else if err := b.AppendString(arr.(*array.String).Value(i)); err != nil {
			panic(err)
		}
	}
	return b.NewArray()
}

// drawExpr draws an expression of a kind over the schema.
func drawExpr(t *rapid.T, k plan.Kind, depth int) *plan.Expr {
	if depth == 0 || rapid.IntRange(0, 4).Draw(t, "leaf") == 0 {
		var cols []*plan.Expr
		for i, f := range propertySchema.Fields {
			if f.Type.Kind == k {
				cols = append(cols, plan.ColumnExpr(i, f))
			}
		}
		if rapid.Bool().Draw(t, "column") {
			return rapid.SampledFrom(cols).Draw(t, "which")
		}
		return &plan.Expr{Op: plan.OpLiteral, Type: cols[0].Type, Nullable: true, Value: drawLiteral(t, k)}
	}
	sub := func(k plan.Kind) *plan.Expr { return drawExpr(t, k, depth-1) }
	call := func(name string, args ...*plan.Expr) *plan.Expr {
		e, err := Call(name, args...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return e
	}
	choice := func(names ...string) string { return rapid.SampledFrom(names).Draw(t, "function") }
	kinds := []plan.Kind{plan.KindInt32, plan.KindInt64, plan.KindFloat64, plan.KindString, plan.KindBoolean, plan.KindDecimal, plan.KindDate}
	common := rapid.IntRange(0, 8).Draw(t, "common")
	switch common {
	case 0:
		return call("if", sub(plan.KindBoolean), sub(k), sub(k))
	case 1:
		return call("coalesce", sub(k), sub(k))
	case 2:
		return call(choice("greatest", "least"), sub(k), sub(k))
	case 3:
		return Cast(call("nullif", sub(k), sub(k)), typeOfKind(k))
	}
	var e *plan.Expr
	switch k {
	case plan.KindBoolean:
		other := rapid.SampledFrom(kinds).Draw(t, "compared")
		switch choice("compare", "and", "or", "not", "null", "in", "like") {
		case "compare":
			return call(choice("=", "<>", "<", "<=", ">", ">=", "<=>"), sub(other), sub(other))
		case "and":
			return call("and", sub(k), sub(k))
		case "or":
			return call("or", sub(k), sub(k))
		case "not":
			return call("not", sub(k))
		case "null":
			return call(choice("isnull", "isnotnull"), sub(other))
		case "in":
			return call("in", sub(other), sub(other), sub(other))
		}
		return call(choice("like", "startswith", "contains"), sub(plan.KindString), plan.StringLiteral(choice("a%", "_b", "%")))
	case plan.KindString:
		switch choice("upper", "substring", "concat", "cast") {
		case "upper":
			return call(choice("upper", "lower", "trim", "reverse"), sub(k))
		case "substring":
			return call("substring", sub(k), plan.Int64Literal(2))
		case "concat":
			return call("concat", sub(k), sub(k))
		}
		return Cast(sub(rapid.SampledFrom(kinds).Draw(t, "from")), plan.String)
	case plan.KindDate:
		if rapid.Bool().Draw(t, "parse") {
			return Cast(sub(plan.KindString), plan.Date)
		}
		e = call("date_add", sub(k), sub(plan.KindInt32))
	default:
		e = call(choice("+", "-", "*", "%", "pmod", "try_add", "try_mod"), sub(k), sub(k))
	}
	return Cast(e, typeOfKind(k))
}

func typeOfKind(k plan.Kind) plan.Type {
	for _, f := range propertySchema.Fields {
		if f.Type.Kind == k {
			return f.Type
		}
	}
	return plan.Null
}

// TestBatchIsRows checks that a batch gives what its rows give one by one, in plain layout, after folding too, and
// that an error comes exactly when some row raises one.
func TestBatchIsRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]plan.Kind{plan.KindBoolean, plan.KindInt32, plan.KindString, plan.KindFloat64, plan.KindDecimal}).Draw(t, "kind")
		e := drawExpr(t, kind, 4)
		rows := drawRows(t)
		mem := memory.NewCheckedAllocator(recycle.Poison())
		want, raised := rowByRow(t, mem, e, rows)

		prog, err := Compile(e, propertySchema, plan.Session{})
		if err != nil {
			t.Fatalf("compile %s: %v", e, err)
		}
		rec := batch(mem, rows, rapid.Bool().Draw(t, "encoded"), rapid.IntRange(0, 9).Draw(t, "offset"))
		for range 2 {
			arr, err := prog.Eval(mem, rec)
			if err != nil {
				if !raised[errorClass(err)] {
					t.Fatalf("%s: %v, but rows raise %v", e, err, raised)
				}
				continue
			}
			if len(raised) > 0 {
				t.Fatalf("%s: no error, but rows raise %v", e, raised)
			}
			for i := range want {
				if got := vector.Format(arr, i); got != want[i] {
					t.Fatalf("%s: row %d is %s, alone %s", e, i, got, want[i])
				}
			}
			arr.Release()
		}
		if kind == plan.KindBoolean && len(raised) == 0 {
			checkSelect(t, mem, prog, rec, want)
		}
		rec.Release()
		if n := mem.CurrentAlloc(); n != 0 {
			t.Fatalf("%s: %d bytes leaked", e, n)
		}
	})
}

func rowByRow(t *rapid.T, mem memory.Allocator, e *plan.Expr, rows [][]plan.Literal) (want []string, raised map[string]bool) {
	want, raised = make([]string, len(rows)), map[string]bool{}
	for i, r := range rows {
		constant := e.Transform(func(x *plan.Expr) *plan.Expr {
			if x.Op != plan.OpColumn {
				return x
			}
			return &plan.Expr{Op: plan.OpLiteral, Type: x.Type, Nullable: true, Value: r[x.Column]}
		})
		want[i] = asConstant(constant, atNoon)
		if strings.HasPrefix(want[i], "[") {
			raised[want[i]] = true
		}
		if strings.HasPrefix(want[i], "not ") {
			t.Fatalf("%s: %s", constant, want[i])
		}
	}
	return want, raised
}

func checkSelect(t *rapid.T, mem memory.Allocator, prog *Program, rec arrow.Record, want []string) {
	rows, err := prog.Select(mem, rec, nil)
	if err != nil {
		t.Fatalf("select: %v", err)
	}
	at := 0
	for i, w := range want {
		if w != "true" {
			continue
		}
		if at >= len(rows) || rows[at] != int32(i) {
			t.Fatalf("select gives %v, row %d is true", rows, i)
		}
		at++
	}
	if at != len(rows) {
		t.Fatalf("select gives %v, of which %d are true", rows, at)
	}
}

// TestIntegerArithmetic compares with big integers.
func TestIntegerArithmetic(t *testing.T) {
	ops := map[string]func(z, a, b *big.Int) *big.Int{
		"+": (*big.Int).Add, "-": (*big.Int).Sub, "*": (*big.Int).Mul,
	}
	edge := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1 << 32, math.MaxInt32, math.MinInt32}))
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]plan.Type{plan.Int8, plan.Int16, plan.Int32, plan.Int64}).Draw(t, "type")
		low, high := intRange(typ.Kind)
		clip := func(v int64) int64 { return min(max(v, low), high) }
		a, b := clip(edge.Draw(t, "a")), clip(edge.Draw(t, "b"))
		op := rapid.SampledFrom([]string{"+", "-", "*"}).Draw(t, "op")
		e, err := Call(op, &plan.Expr{Op: plan.OpLiteral, Type: typ, Value: plan.Literal{Int: a}},
			&plan.Expr{Op: plan.OpLiteral, Type: typ, Value: plan.Literal{Int: b}})
		if err != nil {
			t.Fatal(err)
		}
		exact := ops[op](new(big.Int), big.NewInt(a), big.NewInt(b))
		got, err := Fold(e, plan.Session{})
		fits := exact.IsInt64() && exact.Int64() >= low && exact.Int64() <= high
		if fits != (err == nil) || fits && got.Value.Int != exact.Int64() {
			t.Fatalf("%d %s %d as %s: got %v, %v; exactly %s", a, op, b, typ, got, err, exact)
		}
	})
}

// TestDecimalArithmetic compares with rationals, rounded half away from zero to the result's scale.
func TestDecimalArithmetic(t *testing.T) {
	ops := map[string]func(z, a, b *big.Rat) *big.Rat{
		"+": (*big.Rat).Add, "-": (*big.Rat).Sub, "*": (*big.Rat).Mul, "/": (*big.Rat).Quo,
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (*plan.Expr, *big.Rat) {
			p := rapid.Int32Range(1, 38).Draw(t, name+" precision")
			s := rapid.Int32Range(0, p).Draw(t, name+" scale")
			digits := rapid.StringMatching(`-?[0-9]{1,`+big.NewInt(int64(p)).String()+`}`).Draw(t, name)
			v, _ := new(big.Int).SetString(digits, 10)
			e, _ := plan.LiteralExpr(plan.Decimal(p, s), decimal128.FromBigInt(v))
			return e, new(big.Rat).SetFrac(v, bigPow10(s))
		}
		a, x := draw("a")
		b, y := draw("b")
		op := rapid.SampledFrom([]string{"+", "-", "*", "/"}).Draw(t, "op")
		if op == "/" && y.Sign() == 0 {
			return
		}
		e, err := Call(op, a, b)
		if err != nil {
			t.Fatal(err)
		}
		exact := ops[op](new(big.Rat), x, y)
		scaled := new(big.Rat).Mul(exact, new(big.Rat).SetInt(bigPow10(e.Type.Scale)))
		want, _ := new(big.Int).SetString(scaled.FloatString(0), 10) // halves away from zero
		got, err := Fold(e, plan.Session{})
		fits := want.CmpAbs(bigPow10(e.Type.Precision)) < 0 && e.Type.Precision <= 38
		if e.Type.Precision == 38 {
			limit, _ := new(big.Int).SetString("1"+strings.Repeat("0", 38), 10)
			fits = want.CmpAbs(limit) < 0
		}
		if fits != (err == nil) || fits && got.Value.Decimal().BigInt().Cmp(want) != 0 {
			t.Fatalf("%s as %s: got %v, %v; want %s", e, e.Type, got, err, want)
		}
	})
}

// TestLikeIsRegexp compares LIKE with a regular expression.
func TestLikeIsRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab%_ä]{0,8}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[abä]{0,10}`).Draw(t, "s")
		p, err := compileLike(pattern, `\`, false)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile("(?s)^" + strings.NewReplacer("%", ".*", "_", ".").Replace(pattern) + "$")
		if got := p.match(s); got != re.MatchString(s) {
			t.Fatalf("%q LIKE %q is %v", s, pattern, got)
		}
	})
}

// TestCalendar compares with the standard library.
func TestCalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.Int64Range(-800_000, 2_900_000).Draw(t, "days")
		want := time.Unix(days*86400, 0).UTC()
		year, month, day := civil(days)
		if int(year) != want.Year() || month != int(want.Month()) || day != want.Day() {
			t.Fatalf("day %d is %d-%d-%d, want %s", days, year, month, day, want)
		}
		if back := daysOf(year, month, day); back != days {
			t.Fatalf("%d-%d-%d is day %d, not %d", year, month, day, back, days)
		}
		if got := (dayOfWeek(days) + 1) % 7; got != int(want.Weekday()) {
			t.Fatalf("weekday of %s is %d", want, got)
		}
		if _, week := want.ISOWeek(); int(weekOfYear(int32(days))) != week {
			t.Fatalf("week of %s is %d", want, weekOfYear(int32(days)))
		}
		if int(dayOfYear(int32(days))) != want.YearDay() {
			t.Fatalf("day of year of %s is %d", want, dayOfYear(int32(days)))
		}
	})
}

// TestTimestampText checks that text written is read back.
func TestTimestampText(t *testing.T) {
	in, err := newSession(plan.Session{})
	if err != nil {
		t.Fatal(err)
	}
	pattern, err := compilePattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS", true)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64Range(-60_000_000_000_000_000, 250_000_000_000_000_000).Draw(t, "micros")
		text := vector.FormatTimestamp(v)
		if got, ok := in.parseTimestamp(text); !ok || got != v {
			t.Fatalf("%s is read as %d, %v; want %d", text, got, ok, v)
		}
		formatted, _ := appendTime(nil, pattern, newStamp(v, in.zone))
		if got, ok := parseTime(pattern, string(formatted), in); !ok || got != v {
			t.Fatalf("%s is read as %d, %v; want %d", formatted, got, ok, v)
		}
	})
}
