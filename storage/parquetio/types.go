package parquetio

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/plan"
)

// column is a flat column that can be read.
type column struct {
	name     string
	typ      plan.Type
	leaf     int // which column chunk of a row group
	index    int // which column of the unwrapped file
	physical format.Type
	length   int // of FIXED_LEN_BYTE_ARRAY
	optional bool
	unsigned bool
	unit     timeUnit
}

// timeUnit is the unit of a stored timestamp.
type timeUnit uint8

const (
	micros timeUnit = iota
	millis
	nanos
)

// maxColumns is as many as parquet-go can count.
const maxColumns = 1<<16 - 2

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// readSchema sorts the top-level columns into those that can be read and the others, and counts the leaves.
func (f *file) readSchema(schema []format.SchemaElement) (leaves int, err error) {
	if len(schema) == 0 || schema[0].Type.Valid {
		return 0, errors.New("the schema has no root")
	}
	f.unsupported = map[string]string{}
	next := 1
	for range max(schema[0].NumChildren.V, 0) {
		if next >= len(schema) {
			return 0, errors.New("the schema ends early")
		}
		first, e := leaves, &schema[next]
		if next, err = countLeaves(schema, next, 0, &leaves); err != nil {
			return 0, err
		}
		c, reason := columnOf(e, first)
		if reason != "" {
			f.unsupported[e.Name] = reason
			continue
		}
		c.index = len(f.columns)
		f.columns = append(f.columns, c)
	}
	if next != len(schema) {
		return 0, fmt.Errorf("the schema has %d elements, its tree %d", len(schema), next)
	}
	if len(f.columns) > maxColumns {
		return 0, fmt.Errorf("more than %d columns", maxColumns)
	}
	return leaves, nil
}

// countLeaves steps over the subtree at schema[i], and returns where the next one begins.
func countLeaves(schema []format.SchemaElement, i, depth int, leaves *int) (int, error) {
	if i >= len(schema) {
		return 0, errors.New("the schema ends early")
	}
	if depth > 100 {
		return 0, errors.New("the schema is nested too deeply")
	}
	e := &schema[i]
	i++
	if e.Type.Valid {
		*leaves++
		return i, nil
	}
	for range max(e.NumChildren.V, 0) {
		var err error
		if i, err = countLeaves(schema, i, depth+1, leaves); err != nil {
			return 0, err
		}
	}
	return i, nil
}

// columnOf gives a top-level element its SQL type, or says in words which type it has that cannot be read.
func columnOf(e *format.SchemaElement, leaf int) (column, string) {
	c := column{name: e.Name, leaf: leaf, physical: e.Type.V, length: int(e.TypeLength.V)}
	switch {
	case !e.Type.Valid:
		return c, groupName(e)
	case e.RepetitionType.Valid && e.RepetitionType.V == format.Repeated:
		return c, "list<" + physicalName(e) + ">"
	case e.Type.V == format.FixedLenByteArray && c.length <= 0:
		return c, "fixed_len_byte_array without a length"
	}
	c.optional = e.RepetitionType.Valid && e.RepetitionType.V == format.Optional
	reason := c.setType(e)
	return c, reason
}

func groupName(e *format.SchemaElement) string {
	switch e.LogicalType.Value.(type) {
	case *format.ListType:
		return "list"
	case *format.MapType:
		return "map"
	}
	if e.ConvertedType.Valid {
		switch e.ConvertedType.V {
		case deprecated.List:
			return "list"
		case deprecated.Map, deprecated.MapKeyValue:
			return "map"
		}
	}
	return "struct"
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
	case *format.BsonType, *format.UUIDType:
		if bytes {
			c.typ = plan.Binary
			return ""
		}
	case *format.DecimalType:
		return c.setDecimal(e, l.Precision, l.Scale)
	case *format.DateType:
		if c.physical == format.Int32 {
			c.typ = plan.Date
			return ""
		}
	case *format.TimestampType:
		return c.setTimestamp(e, unitOf(l.Unit))
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
		return c.setTimestamp(e, millis)
	case deprecated.TimestampMicros:
		return c.setTimestamp(e, micros)
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

func (c *column) setTimestamp(e *format.SchemaElement, unit timeUnit) string {
	if c.physical != format.Int64 {
		return physicalName(e)
	}
	c.typ, c.unit = plan.Timestamp, unit
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
