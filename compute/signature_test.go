package compute

import (
	"strings"
	"testing"

	"github.com/quern-engine/quern/plan"
)

// TestCommonType checks the rule of every pair that matters, both ways round.
func TestCommonType(t *testing.T) {
	none := plan.Type{}
	for _, c := range []struct{ a, b, want plan.Type }{
		{plan.Int32, plan.Int32, plan.Int32}, {plan.Int8, plan.Int64, plan.Int64}, {plan.Int64, plan.Float32, plan.Float64},
		{plan.Float32, plan.Float64, plan.Float64}, {plan.Int32, plan.Decimal(5, 2), plan.Decimal(12, 2)},
		{plan.Int64, plan.Decimal(5, 2), plan.Decimal(22, 2)}, {plan.Float32, plan.Decimal(5, 2), plan.Float64},
		{plan.Decimal(10, 2), plan.Decimal(8, 4), plan.Decimal(12, 4)}, {plan.Decimal(38, 0), plan.Decimal(38, 10), plan.Decimal(38, 0)},
		{plan.Null, plan.Date, plan.Date}, {plan.String, plan.Int8, plan.Int64}, {plan.String, plan.Decimal(5, 2), plan.Float64},
		{plan.String, plan.Date, plan.Date}, {plan.String, plan.Boolean, plan.Boolean}, {plan.Date, plan.Timestamp, plan.Timestamp},
		{plan.Boolean, plan.Int32, none}, {plan.Date, plan.Int32, none}, {plan.Binary, plan.Int32, none},
	} {
		for _, pair := range [][2]plan.Type{{c.a, c.b}, {c.b, c.a}} {
			got, ok := CommonType(pair[0], pair[1])
			if ok != (c.want.Kind != plan.KindInvalid) || ok && !got.Equal(c.want) {
				t.Errorf("%s and %s: %s, %v; want %s", pair[0], pair[1], got, ok, c.want)
			}
		}
	}
}

// TestAggregateTypes checks the results of aggregates.
func TestAggregateTypes(t *testing.T) {
	for _, c := range []struct {
		name      string
		arg, want plan.Type
	}{
		{"sum", plan.Int32, plan.Int64}, {"sum", plan.Decimal(10, 2), plan.Decimal(20, 2)}, {"sum", plan.Decimal(35, 2), plan.Decimal(38, 2)},
		{"sum", plan.Float32, plan.Float64}, {"sum", plan.String, plan.Float64}, {"avg", plan.Int32, plan.Float64},
		{"avg", plan.Decimal(10, 2), plan.Decimal(14, 6)}, {"avg", plan.Decimal(38, 2), plan.Decimal(38, 6)},
		{"min", plan.Date, plan.Date}, {"count", plan.String, plan.Int64},
	} {
		f, _ := Lookup(c.name)
		sig, err := f.Resolve([]plan.Type{c.arg})
		if err != nil || !sig.Returns.Equal(c.want) || sig.NeverNull != (c.name == "count") {
			t.Errorf("%s(%s): %+v, %v; want %s", c.name, c.arg, sig, err, c.want)
		}
	}
}

// TestEverySignatureRuns compiles every scalar function over every combination of up to three argument types that it
// takes, and runs it over NULLs and zero values: the table promises that nothing panics, that casts of casts are
// stable, and that results have the type promised.
func TestEverySignatureRuns(t *testing.T) {
	types := []plan.Type{
		plan.Null, plan.Boolean, plan.Int8, plan.Int16, plan.Int32, plan.Int64, plan.Float32, plan.Float64,
		plan.Decimal(9, 2), plan.Decimal(38, 18), plan.String, plan.Binary, plan.Date, plan.Timestamp,
		plan.TimestampNTZ, plan.YearMonthInterval, plan.DayTimeInterval, plan.Interval,
	}
	runs := 0
	for _, f := range Functions() {
		if f.Kind != Scalar || f.resolveExprs != nil { // the latter want constants with a meaning
			continue
		}
		for n := 0; n <= 3; n++ {
			step := []int{1, 1, 5, 97}[n] // prime to the number of types: enough to meet every one in every place
			total := 1
			for range n {
				total *= len(types)
			}
			for k := 0; k < total; k += step {
				args := make([]plan.Type, n)
				for i, rest := 0, k; i < n; i++ {
					args[i], rest = types[rest%len(types)], rest/len(types)
				}
				if sig, err := f.Resolve(args); err == nil {
					runs++
					runSignature(t, f, args, sig)
				}
			}
		}
	}
	if runs < 2000 {
		t.Errorf("only %d signatures", runs)
	}
}

