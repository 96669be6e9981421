package logical

import (
	"math"

	"github.com/quern-engine/quern/plan"
)

// rowsUnknown stands in for files whose statistics were not read: large enough not to be broadcast.
const rowsUnknown = 10_000_000

// profileScan guesses from what files say of their row groups.
func profileScan(n *Scan) Profile {
	out := Profile{Columns: map[int]ColumnProfile{}}
	width := rowWidth(n.Cols)
	for _, f := range n.Files {
		if f.Groups == nil {
			return Profile{Rows: rowsUnknown}
		}
		for _, g := range f.Groups {
			out.Rows += groupRows(f.File.RowGroups[g], width)
		}
	}
	first := len(n.Table.Schema.Fields) - len(n.Table.Partitions)
	for i, c := range n.Cols {
		switch o := n.Ordinals[i]; {
		case o >= first:
			out.Columns[c.ID] = profilePartition(n, o-first)
		case o >= 0:
			if p, ok := profileColumn(n, o, c.Type, out.Rows); ok {
				out.Columns[c.ID] = p
			}
		}
	}
	return out
}

// groupRows is the rows of a row group, guessed from its bytes where a format does not say.
func groupRows(g plan.RowGroup, width float64) float64 {
	if g.Rows <= 0 && g.Bytes > 0 {
		return float64(g.Bytes) / width
	}
	return float64(g.Rows)
}

func profilePartition(n *Scan, place int) ColumnProfile {
	var values []plan.Literal
	for _, f := range n.Files {
		known := false
		for _, v := range values {
			known = known || v.Equal(f.File.Partition[place])
		}
		if !known {
			values = append(values, f.File.Partition[place])
		}
	}
	count := float64(len(values))
	return ColumnProfile{Distinct: count, Domain: count}
}

// columnSums is a column's statistics over all row groups that are read.
type columnSums struct {
	low, high    float64
	bounded      bool
	nulls, bytes float64
}

// profileColumn guesses from a column's statistics. How many values it has is bounded by the rows; for whole numbers
// also by their range; for others by the size as stored, since n different values need log2(n) bits each: a column that
// takes three bits a row has about eight values.
func profileColumn(n *Scan, ordinal int, t plan.Type, rows float64) (ColumnProfile, bool) {
	sums, ok := sumColumn(n, ordinal, t)
	if !ok || rows == 0 {
		return ColumnProfile{}, false
	}
	c := ColumnProfile{Nulls: sums.nulls / rows, Low: sums.low, High: sums.high, Bounded: sums.bounded}
	values := max(rows-sums.nulls, 1)
	c.Distinct = values
	switch {
	case sums.bounded && discrete(t):
		c.Distinct = min(values, sums.high-sums.low+1)
	case sums.bytes > 0:
		c.Distinct = min(values, math.Exp2(min(8*sums.bytes/values, 60)))
	}
	c.Distinct = max(c.Distinct, 1)
	c.Domain = c.Distinct
	c.Key = c.Distinct >= values
	return c, true
}

func sumColumn(n *Scan, ordinal int, t plan.Type) (columnSums, bool) {
	sums := columnSums{low: math.Inf(1), high: math.Inf(-1), bounded: true}
	known := false
	for _, f := range n.Files {
		for _, g := range f.Groups {
			group := f.File.RowGroups[g]
			if ordinal >= len(group.Columns) {
				return sums, false
			}
			s := group.Columns[ordinal]
			known = known || s.HasBounds || s.Bytes > 0
			sums.bytes += float64(s.Bytes)
			sums.nulls += float64(max(s.NullCount, 0))
			if s.NullCount == group.Rows {
				continue
			}
			low, ok := number(t, s.Min)
			high, _ := number(t, s.Max)
			sums.bounded = sums.bounded && s.HasBounds && ok
			sums.low, sums.high = min(sums.low, low), max(sums.high, high)
		}
	}
	sums.bounded = sums.bounded && sums.low <= sums.high
	return sums, known
}

// discrete reports types whose values in a range can be counted, in the unit of number.
func discrete(t plan.Type) bool {
	return t.IsInteger() || t.Kind == plan.KindDate || t.Kind == plan.KindDecimal || t.Kind == plan.KindBoolean
}

// number is a constant's place on a line; of decimals without their scale.
func number(t plan.Type, v plan.Literal) (float64, bool) {
	switch t.Kind {
	case plan.KindFloat32, plan.KindFloat64:
		return v.Float(), !math.IsNaN(v.Float()) && !math.IsInf(v.Float(), 0)
	case plan.KindDecimal:
		return v.Decimal().ToFloat64(0), true
	case plan.KindBoolean, plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64, plan.KindDate, plan.KindTimestamp,
		plan.KindTimestampNTZ, plan.KindYearMonthInterval, plan.KindDayTimeInterval:
		return float64(v.Int), true
	}
	return 0, false
}

// profileValues counts the different constants of each column.
func profileValues(n *Values) Profile {
	out := Profile{Rows: float64(len(n.Rows)), Columns: map[int]ColumnProfile{}}
	const most = 1000 // beyond which counting would take longer than guessing wrong costs
	if len(n.Rows) > most {
		return out
	}
	for i, c := range n.Cols {
		seen := map[string]bool{}
		for _, row := range n.Rows {
			seen[row[i].String()] = true
		}
		d := max(float64(len(seen)), 1)
		out.Columns[c.ID] = ColumnProfile{Distinct: d, Domain: d, Key: len(seen) == len(n.Rows)}
	}
	return out
}

// NoNulls reports a column of which files say that it has no NULL.
func (n *Scan) NoNulls(column int) bool {
	o := n.Ordinals[column]
	if o < 0 || o >= len(n.Table.Schema.Fields)-len(n.Table.Partitions) || n.Cols[column].Type.IsNested() {
		return false
	}
	for _, f := range n.Files {
		if f.Groups == nil {
			return false
		}
		for _, g := range f.Groups {
			group := f.File.RowGroups[g]
			if o >= len(group.Columns) {
				return false
			}
			// A zero value is "unknown", not "no nulls".
			s := group.Columns[o]
			if s.NullCount != 0 || !s.HasBounds && s.Bytes == 0 {
				return false
			}
		}
	}
	return true
}
