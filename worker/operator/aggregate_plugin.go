package operator

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// heap has what outlasts a call: nobody tells accumulators when they are dropped.
var heap = memory.NewGoAllocator()

// newAccumulator makes the accumulator of an aggregate call, a plugin's or one that is built in.
func newAccumulator(env Env, call plan.Agg) (agg.Accumulator, error) {
	if !call.Plugin() {
		return agg.NewIn(env.Mem, call, env.Session)
	}
	if env.Caller == nil {
		return nil, errors.New("aggregate: this task has no way to call plugin functions")
	}
	p := &pluginAggregate{env: env, call: call, state: plan.Schema{Fields: call.State}}
	for i, t := range call.ArgTypes {
		p.args.Fields = append(p.args.Fields, plan.Field{Name: fmt.Sprintf("argument %d", i+1), Type: t, Nullable: true})
	}
	if call.Distinct {
		return agg.Distinct(env.Mem, call.ArgTypes, p), nil
	}
	return p, nil
}

// pluginAggregate has the states of a plugin's aggregate function. The plugin keeps none: rows go to it a batch at a time, and
// come back as a state for each group of the batch. These wait until there are as many as groups, and are then merged, so
// that each state travels a few times only, however many groups there are.
type pluginAggregate struct {
	env   Env
	call  plan.Agg
	args  plan.Schema
	state plan.Schema

	groups  int          // as many as there are
	settled arrow.Record // states of the first groups; nil for none
	pending []pendingStates
	waiting int      // how many states are pending
	bytes   int64    // of settled and pending
	slots   []uint32 // per group: 1 + its place in the batch at hand; 0 between batches
}

// pendingStates are states, and of which group each is.
type pendingStates struct {
	groups []uint32
	states arrow.Record
}

// mergeRows and mergeBytes are how many states, and about how many bytes, go to the plugin at a time.
const (
	mergeRows  = 16384
	mergeBytes = 8 << 20
)

// Update has the plugin fold a batch into a state for each of its groups.
func (p *pluginAggregate) Update(b agg.Batch, args []arrow.Array) error {
	p.groups = max(p.groups, b.Len)
	if b.Rows == 0 {
		return nil
	}
	groups, places := p.place(b)
	rows := vector.NewRecord(p.args, args, b.Rows)
	defer rows.Release()
	plain := vector.DecodeRecord(p.env.Mem, rows)
	defer plain.Release()
	states, err := p.fold(Fold{Rows: behind(places, plain), Groups: len(groups)})
	if err != nil {
		return err
	}
	return p.wait(pendingStates{groups, states})
}

// place lists the groups of a batch in order of first appearance, and tells for each row the place of its group in the list.
func (p *pluginAggregate) place(b agg.Batch) (groups []uint32, places []int32) {
	places = make([]int32, b.Rows)
	if b.Groups == nil {
		return []uint32{0}, places
	}
	for n := len(p.slots); n < b.Len; n++ {
		p.slots = append(p.slots, 0)
	}
	for i, g := range b.Groups[:b.Rows] {
		if p.slots[g] == 0 {
			groups = append(groups, g)
			p.slots[g] = uint32(len(groups))
		}
		places[i] = int32(p.slots[g] - 1)
	}
	for _, g := range groups {
		p.slots[g] = 0
	}
	return groups, places
}

// behind is a batch with a column of ints before its own.
func behind(ints []int32, rec arrow.Record) arrow.Record {
	data := array.NewData(arrow.PrimitiveTypes.Int32, len(ints), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(ints))}, nil, 0, 0)
	defer data.Release()
	numbers := array.MakeFromData(data)
	defer numbers.Release()
	fields := append([]arrow.Field{{Name: "group", Type: arrow.PrimitiveTypes.Int32}}, rec.Schema().Fields()...)
	return array.NewRecord(arrow.NewSchema(fields, nil), append([]arrow.Array{numbers}, rec.Columns()...), rec.NumRows())
}

