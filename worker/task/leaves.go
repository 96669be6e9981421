package task

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/storage/scan"
	"github.com/quern-engine/quern/worker/operator"
)

// builder makes the operators of an attempt.
type builder struct {
	env    Env
	task   Task
	stage  *plan.Stage
	memory operator.Memory
	counts *api.Counts

	scratch *scratch // nil: nothing spills
	filters runtimeFilters

	scan      scan.Scanner // at most one a stage
	streams   []*shuffle.Stream
	asked     *askedCaller // nil: the stage calls no plugin functions
	profile   *profile
	operators operator.Env
	slicing   *slicing  // nil: the task does all of what it reads
	functions Functions // nil: the stage calls none
	rejects   rejects
	answers   map[string]uint64       // sums, by function; of one goroutine
	tallies   map[int]plan.TallyCount // by place
}

// root builds the stage's operators, leaves included.
func (b *builder) root(ctx context.Context) (operator.Operator, error) {
	caller, err := b.caller(ctx)
	if err != nil {
		return nil, err
	}
	b.profile = newProfile(b.stage.Root, b.task.Meter)
	env := operator.Env{
		Mem: b.env.Allocator, Memory: b.memory, Caller: caller, Rejects: &b.rejects, BatchRows: b.env.BatchRows,
		Session: b.task.Job.Session, Filters: &b.filters, Tallies: b, Observer: b.profile, Builds: b.env.Builds,
		BuildKey: func(join *plan.Node) string { return operator.ShareKey(join, b.task.Run, b.shared) },
	}
	if b.scratch != nil {
		env.Scratch = b.scratch
	}
	if b.stage.Sink.Kind.Scratch() { // what may be lost, computed again, and compared
		env.Answered = b.answered
	}
	b.operators = env
	if b.slicing, err = b.newSlicing(); err != nil {
		return nil, err
	}
	if b.slicing != nil && len(b.slicing.Windows) > 0 {
		env.Above = b.slicing.above
	}
	return operator.Build(b.stage.Root, func(n *plan.Node) (operator.Operator, error) { return b.leaf(ctx, n) }, env)
}

// caller opens the plugin functions that the stage calls, if it does.
func (b *builder) caller(ctx context.Context) (operator.Caller, error) {
	var fns []plan.Function
	var unknown error
	seen := make(map[string]bool)
	b.stage.Root.Walk(func(n *plan.Node) {
		for _, name := range n.Functions() {
			if seen[name] {
				continue
			}
			seen[name] = true
			fn, ok := b.task.Job.Function(name)
			if !ok {
				unknown = fmt.Errorf("stage %d calls function %q, which the plan does not have", b.stage.ID, name)
				return
			}
			fns = append(fns, *fn)
		}
	})
	if unknown != nil || len(fns) == 0 {
		return nil, unknown
	}
	functions, err := b.env.Plugins.Open(ctx, fns, b.task.log())
	if err != nil {
		return nil, err
	}
	b.functions, b.asked = functions, &askedCaller{Caller: functions}
	return b.asked, nil
}

func (b *builder) answered(function string, sum uint64) {
	if b.answers == nil {
		b.answers = map[string]uint64{}
	}
	b.answers[function] += sum
}

// calls is what the stage's functions have answered, in the order of their names in the stage.
func (b *builder) calls() []uint64 {
	var sums []uint64
	if b.stage.Sink.Kind.Scratch() {
		for _, name := range b.stage.ScalarCalls() {
			sums = append(sums, b.answers[name])
		}
	}
	return sums
}

// closeFunctions gives the functions up, and reports what they have counted.
func (b *builder) closeFunctions() error {
	if b.functions == nil {
		return nil
	}
	counters := b.functions.Counters()
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		b.counts.Counters = append(b.counts.Counters, api.Counter{Name: name, Value: counters[name]})
	}
	return b.functions.Close()
}

