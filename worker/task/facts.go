package task

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// addFacts completes where the attempt's time went, as far as it came.
func (b *builder) addFacts(f *api.AttemptFacts) {
	for _, s := range b.streams {
		f.Fetch += int64(s.Counts().Waited)
	}
	b.stage.Root.Walk(func(n *plan.Node) {
		if n.Op == plan.NodeScan && n.Scan.Function == "" && b.profile != nil {
			f.Read += b.profile.counts[b.profile.place[n]].Nanos
		}
	})
	if b.asked == nil {
		return
	}
	functions := b.asked.facts()
	for _, fn := range functions {
		f.Plugin += fn.Nanos
	}
	f.Functions = functions
}

// askedCaller measures what plugin functions are asked. It costs two looks at the clock for a batch.
type askedCaller struct {
	operator.Caller

	mu    sync.Mutex                   // calls go on beside each other
	asked map[string]api.FunctionFacts // guarded by mu
}

// took notes a call that began at a time and gave the function so many rows.
func (c *askedCaller) took(function string, calls, rows int64, start time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[string]api.FunctionFacts{}
	}
	f := c.asked[function]
	f.Name, f.Calls, f.Rows, f.Nanos = function, f.Calls+calls, f.Rows+rows, f.Nanos+int64(time.Since(start))
	c.asked[function] = f
}

// facts is what was asked, by name.
func (c *askedCaller) facts() []api.FunctionFacts {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []api.FunctionFacts
	for _, name := range slices.Sorted(maps.Keys(c.asked)) {
		list = append(list, c.asked[name])
	}
	return list
}

// Call runs a function on a batch.
func (c *askedCaller) Call(ctx context.Context, function string, args arrow.Record) (arrow.Array, []plan.Rejection, error) {
	defer c.took(function, 1, args.NumRows(), time.Now())
	return c.Caller.Call(ctx, function, args)
}

// Fold runs an aggregate function.
func (c *askedCaller) Fold(ctx context.Context, function string, fold operator.Fold) (arrow.Record, error) {
	defer c.took(function, 1, fold.Rows.NumRows(), time.Now())
	return c.Caller.Fold(ctx, function, fold)
}

// Table runs a table function. The time in which its input is made is not the function's.
func (c *askedCaller) Table(ctx context.Context, function string, input operator.PluginInput) (operator.PluginRows, error) {
	rows := &askedRows{asked: c, function: function}
	given := func(ctx context.Context) (arrow.Record, []uint32, error) {
		start := time.Now()
		rec, groups, err := input(ctx)
		rows.making += time.Since(start)
		if err == nil {
			rows.given += rec.NumRows()
		}
		return rec, groups, err
	}
	var err error
	if rows.PluginRows, err = c.Caller.Table(ctx, function, given); err != nil {
		return nil, err
	}
	return rows, nil
}

// TablePart runs a table function over some rows.
func (c *askedCaller) TablePart(ctx context.Context, function string, rows arrow.Record, groups []uint32) ([]arrow.Record, []plan.Rejection, error) {
	defer c.took(function, 1, rows.NumRows(), time.Now())
	return c.Caller.TablePart(ctx, function, rows, groups)
}

// rows measures what a source function gives.
func (c *askedCaller) rows(function string, rows operator.PluginRows) operator.PluginRows {
	return &askedRows{PluginRows: rows, asked: c, function: function}
}

// askedRows measures how long a function takes for its next rows.
type askedRows struct {
	operator.PluginRows
	asked    *askedCaller
	function string
	making   time.Duration // of the input, since the last look
	given    int64         // likewise
}

// Next is the next batch.
func (r *askedRows) Next(ctx context.Context) (arrow.Record, error) {
	start := time.Now()
	rec, err := r.PluginRows.Next(ctx)
	r.asked.took(r.function, 1, r.given, start.Add(r.making))
	r.making, r.given = 0, 0
	return rec, err
}
