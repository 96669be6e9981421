package udf

import (
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
)

// Type is a SQL type, as SQL writes it.
type Type string

// The SQL types. Decimals are made by Decimal.
const (
	Boolean   Type = "boolean"
	TinyInt   Type = "tinyint"
	SmallInt  Type = "smallint"
	Int       Type = "int"
	BigInt    Type = "bigint"
	Float     Type = "float"
	Double    Type = "double"
	String    Type = "string"
	Binary    Type = "binary"
	DateType  Type = "date"
	Timestamp Type = "timestamp"
)

// Decimal is decimal(precision, scale).
func Decimal(precision, scale int32) Type {
	return Type(fmt.Sprintf("decimal(%d,%d)", precision, scale))
}

// Arrow is the layout of the type's columns, nil for a type that does not exist.
func (t Type) Arrow() arrow.DataType {
	switch t {
	case Boolean:
		return arrow.FixedWidthTypes.Boolean
	case TinyInt:
		return arrow.PrimitiveTypes.Int8
	case SmallInt:
		return arrow.PrimitiveTypes.Int16
	case Int:
		return arrow.PrimitiveTypes.Int32
	case BigInt:
		return arrow.PrimitiveTypes.Int64
	case Float:
		return arrow.PrimitiveTypes.Float32
	case Double:
		return arrow.PrimitiveTypes.Float64
	case String:
		return arrow.BinaryTypes.String
	case Binary:
		return arrow.BinaryTypes.Binary
	case DateType:
		return arrow.FixedWidthTypes.Date32
	case Timestamp:
		return arrow.FixedWidthTypes.Timestamp_us
	}
	var precision, scale int32
	if n, err := fmt.Sscanf(string(t), "decimal(%d,%d)", &precision, &scale); n == 2 && err == nil &&
		t == Decimal(precision, scale) && precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision {
		return &arrow.Decimal128Type{Precision: precision, Scale: scale}
	}
	return nil
}

// Date is a SQL date: days since 1970-01-01.
type Date int32

// Time is midnight UTC of the date.
func (d Date) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String is the date as 2006-01-02.
func (d Date) String() string { return d.Time().Format(time.DateOnly) }

// DateOf is the date of a time in UTC.
func DateOf(t time.Time) Date {
	days := t.Unix() / 86400
	if t.Unix()%86400 < 0 {
		days--
	}
	return Date(days)
}

// Value is a Go type of an argument or a result. int8 to int64 are tinyint to bigint, float32 float, float64 double,
// time.Time timestamp (microseconds, UTC). A string or []byte argument is only to be read.
type Value interface {
	bool | int8 | int16 | int32 | int64 | float32 | float64 | string | []byte | Date | time.Time |
		*bool | *int8 | *int16 | *int32 | *int64 | *float32 | *float64 | *string | *[]byte | *Date | *time.Time
}