func runSignature(t *testing.T, f *Function, args []plan.Type, sig Signature) {
	t.Helper()
	again, err := f.Resolve(sig.Args)
	if err != nil || !again.Returns.Equal(sig.Returns) {
		t.Errorf("%s%v casts to %v, which gives %v, %v", f.Name, args, sig.Args, again, err)
	}
	exprs := make([]*plan.Expr, len(args))
	for i, a := range args {
		exprs[i] = &plan.Expr{Op: plan.OpLiteral, Type: a, Value: plan.Literal{Null: a.Kind == plan.KindNull}}
	}
	e, err := Call(f.Name, exprs...)
	if err != nil {
		t.Errorf("%s%v: %v", f.Name, args, err)
		return
	}
	want := asConstant(e, atNoon)
	if strings.HasPrefix(want, "not ") || strings.HasPrefix(want, "no class") {
		t.Errorf("%s%v: %s", f.Name, args, want)
		return
	}
	if got := asColumns(t, e, want, atNoon); got != want {
		t.Errorf("%s%v: %q over columns, %q as constant", f.Name, args, got, want)
	}
}

// TestCallNullability checks what Call says about NULL.
func TestCallNullability(t *testing.T) {
	col := func(nullable bool) *plan.Expr {
		return plan.ColumnExpr(0, plan.Field{Name: "c", Type: plan.Int32, Nullable: nullable})
	}
	for _, c := range []struct {
		name string
		args []*plan.Expr
		want bool
	}{
		{"+", []*plan.Expr{col(false), col(false)}, false}, {"+", []*plan.Expr{col(false), col(true)}, true},
		{"isnull", []*plan.Expr{col(true)}, false}, {"coalesce", []*plan.Expr{col(true), col(false)}, false},
		{"coalesce", []*plan.Expr{col(true), col(true)}, true}, {"nullif", []*plan.Expr{col(false), col(false)}, true},
		{"try_add", []*plan.Expr{col(false), col(false)}, true}, {"<=>", []*plan.Expr{col(true), col(true)}, false},
	} {
		e, err := Call(c.name, c.args...)
		if err != nil || e.Nullable != c.want {
			t.Errorf("%s: %v, %v", e, e.Nullable, err)
		}
	}
}

// TestUnresolvable checks what people read.
func TestUnresolvable(t *testing.T) {
	for _, c := range []struct {
		name string
		args []plan.Type
		want string
	}{
		{"upper", nil, "[WRONG_NUM_ARGS.WITHOUT_SUGGESTION] The `upper` requires 1 parameters but the actual number is 0."},
		{"round", []plan.Type{plan.Boolean}, "[DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE] Cannot resolve \"round\" due to data " +
			"type mismatch: The first parameter requires the \"NUMERIC\" type, however it has the type \"BOOLEAN\"."},
		{"+", []plan.Type{plan.Int32, plan.Boolean}, "[DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES] Cannot resolve \"+\" due to data type " +
			"mismatch: the operands have incompatible types (\"INT\" and \"BOOLEAN\")."},
		{"=", []plan.Type{plan.Int32, plan.Boolean}, "[DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES] Cannot resolve \"=\" due to data " +
			"type mismatch: the operands have incompatible types (\"INT\" and \"BOOLEAN\")."},
	} {
		f, _ := Lookup(c.name)
		if _, err := f.Resolve(c.args); err == nil || err.Error() != c.want {
			t.Errorf("%s%v:\n got %v\nwant %s", c.name, c.args, err, c.want)
		}
	}
}
