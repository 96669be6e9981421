package stats

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Merge brings the shards of a dataset together, which are added in order. The zero value with Schema set is ready.
type Merge struct {
	Schema  plan.Schema
	columns []merged
}

type merged struct {
	Column
	points   []point
	frequent map[string]*estimate
}

// point is a value that stands for so many.
type point struct{ value, weight float64 }

// estimate is how often a value is there, about, and how often it is in samples.
type estimate struct {
	value   plan.Literal
	count   float64
	sampled int64
}

// Add takes in a shard.
func (m *Merge) Add(shard []Column) error {
	if len(shard) != len(m.Schema.Fields) {
		return fmt.Errorf("statistics of %d columns for %d", len(shard), len(m.Schema.Fields))
	}
	if m.columns == nil {
		m.columns = make([]merged, len(shard))
	}
	for i := range shard {
		if err := m.columns[i].add(m.Schema.Fields[i].Type, &shard[i]); err != nil {
			return fmt.Errorf("statistics of column %s: %w", m.Schema.Fields[i].Name, err)
		}
	}
	return nil
}

func (m *merged) add(t plan.Type, c *Column) error {
	if measured(t) {
		m.moments(c)
	}
	m.Values, m.Nulls, m.NaNs = m.Values+c.Values, m.Nulls+c.Nulls, m.NaNs+c.NaNs
	if c.Min != nil && c.Max != nil {
		if m.Min == nil || compare(t, *c.Min, *m.Min) < 0 {
			m.Min = c.Min
		}
		if m.Max == nil || compare(t, *c.Max, *m.Max) > 0 {
			m.Max = c.Max
		}
	}
	if len(c.Registers) > 0 {
		if m.Registers == nil {
			m.Registers = make([]byte, 1<<registerBits)
		}
		if len(c.Registers) != len(m.Registers) {
			return fmt.Errorf("%d registers, not %d", len(c.Registers), len(m.Registers))
		}
		for i, n := range c.Registers {
			m.Registers[i] = max(m.Registers[i], min(n, 64-registerBits+1))
		}
	}
	for _, p := range c.Points {
		m.points = append(m.points, point{p, float64(c.Values-c.NaNs) / float64(len(c.Points))})
	}
	for _, f := range c.Frequent {
		if m.frequent == nil {
			m.frequent = map[string]*estimate{}
		}
		e := m.frequent[keyOf(f.Value)]
		if e == nil {
			e = &estimate{value: f.Value}
			m.frequent[keyOf(f.Value)] = e
		}
		e.sampled += f.Count
		e.count += float64(f.Count) * float64(c.Values) / float64(max(c.Sampled, 1))
	}
	return nil
}

// moments merges means and squared distances.
func (m *merged) moments(c *Column) {
	m.Unmeasured = m.Unmeasured || c.Unmeasured
	a, b := float64(m.Values-m.NaNs), float64(c.Values-c.NaNs)
	if b == 0 {
		return
	}
	d := c.Mean - m.Mean
	m.Mean += d * b / (a + b)
	m.Squares += c.Squares + float64(d*d)*a*b/(a+b)
}

func compare(t plan.Type, a, b plan.Literal) int {
	switch t.Kind {
	case plan.KindString:
		return bytes.Compare(a.Bytes, b.Bytes)
	case plan.KindDecimal:
		return a.Decimal().Cmp(b.Decimal())
	case plan.KindFloat32, plan.KindFloat64:
		return cmp.Compare(a.Float(), b.Float())
	}
	return cmp.Compare(a.Int, b.Int)
}

// Summary is a dataset's column.
type Summary struct {
	Values, Nulls, NaNs int64
	Min, Max            *plan.Literal
	Mean, StdDev        float64 // of numbers; the sample's standard deviation
	Measured            bool    // there is a mean, and it is finite
	Distinct            int64   // about
	Counted             bool    // distinct values were
	// Quantiles are the values below which the shares [Shares] of the values lie, about.
	Quantiles []float64
	// Top are the most frequent values, with about how often each is there: those with a share of a thousandth that the samples
	// have twice, at most 20.
	Top []Frequency
}

var shares = []float64{0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99}

// Shares are those of which quantiles are given.
func Shares() []float64 { return slices.Clone(shares) }

// The values shown as the most frequent, and how frequent they must be.
const (
	maxTop   = 20
	minShare = 0.001
)

// Summaries are the dataset's columns.
func (m *Merge) Summaries() []Summary {
	out := make([]Summary, len(m.Schema.Fields))
	for i := range m.columns {
		out[i] = m.columns[i].summary(m.Schema.Fields[i].Type)
	}
	return out
}

func (m *merged) summary(t plan.Type) Summary {
	s := Summary{Values: m.Values, Nulls: m.Nulls, NaNs: m.NaNs, Min: m.Min, Max: m.Max}
	if n := float64(m.Values - m.NaNs); n > 0 && measured(t) {
		s.Mean = m.Mean
		if n > 1 {
			s.StdDev = math.Sqrt(m.Squares / (n - 1))
		}
		s.Measured = !m.Unmeasured && s.Mean-s.Mean == 0 && s.StdDev-s.StdDev == 0
	}
	if s.Counted = m.Registers != nil; s.Counted {
		s.Distinct = min(distinct(m.Registers), m.Values)
	}
	s.Quantiles = quantiles(m.points)
	var top []*estimate
	for _, e := range m.frequent {
		if e.sampled > 1 && e.count >= minShare*float64(m.Values) {
			top = append(top, e)
		}
	}
	slices.SortFunc(top, func(a, b *estimate) int {
		return cmp.Or(cmp.Compare(b.count, a.count), compare(t, a.value, b.value))
	})
	for _, e := range top[:min(len(top), maxTop)] {
		s.Top = append(s.Top, Frequency{Value: e.value, Count: int64(math.Round(e.count))})
	}
	return s
}

// quantiles are those of weighted values; none of none.
func quantiles(points []point) []float64 {
	if len(points) == 0 {
		return nil
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.value, b.value) })
	total := 0.0
	for _, p := range points {
		total += p.weight
	}
	var out []float64
	sum, at := 0.0, 0
	for _, share := range shares {
		for at < len(points)-1 && sum+points[at].weight < share*total {
			sum += points[at].weight
			at++
		}
		out = append(out, points[at].value)
	}
	return out
}

// Text is a value in SQL's text form.
func Text(t plan.Type, v plan.Literal) string {
	arr := vector.FromLiteral(memory.DefaultAllocator, t, v, 1)
	defer arr.Release()
	return vector.Format(arr, 0)
}

// QuantileText is a quantile of a type in the text form of its values; of whole numbers and decimals that of a double.
func QuantileText(t plan.Type, v float64) string {
	switch t.Kind {
	case plan.KindDate, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindYearMonthInterval, plan.KindDayTimeInterval:
		return Text(t, plan.Literal{Int: int64(v)})
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
