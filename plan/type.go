package plan

import (
	"fmt"
	"slices"
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

	KindTimestampNTZ      // timestamp_ntz: microseconds since 1970-01-01T00:00:00 of no time zone
	KindYearMonthInterval // interval year to month: months
	KindDayTimeInterval   // interval day to second: microseconds
	KindInterval          // interval: months, days and microseconds, each for itself
	KindArray             // array<element>
	KindMap               // map<key,value>
	KindStruct            // struct<name:type,…>
)

// The fields of an interval, from the largest to the smallest. A year-month interval has years and months, a day-time
// interval days to seconds.
const (
	FieldYear  int32 = 0
	FieldMonth int32 = 1

	FieldDay    int32 = 0
	FieldHour   int32 = 1
	FieldMinute int32 = 2
	FieldSecond int32 = 3
)

// MaxPrecision is the largest precision of a decimal.
const MaxPrecision = 38

// Type is a SQL type. Compare types with [Type.Equal], not with ==.
type Type struct {
	Kind      Kind    `json:"kind"`
	Precision int32   `json:"precision,omitempty"` // decimal; of year-month and day-time intervals the first field
	Scale     int32   `json:"scale,omitempty"`     // decimal; of year-month and day-time intervals the last field
	Children  []Field `json:"children,omitempty"`  // array: the element; map: key and value; struct: its fields
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

	TimestampNTZ      = Type{Kind: KindTimestampNTZ}
	YearMonthInterval = Type{Kind: KindYearMonthInterval, Precision: FieldYear, Scale: FieldMonth}
	DayTimeInterval   = Type{Kind: KindDayTimeInterval, Precision: FieldDay, Scale: FieldSecond}
	Interval          = Type{Kind: KindInterval}
)

// Decimal is the type decimal(precision, scale).
func Decimal(precision, scale int32) Type {
	return Type{Kind: KindDecimal, Precision: precision, Scale: scale}
}

// Array is the type array<element>; nullable says that elements may be NULL.
func Array(element Type, nullable bool) Type {
	return Type{Kind: KindArray, Children: []Field{{Name: "element", Type: element, Nullable: nullable}}}
}

// Map is the type map<key,value>; keys are never NULL, nullable says that values may be.
func Map(key, value Type, nullable bool) Type {
	return Type{Kind: KindMap, Children: []Field{{Name: "key", Type: key}, {Name: "value", Type: value, Nullable: nullable}}}
}

// Struct is the type struct<fields>.
func Struct(fields ...Field) Type { return Type{Kind: KindStruct, Children: fields} }

// Element is the element of an array.
func (t Type) Element() Field { return t.Children[0] }

// MapKey and MapValue are the sides of a map's entries.
func (t Type) MapKey() Field { return t.Children[0] }

// MapValue is the value of a map's entries.
func (t Type) MapValue() Field { return t.Children[1] }

// kindNames gives the SQL name of each kind; decimal's parameters are added by String.
var kindNames = map[Kind]string{
	KindInvalid: "invalid", KindNull: "void", KindBoolean: "boolean", KindInt8: "tinyint", KindInt16: "smallint",
	KindInt32: "int", KindInt64: "bigint", KindFloat32: "float", KindFloat64: "double", KindDecimal: "decimal",
	KindString: "string", KindBinary: "binary", KindDate: "date", KindTimestamp: "timestamp",
	KindTimestampNTZ: "timestamp_ntz", KindInterval: "interval",
}

// String is the SQL name of the type, as Spark prints it: "bigint", "decimal(10,2)", "map<string,array<int>>".
func (t Type) String() string {
	switch t.Kind {
	case KindDecimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case KindYearMonthInterval:
		return intervalText(t, "year", "month")
	case KindDayTimeInterval:
		return intervalText(t, "day", "hour", "minute", "second")
	case KindArray:
		return "array<" + t.Element().Type.String() + ">"
	case KindMap:
		return "map<" + t.MapKey().Type.String() + "," + t.MapValue().Type.String() + ">"
	case KindStruct:
		fields := make([]string, len(t.Children))
		for i, f := range t.Children {
			fields[i] = f.Name + ":" + f.Type.String()
		}
		return "struct<" + strings.Join(fields, ",") + ">"
	}
	if name, ok := kindNames[t.Kind]; ok {
		return name
	}
	return fmt.Sprintf("kind(%d)", t.Kind)
}

