package operator_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// rowsOf gives one batch of keys again and again, and counts how often it is asked.
type rowsOf struct {
	mem   memory.Allocator
	keys  []string
	times int
	asked int
}

func (r *rowsOf) Schema() plan.Schema {
	return plan.Schema{Fields: []plan.Field{{Name: "k", Type: plan.String, Nullable: true}}}
}

func (r *rowsOf) Next(context.Context) (arrow.Record, error) {
	if r.asked++; r.asked > r.times {
		return nil, io.EOF
	}
	values := make([]plan.Literal, len(r.keys))
	for i, k := range r.keys {
		values[i].Bytes = []byte(k)
	}
	col := columns.Build(r.mem, plan.String, values)
	defer col.Release()
	return vector.NewRecord(r.Schema(), []arrow.Array{col}, len(values)), nil
}

func (r *rowsOf) Close() error { return nil }

// TestSharedBuild: a second join over the same input takes the build side of the first, tells scans the same, and gives
// the same rows; when the run is forgotten nothing is left, also if somebody still used it.
func TestSharedBuild(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	read := &plan.Node{Op: plan.NodeShuffleRead, ShuffleRead: &plan.ShuffleRead{Stage: 3, Broadcast: true}}
	j := &plan.Join{Type: plan.JoinInner, LeftKeys: []int{0}, RightKeys: []int{0}, Publishes: []int{7}}
	node := &plan.Node{Op: plan.NodeJoin, Join: j, Inputs: []*plan.Node{{Op: plan.NodeScan}, read}}
	reads := func(r *plan.ShuffleRead) (string, bool) { return "5", r.Stage == 3 }
	key := func(n *plan.Node) string { return operator.ShareKey(node, "run", reads) }
	if key(nil) == "" {
		t.Fatal("the build side has no name")
	}
	builds := operator.NewBuilds(0)
	schema := plan.Schema{Fields: []plan.Field{{Name: "k", Type: plan.String, Nullable: true}, {Name: "k2", Type: plan.String, Nullable: true}}}
	var joins []operator.Operator
	var sides []*rowsOf
	for range 2 {
		told := published{}
		env := operator.Env{Mem: mem, Builds: builds, BuildKey: key, Filters: told}
		left := &rowsOf{mem: mem, keys: []string{"x", "y", "x", "none"}, times: 3}
		right := &rowsOf{mem: mem, keys: []string{"y", "x", "u"}, times: 2}
		op, err := operator.Build(&plan.Node{Op: plan.NodeJoin, Schema: schema, Join: j, Inputs: []*plan.Node{{Op: plan.NodeScan}, read}},
			func(n *plan.Node) (operator.Operator, error) {
				if n.Op == plan.NodeScan {
					return left, nil
				}
				return right, nil
			}, env)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for {
			rec, err := op.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			rows += int(rec.NumRows())
			rec.Release()
		}
		if rows != 3*3*2 {
			t.Errorf("%d rows, want 18", rows)
		}
		if f, ok := told[7]; !ok || len(f.Values) != 3 {
			t.Errorf("published %+v", told)
		}
		joins, sides = append(joins, op), append(sides, right)
	}
	if sides[0].asked != 3 || sides[1].asked != 0 {
		t.Errorf("the right sides were asked %d and %d times, want 3 and 0", sides[0].asked, sides[1].asked)
	}
	if err := joins[0].Close(); err != nil {
		t.Error(err)
	}
	builds.Forget("run")
	if err := joins[1].Close(); err != nil {
		t.Error(err)
	}
	if n := mem.CurrentAlloc(); n != 0 {
		t.Errorf("%d bytes leaked", n)
	}
}

// gated is rows that come when the gate is open, or an error.
type gated struct {
	*rowsOf
	gate chan error
}

func (g gated) Next(ctx context.Context) (arrow.Record, error) {
	if err := <-g.gate; err != nil {
		return nil, err
	}
	return g.rowsOf.Next(ctx)
}

