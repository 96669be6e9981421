package parquetio

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/plan"
)

// statsOf turns a chunk's statistics into bounds that may be relied on, and leaves out the others:
//   - INT96 and decimals in byte arrays: writers have disagreed about their order;
//   - float and double: bounds say nothing about NaN, which is the greatest value in SQL;
//   - the old min and max fields, except of signed numbers: they were compared as signed bytes;
//   - strings whose bound may have been cut short: a cut lower bound still holds, an upper one only if its last byte was
//     raised, which writers that can do it declare.
func (f *file) statsOf(group int, c *column) plan.ColumnStats {
	m := &f.groups[group].Columns[c.leaf].MetaData
	s := plan.ColumnStats{NullCount: -1, Bytes: m.TotalCompressedSize}
	if c.rep > 0 {
		return s // of the elements of lists
	}
	switch n := m.Statistics.NullCount; {
	case c.def == 0:
		s.NullCount = 0
	case n.Valid && n.V >= 0 && n.V <= m.NumValues:
		s.NullCount = n.V
	}
	c.setBounds(&s, f.bounds(&m.Statistics, c))
	return s
}

// limits are bounds as stored; nil where there are none to be trusted.
type limits struct{ low, high []byte }

func (c *column) setBounds(s *plan.ColumnStats, stored limits) {
	if stored.low == nil || stored.high == nil {
		return
	}
	var okLow, okHigh bool
	s.Min, okLow = c.bound(stored.low)
	s.Max, okHigh = c.bound(stored.high)
	s.HasBounds = okLow && okHigh && compareLiterals(c.typ, s.Min, s.Max) <= 0
	if !s.HasBounds {
		s.Min, s.Max = plan.Literal{}, plan.Literal{}
	}
}

// bounds picks the fields that hold bounds to be trusted, or nil.
func (f *file) bounds(s *statsMeta, c *column) limits {
	// Shorter than any writer cuts.
	const surelyWhole = 16
	if c.form != asStored {
		return limits{}
	}
	switch c.physical {
	case format.Int96, format.Float, format.Double:
		return limits{}
	case format.ByteArray, format.FixedLenByteArray:
		whole := s.MaxExact.Valid || len(s.MaxValue) < surelyWhole
		if !f.ordered || !whole || c.typ.Kind == plan.KindDecimal {
			return limits{}
		}
		return limits{s.MinValue, s.MaxValue}
	}
	switch {
	case s.MinValue != nil && s.MaxValue != nil && (f.ordered || !c.unsigned):
		return limits{s.MinValue, s.MaxValue}
	case !c.unsigned:
		return limits{s.Min, s.Max}
	}
	return limits{}
}

// bound decodes a bound. A timestamp's is floored as its values are, which keeps the order.
func (c *column) bound(b []byte) (plan.Literal, bool) {
	var x int64
	switch c.physical {
	case format.Boolean:
		if len(b) != 1 || b[0] > 1 {
			return plan.Literal{}, false
		}
		return plan.Literal{Int: int64(b[0])}, true
	case format.Int32:
		if len(b) != 4 {
			return plan.Literal{}, false
		}
		if x = int64(int32(binary.LittleEndian.Uint32(b))); c.unsigned {
			x = int64(uint32(x))
		}
	case format.Int64:
		if len(b) != 8 {
			return plan.Literal{}, false
		}
		x = int64(binary.LittleEndian.Uint64(b))
	default:
		return plan.Literal{Bytes: bytes.Clone(b)}, true
	}
	switch {
	case c.unit == millis:
		if x > 1<<53 || x < -1<<53 {
			return plan.Literal{}, false
		}
		x *= 1000
	case c.unit == nanos:
		x = floorDiv(x, 1000)
	}
	l := plan.Literal{Int: x}
	if c.typ.Kind == plan.KindDecimal && x < 0 && !(c.unsigned && c.physical == format.Int64) {
		l.High = -1
	}
	return l, true
}

// compareLiterals orders two constants of a type that has bounds.
func compareLiterals(t plan.Type, a, b plan.Literal) int {
	switch t.Kind {
	case plan.KindString, plan.KindBinary:
		return bytes.Compare(a.Bytes, b.Bytes)
	case plan.KindDecimal:
		return a.Decimal().Cmp(b.Decimal())
	}
	return cmp.Compare(a.Int, b.Int)
}

// hasOrder reports a type whose constants compareLiterals can order.
func hasOrder(t plan.Type) bool {
	switch t.Kind {
	case plan.KindBoolean, plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64, plan.KindDate, plan.KindTimestamp,
		plan.KindTimestampNTZ,
		plan.KindDecimal, plan.KindString, plan.KindBinary:
		return true
	}
	return false
}