func (b *builder) leaf(ctx context.Context, n *plan.Node) (operator.Operator, error) {
	switch n.Op {
	case plan.NodeScan:
		if n.Scan.Function != "" {
			return b.openFunction(n)
		}
		return b.openScan(ctx, n)
	case plan.NodeShuffleRead:
		return b.openShuffle(ctx, n)
	}
	return nil, fmt.Errorf("stage %d: no leaf is a %q", b.stage.ID, n.Op)
}

func (b *builder) openScan(ctx context.Context, n *plan.Node) (operator.Operator, error) {
	if b.stage.Splits == nil || b.scan != nil {
		return nil, fmt.Errorf("stage %d: the scan of %s has no splits of its own", b.stage.ID, n.Scan.Source)
	}
	if b.task.Task >= len(b.stage.Splits) {
		return nil, fmt.Errorf("assignment %s: the scan of %s has splits for %d tasks", b.task.AttemptID, n.Scan.Source, len(b.stage.Splits))
	}
	open := func(ctx context.Context, s *plan.Scan, among map[int]*vector.Bitmap) (batchSource, error) {
		opts := scan.Options{Mem: b.env.Allocator, BatchRows: b.env.BatchRows, Session: b.task.Job.Session, Among: among}
		source, err := scan.Open(ctx, b.env.Store, s, n.Schema, b.stage.Splits[b.task.Task], opts)
		if err != nil {
			return nil, err
		}
		b.scan = source
		return source, nil
	}
	if len(n.Scan.RuntimeFilters) > 0 {
		late := &lateScan{open: func(ctx context.Context) (batchSource, error) {
			narrowed, among := b.filters.narrow(n.Scan, n.Schema)
			return open(ctx, narrowed, among)
		}}
		return b.scanLeaf(n, late), nil
	}
	source, err := open(ctx, n.Scan, nil)
	if err != nil {
		return nil, err
	}
	return b.scanLeaf(n, source), nil
}

// openFunction reads what a source function makes in its tasks.
func (b *builder) openFunction(n *plan.Node) (operator.Operator, error) {
	if b.task.Task >= len(b.stage.Splits) || b.functions == nil {
		return nil, fmt.Errorf("assignment %s: the source function %s has no task for it", b.task.AttemptID, n.Scan.Function)
	}
	fn, ok := b.task.Job.Function(n.Scan.Function)
	if !ok {
		return nil, fmt.Errorf("stage %d reads function %q, which the plan does not have", b.stage.ID, n.Scan.Function)
	}
	r := &functionSource{functions: b.functions, function: fn.Name, asked: b.asked}
	for _, c := range n.Scan.Columns {
		i := slices.IndexFunc(fn.Output, func(f plan.Field) bool { return f.Name == c.Name })
		if i < 0 || c.Virtual != "" {
			return nil, plan.Failf(plan.FailureUser, "source function %s has no column %s", fn.Name, c.Name)
		}
		r.columns = append(r.columns, i)
	}
	for _, s := range b.stage.Splits[b.task.Task] {
		for t := s.RowGroupStart; t < s.RowGroupEnd; t++ {
			r.tasks = append(r.tasks, t)
		}
	}
	return &leafOperator{schema: n.Schema, source: r}, nil
}

// functionSource reads the tasks of a source function one after the other.
type functionSource struct {
	functions Functions
	function  string
	columns   []int
	tasks     []int
	now       operator.PluginRows // nil between tasks
	asked     *askedCaller
}

// Next returns the next batch.
func (r *functionSource) Next(ctx context.Context) (arrow.Record, error) {
	for {
		if r.now == nil {
			if len(r.tasks) == 0 {
				return nil, io.EOF
			}
			rows, err := r.functions.Read(ctx, r.function, r.tasks[0], r.columns)
			if err != nil {
				return nil, err
			}
			r.now, r.tasks = r.asked.rows(r.function, rows), r.tasks[1:]
		}
		rec, err := r.now.Next(ctx)
		if err != io.EOF {
			return rec, err
		}
		if err := r.Close(); err != nil {
			return nil, err
		}
	}
}

// Close ends the task at hand.
func (r *functionSource) Close() error {
	if r.now == nil {
		return nil
	}
	err := r.now.Close()
	r.now = nil
	return err
}

