package operator

import (
	"fmt"

	"github.com/quern-engine/quern/plan"
)

// Build makes the operators of a plan, bottom up. leaf is asked for scan and shuffle_read nodes: reading files and
// sockets is the task's business. When Build fails it has closed what it had made; otherwise closing the root closes
// everything.
func Build(n *plan.Node, leaf func(*plan.Node) (Operator, error), env Env) (Operator, error) {
	if n.Op == plan.NodeScan || n.Op == plan.NodeShuffleRead {
		op, err := leaf(n)
		return env.observed(n, op, err)
	}
	inputs := make([]Operator, 0, len(n.Inputs))
	for _, in := range n.Inputs {
		op, err := Build(in, leaf, env)
		if err != nil {
			closeAll(inputs)
			return nil, err
		}
		inputs = append(inputs, op)
	}
	own := env
	if env.Observer != nil {
		own = env.Observer.Env(n, env)
	}
	op, err := lower(n, inputs, own)
	if err != nil {
		closeAll(inputs)
		return nil, fmt.Errorf("build %s: %w", n.Op, err)
	}
	if env.Above != nil {
		op = env.Above(n, op, own)
	}
	return env.observed(n, op, nil)
}

// observed is an operator under the eyes of the observer, if there is one.
func (e Env) observed(n *plan.Node, op Operator, err error) (Operator, error) {
	if err != nil || e.Observer == nil {
		return op, err
	}
	return e.Observer.Wrap(n, op), nil
}

// closeAll closes operators that have read nothing yet; the error that made it necessary is the one to tell.
func closeAll(ops []Operator) {
	for _, op := range ops {
		_ = op.Close()
	}
}

// lower makes one operator over its inputs.
func lower(n *plan.Node, in []Operator, env Env) (Operator, error) {
	want := 1
	switch n.Op {
	case plan.NodeValues:
		want = 0
	case plan.NodeJoin, plan.NodeAsofJoin, plan.NodeEventWindows:
		want = 2
	case plan.NodeUnion:
		want = max(1, len(in))
	}
	if len(in) != want {
		return nil, fmt.Errorf("%d inputs, want %d", len(in), want)
	}
	switch {
	case n.Op == plan.NodeValues && n.Values != nil:
		return orError(NewValues(env, n.Values, n.Schema))
	case n.Op == plan.NodeFilter && n.Filter != nil:
		return orError(NewFilter(env, in[0], n.Filter))
	case n.Op == plan.NodeProject && n.Project != nil:
		return orError(NewProject(env, in[0], n.Project, n.Schema))
	case n.Op == plan.NodeUDF && n.UDF != nil:
		return orError(NewUDF(env, in[0], n.UDF, n.Schema))
	case n.Op == plan.NodeAggregate && n.Aggregate != nil:
		return orError(NewAggregate(env, in[0], n.Aggregate, n.Schema))
	case n.Op == plan.NodeJoin && n.Join != nil:
		join, err := NewHashJoin(env, in[0], in[1], n.Join, n.Schema)
		if err == nil && env.BuildKey != nil {
			join.shareKey = env.BuildKey(n)
		}
		return orError(join, err)
	case n.Op == plan.NodeAsofJoin && n.AsofJoin != nil:
		join, err := NewAsofJoin(env, in[0], in[1], n.AsofJoin, n.Schema)
		if err == nil {
			join.node = n
		}
		return orError(join, err)
	case n.Op == plan.NodeEventWindows && n.EventWindows != nil:
		windows, err := NewEventWindows(env, in[0], in[1], n.EventWindows, n.Schema)
		if err == nil {
			windows.node = n
		}
		return orError(windows, err)
	case n.Op == plan.NodeTally && n.Tally != nil:
		return NewTally(env, in[0], n), nil
	case n.Op == plan.NodeSort && n.Sort != nil:
		return NewSort(env, in[0], n.Sort), nil
	case n.Op == plan.NodeUnion:
		return orError(NewUnion(env, in, n.Schema))
	case n.Op == plan.NodeExpand && n.Expand != nil:
		return orError(NewExpand(env, in[0], n.Expand, n.Schema))
	case n.Op == plan.NodeGenerate && n.Generate != nil:
		return orError(NewGenerate(env, in[0], n.Generate, n.Schema))
	case n.Op == plan.NodePluginTable && n.PluginTable != nil:
		return orError(NewPluginTable(env, in[0], n.PluginTable, n.Schema))
	case n.Op == plan.NodeWindow && n.Window != nil:
		return orError(NewWindow(env, in[0], n.Window, n.Schema))
	case n.Op == plan.NodeLimit && n.Limit != nil:
		return NewLimit(env, in[0], n.Limit), nil
	}
	return nil, fmt.Errorf("%T with op %q has no operator, or not the payload of its op", n, n.Op)
}

// orError keeps a nil pointer of a failed constructor from becoming an Operator that is not nil.
func orError[O Operator](op O, err error) (Operator, error) {
	if err != nil {
		return nil, err
	}
	return op, nil
}
