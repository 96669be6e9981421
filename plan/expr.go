package plan

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow/decimal128"
)

// ExprOp says what an [Expr] is.
type ExprOp string

// The expression forms. Everything that computes is a call: operators, CASE, CAST, IN, LIKE and functions alike, under
// the names of package compute's function table.
const (
	OpColumn  ExprOp = "column"  // Column: ordinal in the input (a column id before physical planning)
	OpLiteral ExprOp = "literal" // Value
	OpCall    ExprOp = "call"    // Name(Args…): a function of package compute
	OpUDF     ExprOp = "udf"     // Name(Args…): a plugin function; the planner moves it into a NodeUDF

	// OpLambda is an argument of a higher-order function: Args[0] is the body, the rest are its parameters, each an
	// OpVariable. The body may also read columns.
	OpLambda ExprOp = "lambda"
	// OpVariable is a parameter of the lambda around it: Column is an id that is unique in the plan.
	OpVariable ExprOp = "variable"
)

// Expr is a bound, typed expression. Treat it as immutable: rewrite with [Expr.Transform].
//
// Calls that are not plain functions use these names: "case" with args when1, then1, …, and an optional else; "cast"
// and "try_cast" to Type; "and", "or", "not"; "=", "<=>", "<>", "<", "<=", ">", ">="; "+", "-", "*", "/", "%", "div",
// "negative"; "isnull", "isnotnull"; "in" with the value first; "like" with the pattern second and an optional escape;
// "getfield" with a struct and the field's ordinal as a literal int; "getitem" with an array or map and an index or key.
type Expr struct {
	Op       ExprOp  `json:"op"`
	Type     Type    `json:"type"`
	Nullable bool    `json:"nullable,omitempty"`
	Column   int     `json:"column,omitempty"`
	Name     string  `json:"name,omitempty"`
	Args     []*Expr `json:"args,omitempty"`
	Value    Literal `json:"value,omitzero"`
}

// Literal is a constant. Which field holds it follows from the expression's type, so that every value, NaN included,
// survives JSON.
type Literal struct {
	Null bool `json:"null,omitempty"`
	// Int: boolean (0, 1), integers, date (days), timestamps and day-time intervals (µs), year-month intervals (months),
	// intervals (µs); decimals: low 64 bits
	Int   int64  `json:"int,omitempty"`
	High  int64  `json:"high,omitempty"`  // decimals: high 64 bits; intervals: months in the high 32 bits, days in the low
	Bits  uint64 `json:"bits,omitempty"`  // float and double: IEEE 754 bits of the value as a double
	Bytes []byte `json:"bytes,omitempty"` // string, binary
	// Items are the elements of an array, the fields of a struct, or the entries of a map: key, value, key, value ….
	Items []Literal `json:"items,omitempty"`
}

// Equal reports whether two constants of the same type are the same value, bit by bit.
func (l Literal) Equal(o Literal) bool {
	return l.Null == o.Null && l.Int == o.Int && l.High == o.High && l.Bits == o.Bits && string(l.Bytes) == string(o.Bytes) &&
		slices.EqualFunc(l.Items, o.Items, Literal.Equal)
}

// ColumnExpr refers to a column.
func ColumnExpr(column int, f Field) *Expr {
	return &Expr{Op: OpColumn, Column: column, Name: f.Name, Type: f.Type, Nullable: f.Nullable}
}

// CallExpr calls a function. A result is taken as nullable; clear Nullable where the function says otherwise.
func CallExpr(name string, t Type, args ...*Expr) *Expr {
	return &Expr{Op: OpCall, Name: name, Type: t, Nullable: true, Args: args}
}

// LiteralExpr is a constant of a type; a nil Go value is NULL. Accepted values: bool, int64, float64, string, []byte
// and decimal128.Num, each for the kinds that hold it.
func LiteralExpr(t Type, v any) (*Expr, error) {
	e := &Expr{Op: OpLiteral, Type: t}
	switch v := v.(type) {
	case nil:
		e.Value.Null, e.Nullable = true, true
	case bool:
		if v {
			e.Value.Int = 1
		}
	case int64:
		e.Value.Int = v
	case float64:
		e.Value.Bits = math.Float64bits(v)
	case string:
		e.Value.Bytes = []byte(v)
	case []byte:
		e.Value.Bytes = v
	case decimal128.Num:
		e.Value.Int, e.Value.High = int64(v.LowBits()), v.HighBits()
	default:
		return nil, fmt.Errorf("literal of Go type %T", v)
	}
	return e, nil
}

