package operator_test

import (
	"context"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// groupJoiner is a table function that gives the texts of each group one behind the other.
type groupJoiner struct {
	operator.Caller
	fault string
}

type groupJoinerRows struct {
	input operator.PluginInput
	fault string
	text  string
	begun bool
	ended bool
}

func (g groupJoiner) Table(_ context.Context, _ string, input operator.PluginInput) (operator.PluginRows, error) {
	if g.fault == "crash" {
		return nil, plan.Failf(plan.FailurePlugin, "the process is gone")
	}
	return &groupJoinerRows{input: input, fault: g.fault}, nil
}

func (r *groupJoinerRows) Next(ctx context.Context) (arrow.Record, error) {
	var out []string
	for len(out) == 0 {
		if r.ended {
			return nil, io.EOF
		}
		rec, starts, err := r.input(ctx)
		if err == io.EOF {
			if r.ended = true; r.begun {
				out = append(out, r.text)
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		texts := rec.Column(0).(*array.String)
		for i := range texts.Len() {
			if len(starts) > 0 && int(starts[0]) == i {
				if r.begun {
					out = append(out, r.text)
				}
				r.text, starts = "", starts[1:]
			}
			r.begun = true
			r.text += strings.Clone(texts.Value(i)) // the batch goes
		}
		rec.Release()
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(out, nil)
	if r.fault == "null" {
		b.AppendNull()
	}
	col := b.NewArray()
	defer col.Release()
	cols := []arrow.Array{col}
	fields := []arrow.Field{{Name: "c", Type: col.DataType()}}
	if r.fault == "wide" {
		cols, fields = append(cols, col), append(fields, fields[0])
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(col.Len())), nil
}

func (r *groupJoinerRows) Close() error { return nil }

// TablePart does the same with whole groups, and gives rows of a function per batch back; what has an f in it cannot be done.
func (g groupJoiner) TablePart(_ context.Context, _ string, rec arrow.Record, starts []uint32) (made []arrow.Record, rejected []plan.Rejection, err error) {
	texts := rec.Column(0).(*array.String)
	if starts == nil {
		for i := range texts.Len() {
			starts = append(starts, uint32(i))
		}
	}
	for i, from := range starts {
		to := texts.Len()
		if i+1 < len(starts) {
			to = int(starts[i+1])
		}
		text := ""
		for row := int(from); row < to; row++ {
			text += texts.Value(row)
		}
		if !strings.Contains(text, "f") {
			made = append(made, oneText(text))
			continue
		}
		for row := int(from); row < to; row++ {
			rejected = append(rejected, plan.Rejection{Row: row, Reason: "has an f"})
		}
	}
	return made, rejected, nil
}

func oneText(text string) arrow.Record {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.Append(text)
	col := b.NewArray()
	defer col.Release()
	return array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "c", Type: col.DataType()}}, nil), []arrow.Array{col}, 1)
}

func TestPluginTable(t *testing.T) {
	input := optest.Table{Schema: "text string, k string, v bigint", Rows: []string{
		"a|x|1", "b|x|1", "c|x|2", "d|NULL|2", "e|NULL|2", "f|y|NULL", "g|y|NULL", "h|y|0", "i|y|0", "j|z|0",
	}}
	node := func(per plan.Per, keys ...int) *plan.Node {
		return &plan.Node{Op: plan.NodePluginTable, Schema: schema(t, "texts string not null"),
			PluginTable: &plan.PluginTable{Function: "f", Args: []int{0}, Per: per, Keys: keys}}
	}
	for name, c := range map[string]struct {
		node *plan.Node
		want []string
	}{
		"per partition": {node(plan.PerPartition), []string{"abcdefghij"}},
		"per group":     {node(plan.PerGroup, 1, 2), []string{"ab", "c", "de", "fg", "hi", "j"}},
	} {
		t.Run(name, func(t *testing.T) {
			optest.Run(t, optest.Case{Inputs: []optest.Table{input}, Build: build(c.node), Caller: groupJoiner{}, Want: c.want, Ordered: true, Unspillable: true})
		})
	}
	optest.Run(t, optest.Case{Inputs: []optest.Table{{Schema: input.Schema}}, Build: build(node(plan.PerGroup, 1)), Caller: groupJoiner{}})
	for name, c := range map[string]struct {
		node     *plan.Node
		want     []string
		rejected rejects
	}{
		"rows put aside":   {node(plan.PerBatch), []string{"a", "b", "c", "d", "e", "g", "h", "i", "j"}, rejects{5: "f, has an f: f y"}},
		"groups put aside": {node(plan.PerGroup, 1, 2), []string{"ab", "c", "de", "hi", "j"}, rejects{5: "f, has an f: f y", 6: "f, has an f: g y"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.node.PluginTable.Args, c.node.PluginTable.Quarantine = []int{0, 1}, true
			got := rejects{}
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{input}, Build: build(c.node), Caller: groupJoiner{}, Rejects: got, Want: c.want, Ordered: true, Unspillable: true,
			})
			if !maps.Equal(got, c.rejected) {
				t.Errorf("rejected %v, want %v", got, c.rejected)
			}
		})
	}
	for _, fault := range []string{"crash", "null", "wide"} {
		t.Run(fault, func(t *testing.T) {
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{input}, Build: build(node(plan.PerPartition)), Caller: groupJoiner{fault: fault},
				WantError: &plan.Failure{Kind: plan.FailurePlugin}, Unspillable: true,
			})
		})
	}
}
