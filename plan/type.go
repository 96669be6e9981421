package plan

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// Kind is the family of a SQL type. Its values are part of the stored form of a plan: append only.
type Kind uint8

// The kinds, named as Spark's SQL names them. KindNull is the type of a bare NULL before coercion.
const (
	KindInvalid   Kind = iota
	KindNull           // void
	KindBoolean        // boolean
	KindInt8           // tinyint
	KindInt16          // smallint
	KindInt32          // int
	KindInt64          // bigint
	KindFloat32        // float
	KindFloat64        // double
	KindDecimal        // decimal(p,s), p at most 38
	KindString         // string, UTF-8
	KindBinary         // binary
	KindDate           // date: days since 1970-01-01
	KindTimestamp      // timestamp: microseconds since 1970-01-01T00:00:00Z
)

// MaxPrecision is the largest precision of a decimal.
const MaxPrecision = 38

// Type is a SQL type. Compare types with [Type.Equal], not with ==.
type Type struct {
	Kind      Kind    `json:"kind"`
	Precision int32   `json:"precision,omitempty"` // decimal only
	Scale     int32   `json:"scale,omitempty"`     // decimal only
	Children  []Field `json:"children,omitempty"`  // nested types only
}

// The types without parameters.
var (
	Null      = Type{Kind: KindNull}
	Boolean   = Type{Kind: KindBoolean}
	Int8      = Type{Kind: KindInt8}
	Int16     = Type{Kind: KindInt16}
	Int32     = Type{Kind: KindInt32}
	Int64     = Type{Kind: KindInt64}
	Float32   = Type{Kind: KindFloat32}
	Float64   = Type{Kind: KindFloat64}
	String    = Type{Kind: KindString}
	Binary    = Type{Kind: KindBinary}
	Date      = Type{Kind: KindDate}
	Timestamp = Type{Kind: KindTimestamp}
)

// Decimal is the type decimal(precision, scale).
func Decimal(precision, scale int32) Type {
	return Type{Kind: KindDecimal, Precision: precision, Scale: scale}
}

// kindNames gives the SQL name of each kind; decimal's parameters are added by String.
var kindNames = map[Kind]string{
	KindInvalid: "invalid", KindNull: "void", KindBoolean: "boolean", KindInt8: "tinyint", KindInt16: "smallint",
	KindInt32: "int", KindInt64: "bigint", KindFloat32: "float", KindFloat64: "double", KindDecimal: "decimal",
	KindString: "string", KindBinary: "binary", KindDate: "date", KindTimestamp: "timestamp",
}

// String is the SQL name of the type, as Spark prints it: "bigint", "decimal(10,2)".
func (t Type) String() string {
	if t.Kind == KindDecimal {
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	}
	if name, ok := kindNames[t.Kind]; ok {
		return name
	}
	return fmt.Sprintf("kind(%d)", t.Kind)
}

// ParseTypeName returns the type without parameters that a SQL name stands for ("bigint", "long", "STRING").
// Decimal without parameters is decimal(10,0), as in Spark.
func ParseTypeName(name string) (Type, bool) {
	t, ok := typesByName[strings.ToLower(name)]
	return t, ok
}

var typesByName = map[string]Type{
	"void": Null, "boolean": Boolean, "tinyint": Int8, "byte": Int8, "smallint": Int16, "short": Int16,
	"int": Int32, "integer": Int32, "bigint": Int64, "long": Int64, "float": Float32, "real": Float32,
	"double": Float64, "string": String, "binary": Binary, "date": Date, "timestamp": Timestamp,
	"decimal": Decimal(10, 0), "dec": Decimal(10, 0), "numeric": Decimal(10, 0),
}

// Equal reports whether two types are the same, parameters and children included.
func (t Type) Equal(u Type) bool {
	if t.Kind != u.Kind || t.Precision != u.Precision || t.Scale != u.Scale || len(t.Children) != len(u.Children) {
		return false
	}
	for i, c := range t.Children {
		if c.Name != u.Children[i].Name || c.Nullable != u.Children[i].Nullable || !c.Type.Equal(u.Children[i].Type) {
			return false
		}
	}
	return true
}

// IsInteger reports tinyint, smallint, int and bigint.
func (t Type) IsInteger() bool { return t.Kind >= KindInt8 && t.Kind <= KindInt64 }

// IsFloat reports float and double.
func (t Type) IsFloat() bool { return t.Kind == KindFloat32 || t.Kind == KindFloat64 }

// IsNumeric reports integers, floats and decimals.
func (t Type) IsNumeric() bool { return t.Kind >= KindInt8 && t.Kind <= KindDecimal }

// Arrow is the layout of the type in a batch. A string or binary column of a batch may be dictionary-encoded instead
// (int32 codes): that is a property of the batch, not of the type.
func (t Type) Arrow() arrow.DataType {
	switch t.Kind {
	case KindNull:
		return arrow.Null
	case KindBoolean:
		return arrow.FixedWidthTypes.Boolean
	case KindInt8:
		return arrow.PrimitiveTypes.Int8
	case KindInt16:
		return arrow.PrimitiveTypes.Int16
	case KindInt32:
		return arrow.PrimitiveTypes.Int32
	case KindInt64:
		return arrow.PrimitiveTypes.Int64
	case KindFloat32:
		return arrow.PrimitiveTypes.Float32
	case KindFloat64:
		return arrow.PrimitiveTypes.Float64
	case KindDecimal:
		return &arrow.Decimal128Type{Precision: t.Precision, Scale: t.Scale}
	case KindString:
		return arrow.BinaryTypes.String
	case KindBinary:
		return arrow.BinaryTypes.Binary
	case KindDate:
		return arrow.FixedWidthTypes.Date32
	case KindTimestamp:
		return arrow.FixedWidthTypes.Timestamp_us
	}
	return nil
}

// TypeOf is the SQL type of an Arrow type; a dictionary has the type of its values.
func TypeOf(dt arrow.DataType) (Type, error) {
	switch dt.ID() {
	case arrow.NULL:
		return Null, nil
	case arrow.BOOL:
		return Boolean, nil
	case arrow.INT8:
		return Int8, nil
	case arrow.INT16:
		return Int16, nil
	case arrow.INT32:
		return Int32, nil
	case arrow.INT64:
		return Int64, nil
	case arrow.FLOAT32:
		return Float32, nil
	case arrow.FLOAT64:
		return Float64, nil
	case arrow.DECIMAL128:
		d := dt.(*arrow.Decimal128Type)
		return Decimal(d.Precision, d.Scale), nil
	case arrow.STRING:
		return String, nil
	case arrow.BINARY:
		return Binary, nil
	case arrow.DATE32:
		return Date, nil
	case arrow.TIMESTAMP:
		return Timestamp, nil
	case arrow.DICTIONARY:
		return TypeOf(dt.(*arrow.DictionaryType).ValueType)
	}
	return Type{}, fmt.Errorf("arrow type %s has no SQL type here", dt)
}