// fold calls the plugin, and checks that the answer is what was planned. It takes the rows over.
func (p *pluginAggregate) fold(f Fold) (arrow.Record, error) {
	defer f.Rows.Release()
	rec, err := p.env.Caller.Fold(p.env.calls.now, p.call.Func, f)
	if err != nil {
		return nil, err
	}
	want := p.state.Fields
	if f.Finish {
		want = []plan.Field{{Name: p.call.Func, Type: p.call.Type}}
	}
	ok := rec.NumRows() == int64(f.Groups) && int(rec.NumCols()) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = arrow.TypeEqual(rec.Column(i).DataType(), want[i].Type.Arrow())
	}
	if !ok {
		rec.Release()
		return nil, plan.Failf(plan.FailurePlugin, "%s: the plugin's answer is not of the form that was planned", p.call.Func)
	}
	return rec, nil
}

// Merge takes states.
func (p *pluginAggregate) Merge(b agg.Batch, states []arrow.Array) error {
	p.groups = max(p.groups, b.Len)
	if b.Rows == 0 {
		return nil
	}
	groups := make([]uint32, b.Rows)
	copy(groups, b.Groups)
	rec := vector.NewRecord(p.state, states, b.Rows)
	defer rec.Release()
	plain := vector.DecodeRecord(p.env.Mem, rec)
	defer plain.Release()
	all := make([]int32, b.Rows)
	for i := range all {
		all[i] = int32(i)
	}
	return p.wait(pendingStates{groups, vector.TakeRecord(heap, plain, all)})
}

// wait takes states over, until there are enough to be merged.
func (p *pluginAggregate) wait(s pendingStates) error {
	p.pending = append(p.pending, s)
	p.waiting += len(s.groups)
	p.bytes += recordBytes(s.states) + 4*int64(len(s.groups))
	if p.waiting < max(p.settledRows(), mergeRows) {
		return nil
	}
	return p.settle()
}

func (p *pluginAggregate) settledRows() int {
	if p.settled == nil {
		return 0
	}
	return int(p.settled.NumRows())
}

// settle merges what is pending: afterwards each group has one state.
func (p *pluginAggregate) settle() error {
	if p.waiting == 0 && p.settledRows() == p.groups {
		return nil
	}
	all, order, ends, err := p.byGroup()
	if err != nil {
		return err
	}
	defer all.Release()
	var parts []arrow.Record
	defer func() { releaseRecords(parts) }()
	perRow := 1 + p.bytes/max(all.NumRows(), 1)
	for from := 0; from < p.groups; {
		to := p.chunk(ends, from, perRow)
		part, err := p.mergeGroups(all, order, ends, from, to)
		if err != nil {
			return err
		}
		parts = append(parts, part)
		from = to
	}
	settled, err := vector.ConcatRecords(heap, p.state, parts)
	if err != nil {
		return err
	}
	p.release()
	p.settled, p.bytes = settled, recordBytes(settled)
	return nil
}

// byGroup is all states as one batch, and their order by group: those of group g are order[ends[g-1]:ends[g]].
func (p *pluginAggregate) byGroup() (all arrow.Record, order []int32, ends []int, err error) {
	var recs []arrow.Record
	counts := make([]int, p.groups+1)
	if p.settled != nil {
		recs = append(recs, p.settled)
	}
	settled := p.settledRows()
	for g := range settled {
		counts[g+1] = 1
	}
	for _, s := range p.pending {
		recs = append(recs, s.states)
		for _, g := range s.groups {
			counts[g+1]++
		}
	}
	for g := range p.groups {
		counts[g+1] += counts[g]
	}
	next := append([]int(nil), counts[:p.groups]...)
	order = make([]int32, settled+p.waiting)
	put := func(row int32, g uint32) {
		order[next[g]] = row
		next[g]++
	}
	row := int32(0)
	for ; row < int32(settled); row++ {
		put(row, uint32(row))
	}
	for _, s := range p.pending {
		for _, g := range s.groups {
			put(row, g)
			row++
		}
	}
	all, err = vector.ConcatRecords(p.env.Mem, p.state, recs)
	return all, order, counts[1:], err
}

