// Package stage turns optimised logical plans into physical operators and cuts them into stages at shuffles. What it
// decides (splits, partition counts, where a shuffle is needed) is a function of the plan and of the files' statistics
// alone, never of the workers that will run it.
package stage

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// Target is a plan whose rows are wanted: as the shards of an output, or as the result of a query where Output is nil.
type Target struct {
	Plan   logical.Node
	Output *Output // nil hands the rows to the caller
	Report bool    // without an output: to the coordinator instead
}

// Output says how the rows of a target are divided into shards.
type Output struct {
	Name    string
	Shards  int
	ShardBy []int // places in the plan's columns; none means all columns
	// Placed: ShardBy is one column, a bigint, that has the number of a row's shard.
	Placed bool
	// Order sorts the rows of a shard by columns of the plan; none keeps the order in which they come.
	Order []plan.SortKey
	// PartitionBy are columns by which the rows of a shard are sorted before all else; an empty text counts as NULL, as it
	// does where partitions are read.
	PartitionBy []int
	// Visible is how many of the plan's columns, the first, are written; all if zero.
	Visible int
}

// Options adjust how stages are cut. The zero value is good.
type Options struct {
	// MinSplit is the smallest share of a scan that is worth a task, in compressed bytes; 1 MiB if zero. Tests make it
	// small to have many tasks of little data.
	MinSplit int64
	// Partitions is how many partitions shuffles by a hash have; 0 goes by estimates. Tests try many.
	Partitions int
	// PartitionBytes is what a task had best read of its inputs, in memory; 32 MiB if zero. Tests make it small to have
	// stages adapt.
	PartitionBytes int64
}

// Cut makes the stages for all targets; last[i] is the stage with the file or result sink of targets[i]. Subplans that
// targets have in common become one stage.
func Cut(targets []Target, opts Options) (stages []*plan.Stage, last []int, err error) {
	if opts.MinSplit <= 0 {
		opts.MinSplit = defaultMinSplit
	}
	if opts.PartitionBytes <= 0 {
		opts.PartitionBytes = defaultPartitionBytes
	}
	c := &cutter{opts: opts, known: map[string]int{}, floors: map[logical.Node]int{}, single: len(targets) == 1}
	for _, t := range targets {
		id, err := c.target(t)
		if err != nil {
			return nil, nil, err
		}
		last = append(last, id)
	}
	stages, last = used(c.stages, last)
	return stages, last, nil
}

// cutter collects stages.
type cutter struct {
	opts   Options
	stages []*plan.Stage
	known  map[string]int       // encoded stage → id
	floors map[logical.Node]int // how many partitions the joins above a node ask for
	single bool                 // there is one target, so that no other needs its stages
	// filters is how many runtime filters there are; they are numbered anew in each stage.
	filters int
}

func (c *cutter) target(t Target) (int, error) {
	f, err := c.build(t.Plan)
	if err != nil {
		return 0, err
	}
	f = trim(f, t.Plan.Columns())
	if t.Output == nil {
		if len(f.parts) > 1 {
			if f, err = c.exchange(f, nil, 1, ""); err != nil {
				return 0, err
			}
		}
		if t.Report {
			return c.add(f.parts[0], plan.Sink{Kind: plan.SinkReport})
		}
		return c.add(f.parts[0], plan.Sink{Kind: plan.SinkResult, Partitions: 1})
	}
	inShards := false
	if t.Output.Shards > 1 && c.single {
		if f, inShards, err = c.inShards(f, t.Output); err != nil {
			return 0, err
		}
	}
	if !inShards && (t.Output.Shards > 1 || !f.single()) {
		keys := t.Output.ShardBy
		if len(keys) == 0 {
			for i := range f.ids {
				keys = append(keys, i)
			}
		}
		hash := plan.HashShard
		if t.Output.Placed {
			hash = plan.PlaceValue
		}
		if f, err = c.exchange(f, keys, t.Output.Shards, hash); err != nil {
			return 0, err
		}
	}
	f, order := partitioned(f, t.Output)
	if len(order) > 0 {
		f = f.keeping(plan.Node{Op: plan.NodeSort, Sort: &plan.Sort{Limit: -1, Keys: order}})
	}
	if t.Output.Visible > 0 {
		f = trim(f, t.Plan.Columns()[:t.Output.Visible])
	}
	return c.add(f.parts[0], plan.Sink{Kind: plan.SinkFile, Output: t.Output.Name})
}

// partitioned gives the partition columns the values that their folders' names have, and says how to sort.
func partitioned(f fragment, o *Output) (fragment, []plan.SortKey) {
	if len(o.PartitionBy) == 0 {
		return f, o.Order
	}
	schema := plan.Schema{Fields: slices.Clone(f.schema().Fields)}
	exprs := make([]*plan.Expr, len(schema.Fields))
	for i, field := range schema.Fields {
		exprs[i] = plan.ColumnExpr(i, field)
	}
	texts := false
	var order []plan.SortKey
	for _, c := range o.PartitionBy {
		order = append(order, plan.SortKey{Column: c})
		if field := &schema.Fields[c]; field.Type.Kind == plan.KindString {
			texts, field.Nullable = true, true
			exprs[c] = plan.CallExpr("nullif", plan.String, exprs[c], plan.StringLiteral(""))
		}
	}
	if texts {
		f = f.over(plan.Node{Op: plan.NodeProject, Project: &plan.Project{Exprs: exprs}}, schema)
	}
	return f, append(order, o.Order...)
}