// NullLiteral is NULL of a type.
func NullLiteral(t Type) *Expr {
	return &Expr{Op: OpLiteral, Type: t, Nullable: true, Value: Literal{Null: true}}
}

// Int64Literal, StringLiteral and BoolLiteral are the constants that planner code needs by the handful.
func Int64Literal(v int64) *Expr { return &Expr{Op: OpLiteral, Type: Int64, Value: Literal{Int: v}} }

// StringLiteral is a string constant.
func StringLiteral(s string) *Expr {
	return &Expr{Op: OpLiteral, Type: String, Value: Literal{Bytes: []byte(s)}}
}

// BoolLiteral is true or false.
func BoolLiteral(v bool) *Expr {
	e := &Expr{Op: OpLiteral, Type: Boolean}
	if v {
		e.Value.Int = 1
	}
	return e
}

// Float is the value of a float or double literal.
func (l Literal) Float() float64 { return math.Float64frombits(l.Bits) }

// Decimal is the unscaled value of a decimal literal.
func (l Literal) Decimal() decimal128.Num { return decimal128.New(l.High, uint64(l.Int)) }

// IsLiteral reports a constant, NULL included.
func (e *Expr) IsLiteral() bool { return e.Op == OpLiteral }

// IsTrue reports the constant true.
func (e *Expr) IsTrue() bool {
	return e.Op == OpLiteral && e.Type.Kind == KindBoolean && !e.Value.Null && e.Value.Int == 1
}

// Walk calls visit for the expression and everything below it, parents first; visit returns false to skip children.
func (e *Expr) Walk(visit func(*Expr) bool) {
	if !visit(e) {
		return
	}
	for _, a := range e.Args {
		a.Walk(visit)
	}
}

// Transform rebuilds the expression bottom up: rewrite gets each node with its children already rewritten, and returns
// it or a replacement. Nodes that do not change are shared.
func (e *Expr) Transform(rewrite func(*Expr) *Expr) *Expr {
	out := e
	for i, a := range e.Args {
		b := a.Transform(rewrite)
		if b == a {
			continue
		}
		if out == e {
			c := *e
			c.Args = append([]*Expr(nil), e.Args...)
			out = &c
		}
		out.Args[i] = b
	}
	return rewrite(out)
}

// Columns adds to set the columns that the expression reads.
func (e *Expr) Columns(set map[int]bool) {
	e.Walk(func(x *Expr) bool {
		if x.Op == OpColumn {
			set[x.Column] = true
		}
		return true
	})
}

// Equal reports whether two expressions are the same, names of columns and of lambdas' parameters left aside.
func (e *Expr) Equal(o *Expr) bool { return e.equal(o, nil) }

// equal takes parameters that are in pairs as the same.
func (e *Expr) equal(o *Expr, pairs [][2]int) bool {
	if e.Op != o.Op || !e.Type.Equal(o.Type) || len(e.Args) != len(o.Args) {
		return false
	}
	switch e.Op {
	case OpColumn:
		return e.Column == o.Column
	case OpLiteral:
		return e.Value.Equal(o.Value)
	case OpVariable:
		for i := len(pairs) - 1; i >= 0; i-- {
			if p := pairs[i]; p[0] == e.Column || p[1] == o.Column {
				return p == [2]int{e.Column, o.Column}
			}
		}
		return e.Column == o.Column
	case OpLambda:
		for i := 1; i < len(e.Args); i++ {
			if !e.Args[i].Type.Equal(o.Args[i].Type) {
				return false
			}
			pairs = append(pairs[:len(pairs):len(pairs)], [2]int{e.Args[i].Column, o.Args[i].Column})
		}
		return e.Args[0].equal(o.Args[0], pairs)
	}
	if e.Name != o.Name {
		return false
	}
	for i, a := range e.Args {
		if !a.equal(o.Args[i], pairs) {
			return false
		}
	}
	return true
}