// chunk is up to where groups from one on are merged in one call.
func (p *pluginAggregate) chunk(ends []int, from int, perRow int64) int {
	start := 0
	if from > 0 {
		start = ends[from-1]
	}
	most := start + int(min(mergeRows, max(mergeBytes/perRow, 1)))
	to := from + 1
	for to < p.groups && ends[to] <= most && to-from < mergeRows {
		to++
	}
	return to
}

// mergeGroups has the plugin merge the states of some groups.
func (p *pluginAggregate) mergeGroups(all arrow.Record, order []int32, ends []int, from, to int) (arrow.Record, error) {
	start := 0
	if from > 0 {
		start = ends[from-1]
	}
	places := make([]int32, 0, ends[to-1]-start)
	for g, at := from, start; g < to; g++ {
		for ; at < ends[g]; at++ {
			places = append(places, int32(g-from))
		}
	}
	states := vector.TakeRecord(p.env.Mem, all, order[start:ends[to-1]])
	defer states.Release()
	return p.fold(Fold{Rows: behind(places, states), Groups: to - from, Merge: true})
}

// States is the states of some groups.
func (p *pluginAggregate) States(_ memory.Allocator, from, to int) ([]arrow.Array, error) {
	if p.groups = max(p.groups, to); p.groups == 0 || from == to {
		return p.none(p.state), nil
	}
	if err := p.settle(); err != nil {
		return nil, err
	}
	out := make([]arrow.Array, p.settled.NumCols())
	for i, c := range p.settled.Columns() {
		out[i] = array.NewSlice(c, int64(from), int64(to))
	}
	return out, nil
}

// Result is the results of some groups.
func (p *pluginAggregate) Result(_ memory.Allocator, from, to int) (arrow.Array, error) {
	result := plan.Schema{Fields: []plan.Field{{Name: p.call.Func, Type: p.call.Type, Nullable: true}}}
	if p.groups = max(p.groups, to); p.groups == 0 || from == to {
		return p.none(result)[0], nil
	}
	if err := p.settle(); err != nil {
		return nil, err
	}
	var parts []arrow.Array
	defer func() { releaseArrays(parts) }()
	step := int(min(mergeRows, max(mergeBytes/(1+p.bytes/int64(p.groups)), 1)))
	for ; from < to; from += step {
		n := min(step, to-from)
		places := make([]int32, n)
		for i := range places {
			places[i] = int32(i)
		}
		states := p.settled.NewSlice(int64(from), int64(from+n))
		rec, err := p.fold(Fold{Rows: behind(places, states), Groups: n, Merge: true, Finish: true})
		states.Release()
		if err != nil {
			return nil, err
		}
		rec.Column(0).Retain()
		parts = append(parts, rec.Column(0))
		rec.Release()
	}
	return vector.Concat(p.env.Mem, parts)
}

// none is columns of no rows.
func (p *pluginAggregate) none(schema plan.Schema) []arrow.Array {
	cols := make([]arrow.Array, len(schema.Fields))
	for i, f := range schema.Fields {
		cols[i] = array.MakeArrayOfNull(p.env.Mem, f.Type.Arrow(), 0)
	}
	return cols
}

// Bytes is the memory of the states.
func (p *pluginAggregate) Bytes() int64 { return p.bytes + 4*int64(cap(p.slots)) }

func (p *pluginAggregate) release() {
	if p.settled != nil {
		p.settled.Release()
	}
	for _, s := range p.pending {
		s.states.Release()
	}
	p.settled, p.pending, p.waiting, p.bytes = nil, nil, 0, 0
}

// recordBytes is what the values of a batch take.
func recordBytes(rec arrow.Record) int64 {
	n := int64(0)
	for _, c := range rec.Columns() {
		for _, b := range c.Data().Buffers() {
			if b != nil {
				n += int64(b.Len())
			}
		}
	}
	return n
}
