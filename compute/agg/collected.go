package agg

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// collected is an aggregate that looks at all values of a group at once. It keeps the rows whose first argument is not
// NULL.
type collected struct {
	call   plan.Agg
	store  rowStore
	finish finisher
}

// finisher makes the result column of some groups of a sealed store.
type finisher func(mem memory.Allocator, c *collected, from, to int) (arrow.Array, error)

var _ Accumulator = (*collected)(nil)

func newCollected(a plan.Agg, finish finisher) Accumulator {
	if len(a.ArgTypes) == 0 {
		return nil
	}
	return &collected{call: a, store: newRowStore(a.ArgTypes), finish: finish}
}

func (c *collected) Update(b Batch, args []arrow.Array) error {
	rows := present(b.Rows, args[:1])
	if c.call.Func == "percentile" && len(args) > 1 {
		if err := checkFrequencies(args[1], rows); err != nil {
			return err
		}
	}
	c.store.add(b, args, rows)
	return nil
}

func (c *collected) Merge(b Batch, states []arrow.Array) error {
	b, cols := unpack(heap, b, states[0], c.store.types)
	defer releaseAll(cols)
	return c.Update(b, cols)
}

func (c *collected) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	col, err := c.store.state(mem, from, to)
	return []arrow.Array{col}, err
}

func (c *collected) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	if err := c.store.seal(to); err != nil {
		return nil, err
	}
	return c.finish(mem, c, from, to)
}

func (c *collected) Bytes() int64 { return c.store.bytes() }

// listOf is collect_list, and collect_set below a filter for what is new.
func listOf(mem memory.Allocator, c *collected, from, to int) (arrow.Array, error) {
	return c.store.lists(mem, c.call.Type.Arrow(), from, to)
}

// ordered is the rows of a group in the order of the call's ORDER BY, equal ones as they came.
func (c *collected) ordered(rows []int32) []int32 {
	if len(c.call.OrderBy) == 0 || len(rows) < 2 {
		return rows
	}
	cols, keys := make([]arrow.Array, len(c.call.OrderBy)), make([]plan.SortKey, len(c.call.OrderBy))
	for i, key := range c.call.OrderBy {
		cols[i] = vector.Take(heap, c.store.columns[key.Column], rows)
		keys[i] = plan.SortKey{Column: i, Descending: key.Descending, NullsLast: key.NullsLast}
	}
	order := sortkey.EncodeColumns(cols, len(rows), keys).Order()
	for i, o := range order {
		order[i] = rows[o]
	}
	return order
}

// joined is listagg: the strings of a group end to end, a delimiter between them.
func joined(mem memory.Allocator, c *collected, from, to int) (arrow.Array, error) {
	var delimiter []byte
	if len(c.call.Params) > 0 && !c.call.Params[0].Value.Null {
		delimiter = c.call.Params[0].Value.Bytes
	}
	values := vector.StringsOf(c.store.columns[0])
	nulls := &vector.Nulls{Mem: mem, Rows: to - from}
	offsets, text := make([]int32, to-from+1), []byte(nil)
	for g := from; g < to; g++ {
		rows := c.ordered(c.store.rows(g))
		if len(rows) == 0 {
			nulls.Set(g - from)
		}
		for i, r := range rows {
			if i > 0 {
				text = append(text, delimiter...)
			}
			text = append(text, values.At(int(r))...)
		}
		if len(text) > 1<<31-1 {
			return nil, plan.Failf(plan.FailureOutOfMemory, "listagg: the text of one batch of results exceeds 2 GiB")
		}
		offsets[g-from+1] = int32(len(text))
	}
	offBuf, off := vector.Alloc[int32](mem, len(offsets))
	copy(off, offsets)
	valBuf, val := vector.Alloc[uint8](mem, len(text))
	copy(val, text)
	return vector.Make(c.call.Type.Arrow(), to-from, nulls, offBuf, valBuf), nil
}

// modes is the most frequent value of each group. Of equally frequent ones it is the least, or the first in the call's
// order.
func modes(mem memory.Allocator, c *collected, from, to int) (arrow.Array, error) {
	key := plan.SortKey{Descending: len(c.call.OrderBy) > 0 && c.call.OrderBy[0].Descending}
	best := make([]int32, to-from)
	for g := from; g < to; g++ {
		best[g-from] = c.mode(c.store.rows(g), key)
	}
	return vector.Take(mem, c.store.columns[0], best), nil
}

// mode is a row with the most frequent value, -1 of no rows.
func (c *collected) mode(rows []int32, key plan.SortKey) int32 {
	if len(rows) == 0 {
		return -1
	}
	values := vector.Take(heap, c.store.columns[0], rows)
	keys := sortkey.EncodeColumns([]arrow.Array{values}, len(rows), []plan.SortKey{key})
	order := keys.Order()
	best, most, start := order[0], 0, 0
	for i := range order {
		if string(keys.At(int(order[i]))) != string(keys.At(int(order[start]))) {
			start = i
		}
		if n := i - start + 1; n > most {
			best, most = order[start], n
		}
	}
	return rows[best]
}
