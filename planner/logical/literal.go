package logical

import (
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// literal types a constant as Spark does. A minus before a number is part of it: -9223372036854775808 is a bigint
// though 9223372036854775808 is not.
func (a *analyser) literal(l *sql.Literal) (*plan.Expr, error) {
	switch l.Kind {
	case "null":
		return plan.NullLiteral(plan.Null), nil
	case "boolean":
		return plan.BoolLiteral(strings.EqualFold(l.Text, "true")), nil
	case "string":
		return plan.StringLiteral(l.Text), nil
	case "binary":
		return a.binaryLiteral(l)
	case "typed":
		return a.typedLiteral(l)
	}
	return a.number(l, l.Text)
}

func (a *analyser) number(l *sql.Literal, text string) (*plan.Expr, error) {
	switch l.Suffix {
	case "L":
		return a.integer(l, text, plan.Int64, 64)
	case "S":
		return a.integer(l, text, plan.Int16, 16)
	case "Y":
		return a.integer(l, text, plan.Int8, 8)
	case "F":
		return a.float(l, text, plan.Float32, 32)
	case "D":
		return a.float(l, text, plan.Float64, 64)
	case "BD":
		return a.decimal(l, text)
	}
	if l.Kind == "double" {
		return a.float(l, text, plan.Float64, 64)
	}
	if l.Kind == "integer" {
		if _, err := strconv.ParseInt(text, 10, 32); err == nil {
			return a.integer(l, text, plan.Int32, 32)
		}
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return a.integer(l, text, plan.Int64, 64)
		}
	}
	return a.decimal(l, text)
}

func (a *analyser) integer(l *sql.Literal, text string, t plan.Type, bits int) (*plan.Expr, error) {
	v, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return nil, a.errorf(l.Span, "INVALID_NUMERIC_LITERAL_RANGE", "%s is outside the range of %s", text, t)
	}
	return plan.LiteralExpr(t, v)
}

func (a *analyser) float(l *sql.Literal, text string, t plan.Type, bits int) (*plan.Expr, error) {
	v, err := strconv.ParseFloat(text, bits)
	if err != nil {
		return nil, a.errorf(l.Span, "INVALID_NUMERIC_LITERAL_RANGE", "%s is outside the range of %s", text, t)
	}
	return plan.LiteralExpr(t, v)
}

// decimal types 1.50 as decimal(3,2) and 0.05 as decimal(2,2): as many digits as it takes.
func (a *analyser) decimal(l *sql.Literal, text string) (*plan.Expr, error) {
	digits, negative := strings.CutPrefix(text, "-")
	digits, exponent := splitExponent(digits)
	whole, fraction, _ := strings.Cut(digits, ".")
	scale := len(fraction) - exponent
	all := strings.TrimLeft(whole+fraction, "0")
	if scale < 0 && scale >= -plan.MaxPrecision {
		all, scale = all+strings.Repeat("0", -scale), 0
	}
	precision := max(len(all), scale, 1)
	unscaled, ok := new(big.Int).SetString("0"+all, 10)
	if !ok || precision > plan.MaxPrecision || scale < 0 {
		return nil, a.errorf(l.Span, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
			"%s needs more than the %d digits that a decimal can have", text, plan.MaxPrecision)
	}
	if negative {
		unscaled.Neg(unscaled)
	}
	return plan.LiteralExpr(plan.Decimal(int32(precision), int32(scale)), decimal128.FromBigInt(unscaled))
}

// splitExponent separates 1.5 and 3 of 1.5E3.
func splitExponent(text string) (digits string, exponent int) {
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return text, 0
	}
	n, err := strconv.Atoi(text[i+1:])
	if err != nil {
		n = plan.MaxPrecision * 10 // out of any range; the caller's check says so
	}
	return text[:i], n
}

func (a *analyser) binaryLiteral(l *sql.Literal) (*plan.Expr, error) {
	text := l.Text
	if len(text)%2 == 1 {
		text = "0" + text
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return nil, a.errorf(l.Span, "INVALID_TYPED_LITERAL", "X'%s' is not hexadecimal", l.Text)
	}
	return &plan.Expr{Op: plan.OpLiteral, Type: plan.Binary, Value: plan.Literal{Bytes: b}}, nil
}

// typedLiteral is DATE '…' and TIMESTAMP '…': a cast that must succeed now. A timestamp of no other zone is of the
// session's.
func (a *analyser) typedLiteral(l *sql.Literal) (*plan.Expr, error) {
	var t plan.Type
	switch strings.ToLower(l.TypeName) {
	case "date":
		t = plan.Date
	case "timestamp", "timestamp_ltz":
		t = plan.Timestamp
	case "timestamp_ntz":
		t = plan.TimestampNTZ
	case "binary", "x":
		return a.binaryLiteral(l)
	default:
		return nil, a.errorf(l.Span, "UNSUPPORTED_TYPED_LITERAL", "there are no literals of type %s", l.TypeName).
			WithHint("DATE, TIMESTAMP, TIMESTAMP_LTZ, TIMESTAMP_NTZ, INTERVAL and X have some; CAST('…' AS %s) says the same", strings.ToUpper(l.TypeName))
	}
	v, ok := a.constant(compute.Cast(plan.StringLiteral(l.Text), t))
	if !ok || v.Value.Null {
		return nil, a.errorf(l.Span, "INVALID_TYPED_LITERAL", "'%s' is not a %s", l.Text, t)
	}
	return v, nil
}

func intLiteral(v int64) *plan.Expr {
	return &plan.Expr{Op: plan.OpLiteral, Type: plan.Int32, Value: plan.Literal{Int: v}}
}
