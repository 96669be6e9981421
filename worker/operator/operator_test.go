package operator_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

func schema(t testing.TB, text string) plan.Schema {
	t.Helper()
	s, err := columns.ParseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// build makes the operator of a node whose inputs are given.
func build(n *plan.Node) func(operator.Env, []operator.Operator) (operator.Operator, error) {
	return func(env operator.Env, inputs []operator.Operator) (operator.Operator, error) {
		tree, next := *n, 0
		tree.Inputs = nil
		for _, in := range inputs {
			tree.Inputs = append(tree.Inputs, &plan.Node{Op: plan.NodeScan, Schema: in.Schema()})
		}
		return operator.Build(&tree, func(*plan.Node) (operator.Operator, error) {
			next++
			return inputs[next-1], nil
		}, env)
	}
}

func column(s plan.Schema, i int) *plan.Expr { return plan.ColumnExpr(i, s.Fields[i]) }

var fruit = optest.Table{Schema: "name string, n bigint", Rows: []string{
	"apple|3", "pear|NULL", "NULL|5", "apple|1", "fig|7", "pear|2", "''|0",
}}

func TestFilter(t *testing.T) {
	s := schema(t, fruit.Schema)
	where := func(p *plan.Expr) func(operator.Env, []operator.Operator) (operator.Operator, error) {
		return build(&plan.Node{Op: plan.NodeFilter, Schema: s, Filter: &plan.Filter{Predicate: p}})
	}
	t.Run("some", func(t *testing.T) {
		optest.Run(t, optest.Case{
			Inputs:  []optest.Table{fruit},
			Build:   where(plan.CallExpr(">", plan.Boolean, column(s, 1), plan.Int64Literal(1))),
			Want:    []string{"apple|3", "NULL|5", "fig|7", "pear|2"},
			Ordered: true,
		})
	})
	t.Run("by string", func(t *testing.T) {
		optest.Run(t, optest.Case{
			Inputs:  []optest.Table{fruit},
			Build:   where(plan.CallExpr("=", plan.Boolean, column(s, 0), plan.StringLiteral("apple"))),
			Want:    []string{"apple|3", "apple|1"},
			Ordered: true,
		})
	})
	t.Run("all", func(t *testing.T) {
		optest.Run(t, optest.Case{Inputs: []optest.Table{fruit}, Build: where(plan.BoolLiteral(true)), Want: fruit.Rows, Ordered: true})
	})
	t.Run("none", func(t *testing.T) {
		optest.Run(t, optest.Case{Inputs: []optest.Table{fruit}, Build: where(plan.BoolLiteral(false))})
	})
	t.Run("error", func(t *testing.T) {
		zero := plan.CallExpr("div", plan.Int64, plan.Int64Literal(1), column(s, 1))
		optest.Run(t, optest.Case{
			Inputs:    []optest.Table{fruit},
			Build:     where(plan.CallExpr(">", plan.Boolean, zero, plan.Int64Literal(0))),
			WantError: &plan.Failure{Kind: plan.FailureUser},
		})
	})
}

func TestProject(t *testing.T) {
	s := schema(t, fruit.Schema)
	plus := plan.CallExpr("+", plan.Int64, column(s, 1), plan.Int64Literal(10))
	optest.Run(t, optest.Case{
		Inputs: []optest.Table{fruit},
		Build: build(&plan.Node{
			Op: plan.NodeProject, Schema: schema(t, "a bigint, b string, c string, d bigint"),
			Project: &plan.Project{Exprs: []*plan.Expr{plus, column(s, 0), column(s, 0), column(s, 1)}},
		}),
		Want: []string{
			"13|apple|apple|3", "NULL|pear|pear|NULL", "15|NULL|NULL|5", "11|apple|apple|1", "17|fig|fig|7",
			"12|pear|pear|2", "10|''|''|0",
		},
		Ordered: true,
	})
	t.Run("to no columns", func(t *testing.T) {
		optest.Run(t, optest.Case{
			Inputs: []optest.Table{fruit},
			Build:  build(&plan.Node{Op: plan.NodeProject, Project: &plan.Project{}}),
			Want:   make([]string, len(fruit.Rows)),
		})
	})
}

func TestValues(t *testing.T) {
	row := func(n int64, s string) []*plan.Expr { return []*plan.Expr{plan.Int64Literal(n), plan.StringLiteral(s)} }
	optest.Run(t, optest.Case{
		Build: build(&plan.Node{
			Op: plan.NodeValues, Schema: schema(t, "n bigint, s string"),
			Values: &plan.Values{Rows: [][]*plan.Expr{row(1, "a"), row(2, "b"), {plan.NullLiteral(plan.Int64), plan.StringLiteral("")}, row(4, "d")}},
		}),
		Want:    []string{"1|a", "2|b", "NULL|''", "4|d"},
		Ordered: true,
	})
	t.Run("one row without columns", func(t *testing.T) {
		optest.Run(t, optest.Case{
			Build: build(&plan.Node{Op: plan.NodeValues, Values: &plan.Values{Rows: [][]*plan.Expr{{}}}}),
			Want:  []string{""},
		})
	})
}

func TestLimit(t *testing.T) {
	for _, c := range []struct {
		name          string
		count, offset int64
		want          []string
	}{
		{"first", 2, 0, fruit.Rows[:2]},
		{"all", -1, 0, fruit.Rows},
		{"offset", -1, 4, fruit.Rows[4:]},
		{"both", 2, 2, fruit.Rows[2:4]},
		{"none", 0, 0, nil},
		{"beyond", 10, 10, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			optest.Run(t, optest.Case{
				Inputs:  []optest.Table{fruit},
				Build:   build(&plan.Node{Op: plan.NodeLimit, Schema: schema(t, fruit.Schema), Limit: &plan.Limit{Count: c.count, Offset: c.offset}}),
				Want:    c.want,
				Ordered: true,
			})
		})
	}
}