// TestBuildInTheMaking: a join waits for the one that makes its build side, and makes it when that one fails.
func TestBuildInTheMaking(t *testing.T) {
	for name, failure := range map[string]error{"made": nil, "failed": errors.New("no more rows")} {
		t.Run(name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(recycle.Poison())
			j := &plan.Join{Type: plan.JoinLeftSemi, LeftKeys: []int{0}, RightKeys: []int{0}}
			env := operator.Env{Mem: mem, Builds: operator.NewBuilds(0), BuildKey: func(*plan.Node) string { return "run/side" }}
			schema := (&rowsOf{}).Schema()
			open := func(right operator.Operator) operator.Operator {
				op, err := operator.Build(&plan.Node{Op: plan.NodeJoin, Schema: schema, Join: j, Inputs: []*plan.Node{{Op: plan.NodeScan}, {Op: plan.NodeShuffleRead}}},
					func(n *plan.Node) (operator.Operator, error) {
						if n.Op == plan.NodeScan {
							return &rowsOf{mem: mem, keys: []string{"x", "none"}, times: 1}, nil
						}
						return right, nil
					}, env)
				if err != nil {
					t.Fatal(err)
				}
				return op
			}
			gate := make(chan error)
			maker := open(gated{&rowsOf{mem: mem, keys: []string{"x"}, times: 1}, gate})
			made := make(chan error, 1)
			go func() { made <- drain(t.Context(), maker) }()
			gate <- nil // the maker has begun

			gone, cancel := context.WithCancel(t.Context())
			cancel()
			impatient := open(&rowsOf{mem: mem, keys: []string{"x"}, times: 1})
			if err := drain(gone, impatient); !errors.Is(err, context.Canceled) {
				t.Errorf("who is told to stop while it waits: %v", err)
			}
			side := &rowsOf{mem: mem, keys: []string{"x"}, times: 1}
			waiter := open(side)
			waited := make(chan error, 1)
			go func() { waited <- drain(t.Context(), waiter) }()
			gate <- failure
			if err := <-made; !errors.Is(err, failure) {
				t.Errorf("the maker: %v", err)
			}
			if failure != nil { // others hear of it when it is closed
				maker.Close()
			}
			if err := <-waited; err != nil {
				t.Errorf("the one that waited: %v", err)
			}
			if asked := side.asked > 0; asked != (failure != nil) {
				t.Errorf("the one that waited read its build side: %t", asked)
			}
			for _, op := range []operator.Operator{maker, waiter, impatient} {
				if err := op.Close(); err != nil {
					t.Error(err)
				}
			}
			env.Builds.Forget("")
			if n := mem.CurrentAlloc(); n != 0 {
				t.Errorf("%d bytes leaked", n)
			}
		})
	}
}

// drain reads an operator to its end.
func drain(ctx context.Context, op operator.Operator) error {
	for {
		rec, err := op.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rec.Release()
	}
}

// Only inputs that are the same for all tasks have a name.
func TestShareKey(t *testing.T) {
	read := func(broadcast bool) *plan.Node {
		return &plan.Node{Op: plan.NodeShuffleRead, ShuffleRead: &plan.ShuffleRead{Stage: 3, Broadcast: broadcast}}
	}
	known := func(r *plan.ShuffleRead) (string, bool) { return "1", r.Broadcast }
	for _, c := range []struct {
		what  string
		join  plan.Join
		right *plan.Node
		named bool
	}{
		{"a stage read whole", plan.Join{Type: plan.JoinInner}, read(true), true},
		{"two stages read whole", plan.Join{Type: plan.JoinLeft}, &plan.Node{Op: plan.NodeUnion, Inputs: []*plan.Node{read(true), read(true)}}, true},
		{"a partition", plan.Join{Type: plan.JoinInner}, read(false), false},
		{"a full join, which marks rows", plan.Join{Type: plan.JoinFull}, read(true), false},
		{"a null-aware join", plan.Join{Type: plan.JoinLeftAnti, NullAware: true}, read(true), false},
		{"a computation", plan.Join{Type: plan.JoinInner}, &plan.Node{Op: plan.NodeFilter, Inputs: []*plan.Node{read(true)}}, false},
		{"a scan", plan.Join{Type: plan.JoinInner}, &plan.Node{Op: plan.NodeScan}, false},
	} {
		n := &plan.Node{Op: plan.NodeJoin, Join: &c.join, Inputs: []*plan.Node{{Op: plan.NodeScan}, c.right}}
		if got := operator.ShareKey(n, "run", known) != ""; got != c.named {
			t.Errorf("%s: has a name: %t", c.what, got)
		}
	}
}