// add makes a stage of a part of a fragment, or finds the one that does the same.
func (c *cutter) add(p part, sink plan.Sink) (int, error) {
	s := &plan.Stage{Root: renumbered(p.root), Sink: sink, Tasks: p.tasks, Splits: p.splits}
	p.root.Walk(func(n *plan.Node) {
		if n.Op == plan.NodeShuffleRead && !slices.Contains(s.Inputs, n.ShuffleRead.Stage) {
			s.Inputs = append(s.Inputs, n.ShuffleRead.Stage)
		}
	})
	slices.Sort(s.Inputs)
	s.Adapt = c.adapt(s)
	return c.keep(s)
}

// keep adds a stage without a number, or finds the one that does the same.
func (c *cutter) keep(s *plan.Stage) (int, error) {
	key, err := json.Marshal(s)
	if err != nil {
		return 0, fmt.Errorf("encode stage: %w", err)
	}
	if id, ok := c.known[string(key)]; ok {
		return id, nil
	}
	s.ID = len(c.stages)
	c.stages = append(c.stages, s)
	c.known[string(key)] = s.ID
	return s.ID, nil
}

// exchange ends stages, one for each part, with a shuffle by key ordinals and begins the next with reading them.
func (c *cutter) exchange(f fragment, keys []int, partitions int, hash plan.HashFunction) (fragment, error) {
	sink := plan.Sink{Kind: plan.SinkShuffle, Partitions: partitions}
	var hashed [][]int
	if partitions > 1 {
		sink.Keys, sink.Hash = keys, hash
		if hash == plan.HashExchange {
			hashed = hashedBy(f, keys)
		}
	}
	out, err := c.shuffled(f, sink, false)
	out.parts[0].tasks, out.hashed = partitions, hashed
	return out, err
}

// gather brings all rows into one task.
func (c *cutter) gather(f fragment) (fragment, error) {
	if f.single() {
		return f, nil
	}
	return c.exchange(f, nil, 1, "")
}

// broadcast ends stages with one partition that every task of another stage reads.
func (c *cutter) broadcast(f fragment) (fragment, error) {
	return c.shuffled(f, plan.Sink{Kind: plan.SinkShuffle, Partitions: 1}, true)
}

// shuffled writes the parts of a fragment and reads them one after the other.
func (c *cutter) shuffled(f fragment, sink plan.Sink, broadcast bool) (fragment, error) {
	if len(f.ids) == 0 {
		f = withDummy(f)
	}
	out := fragment{ids: f.ids, parts: make([]part, 1)}
	var reads []*plan.Node
	for _, p := range f.parts {
		id, err := c.add(p, sink)
		if err != nil {
			return out, err
		}
		reads = append(reads, &plan.Node{
			Op: plan.NodeShuffleRead, Schema: f.schema(), ShuffleRead: &plan.ShuffleRead{Stage: id, Broadcast: broadcast},
		})
	}
	out.parts[0].root = unionOf(reads)
	return out, nil
}

// hashedBy names the key columns, unless one of them is hidden: nothing above could ask for that order.
func hashedBy(f fragment, keys []int) [][]int {
	var ids [][]int
	for _, k := range keys {
		if f.ids[k] == hidden {
			return nil
		}
		ids = append(ids, []int{f.ids[k]})
	}
	return ids
}

// withDummy gives rows without columns one, so that a shuffle can carry them.
func withDummy(f fragment) fragment {
	schema := plan.Schema{Fields: []plan.Field{{Name: "row", Type: plan.Boolean}}}
	f = f.over(plan.Node{Op: plan.NodeProject, Project: &plan.Project{Exprs: []*plan.Expr{plan.BoolLiteral(true)}}}, schema)
	f.ids = []int{hidden}
	return f
}

// build lowers a logical node. It is the one place that knows all kinds of them.
func (c *cutter) build(n logical.Node) (fragment, error) {
	switch n := n.(type) {
	case *logical.Scan:
		return c.scan(n)
	case *logical.Values:
		return values(n), nil
	case *logical.Filter:
		return c.filter(n)
	case *logical.Project:
		return c.project(n)
	case *logical.Aggregate:
		return c.aggregate(n)
	case *logical.Join:
		return c.join(n)
	case *logical.Sort:
		return c.sort(n)
	case *logical.Limit:
		return c.limit(n)
	case *logical.Union:
		return c.union(n)
	case *logical.Expand:
		return c.expand(n)
	case *logical.Generate:
		return c.generate(n)
	case *logical.PluginTable:
		return c.pluginTable(n)
	case *logical.Window:
		return c.window(n)
	case *logical.AsofJoin:
		return c.asofJoin(n)
	case *logical.EventWindows:
		return c.eventWindows(n)
	case *logical.Tally:
		return c.tally(n)
	}
	return fragment{}, fmt.Errorf("no physical operator for %T", n)
}

func values(n *logical.Values) fragment {
	root := &plan.Node{Op: plan.NodeValues, Schema: schemaOf(n.Cols), Values: &plan.Values{Rows: n.Rows}}
	return fragment{parts: []part{{root: root, tasks: 1}}, ids: idsOf(n.Cols)}
}