// Conjuncts splits a predicate at its ANDs.
func Conjuncts(e *Expr) []*Expr {
	if e == nil {
		return nil
	}
	if e.Op == OpCall && e.Name == "and" {
		return append(Conjuncts(e.Args[0]), Conjuncts(e.Args[1])...)
	}
	return []*Expr{e}
}

// And joins predicates; nil stands for no condition.
func And(preds ...*Expr) *Expr {
	var out *Expr
	for _, p := range preds {
		switch {
		case p == nil:
		case out == nil:
			out = p
		default:
			out = &Expr{Op: OpCall, Name: "and", Type: Boolean, Nullable: out.Nullable || p.Nullable, Args: []*Expr{out, p}}
		}
	}
	return out
}

var infix = map[string]bool{
	"=": true, "<=>": true, "<>": true, "<": true, "<=": true, ">": true, ">=": true, "+": true, "-": true,
	"*": true, "/": true, "%": true, "div": true, "and": true, "or": true, "like": true,
}

// String is the expression in SQL-like form, with each column as name#column.
func (e *Expr) String() string {
	switch e.Op {
	case OpColumn, OpVariable:
		return e.Name + "#" + strconv.Itoa(e.Column)
	case OpLiteral:
		return FormatLiteral(e.Type, e.Value)
	}
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = a.String()
	}
	if e.Op == OpLambda {
		return "(" + strings.Join(args[1:], ", ") + ") -> " + args[0]
	}
	switch {
	case infix[e.Name] && len(args) == 2:
		return "(" + args[0] + " " + e.Name + " " + args[1] + ")"
	case e.Name == "cast" || e.Name == "try_cast":
		return e.Name + "(" + args[0] + " as " + e.Type.String() + ")"
	}
	return e.Name + "(" + strings.Join(args, ", ") + ")"
}

// FormatLiteral is a constant as SQL text.
func FormatLiteral(t Type, v Literal) string {
	if v.Null {
		return "NULL"
	}
	switch t.Kind {
	case KindBoolean:
		return strconv.FormatBool(v.Int != 0)
	case KindFloat32, KindFloat64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case KindDecimal:
		return v.Decimal().ToString(t.Scale)
	case KindString:
		return "'" + strings.ReplaceAll(string(v.Bytes), "'", `\'`) + "'"
	case KindBinary:
		return fmt.Sprintf("X'%X'", v.Bytes)
	case KindDate:
		return "DATE '" + time.Unix(v.Int*86400, 0).UTC().Format("2006-01-02") + "'"
	case KindTimestamp:
		return "TIMESTAMP '" + time.UnixMicro(v.Int).UTC().Format("2006-01-02 15:04:05.999999") + "'"
	case KindTimestampNTZ:
		return "TIMESTAMP_NTZ '" + time.UnixMicro(v.Int).UTC().Format("2006-01-02 15:04:05.999999") + "'"
	case KindYearMonthInterval:
		return fmt.Sprintf("INTERVAL '%d' MONTH", v.Int)
	case KindDayTimeInterval:
		return fmt.Sprintf("INTERVAL '%d' MICROSECOND", v.Int)
	case KindInterval:
		return fmt.Sprintf("INTERVAL '%d' MONTH '%d' DAY '%d' MICROSECOND", v.High>>32, int32(v.High), v.Int)
	case KindArray, KindMap, KindStruct:
		return formatNested(t, v)
	}
	return strconv.FormatInt(v.Int, 10)
}

func formatNested(t Type, v Literal) string {
	items := make([]string, len(v.Items))
	for i, x := range v.Items {
		child := t.Children[0].Type
		switch t.Kind {
		case KindMap:
			child = t.Children[i%2].Type
		case KindStruct:
			child = t.Children[i].Type
		}
		items[i] = FormatLiteral(child, x)
	}
	name := map[Kind]string{KindArray: "array", KindMap: "map", KindStruct: "struct"}[t.Kind]
	return name + "(" + strings.Join(items, ", ") + ")"
}
