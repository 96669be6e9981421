package operator

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Tallies takes in what is counted.
type Tallies interface {
	// Tally gets the counts of a node once its input has ended. It may keep the strata.
	Tally(n *plan.Node, strata []plan.Stratum, merged bool)
}

// Tally passes batches on and counts their rows.
type Tally struct {
	stream
	node   *plan.Node
	table  *group.Table // nil: the rows are not divided
	strata []tallied
	names  [][]*string // of the strata
	merged bool
	groups []uint32
	// number is the group of each small number, plus one, where rows are divided by a column of such: no table has to be asked.
	number [256]uint32
}

// tallied is the counts of a stratum. Of each sum the last value is held back, since the next is often the same.
type tallied struct {
	rows  int64
	where []int64
	sums  []tallySum
}

type tallySum struct {
	sum   plan.Expansion
	last  float64
	times int64
}

func (s *tallySum) add(x float64) {
	if s.last != x {
		s.flush()
		s.last = x
	}
	s.times++
}

func (s *tallySum) flush() {
	if s.times > 0 && !math.IsNaN(s.last) {
		s.sum = s.sum.AddTimes(s.last, s.times)
	}
	s.times = 0
}

var _ Operator = (*Tally)(nil)

// NewTally makes the operator of a tally node.
func NewTally(env Env, input Operator, n *plan.Node) *Tally {
	t := &Tally{stream: newStream(env, input.Schema(), input), node: n}
	if len(n.Tally.By) > 0 {
		t.table = group.New(types(input.Schema(), n.Tally.By))
	}
	return t
}

// Next returns the input's next batch.
func (t *Tally) Next(ctx context.Context) (arrow.Record, error) { return t.step(ctx, t.next) }

func (t *Tally) next(ctx context.Context) (arrow.Record, error) {
	rec, err := t.pull(ctx, 0)
	if errors.Is(err, io.EOF) {
		t.tell()
	}
	if err != nil {
		return nil, err
	}
	if err := t.count(rec); err != nil {
		rec.Release()
		return nil, err
	}
	return rec, nil
}

func (t *Tally) count(rec arrow.Record) error {
	rows := int(rec.NumRows())
	if t.table == nil || t.merged {
		t.grow(1)
		t.groups = t.groups[:0]
	} else {
		var err error
		if !t.assignNumbers(rec) {
			if t.groups, err = t.table.Assign(pick(rec, t.node.Tally.By), rows, t.groups); err != nil {
				return err
			}
		}
		if t.table.Len() > plan.MostStrata {
			t.merge()
		} else {
			t.name(rec)
			// There are few strata, and counting them must not fail a task whose other operators would go to disk.
			t.mustHold(t.table.Bytes())
		}
	}
	t.countRows(rows)
	for i, c := range t.node.Tally.Where {
		t.countWhere(i, rec.Column(c))
	}
	for i, c := range t.node.Tally.Sums {
		t.addUp(i, rec.Column(c).(*array.Float64))
	}
	return nil
}

// grow makes room for so many strata.
func (t *Tally) grow(n int) {
	for len(t.strata) < n {
		t.strata = append(t.strata, tallied{where: make([]int64, len(t.node.Tally.Where)), sums: make([]tallySum, len(t.node.Tally.Sums))})
	}
}

// name names the strata that a batch has brought.
func (t *Tally) name(rec arrow.Record) {
	if t.grow(t.table.Len()); len(t.names) == t.table.Len() {
		return
	}
	for row, g := range t.groups {
		if int(g) < len(t.names) {
			continue
		}
		var key []*string // groups are numbered as they appear
		for _, c := range t.node.Tally.By {
			var text *string
			if col := rec.Column(c); col.IsValid(row) {
				s := vector.Format(col, row)
				text = &s
			}
			key = append(key, text)
		}
		t.names = append(t.names, key)
		t.learn(rec, row, g)
	}
}

