package plan

import (
	"fmt"
	"slices"
)

// Validate checks everything about a job that later rooms rely on: references between stages, ordinals, counts.
func (j *Job) Validate() error {
	for i, s := range j.Stages {
		if s.ID != i {
			return fmt.Errorf("plan: stage %d has id %d", i, s.ID)
		}
		if err := j.validateStage(s); err != nil {
			return fmt.Errorf("plan: stage %d: %w", i, err)
		}
	}
	for _, o := range j.Outputs {
		if o.Stage < 0 || o.Stage >= len(j.Stages) {
			return fmt.Errorf("plan: output %s: no stage %d", o.Name, o.Stage)
		}
		if j.Stages[o.Stage].Tasks != o.Shards {
			return fmt.Errorf("plan: output %s: %d shards but %d tasks", o.Name, o.Shards, j.Stages[o.Stage].Tasks)
		}
		if err := o.validate(); err != nil {
			return fmt.Errorf("plan: output %s: %w", o.Name, err)
		}
	}
	return nil
}

func (o *Output) validate() error {
	width := len(o.Schema.Fields)
	if err := checkOrdinals("partition column", o.PartitionBy, width); err != nil {
		return err
	}
	if o.RowsPerFile < 0 || o.Time < 0 || o.Time > width {
		return fmt.Errorf("files of %d rows with the time in column %d of %d", o.RowsPerFile, o.Time, width)
	}
	for _, k := range o.SortBy {
		if err := checkOrdinals("sort key", []int{k.Column}, width); err != nil {
			return err
		}
	}
	return nil
}

func (j *Job) validateStage(s *Stage) error {
	if s.Root == nil {
		return fmt.Errorf("no root")
	}
	if s.Splits != nil && len(s.Splits) != s.Tasks {
		return fmt.Errorf("%d tasks but %d split lists", s.Tasks, len(s.Splits))
	}
	if s.Tasks < 1 {
		return fmt.Errorf("%d tasks", s.Tasks)
	}
	if s.Sink.Kind == SinkShuffle && s.Sink.Partitions < 1 {
		return fmt.Errorf("shuffle into %d partitions", s.Sink.Partitions)
	}
	if err := checkOrdinals("sink key", s.Sink.Keys, len(s.Root.Schema.Fields)); err != nil {
		return err
	}
	scans, err := 0, error(nil)
	s.Root.Walk(func(n *Node) {
		if err != nil {
			return
		}
		if n.Op == NodeScan {
			scans++
		}
		if n.Op == NodeShuffleRead && (n.ShuffleRead.Stage < 0 || n.ShuffleRead.Stage >= s.ID) {
			err = fmt.Errorf("reads stage %d", n.ShuffleRead.Stage)
			return
		}
		err = n.validate()
	})
	if err == nil && scans > 1 {
		err = fmt.Errorf("%d scans", scans)
	}
	return err
}

// inputCounts says how many inputs each operator takes.
var inputCounts = map[NodeOp]int{
	NodeScan: 0, NodeValues: 0, NodeShuffleRead: 0, NodeFilter: 1, NodeProject: 1, NodeUDF: 1, NodeAggregate: 1,
	NodeJoin: 2, NodeSort: 1, NodeLimit: 1, NodeExpand: 1, NodeGenerate: 1, NodePluginTable: 1, NodeWindow: 1, NodeAsofJoin: 2,
	NodeEventWindows: 2,
	NodeTally:        1,
}

func (n *Node) validate() error {
	want, known := inputCounts[n.Op]
	if n.Op == NodeUnion {
		want, known = max(len(n.Inputs), 1), true
	}
	if !known {
		return fmt.Errorf("unknown operator %q", n.Op)
	}
	if len(n.Inputs) != want {
		return fmt.Errorf("%s has %d inputs, not %d", n.Op, len(n.Inputs), want)
	}
	width := 0
	for _, in := range n.Inputs {
		width += len(in.Schema.Fields)
	}
	if n.Op == NodeUnion {
		width = len(n.Schema.Fields)
		for _, in := range n.Inputs {
			if len(in.Schema.Fields) != width {
				return fmt.Errorf("union of %d and %d columns", width, len(in.Schema.Fields))
			}
		}
	}
	for _, e := range n.exprs() {
		if err := checkExpr(e, width); err != nil {
			return fmt.Errorf("%s: %w", n.Op, err)
		}
	}
	switch {
	case n.Op == NodeAggregate:
		return checkOrdinals("group key", n.Aggregate.Keys, width)
	case n.Op == NodePluginTable && n.PluginTable == nil:
		return fmt.Errorf("%s without its payload", n.Op)
	case n.Op == NodePluginTable:
		if err := checkOrdinals("argument", n.PluginTable.Args, width); err != nil {
			return err
		}
		return checkOrdinals("key", n.PluginTable.Keys, width)
	case n.Op == NodeTally:
		return n.Tally.validate(n.Inputs[0].Schema.Fields)
	case n.Op == NodeEventWindows && n.EventWindows == nil:
		return fmt.Errorf("%s without its payload", n.Op)
	case n.Op == NodeEventWindows:
		return n.EventWindows.validate(len(n.Inputs[0].Schema.Fields), len(n.Inputs[1].Schema.Fields))
	}
	return nil
}

func (n *Node) exprs() []*Expr {
	switch {
	case n.Filter != nil:
		return []*Expr{n.Filter.Predicate}
	case n.Project != nil:
		return n.Project.Exprs
	case n.Join != nil && n.Join.Condition != nil:
		return []*Expr{n.Join.Condition}
	case n.Expand != nil:
		return slices.Concat(n.Expand.Projections...)
	case n.Generate != nil:
		return []*Expr{n.Generate.Call}
	case n.AsofJoin != nil && n.AsofJoin.Condition != nil:
		return []*Expr{n.AsofJoin.Condition}
	}
	return nil
}

func checkExpr(e *Expr, width int) error {
	var err error
	e.Walk(func(x *Expr) bool {
		switch {
		case x.Op == OpColumn && (x.Column < 0 || x.Column >= width):
			err = fmt.Errorf("column %d of %d in %s", x.Column, width, e)
		case x.Op == OpUDF:
			err = fmt.Errorf("plugin call %s was not planned", x.Name)
		}
		return err == nil
	})
	return err
}

func checkOrdinals(what string, ordinals []int, width int) error {
	for _, o := range ordinals {
		if o < 0 || o >= width {
			return fmt.Errorf("%s %d of %d columns", what, o, width)
		}
	}
	return nil
}
