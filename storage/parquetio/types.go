package parquetio

import (
	"fmt"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/plan"
)

// column is a leaf that can be read.
type column struct {
	name     string // of the leaf
	typ      plan.Type
	leaf     int // which column chunk of a row group
	index    int // which column of the unwrapped file
	physical format.Type
	length   int // of FIXED_LEN_BYTE_ARRAY
	unsigned bool
	unit     timeUnit
	form     form

	def, rep, slot uint8 // as of field; def is the level of a value
}

// form is how a stored value differs from the value.
type form uint8

const (
	asStored form = iota
	halfFloat
	uuidText
)

// timeUnit is the unit of a stored timestamp.
type timeUnit uint8

const (
	micros timeUnit = iota
	millis
	nanos
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// columnOf gives a leaf its SQL type, or says in words which type it has that cannot be read.
func columnOf(e *format.SchemaElement, leaf int) (column, string) {
	c := column{name: e.Name, leaf: leaf, physical: e.Type.V, length: int(e.TypeLength.V)}
	if e.Type.V == format.FixedLenByteArray && c.length <= 0 {
		return c, "fixed_len_byte_array without a length"
	}
	reason := c.setType(e)
	return c, reason
}

func physicalName(e *format.SchemaElement) string {
	if e.LogicalType.Value != nil {
		return e.LogicalType.Value.String()
	}
	return e.Type.V.String()
}

// setType finds the SQL type from the logical type or, in files of older writers, the converted type.
func (c *column) setType(e *format.SchemaElement) (unsupported string) {
	if l := e.LogicalType.Value; l != nil {
		return c.setLogical(e, l)
	}
	if e.ConvertedType.Valid {
		return c.setConverted(e)
	}
	return c.setPhysical(e)
}

func (c *column) setPhysical(e *format.SchemaElement) string {
	switch c.physical {
	case format.Boolean:
		c.typ = plan.Boolean
	case format.Int32:
		c.typ = plan.Int32
	case format.Int64:
		c.typ = plan.Int64
	case format.Int96:
		c.typ = plan.Timestamp // the only use that INT96 has had
	case format.Float:
		c.typ = plan.Float32
	case format.Double:
		c.typ = plan.Float64
	case format.ByteArray, format.FixedLenByteArray:
		c.typ = plan.Binary
	default:
		return physicalName(e)
	}
	return ""
}

func (c *column) setLogical(e *format.SchemaElement, logical format.LogicalTypeValue) string {
	bytes := c.physical == format.ByteArray || c.physical == format.FixedLenByteArray
	switch l := logical.(type) {
	case *format.StringType, *format.EnumType, *format.JsonType:
		if bytes {
			c.typ = plan.String
			return ""
		}
	case *format.BsonType:
		if bytes {
			c.typ = plan.Binary
			return ""
		}
	case *format.UUIDType:
		if c.physical == format.FixedLenByteArray && c.length == 16 {
			c.typ, c.form = plan.String, uuidText
			return ""
		}
	case *format.Float16Type:
		if c.physical == format.FixedLenByteArray && c.length == 2 {
			c.typ, c.form = plan.Float32, halfFloat
			return ""
		}
	case *format.NullType:
		return c.setPhysical(e) // nothing but NULL is in it
	case *format.DecimalType:
		return c.setDecimal(e, l.Precision, l.Scale)
	case *format.DateType:
		if c.physical == format.Int32 {
			c.typ = plan.Date
			return ""
		}
	case *format.TimestampType:
		return c.setTimestamp(e, unitOf(l.Unit), l.IsAdjustedToUTC)
	case *format.IntType:
		return c.setInteger(e, int(l.BitWidth), l.IsSigned)
	}
	return physicalName(e)
}

func (c *column) setConverted(e *format.SchemaElement) string {
	bytes := c.physical == format.ByteArray || c.physical == format.FixedLenByteArray
	switch e.ConvertedType.V {
	case deprecated.UTF8, deprecated.Enum, deprecated.Json:
		if bytes {
			c.typ = plan.String
			return ""
		}
	case deprecated.Bson:
		if bytes {
			c.typ = plan.Binary
			return ""
		}
	case deprecated.Decimal:
		return c.setDecimal(e, e.Precision.V, e.Scale.V)
	case deprecated.Date:
		if c.physical == format.Int32 {
			c.typ = plan.Date
			return ""
		}
	case deprecated.TimestampMillis:
		return c.setTimestamp(e, millis, true)
	case deprecated.TimestampMicros:
		return c.setTimestamp(e, micros, true)
	case deprecated.Int8:
		return c.setInteger(e, 8, true)
	case deprecated.Int16:
		return c.setInteger(e, 16, true)
	case deprecated.Int32:
		return c.setInteger(e, 32, true)
	case deprecated.Int64:
		return c.setInteger(e, 64, true)
	case deprecated.Uint8:
		return c.setInteger(e, 8, false)
	case deprecated.Uint16:
		return c.setInteger(e, 16, false)
	case deprecated.Uint32:
		return c.setInteger(e, 32, false)
	case deprecated.Uint64:
		return c.setInteger(e, 64, false)
	}
	return fmt.Sprintf("%s of converted type %d", e.Type.V, e.ConvertedType.V)
}

func unitOf(u format.TimeUnit) timeUnit {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return millis
	case *format.NanoSeconds:
		return nanos
	}
	return micros
}

// setTimestamp makes a timestamp of no time zone where the stored one is not an instant.
func (c *column) setTimestamp(e *format.SchemaElement, unit timeUnit, instant bool) string {
	if c.physical != format.Int64 {
		return physicalName(e)
	}
	c.typ, c.unit = plan.Timestamp, unit
	if !instant {
		c.typ = plan.TimestampNTZ
	}
	return ""
}

// setInteger maps unsigned integers to the next wider type, as Spark does.
func (c *column) setInteger(e *format.SchemaElement, bits int, signed bool) string {
	c.unsigned = !signed
	wide := c.physical == format.Int64
	switch {
	case wide && bits == 64 && signed:
		c.typ = plan.Int64
	case wide && bits == 64:
		c.typ = plan.Decimal(20, 0)
	case wide || c.physical != format.Int32:
		return physicalName(e)
	case bits == 8 && signed:
		c.typ = plan.Int8
	case bits == 8 || bits == 16 && signed:
		c.typ = plan.Int16
	case bits == 16 || bits == 32 && signed:
		c.typ = plan.Int32
	case bits == 32:
		c.typ = plan.Int64
	default:
		return physicalName(e)
	}
	return ""
}

func (c *column) setDecimal(e *format.SchemaElement, precision, scale int32) string {
	name := fmt.Sprintf("decimal(%d,%d) as %s", precision, scale, c.physical)
	if precision < 1 || precision > plan.MaxPrecision || scale < 0 || scale > precision {
		return name
	}
	switch c.physical {
	case format.Int32, format.Int64, format.ByteArray, format.FixedLenByteArray:
		c.typ = plan.Decimal(precision, scale)
		return ""
	}
	return name
}
