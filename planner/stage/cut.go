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
	Output *Output
}

// Output says how the rows of a target are divided into shards.
type Output struct {
	Name    string
	Shards  int
	ShardBy []int // places in the plan's columns; none means all columns
}

// Options adjust how stages are cut. The zero value is good.
type Options struct {
	// MinSplit is the smallest share of a scan that is worth a task, in compressed bytes; 1 MiB if zero. Tests make it
	// small to have many tasks of little data.
	MinSplit int64
}

// Cut makes the stages for all targets; last[i] is the stage with the file or result sink of targets[i]. Subplans that
// targets have in common become one stage.
func Cut(targets []Target, opts Options) (stages []*plan.Stage, last []int, err error) {
	if opts.MinSplit <= 0 {
		opts.MinSplit = defaultMinSplit
	}
	c := &cutter{opts: opts, known: map[string]int{}}
	for _, t := range targets {
		id, err := c.target(t)
		if err != nil {
			return nil, nil, err
		}
		last = append(last, id)
	}
	return c.stages, last, nil
}

// cutter collects stages.
type cutter struct {
	opts   Options
	stages []*plan.Stage
	known  map[string]int // encoded stage → id
}

// fragment is a tree of operators that will be the top of a stage.
type fragment struct {
	root *plan.Node
	// ids are the column ids of the root's output, by ordinal; hidden for columns that only the operators above use.
	ids    []int
	tasks  int
	splits [][]plan.Split // of the stage's scan; nil without one
	// hashed says by the hash of which columns the rows lie in tasks: for each key the ids of the columns that hold it
	// (both sides' after an inner join). Empty when they lie in no such order.
	hashed [][]int
}

// hidden stands for a column without an id.
const hidden = -1

func (c *cutter) target(t Target) (int, error) {
	f, err := c.build(t.Plan)
	if err != nil {
		return 0, err
	}
	f = trim(f, t.Plan.Columns())
	if t.Output == nil {
		return c.add(f, plan.Sink{Kind: plan.SinkResult, Partitions: 1})
	}
	if t.Output.Shards > 1 || f.tasks > 1 {
		keys := t.Output.ShardBy
		if len(keys) == 0 {
			for i := range f.ids {
				keys = append(keys, i)
			}
		}
		if f, err = c.exchange(f, keys, t.Output.Shards, plan.HashShard); err != nil {
			return 0, err
		}
	}
	return c.add(f, plan.Sink{Kind: plan.SinkFile, Output: t.Output.Name})
}

// add makes a stage of a fragment, or finds the one that does the same.
func (c *cutter) add(f fragment, sink plan.Sink) (int, error) {
	s := &plan.Stage{Root: f.root, Sink: sink, Tasks: f.tasks, Splits: f.splits}
	f.root.Walk(func(n *plan.Node) {
		if n.Op == plan.NodeShuffleRead && !slices.Contains(s.Inputs, n.ShuffleRead.Stage) {
			s.Inputs = append(s.Inputs, n.ShuffleRead.Stage)
		}
	})
	slices.Sort(s.Inputs)
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

// exchange ends a stage with a shuffle by key ordinals and begins the next with reading it.
func (c *cutter) exchange(f fragment, keys []int, partitions int, hash plan.HashFunction) (fragment, error) {
	if len(f.ids) == 0 {
		f = withDummy(f)
	}
	sink := plan.Sink{Kind: plan.SinkShuffle, Partitions: partitions}
	out := fragment{ids: f.ids, tasks: partitions}
	if partitions > 1 {
		sink.Keys, sink.Hash = keys, hash
		if hash == plan.HashExchange {
			out.hashed = hashedBy(f, keys)
		}
	}
	id, err := c.add(f, sink)
	out.root = shuffleRead(f.root.Schema, id, false)
	return out, err
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

// broadcast ends a stage with one partition that every task of another stage reads.
func (c *cutter) broadcast(f fragment) (fragment, error) {
	if len(f.ids) == 0 {
		f = withDummy(f)
	}
	id, err := c.add(f, plan.Sink{Kind: plan.SinkShuffle, Partitions: 1})
	return fragment{root: shuffleRead(f.root.Schema, id, true), ids: f.ids}, err
}

func shuffleRead(schema plan.Schema, stage int, broadcast bool) *plan.Node {
	return &plan.Node{Op: plan.NodeShuffleRead, Schema: schema, ShuffleRead: &plan.ShuffleRead{Stage: stage, Broadcast: broadcast}}
}

// withDummy gives rows without columns one, so that a shuffle can carry them.
func withDummy(f fragment) fragment {
	f.root = &plan.Node{
		Op: plan.NodeProject, Inputs: []*plan.Node{f.root},
		Schema:  plan.Schema{Fields: []plan.Field{{Name: "row", Type: plan.Boolean}}},
		Project: &plan.Project{Exprs: []*plan.Expr{plan.BoolLiteral(true)}},
	}
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
	}
	return fragment{}, fmt.Errorf("no physical operator for %T", n)
}

// over puts a node with the same columns above a fragment.
func (f fragment) over(n plan.Node) fragment {
	n.Inputs, n.Schema = []*plan.Node{f.root}, f.root.Schema
	f.root = &n
	return f
}

// ordinal is the place of a column.
func (f fragment) ordinal(id int) (int, error) {
	if i := slices.Index(f.ids, id); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("column id %d is not among %v", id, f.ids)
}

func values(n *logical.Values) fragment {
	root := &plan.Node{Op: plan.NodeValues, Schema: schemaOf(n.Cols), Values: &plan.Values{Rows: n.Rows}}
	return fragment{root: root, ids: idsOf(n.Cols), tasks: 1}
}

func idsOf(cols []logical.Column) []int {
	ids := make([]int, len(cols))
	for i, c := range cols {
		ids[i] = c.ID
	}
	return ids
}

func schemaOf(cols []logical.Column) plan.Schema {
	s := plan.Schema{Fields: make([]plan.Field, len(cols))}
	for i, c := range cols {
		s.Fields[i] = c.Field
	}
	return s
}
