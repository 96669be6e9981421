package operator

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// folding says where in a batch the columns are that a groupTable folds in.
type folding struct {
	keys    []int
	cols    [][]int // of each aggregate: its arguments or its states
	filters []int   // of each aggregate: a boolean column, or -1
	merge   bool    // rows are states
}

// groupTable is the groups of an aggregation and their states.
type groupTable struct {
	env   Env
	table *group.Table
	accs  []agg.Accumulator
	ids   []uint32
	keyed bool
}

func newGroupTable(env Env, keys []plan.Type, aggs []plan.Agg) (*groupTable, error) {
	g := &groupTable{env: env, table: group.New(keys), keyed: len(keys) > 0}
	for _, call := range aggs {
		acc, err := newAccumulator(env, call)
		if err != nil {
			return nil, err
		}
		g.accs = append(g.accs, acc)
	}
	return g, nil
}

// add folds in the rows of a batch.
func (g *groupTable) add(f *folding, rec arrow.Record) error {
	rows := int(rec.NumRows())
	var err error
	if g.ids, err = g.table.Assign(pick(rec, f.keys), rows, g.ids); err != nil {
		return err
	}
	return g.fold(f, rec, g.ids)
}

// addKnown folds in the rows of groups that are there already and returns the numbers of the others.
func (g *groupTable) addKnown(f *folding, rec arrow.Record) (others []int32, err error) {
	if g.ids, err = g.table.Find(pick(rec, f.keys), int(rec.NumRows()), g.ids); err != nil {
		return nil, err
	}
	var known []int32
	for i, id := range g.ids {
		if id == group.None {
			others = append(others, int32(i))
		} else {
			known = append(known, int32(i))
		}
	}
	switch len(known) {
	case 0:
		return others, nil
	case len(g.ids):
		return nil, g.fold(f, rec, g.ids)
	}
	part := vector.TakeRecord(g.env.Mem, rec, known)
	defer part.Release()
	ids := make([]uint32, len(known))
	for i, r := range known {
		ids[i] = g.ids[r]
	}
	return others, g.fold(f, part, ids)
}

// fold hands the rows to the accumulators.
func (g *groupTable) fold(f *folding, rec arrow.Record, ids []uint32) error {
	b := agg.Batch{Rows: int(rec.NumRows()), Groups: ids, Len: g.table.Len()}
	if !g.keyed {
		b.Groups, b.Len = nil, 1
	}
	return foldInto(g.env, g.accs, f, rec, b)
}

// foldInto hands rows whose groups are known to accumulators.
func foldInto(env Env, accs []agg.Accumulator, f *folding, rec arrow.Record, b agg.Batch) error {
	for i, acc := range accs {
		cols := pick(rec, f.cols[i])
		var err error
		switch {
		case f.merge:
			err = acc.Merge(b, cols)
		case f.filters[i] >= 0:
			err = foldFiltered(env, acc, b, cols, rec.Column(f.filters[i]))
		default:
			err = acc.Update(b, cols)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// foldFiltered hands an accumulator the rows for which a filter is true.
func foldFiltered(env Env, acc agg.Accumulator, b agg.Batch, cols []arrow.Array, filter arrow.Array) error {
	var rows []int32
	var groups []uint32
	values, valid := vector.Bools(filter), vector.ValidityOf(filter)
	for i := range b.Rows {
		if valid.IsNull(i) || !values.At(i) {
			continue
		}
		rows = append(rows, int32(i))
		if b.Groups != nil {
			groups = append(groups, b.Groups[i])
		}
	}
	if len(rows) < b.Rows {
		taken := make([]arrow.Array, len(cols))
		defer releaseArrays(taken)
		for i, c := range cols {
			taken[i] = vector.Take(env.Mem, c, rows)
		}
		cols, b.Rows = taken, len(rows)
		if b.Groups != nil {
			b.Groups = slices.Grow(groups, 1) // never nil: that would mean one group
		}
	}
	return acc.Update(b, cols)
}

// bytes is the memory that groups and states need. It depends on the rows alone, not on batches.
func (g *groupTable) bytes() int64 {
	n := g.table.Bytes()
	for _, acc := range g.accs {
		n += acc.Bytes()
	}
	return n
}

// reserved is the memory to reserve.
func (g *groupTable) reserved() int64 { return grown(g.bytes()) }

// growth is about how much more memory so many rows may take.
func (g *groupTable) growth(rows int) int64 {
	const perState = 32
	return grown(g.table.Growth(rows) + int64(rows*len(g.accs))*perState)
}

// record is output as a batch.
func (g *groupTable) record(schema plan.Schema, from, to int, states bool) (arrow.Record, error) {
	cols, err := g.output(from, to, states)
	if err != nil {
		return nil, err
	}
	defer releaseArrays(cols)
	return vector.NewRecord(schema, cols, to-from), nil
}

// output is the keys and results, or states, of the groups from up to, not including, to.
func (g *groupTable) output(from, to int, states bool) (cols []arrow.Array, err error) {
	defer func() {
		if err != nil {
			releaseArrays(cols)
			cols = nil
		}
	}()
	if g.keyed {
		if cols, err = g.table.Keys(g.env.Mem, from, to); err != nil {
			return nil, err
		}
	}
	for _, acc := range g.accs {
		if states {
			parts, err := acc.States(g.env.Mem, from, to)
			if err != nil {
				return cols, err
			}
			cols = append(cols, parts...)
			continue
		}
		result, err := acc.Result(g.env.Mem, from, to)
		if err != nil {
			return cols, err
		}
		cols = append(cols, result)
	}
	return cols, nil
}
