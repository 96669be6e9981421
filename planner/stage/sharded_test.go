package stage

import (
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// Where rows lie by the columns that shards go by, they are written where they are.
func TestShards(t *testing.T) {
	asof := func(w *world) logical.Node {
		l, r := w.scan("a", 3), w.scan("b", 2)
		return &logical.AsofJoin{
			Left: l, Right: r, LeftKeys: []*plan.Expr{l.Cols[1].Ref(), l.Cols[0].Ref()}, RightKeys: []*plan.Expr{r.Cols[1].Ref(), r.Cols[0].Ref()},
			LeftTime: l.Cols[2].Ref(), RightTime: r.Cols[2].Ref(), Direction: plan.AsofBackward, Exact: true, Keep: true,
		}
	}
	grouped := func(w *world) logical.Node { return w.count(w.scan("a", 3), false) }
	var b strings.Builder
	for _, c := range []struct {
		title string
		plan  func(w *world) logical.Node
		out   Output
	}{
		{"by the keys of a join in time", asof, Output{Shards: 8, ShardBy: []int{1, 0}}},
		{"by the keys in another order, sorted", asof, Output{Shards: 8, ShardBy: []int{0, 1}, Order: []plan.SortKey{{Column: 2}}}},
		{"by one of two keys", asof, Output{Shards: 8, ShardBy: []int{0}}},
		{"fewer shards than there are tasks", asof, Output{Shards: 2, ShardBy: []int{1, 0}}},
		{"by all columns", asof, Output{Shards: 8}},
		{"by the key of a grouping", grouped, Output{Shards: 8, ShardBy: []int{0}}},
		{"by the count of a grouping", grouped, Output{Shards: 8, ShardBy: []int{1}}},
		{"of a scan", func(w *world) logical.Node { return w.scan("a", 3) }, Output{Shards: 8, ShardBy: []int{0}}},
		{"a join of a table with itself, which is scanned once", func(w *world) logical.Node {
			l, r := w.scan("a", 3), w.scan("a", 3)
			return &logical.Join{Type: plan.JoinInner, Left: l, Right: r, On: equal(l.Cols[0].Ref(), r.Cols[0].Ref(), "=")}
		}, Output{Shards: 20, ShardBy: []int{0}}},
	} {
		c.out.Name = "out"
		stages, last, err := Cut([]Target{{Plan: c.plan(&world{}), Output: &c.out}}, Options{Partitions: 4})
		if err != nil {
			t.Fatalf("%s: %v", c.title, err)
		}
		job := &plan.Job{
			Version: plan.JobVersion, Stages: stages,
			Outputs: []plan.Output{{Name: "out", URL: "file:///out", Stage: last[0], Shards: c.out.Shards, Format: "parquet", Schema: stages[last[0]].Root.Schema}},
		}
		if err := job.Validate(); err != nil {
			t.Errorf("%s: %v", c.title, err)
		}
		b.WriteString("=== " + c.title + "\n" + strings.TrimRight(job.Text(), "\n") + "\n\n")
	}
	golden.Check(t, "testdata/shards.txt", b.String())
}
