package compute

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// node is a compiled expression.
type node interface {
	// eval computes the frame's rows. The caller releases the value.
	eval(f *frame) (value, error)
	// fails reports whether some input makes eval an error. Such a node is evaluated only for rows that need it.
	fails() bool
	typ() plan.Type
}

// frame is a batch during evaluation, seen through a selection of its rows.
type frame struct {
	mem  memory.Allocator
	rec  arrow.Record
	rows []int32 // rows of rec; nil: all
	n    int
	// parent is the frame that this one is cut from, at its rows sel; nil for the whole batch.
	parent *frame
	sel    []int32
	// taken holds columns already cut down to rows, in evaluation order, so that a branch takes each column once.
	taken []takenColumn
}

type takenColumn struct {
	column int
	arr    arrow.Array
}

// column is a column of the batch at the frame's rows; the caller releases it.
func (f *frame) column(i int) arrow.Array {
	arr := f.rec.Column(i)
	if f.rows != nil {
		arr = f.take(i, arr)
	}
	arr.Retain()
	return arr
}

func (f *frame) take(i int, arr arrow.Array) arrow.Array {
	for _, t := range f.taken {
		if t.column == i {
			return t.arr
		}
	}
	arr = vector.Take(f.mem, arr, f.rows)
	f.taken = append(f.taken, takenColumn{i, arr})
	return arr
}

// narrow is the frame at some of its rows. The caller closes it.
func (f *frame) narrow(sel []int32) *frame {
	rows := sel
	if f.rows != nil {
		rows = make([]int32, len(sel))
		for i, r := range sel {
			rows[i] = f.rows[r]
		}
	}
	return &frame{mem: f.mem, rec: f.rec, rows: rows, n: len(sel), parent: f, sel: sel}
}

func (f *frame) close() {
	for _, t := range f.taken {
		t.arr.Release()
	}
	f.taken = nil
}

// columnNode reads a column.
type columnNode struct {
	column int
	t      plan.Type
}

func (c *columnNode) eval(f *frame) (value, error) { return value{arr: f.column(c.column)}, nil }
func (c *columnNode) fails() bool                  { return false }
func (c *columnNode) typ() plan.Type               { return c.t }

// constNode is a constant. Its array lives on the Go heap and is never freed by hand.
type constNode struct {
	arr arrow.Array
	t   plan.Type
}

func newConst(t plan.Type, v plan.Literal) *constNode {
	return &constNode{vector.FromLiteral(heap(), t, v, 1), t}
}

func (c *constNode) eval(*frame) (value, error) {
	c.arr.Retain()
	return value{c.arr, true}, nil
}
func (c *constNode) fails() bool    { return false }
func (c *constNode) typ() plan.Type { return c.t }

// errorNode is a constant expression that raises an error. It raises it where a row needs the value, so that a branch
// not taken, or an empty batch, does not.
type errorNode struct {
	err error
	t   plan.Type
}

func (e *errorNode) eval(f *frame) (value, error) {
	if f.n > 0 {
		return value{}, e.err
	}
	return value{vector.FromLiteral(f.mem, e.t, plan.Literal{Null: true}, 1), true}, nil
}
func (e *errorNode) fails() bool    { return true }
func (e *errorNode) typ() plan.Type { return e.t }

// heap is the allocator for what a program keeps from batch to batch: constants and results per dictionary. The
// garbage collector frees it with the program, so programs need no Close.
func heap() memory.Allocator { return memory.NewGoAllocator() }

// context is what a kernel works with.
type context struct {
	mem     memory.Allocator
	n       int
	t       plan.Type // of the result
	scratch *scratch
}

// kernel computes a call for a batch of n rows. Arguments stay the caller's.
type kernel func(c *context, args []value) (arrow.Array, error)

// binding is a call about to be compiled.
type binding struct {
	name string
	args []node
	t    plan.Type // of the result
	session
}

func (b *binding) arg(i int) plan.Type { return b.args[i].typ() }

// constant gives argument i as a literal, if it is one.
func (b *binding) constant(i int) (plan.Literal, bool) {
	c, ok := b.args[i].(*constNode)
	if !ok {
		return plan.Literal{}, false
	}
	return vector.LiteralAt(c.arr, 0), true
}

// builder makes the node of a call.
type builder func(b *binding) (node, error)

// strict is a builder for a kernel that gives NULL where an argument is NULL, and never looks at such rows' values
// except to ignore them.
func strict(mayFail bool, k kernel) builder {
	return func(b *binding) (node, error) {
		return &strictNode{args: b.args, t: b.t, run: k, mayFail: mayFail}, nil
	}
}

// total is a strict kernel that never fails; partial one that may.
func total(k kernel) builder   { return strict(false, k) }
func partial(k kernel) builder { return strict(true, k) }

// eager is a builder for a kernel that sees NULLs itself and does not fail.
func eager(k kernel) builder {
	return func(b *binding) (node, error) {
		return &eagerNode{args: b.args, t: b.t, run: k}, nil
	}
}

// evalAll evaluates nodes; on an error nothing is left to release.
func evalAll(f *frame, nodes []node) ([]value, error) {
	vals := make([]value, len(nodes))
	for i, a := range nodes {
		v, err := a.eval(f)
		if err != nil {
			releaseValues(vals[:i])
			return nil, err
		}
		vals[i] = v
	}
	return vals, nil
}

func anyFails(nodes []node) bool {
	for _, n := range nodes {
		if n.fails() {
			return true
		}
	}
	return false
}

// eagerNode evaluates every argument whole and hands them to its kernel.
type eagerNode struct {
	args    []node
	t       plan.Type
	run     kernel
	mayFail bool
	scratch scratch
}

func (e *eagerNode) eval(f *frame) (value, error) {
	vals, err := evalAll(f, e.args)
	if err != nil {
		return value{}, err
	}
	defer releaseValues(vals)
	arr, err := e.run(&context{f.mem, f.n, e.t, &e.scratch}, vals)
	return value{arr: arr}, err
}
func (e *eagerNode) fails() bool    { return e.mayFail || anyFails(e.args) }
func (e *eagerNode) typ() plan.Type { return e.t }

var (
	_ node = (*columnNode)(nil)
	_ node = (*constNode)(nil)
	_ node = (*errorNode)(nil)
	_ node = (*eagerNode)(nil)
	_ node = (*strictNode)(nil)
)