func TestSort(t *testing.T) {
	for _, c := range []struct {
		name string
		sort plan.Sort
		want []string
	}{
		{"ascending", plan.Sort{Keys: []plan.SortKey{{Column: 0}}, Limit: -1},
			[]string{"NULL|5", "''|0", "apple|3", "apple|1", "fig|7", "pear|NULL", "pear|2"}},
		{"descending, then ascending", plan.Sort{Keys: []plan.SortKey{{Column: 0, Descending: true, NullsLast: true}, {Column: 1}}, Limit: -1},
			[]string{"pear|NULL", "pear|2", "fig|7", "apple|1", "apple|3", "''|0", "NULL|5"}},
		{"top", plan.Sort{Keys: []plan.SortKey{{Column: 1, Descending: true, NullsLast: true}}, Limit: 2},
			[]string{"fig|7", "NULL|5"}},
		{"top among equals", plan.Sort{Keys: []plan.SortKey{{Column: 0, NullsLast: true}}, Limit: 2},
			[]string{"''|0", "apple|3"}},
		{"top of everything", plan.Sort{Keys: []plan.SortKey{{Column: 1}}, Limit: 100},
			[]string{"pear|NULL", "''|0", "apple|1", "pear|2", "apple|3", "NULL|5", "fig|7"}},
		{"top of nothing", plan.Sort{Keys: []plan.SortKey{{Column: 1}}, Limit: 0}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			optest.Run(t, optest.Case{
				Inputs:  []optest.Table{fruit},
				Build:   build(&plan.Node{Op: plan.NodeSort, Schema: schema(t, fruit.Schema), Sort: &c.sort}),
				Want:    c.want,
				Ordered: true,
			})
		})
	}
}

// doubler is a plugin that doubles bigints, and misbehaves as told.
type doubler struct {
	operator.Caller
	fault string
}

var _ operator.Caller = doubler{}

