package operator_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// joiner is an aggregate function that puts texts one behind the other, so that their order shows; NULL of none.
type joiner struct {
	operator.Caller
	fault string
}

func (j joiner) Fold(ctx context.Context, _ string, f operator.Fold) (arrow.Record, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if j.fault == "crash" {
		return nil, plan.Failf(plan.FailurePlugin, "the process is gone")
	}
	groups, ok := f.Rows.Column(0).(*array.Int32)
	texts, is := f.Rows.Column(1).(*array.String)
	if !ok || !is || f.Rows.NumCols() != 2 {
		return nil, errors.New("columns of other types")
	}
	states := make([]string, f.Groups)
	for i := range texts.Len() {
		states[groups.Value(i)] += texts.Value(i)
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for _, s := range states {
		if f.Finish && s == "" {
			b.AppendNull()
		} else {
			b.Append(s)
		}
	}
	if j.fault == "short" {
		b.Append("more")
	}
	col := b.NewArray()
	defer col.Release()
	schema := arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	return array.NewRecord(schema, []arrow.Array{col}, int64(col.Len())), nil
}

func TestPluginAggregate(t *testing.T) {
	joined := plan.Agg{
		Func: "joined", Args: []int{0}, ArgTypes: []plan.Type{plan.String}, Type: plan.String,
		State: []plan.Field{{Name: "text", Type: plan.String}},
	}
	distinct := joined
	distinct.Distinct = true
	count := plan.Agg{Func: "count", Type: plan.Int64}
	input := optest.Table{Schema: aggInput, Rows: []string{
		"a|1|NULL", "b|2|NULL", "c|1|NULL", "NULL|3|NULL", "d|1|NULL", "b|2|NULL", "e|4|NULL", "a|1|NULL", "f|NULL|NULL", "g|2|NULL",
	}}
	for name, c := range map[string]struct {
		keys      []int
		aggs      []plan.Agg
		twoPhases bool
		want      []string
	}{
		"by key":        {[]int{1}, []plan.Agg{joined, count}, false, []string{"1|acda|4", "2|bbg|3", "3|NULL|1", "4|e|1", "NULL|f|1"}},
		"in two phases": {[]int{1}, []plan.Agg{joined, count}, true, []string{"1|acda|4", "2|bbg|3", "3|NULL|1", "4|e|1", "NULL|f|1"}},
		"all rows":      {nil, []plan.Agg{joined}, false, []string{"abcdbeafg"}},
		"all in phases": {nil, []plan.Agg{joined}, true, []string{"abcdbeafg"}},
		"distinct":      {[]int{1}, []plan.Agg{distinct}, false, []string{"1|acd", "2|bg", "3|NULL", "4|e", "NULL|f"}},
	} {
		t.Run(name, func(t *testing.T) {
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{input}, Build: aggregation(t, c.keys, c.aggs, c.twoPhases), Caller: joiner{}, Want: c.want, Ordered: true,
			})
		})
	}
	t.Run("filtered", func(t *testing.T) {
		in := optest.Table{Schema: "k string, v bigint, keep boolean", Rows: []string{"a|1|true", "b|1|false", "c|1|NULL", "d|1|true", "e|2|false"}}
		call := joined
		call.Filter = 3
		node := &plan.Node{Op: plan.NodeAggregate, Schema: schema(t, "v bigint, text string"),
			Aggregate: &plan.Aggregate{Mode: plan.AggregateComplete, Keys: []int{1}, Aggs: []plan.Agg{call}}}
		optest.Run(t, optest.Case{Inputs: []optest.Table{in}, Build: build(node), Caller: joiner{}, Want: []string{"1|ad", "2|NULL"}, Ordered: true})
	})
	t.Run("of nothing", func(t *testing.T) {
		for _, twoPhases := range []bool{false, true} {
			optest.Run(t, optest.Case{Inputs: []optest.Table{{Schema: aggInput}}, Build: aggregation(t, nil, []plan.Agg{joined}, twoPhases), Caller: joiner{}, Want: []string{"NULL"}})
		}
	})
	for _, fault := range []string{"crash", "short"} {
		optest.Run(t, optest.Case{
			Inputs: []optest.Table{input}, Build: aggregation(t, []int{1}, []plan.Agg{joined}, false), Caller: joiner{fault: fault},
			WantError: &plan.Failure{Kind: plan.FailurePlugin},
		})
	}
}

// Many groups are merged in parts, a few times only.
func TestPluginAggregateOfManyGroups(t *testing.T) {
	var rows, want []string
	for i := range 18_000 {
		rows = append(rows, "x|"+strconv.Itoa(i%17_000)+"|NULL")
	}
	for i := range 17_000 {
		text := "x"
		if i < 1_000 {
			text = "xx"
		}
		want = append(want, strconv.Itoa(i)+"|"+text)
	}
	joined := plan.Agg{
		Func: "joined", Args: []int{0}, ArgTypes: []plan.Type{plan.String}, Type: plan.String,
		State: []plan.Field{{Name: "text", Type: plan.String}},
	}
	c := optest.Case{Inputs: []optest.Table{{Schema: aggInput, Rows: rows}}, Build: aggregation(t, []int{1}, []plan.Agg{joined}, false), Caller: joiner{}, Want: want, Ordered: true}
	optest.RunIn(t, c, 2)
}