// merge makes all strata one.
func (t *Tally) merge() {
	all := t.found()
	t.table, t.merged, t.names, t.groups = nil, true, nil, t.groups[:0]
	t.strata = t.strata[:0]
	t.grow(1)
	for _, s := range all {
		one := &t.strata[0]
		one.rows += s.Rows
		for i, n := range s.Where {
			one.where[i] += n
		}
		for i, sum := range s.Sums {
			for _, x := range sum {
				one.sums[i].sum = one.sums[i].sum.Add(x)
			}
		}
	}
}

// assignNumbers divides rows by a column of numbers below 256, once all of these have been met; false where it cannot.
func (t *Tally) assignNumbers(rec arrow.Record) bool {
	if len(t.node.Tally.By) != 1 || rec.Column(t.node.Tally.By[0]).DataType().ID() != arrow.INT32 {
		return false
	}
	col := rec.Column(t.node.Tally.By[0])
	if col.NullN() > 0 {
		return false
	}
	values := vector.Int32s(col)
	t.groups = slices.Grow(t.groups[:0], len(values))[:len(values)]
	for i, v := range values {
		if uint32(v) >= uint32(len(t.number)) || t.number[v] == 0 {
			return false
		}
		t.groups[i] = t.number[v] - 1
	}
	return true
}

// learn notes the groups of small numbers that the table has told.
func (t *Tally) learn(rec arrow.Record, row int, group uint32) {
	if len(t.node.Tally.By) != 1 {
		return
	}
	if col := rec.Column(t.node.Tally.By[0]); col.DataType().ID() == arrow.INT32 && col.IsValid(row) {
		if v := vector.Int32s(col)[row]; uint32(v) < uint32(len(t.number)) {
			t.number[v] = group + 1
		}
	}
}

func (t *Tally) countRows(rows int) {
	if len(t.groups) == 0 {
		t.strata[0].rows += int64(rows)
		return
	}
	counts := make([]int64, len(t.strata))
	for _, g := range t.groups {
		counts[g]++
	}
	for g, n := range counts {
		t.strata[g].rows += n
	}
}

func (t *Tally) countWhere(i int, values arrow.Array) {
	yes, valid, rows := vector.Bools(values), vector.ValidityOf(values), values.Len()
	if rows == 0 {
		return
	}
	if len(t.groups) == 0 && valid.AllValid() {
		t.strata[0].where[i] += int64(bitutil.CountSetBits(yes.Bytes, yes.Offset, rows))
		return
	}
	counts := make([]int64, len(t.strata))
	if valid.AllValid() {
		for row, g := range t.groups { // without a jump that depends on the values
			at := row + yes.Offset
			counts[g] += int64(yes.Bytes[at>>3] >> (at & 7) & 1)
		}
	} else {
		for row := range rows {
			if yes.At(row) && !valid.IsNull(row) {
				g := uint32(0)
				if len(t.groups) > 0 {
					g = t.groups[row]
				}
				counts[g]++
			}
		}
	}
	for g, n := range counts {
		t.strata[g].where[i] += n
	}
}

func (t *Tally) addUp(i int, values *array.Float64) {
	for row, v := range values.Float64Values() {
		if v != 0 && values.IsValid(row) {
			t.stratum(row).sums[i].add(v)
		}
	}
}

func (t *Tally) stratum(row int) *tallied {
	if len(t.groups) == 0 {
		return &t.strata[0]
	}
	return &t.strata[t.groups[row]]
}

// found is the counts up to here.
func (t *Tally) found() []plan.Stratum {
	out := make([]plan.Stratum, len(t.strata))
	for i := range t.strata {
		s := &t.strata[i]
		out[i] = plan.Stratum{Rows: s.rows, Where: s.where}
		if t.names != nil {
			out[i].Key = t.names[i]
		}
		for k := range s.sums {
			s.sums[k].flush()
			out[i].Sums = append(out[i].Sums, s.sums[k].sum)
		}
	}
	return out
}

// tell hands over the counts. The end comes once.
func (t *Tally) tell() {
	if t.env.Tallies == nil {
		return
	}
	if t.table == nil {
		t.grow(1)
	}
	t.env.Tallies.Tally(t.node, t.found(), t.merged)
}