func (d doubler) Call(_ context.Context, function string, args arrow.Record) (arrow.Array, []plan.Rejection, error) {
	if d.fault == "crash" {
		return nil, nil, errors.New("the process is gone")
	}
	if args.Column(0).DataType().ID() != arrow.STRING {
		return nil, nil, plan.Failf(plan.FailureInternal, "argument is %s", args.Column(0).DataType())
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	var rejected []plan.Rejection
	for i := range int(args.NumRows()) {
		if n := vector.LiteralAt(args.Column(1), i); n.Null {
			b.AppendNull()
		} else if d.fault == "reject" && n.Int > 2 {
			b.AppendNull()
			rejected = append(rejected, plan.Rejection{Row: i, Reason: function + " of much"})
		} else {
			b.Append(2 * n.Int)
		}
	}
	switch d.fault {
	case "long":
		b.Append(0)
	case "type":
		return array.NewNull(int(args.NumRows())), nil, nil
	case "nothing":
		return nil, nil, nil
	}
	return b.NewArray(), rejected, nil
}

// rejects are rejected rows by their numbers.
type rejects map[int64]string

func (r rejects) Reject(_ context.Context, function string, number int64, j plan.Rejection, input, args arrow.Record) error {
	text := fmt.Sprint(function, ", ", j.Reason, ": ", vector.Format(input.Column(0), j.Row), " ", vector.Format(args.Column(1), j.Row))
	if before, ok := r[number]; ok && before != text {
		return fmt.Errorf("row %d is %s, and with other batches %s", number, before, text)
	}
	r[number] = text
	return nil
}

func TestUDF(t *testing.T) {
	node := &plan.Node{
		Op: plan.NodeUDF, Schema: schema(t, fruit.Schema+", twice bigint"),
		UDF: &plan.UDF{Calls: []plan.UDFCall{{Function: "double", Args: []int{0, 1}}}},
	}
	optest.Run(t, optest.Case{
		Inputs: []optest.Table{fruit}, Build: build(node), Caller: doubler{}, Ordered: true,
		Want: []string{"apple|3|6", "pear|NULL|NULL", "NULL|5|10", "apple|1|2", "fig|7|14", "pear|2|4", "''|0|0"},
	})
	for _, fault := range []string{"crash", "long", "type", "nothing"} {
		t.Run(fault, func(t *testing.T) {
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{fruit}, Build: build(node), Caller: doubler{fault: fault},
				WantError: &plan.Failure{Kind: plan.FailurePlugin},
			})
		})
	}
	t.Run("rejected rows", func(t *testing.T) {
		two := *node
		two.Schema = schema(t, fruit.Schema+", twice bigint not null, again bigint")
		two.UDF = &plan.UDF{Calls: []plan.UDFCall{{Function: "double", Args: []int{0, 1}}, {Function: "again", Args: []int{0, 1}}}}
		got := rejects{}
		optest.Run(t, optest.Case{
			Inputs: []optest.Table{fruit}, Build: build(&two), Caller: doubler{fault: "reject"}, Rejects: got, Ordered: true,
			WantError: &plan.Failure{Kind: plan.FailurePlugin}, // of the NULL that was not rejected
		})
		two.Schema = schema(t, fruit.Schema+", twice bigint, again bigint")
		optest.Run(t, optest.Case{
			Inputs: []optest.Table{fruit}, Build: build(&two), Caller: doubler{fault: "reject"}, Rejects: got, Ordered: true,
			Want: []string{"pear|NULL|NULL|NULL", "apple|1|2|2", "pear|2|4|4", "''|0|0|0"},
		})
		want := rejects{0: "double, double of much: apple 3", 2: "double, double of much: NULL 5", 4: "double, double of much: fig 7"}
		if !maps.Equal(got, want) {
			t.Errorf("rejected %v, want %v", got, want)
		}
	})
	t.Run("NULL where none was declared", func(t *testing.T) {
		strict := *node
		strict.Schema = schema(t, fruit.Schema+", twice bigint not null")
		optest.Run(t, optest.Case{
			Inputs: []optest.Table{fruit}, Build: build(&strict), Caller: doubler{},
			WantError: &plan.Failure{Kind: plan.FailurePlugin},
		})
	})
}

func TestBuildRefusesDefectivePlans(t *testing.T) {
	s := schema(t, fruit.Schema)
	scan := &plan.Node{Op: plan.NodeScan, Schema: s}
	for name, n := range map[string]*plan.Node{
		"unknown operator":     {Op: "window", Inputs: []*plan.Node{scan}},
		"no payload":           {Op: plan.NodeFilter, Schema: s, Inputs: []*plan.Node{scan}},
		"too few inputs":       {Op: plan.NodeJoin, Schema: s, Join: &plan.Join{}, Inputs: []*plan.Node{scan}},
		"no caller":            {Op: plan.NodeUDF, Schema: s, UDF: &plan.UDF{}, Inputs: []*plan.Node{scan}},
		"unknown aggregate":    {Op: plan.NodeAggregate, Schema: schema(t, "x bigint"), Aggregate: &plan.Aggregate{Aggs: []plan.Agg{{Func: "mode"}}}, Inputs: []*plan.Node{scan}},
		"keys of unlike types": {Op: plan.NodeJoin, Schema: s, Join: &plan.Join{Type: plan.JoinInner, LeftKeys: []int{0}, RightKeys: []int{1}}, Inputs: []*plan.Node{scan, scan}},
		"wrong width":          {Op: plan.NodeProject, Schema: s, Project: &plan.Project{}, Inputs: []*plan.Node{scan}},
	} {
		opened, closed := 0, 0
		op, err := operator.Build(n, func(*plan.Node) (operator.Operator, error) {
			opened++
			return closing{s, &closed}, nil
		}, operator.Env{})
		if err == nil || op != nil {
			t.Errorf("%s: got %v, %v", name, op, err)
		}
		if err != nil && name == "unknown operator" && !strings.Contains(err.Error(), `*plan.Node with op "window"`) {
			t.Errorf("%s: %v", name, err)
		}
		if opened != closed {
			t.Errorf("%s: %d leaves opened, %d closed", name, opened, closed)
		}
	}
}

// closing is a leaf that counts its Close.
type closing struct {
	schema plan.Schema
	closed *int
}

func (c closing) Schema() plan.Schema                        { return c.schema }
func (c closing) Next(context.Context) (arrow.Record, error) { return nil, errors.New("not read") }
func (c closing) Close() error                               { *c.closed++; return nil }