func intervalText(t Type, fields ...string) string {
	first, last := fields[t.Precision], fields[t.Scale]
	if first == last {
		return "interval " + first
	}
	return "interval " + first + " to " + last
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
	"timestamp_ltz": Timestamp, "timestamp_ntz": TimestampNTZ, "interval": Interval,
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

// IsNested reports arrays, maps and structs.
func (t Type) IsNested() bool { return t.Kind >= KindArray && t.Kind <= KindStruct }

// IsInterval reports the three kinds of interval.
func (t Type) IsInterval() bool { return t.Kind >= KindYearMonthInterval && t.Kind <= KindInterval }

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
	case KindTimestampNTZ:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case KindYearMonthInterval:
		return arrow.FixedWidthTypes.MonthInterval
	case KindDayTimeInterval:
		return arrow.FixedWidthTypes.Duration_us
	case KindInterval:
		return arrow.FixedWidthTypes.MonthDayNanoInterval
	case KindArray:
		return arrow.ListOfField(t.Element().arrow())
	case KindMap:
		m := arrow.MapOf(t.MapKey().Type.Arrow(), t.MapValue().Type.Arrow())
		m.SetItemNullable(t.MapValue().Nullable)
		return m
	case KindStruct:
		fields := make([]arrow.Field, len(t.Children))
		for i, f := range t.Children {
			fields[i] = f.arrow()
		}
		return arrow.StructOf(fields...)
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
		if dt.(*arrow.TimestampType).TimeZone == "" {
			return TimestampNTZ, nil
		}
		return Timestamp, nil
	case arrow.INTERVAL_MONTHS:
		return YearMonthInterval, nil
	case arrow.DURATION:
		return DayTimeInterval, nil
	case arrow.INTERVAL_MONTH_DAY_NANO:
		return Interval, nil
	case arrow.LIST, arrow.MAP, arrow.STRUCT:
		return nestedTypeOf(dt)
	case arrow.DICTIONARY:
		return TypeOf(dt.(*arrow.DictionaryType).ValueType)
	}
	return Type{}, fmt.Errorf("arrow type %s has no SQL type here", dt)
}

// nestedTypeOf is TypeOf for lists, maps and structs.
func nestedTypeOf(dt arrow.DataType) (Type, error) {
	var fields []arrow.Field
	switch dt := dt.(type) {
	case *arrow.ListType:
		f := dt.ElemField()
		f.Name = "element"
		fields = []arrow.Field{f}
	case *arrow.MapType:
		fields = []arrow.Field{{Name: "key", Type: dt.KeyType()}, {Name: "value", Type: dt.ItemType(), Nullable: dt.ItemField().Nullable}}
	case *arrow.StructType:
		fields = dt.Fields()
	}
	t := Type{Kind: map[arrow.Type]Kind{arrow.LIST: KindArray, arrow.MAP: KindMap, arrow.STRUCT: KindStruct}[dt.ID()]}
	for _, f := range fields {
		child, err := TypeOf(f.Type)
		if err != nil {
			return Type{}, err
		}
		t.Children = append(t.Children, Field{Name: f.Name, Type: child, Nullable: f.Nullable})
	}
	return t, nil
}

// HasOrder reports a type whose values can be sorted and compared: maps and calendar intervals have no order, nor has what has
// them inside.
func (t Type) HasOrder() bool {
	if t.Kind == KindMap || t.Kind == KindInterval {
		return false
	}
	return !slices.ContainsFunc(t.Children, func(f Field) bool { return !f.Type.HasOrder() })
}
