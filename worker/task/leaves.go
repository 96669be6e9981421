package task

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage/parquetio"
	"github.com/quern-engine/quern/worker/operator"
)

// builder makes the operators of an attempt.
type builder struct {
	env    Env
	task   Task
	stage  *plan.Stage
	memory operator.Memory
	counts *api.Counts

	scan *parquetio.Scanner // at most one a stage
	kept *int64             // rows out of the filter right above the scan; nil without one
}

// root builds the stage's operators, leaves included.
func (b *builder) root(ctx context.Context) (operator.Operator, error) {
	caller, err := b.caller(ctx)
	if err != nil {
		return nil, err
	}
	tree, filter := markFilterOfScan(b.stage.Root)
	env := operator.Env{Mem: b.env.Allocator, Memory: b.memory, Caller: caller, BatchRows: b.env.BatchRows}
	leaf := func(n *plan.Node) (operator.Operator, error) { return b.leaf(ctx, n) }
	return operator.Build(tree, func(n *plan.Node) (operator.Operator, error) {
		if n != filter.mark {
			return leaf(n)
		}
		op, err := operator.Build(filter.node, leaf, env)
		if err != nil {
			return nil, err
		}
		b.kept = new(int64)
		return &counted{Operator: op, rows: b.kept}, nil
	}, env)
}

// caller opens the plugin functions that the stage calls, if it does.
func (b *builder) caller(ctx context.Context) (operator.Caller, error) {
	var fns []plan.Function
	var unknown error
	seen := make(map[string]bool)
	b.stage.Root.Walk(func(n *plan.Node) {
		if n.UDF == nil {
			return
		}
		for _, call := range n.UDF.Calls {
			if seen[call.Function] {
				continue
			}
			seen[call.Function] = true
			fn, ok := b.task.Job.Function(call.Function)
			if !ok {
				unknown = fmt.Errorf("stage %d calls function %q, which the plan does not have", b.stage.ID, call.Function)
				return
			}
			fns = append(fns, *fn)
		}
	})
	if unknown != nil || len(fns) == 0 {
		return nil, unknown
	}
	return b.env.Plugins.Open(ctx, fns)
}

func (b *builder) leaf(ctx context.Context, n *plan.Node) (operator.Operator, error) {
	switch n.Op {
	case plan.NodeScan:
		return b.openScan(ctx, n)
	case plan.NodeShuffleRead:
		return b.openShuffle(ctx, n)
	}
	return nil, fmt.Errorf("stage %d: no leaf is a %q", b.stage.ID, n.Op)
}

func (b *builder) openScan(ctx context.Context, n *plan.Node) (operator.Operator, error) {
	if n.Scan.Format != "parquet" {
		return nil, plan.Failf(plan.FailureUser, "source %s: format %q is not supported", n.Scan.Source, n.Scan.Format)
	}
	if b.stage.Splits == nil || b.scan != nil {
		return nil, fmt.Errorf("stage %d: the scan of %s has no splits of its own", b.stage.ID, n.Scan.Source)
	}
	opts := parquetio.ScanOptions{Mem: b.env.Allocator, BatchRows: b.env.BatchRows}
	scan, err := parquetio.OpenScan(ctx, b.env.Store, n.Scan, n.Schema, b.stage.Splits[b.task.Task], opts)
	if err != nil {
		return nil, err
	}
	b.scan = scan
	return &leafOperator{schema: n.Schema, source: scan}, nil
}

// addScanCounts moves the scan's counts, as far as it came, to the attempt's.
func (b *builder) addScanCounts() {
	if b.scan == nil {
		return
	}
	c := b.scan.Counts()
	b.counts.RowsRead, b.counts.BytesRead, b.counts.GroupsPruned = c.Rows, c.Bytes, c.GroupsPruned
	b.counts.RowsKept = c.Rows
	if b.kept != nil {
		b.counts.RowsKept = *b.kept
	}
}

// openShuffle reads the task's partition of a stage's output, or all of it where it is broadcast.
func (b *builder) openShuffle(ctx context.Context, n *plan.Node) (operator.Operator, error) {
	from := n.ShuffleRead.Stage
	version, ok := b.inputVersion(from)
	if !ok {
		return nil, fmt.Errorf("assignment %s does not say where the output of stage %d is", b.task.AttemptID, from)
	}
	outputs, err := b.env.Locator.Outputs(ctx, b.task.Run, from, version)
	if err != nil {
		return nil, fmt.Errorf("locate the output of stage %d: %w", from, err)
	}
	partition := b.task.Task
	if n.ShuffleRead.Broadcast {
		partition = 0
	}
	stream := b.env.Fetch.Fetch(outputs, partition, n.Schema, b.env.Address, b.env.Segments)
	return &counted{Operator: &leafOperator{schema: n.Schema, source: stream}, rows: &b.counts.RowsIn}, nil
}

func (b *builder) inputVersion(stage int) (version uint64, ok bool) {
	for _, in := range b.task.Inputs {
		if in.Stage == stage {
			return in.Version, true
		}
	}
	return 0, false
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
	err    error // what Next ended with
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
			return batch, nil
		}
		batch.Release()
	}
	return nil, l.err
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
	rows *int64
}

func (c *counted) Next(ctx context.Context) (arrow.Record, error) {
	batch, err := c.Operator.Next(ctx)
	if err == nil {
		*c.rows += batch.NumRows()
	}
	return batch, err
}

// filterOfScan is a filter that sits right above a scan, and the leaf that stands in its place in a marked tree.
type filterOfScan struct {
	node *plan.Node
	mark *plan.Node
}

// markFilterOfScan returns the tree with a filter right above its scan replaced by a leaf, so that building the tree
// asks for that leaf and the filter's rows can be counted. A tree without one comes back as it is.
func markFilterOfScan(n *plan.Node) (*plan.Node, filterOfScan) {
	if n.Op == plan.NodeFilter && scansThroughFilters(n) {
		mark := &plan.Node{Op: plan.NodeScan, Schema: n.Schema}
		return mark, filterOfScan{node: n, mark: mark}
	}
	for i, in := range n.Inputs {
		marked, filter := markFilterOfScan(in)
		if filter.mark == nil {
			continue
		}
		replaced := *n
		replaced.Inputs = append([]*plan.Node(nil), n.Inputs...)
		replaced.Inputs[i] = marked
		return &replaced, filter
	}
	return n, filterOfScan{}
}

// scansThroughFilters reports a scan below nothing but filters.
func scansThroughFilters(n *plan.Node) bool {
	for n.Op == plan.NodeFilter {
		n = n.Inputs[0]
	}
	return n.Op == plan.NodeScan
}