func (b *builder) scanLeaf(n *plan.Node, source batchSource) *leafOperator {
	op := &leafOperator{schema: n.Schema, source: &meteredScan{source, b}}
	if b.env.Plain {
		op.decode = b.env.Allocator
	}
	return op
}

// addCounts moves what the scan and the operators did, as far as they came, to the attempt's counts.
func (b *builder) addCounts() {
	if b.profile != nil {
		b.counts.Operators = b.profile.end()
	}
	b.stage.Tallied(func(place int, _ plan.Tally) {
		count, ok := b.tallies[place]
		if !ok {
			count = plan.TallyCount{Place: place, Partial: true}
		}
		b.counts.Tallies = append(b.counts.Tallies, count)
	})
	if b.scan == nil {
		return
	}
	c := b.scan.Counts()
	b.counts.RowsRead, b.counts.BytesRead, b.counts.GroupsPruned = c.Rows+c.RowsPruned, c.Bytes, c.GroupsPruned
	b.counts.GroupsBloom, b.counts.PagesPruned = c.GroupsBloom, c.PagesPruned
	b.counts.RowsPruned, b.counts.RowsLate = c.RowsPruned, c.RowsLate
	b.counts.RowsKept = c.Rows
	if filter := filterOfScan(b.stage.Root); filter != nil {
		b.counts.RowsKept = b.profile.rows(filter)
	}
}

// Tally keeps what an operator has counted.
func (b *builder) Tally(n *plan.Node, strata []plan.Stratum, merged bool) {
	if b.tallies == nil {
		b.tallies = map[int]plan.TallyCount{}
	}
	place := b.profile.place[n]
	b.tallies[place] = plan.NewTallyCount(place, strata, merged)
}

// batchSource is what leaves read from.
type batchSource interface {
	Next(ctx context.Context) (arrow.Record, error)
	Close() error
}

// leafOperator makes an operator of a source: it repeats the end, skips empty batches, and closes once.
type leafOperator struct {
	schema plan.Schema
	source batchSource
	decode memory.Allocator // not nil: batches become plain
	err    error            // what Next ended with
	closed bool
}

var _ operator.Operator = (*leafOperator)(nil)

func (l *leafOperator) Schema() plan.Schema { return l.schema }

func (l *leafOperator) Next(ctx context.Context) (arrow.Record, error) {
	for l.err == nil {
		if l.closed {
			l.err = fmt.Errorf("read after close")
			break
		}
		if l.err = ctx.Err(); l.err != nil {
			break
		}
		var batch arrow.Record
		if batch, l.err = l.source.Next(ctx); l.err != nil {
			break
		}
		if batch.NumRows() > 0 {
			return l.plain(batch), nil
		}
		batch.Release()
	}
	return nil, l.err
}

// plain is the batch without dictionaries, if that is wanted; it takes the batch over.
func (l *leafOperator) plain(batch arrow.Record) arrow.Record {
	if l.decode == nil {
		return batch
	}
	defer batch.Release()
	return vector.DecodeRecord(l.decode, batch)
}

func (l *leafOperator) Close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	return l.source.Close()
}

// counted adds up the rows that pass.
type counted struct {
	operator.Operator
	rows  *int64 // of the attempt; of one goroutine
	meter *Meter
}

func (c *counted) Next(ctx context.Context) (arrow.Record, error) {
	batch, err := c.Operator.Next(ctx)
	if err == nil {
		*c.rows += batch.NumRows()
		c.meter.rowsIn.Store(*c.rows)
	}
	return batch, err
}

// filterOfScan is the topmost of the filters that sit right above a scan; nil without one.
func filterOfScan(n *plan.Node) *plan.Node {
	if n.Op == plan.NodeFilter && scansThroughFilters(n) {
		return n
	}
	for _, in := range n.Inputs {
		if f := filterOfScan(in); f != nil {
			return f
		}
	}
	return nil
}

// scansThroughFilters reports a scan below nothing but filters.
func scansThroughFilters(n *plan.Node) bool {
	for n.Op == plan.NodeFilter {
		n = n.Inputs[0]
	}
	return n.Op == plan.NodeScan
}
