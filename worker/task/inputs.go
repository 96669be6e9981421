package task

import (
	"context"
	"fmt"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// openShuffle reads what the assignment says of a stage's output: the partition of the task's number, all of a broadcast, or
// the part that the task was given when its stage was divided anew.
func (b *builder) openShuffle(ctx context.Context, n *plan.Node) (operator.Operator, error) {
	from := n.ShuffleRead.Stage
	in, ok := b.task.input(from)
	if !ok {
		return nil, fmt.Errorf("assignment %s does not say where the output of stage %d is", b.task.AttemptID, from)
	}
	part, err := b.part(n.ShuffleRead, in)
	if err != nil {
		return nil, err
	}
	outputs, err := b.env.Locator.Outputs(ctx, b.task.Run, from, in.Version)
	if err != nil {
		return nil, fmt.Errorf("locate the output of stage %d: %w", from, err)
	}
	open := func() operator.Operator {
		stream := b.env.Fetch.Fetch(outputs, part, n.Schema, b.env.Address, b.env.Segments)
		b.streams = append(b.streams, stream)
		return &leafOperator{schema: n.Schema, source: stream}
	}
	if b.slicing != nil && b.slicing.Sort.Inputs[0] == n {
		b.slicing.open = open
	}
	var read operator.Operator = &counted{Operator: open(), rows: &b.counts.RowsIn, meter: b.task.Meter}
	if part.Share.Of > 1 {
		return operator.NewShare(b.operators, read, b.task.Job.Stages[from].Sink.Keys, part.Share.Number, part.Share.Of), nil
	}
	return b.sliced(n, read), nil
}

// part is what the task reads of an input.
func (b *builder) part(read *plan.ShuffleRead, in api.StageInput) (api.Selection, error) {
	switch {
	case in.Part != nil:
	case read.Broadcast:
		return api.Partition(0), nil
	default:
		return api.Partition(b.task.Task), nil
	}
	if in.Stage < 0 || in.Stage >= len(b.task.Job.Stages) {
		return api.Selection{}, fmt.Errorf("assignment %s reads stage %d of %d", b.task.AttemptID, in.Stage, len(b.task.Job.Stages))
	}
	if err := in.Part.Validate(max(b.task.Job.Stages[in.Stage].Sink.Partitions, 1)); err != nil {
		return api.Selection{}, fmt.Errorf("assignment %s reads of stage %d %w", b.task.AttemptID, in.Stage, err)
	}
	return *in.Part, nil
}

// shared names what the task reads of an input that others of its stage read, too: a broadcast, or, where the rows of another
// input are divided among several tasks, the part that each of these reads whole.
func (b *builder) shared(read *plan.ShuffleRead) (name string, ok bool) {
	in, ok := b.task.input(read.Stage)
	if !ok {
		return "", false
	}
	if in.Part == nil {
		return fmt.Sprintf("version %d", in.Version), read.Broadcast
	}
	if in.Part.Share.Of > 1 {
		return "", false
	}
	cut := false
	for _, other := range b.task.Inputs {
		cut = cut || (other.Part != nil && !other.Part.Whole())
	}
	return fmt.Sprintf("version %d, %s", in.Version, in.Part), cut
}

// input is what the assignment says of a stage that the task reads.
func (t Task) input(stage int) (api.StageInput, bool) {
	for _, in := range t.Inputs {
		if in.Stage == stage {
			return in, true
		}
	}
	return api.StageInput{}, false
}

// divided reports a task of a stage whose tasks are not those of the plan any more.
func (t Task) divided() bool {
	for _, in := range t.Inputs {
		if in.Part != nil {
			return true
		}
	}
	return false
}
