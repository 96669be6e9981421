package operator_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

const windowSchema = "p string, o bigint, v bigint, keep boolean"

// windowRow is an input row of the oracle; nil is NULL.
type windowRow struct {
	p    string
	o, v *int64
	keep bool
}

func (r windowRow) text() string {
	return fmt.Sprintf("%s|%s|%s|%t", r.p, number(r.o), number(r.v), r.keep)
}

func number(v *int64) string {
	if v == nil {
		return "NULL"
	}
	return fmt.Sprint(*v)
}

func drawNumber(t *rapid.T, low, high int64) *int64 {
	v := rapid.Int64Range(low, high+1).Draw(t, "number")
	if v > high {
		return nil
	}
	return &v
}

// drawWindowRows draws rows sorted by p, then o in the direction asked for, NULLs first or last.
func drawWindowRows(t *rapid.T, key plan.SortKey) []windowRow {
	rows := make([]windowRow, rapid.IntRange(0, 24).Draw(t, "rows"))
	for i := range rows {
		rows[i] = windowRow{rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "p"), drawNumber(t, 0, 6), drawNumber(t, -3, 3),
			rapid.Bool().Draw(t, "keep")}
	}
	slices.SortStableFunc(rows, func(a, b windowRow) int {
		if c := strings.Compare(a.p, b.p); c != 0 {
			return c
		}
		return compareKeys(a.o, b.o, key)
	})
	return rows
}

func compareKeys(a, b *int64, key plan.SortKey) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil || b == nil:
		if (a == nil) == key.NullsLast {
			return 1
		}
		return -1
	case *a == *b:
		return 0
	case (*a < *b) != key.Descending:
		return -1
	}
	return 1
}

func drawBound(t *rapid.T, unit plan.FrameUnit) plan.FrameBound {
	switch rapid.IntRange(0, 3).Draw(t, "bound") {
	case 0:
		return plan.FrameBound{Kind: "unbounded"}
	case 1:
		return plan.FrameBound{Kind: "current"}
	}
	return plan.FrameBound{Kind: "offset", Offset: plan.Int64Literal(rapid.Int64Range(-3, 3).Draw(t, string(unit)))}
}

var windowFuncs = []string{
	"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first", "last", "nth_value",
	"count", "sum", "avg", "min", "max", "collect_list", "sum_double", "count_if", "bit_xor",
}

func drawCall(t *rapid.T) plan.WindowCall {
	name := rapid.SampledFrom(windowFuncs).Draw(t, "function")
	frame := plan.Frame{Unit: rapid.SampledFrom([]plan.FrameUnit{plan.FrameRows, plan.FrameRange}).Draw(t, "unit")}
	frame.Start, frame.End = drawBound(t, frame.Unit), drawBound(t, frame.Unit)
	call := plan.WindowCall{Frame: frame, Agg: plan.Agg{Func: name, Args: []int{2}, ArgTypes: []plan.Type{plan.Int64}, Type: plan.Int64}}
	constant := func(low, high int64) {
		call.Params = []*plan.Expr{plan.Int64Literal(rapid.Int64Range(low, high).Draw(t, "parameter"))}
	}
	switch name {
	case "row_number", "rank", "dense_rank", "ntile":
		call.Args, call.ArgTypes, call.Type = nil, nil, plan.Int32
		if name == "ntile" {
			constant(1, 5)
		}
	case "percent_rank", "cume_dist":
		call.Args, call.ArgTypes, call.Type = nil, nil, plan.Float64
	case "lag", "lead":
		constant(-3, 3)
		call.IgnoreNulls = rapid.Bool().Draw(t, "ignore nulls")
		if rapid.Bool().Draw(t, "default") {
			call.Args, call.ArgTypes = []int{2, 1}, []plan.Type{plan.Int64, plan.Int64}
		}
	case "nth_value":
		constant(1, 3)
		call.IgnoreNulls = rapid.Bool().Draw(t, "ignore nulls")
	case "first", "last":
		call.IgnoreNulls = rapid.Bool().Draw(t, "ignore nulls")
	case "avg":
		call.Type = plan.Float64
	case "collect_list":
		call.Type = plan.Array(plan.Int64, false)
	case "count_if":
		call.Args, call.ArgTypes = []int{3}, []plan.Type{plan.Boolean}
	case "sum_double":
		call.Func, call.Type = "sum", plan.Float64
	}
	if !slices.Contains(windowFuncs[:8], name) && rapid.IntRange(0, 4).Draw(t, "filter") == 0 {
		call.Filter = 4
	}
	return call
}

// windowOracle computes one call for one row of a partition in the plainest way.
type windowOracle struct {
	rows []windowRow // of the partition
	key  plan.SortKey
	call plan.WindowCall
}

func (w windowOracle) inFrame(i, j int) bool {
	f := w.call.Frame
	after := func(b plan.FrameBound, start bool) bool {
		sign := 1
		if !start {
			sign = -1
		}
		switch {
		case b.Kind == "unbounded":
			return true
		case f.Unit == plan.FrameRows && b.Kind == "current":
			return sign*(j-i) >= 0
		case f.Unit == plan.FrameRows:
			return sign*(j-i-int(b.Offset.Value.Int)) >= 0
		}
		limit := w.rows[i].o
		if b.Kind == "offset" && limit != nil {
			v := *limit + b.Offset.Value.Int
			if w.key.Descending {
				v = *limit - b.Offset.Value.Int
			}
			limit = &v
		}
		return sign*compareKeys(w.rows[j].o, limit, w.key) >= 0
	}
	return after(f.Start, true) && after(f.End, false)
}

func (w windowOracle) frame(i int) []windowRow {
	var out []windowRow
	for j, r := range w.rows {
		if w.inFrame(i, j) && (w.call.Filter == 0 || r.keep) {
			out = append(out, r)
		}
	}
	return out
}

func (w windowOracle) value(i int) string {
	before, upTo, keys, dense := 0, 0, map[string]bool{}, 0
	for _, r := range w.rows {
		order := compareKeys(r.o, w.rows[i].o, w.key)
		if order < 0 {
			before++
		}
		if order <= 0 {
			upTo++
			if !keys[number(r.o)] {
				dense++
			}
			keys[number(r.o)] = true
		}
	}
	n := len(w.rows)
	switch w.call.Func {
	case "row_number":
		return fmt.Sprint(i + 1)
	case "rank":
		return fmt.Sprint(before + 1)
	case "dense_rank":
		return fmt.Sprint(dense)
	case "percent_rank":
		return vector.FormatFloat(float64(before)/math.Max(1, float64(n-1)), 64)
	case "cume_dist":
		return vector.FormatFloat(float64(upTo)/float64(n), 64)
	case "ntile":
		return w.ntile(i, n)
	case "lag", "lead":
		return w.offset(i)
	}
	return w.aggregate(w.frame(i))
}

func (w windowOracle) ntile(i, n int) string {
	buckets, at := int(w.call.Params[0].Value.Int), 0
	for b := range buckets {
		size := n / buckets
		if b < n%buckets {
			size++
		}
		if at += size; i < at {
			return fmt.Sprint(b + 1)
		}
	}
	return "no bucket"
}

func (w windowOracle) offset(i int) string {
	by := int(w.call.Params[0].Value.Int)
	if w.call.Func == "lag" {
		by = -by
	}
	step, left := 1, by
	if by < 0 {
		step, left = -1, -by
	}
	j := i
	for left > 0 {
		if j += step; j < 0 || j >= len(w.rows) {
			if len(w.call.Args) == 2 {
				return number(w.rows[i].o)
			}
			return "NULL"
		}
		if !w.call.IgnoreNulls || w.rows[j].v != nil {
			left--
		}
	}
	return number(w.rows[j].v)
}

func (w windowOracle) aggregate(frame []windowRow) string {
	var values []int64
	var all []*int64
	trues := 0
	for _, r := range frame {
		if r.keep {
			trues++
		}
		if r.v != nil {
			values = append(values, *r.v)
		}
		if r.v != nil || !w.call.IgnoreNulls {
			all = append(all, r.v)
		}
	}
	pick := func(i int) string {
		if i < 0 || i >= len(all) {
			return "NULL"
		}
		return number(all[i])
	}
	switch w.call.Func {
	case "first":
		return pick(0)
	case "last":
		return pick(len(all) - 1)
	case "nth_value":
		return pick(int(w.call.Params[0].Value.Int) - 1)
	case "count":
		return fmt.Sprint(len(values))
	case "count_if":
		return fmt.Sprint(trues)
	case "collect_list":
		return strings.ReplaceAll(fmt.Sprint(values), " ", ",")
	}
	if len(values) == 0 {
		return "NULL"
	}
	sum, xor := int64(0), int64(0)
	for _, v := range values {
		sum, xor = sum+v, xor^v
	}
	switch {
	case w.call.Func == "avg":
		return vector.FormatFloat(float64(sum)/float64(len(values)), 64)
	case w.call.Func == "sum" && w.call.Type.Kind == plan.KindFloat64:
		return vector.FormatFloat(float64(sum), 64)
	case w.call.Func == "sum":
		return fmt.Sprint(sum)
	case w.call.Func == "min":
		return fmt.Sprint(slices.Min(values))
	case w.call.Func == "max":
		return fmt.Sprint(slices.Max(values))
	}
	return fmt.Sprint(xor)
}

func TestWindowAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := plan.SortKey{Column: 1, Descending: rapid.Bool().Draw(t, "descending"), NullsLast: rapid.Bool().Draw(t, "nulls last")}
		rows := drawWindowRows(t, key)
		w := &plan.Window{PartitionBy: []int{0}, OrderBy: []plan.SortKey{key}}
		s := columnsOf(t, windowSchema)
		for i := range rapid.IntRange(1, 3).Draw(t, "calls") {
			call := drawCall(t)
			if call.Func == "nth_value" {
				call.Filter = 0
			}
			w.Calls = append(w.Calls, call)
			s.Fields = append(s.Fields, plan.Field{Name: fmt.Sprint("w", i), Type: call.Type, Nullable: true})
		}
		c := optest.Case{Ordered: true, Inputs: []optest.Table{{Schema: windowSchema}}}
		for _, r := range rows {
			c.Inputs[0].Rows = append(c.Inputs[0].Rows, r.text())
		}
		for from := 0; from < len(rows); {
			to := from
			for to < len(rows) && rows[to].p == rows[from].p {
				to++
			}
			for i := range to - from {
				text := rows[from+i].text()
				for _, call := range w.Calls {
					text += "|" + windowOracle{rows[from:to], key, call}.value(i)
				}
				c.Want = append(c.Want, text)
			}
			from = to
		}
		small := rapid.Bool().Draw(t, "small sizes")
		c.Build = func(env operator.Env, inputs []operator.Operator) (operator.Operator, error) {
			op, err := operator.NewWindow(env, inputs[0], w, s)
			if err == nil && small {
				op.SetFrameSizes(4, 2, 2, 3)
			}
			return op, err
		}
		optest.RunIn(t, c, rapid.IntRange(0, optest.Worlds-1).Draw(t, "world"))
	})
}

func columnsOf(t *rapid.T, text string) plan.Schema {
	s, err := columns.ParseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func windowNode(t *testing.T, in string, w *plan.Window) *plan.Node {
	s := schema(t, in)
	for i, call := range w.Calls {
		s.Fields = append(s.Fields, plan.Field{Name: fmt.Sprint("w", i), Type: call.Type, Nullable: true})
	}
	return &plan.Node{Op: plan.NodeWindow, Schema: s, Window: w}
}

func call(name string, col int, arg, result plan.Type, f plan.Frame) plan.WindowCall {
	return plan.WindowCall{Frame: f, Agg: plan.Agg{Func: name, Args: []int{col}, ArgTypes: []plan.Type{arg}, Type: result}}
}

func between(unit plan.FrameUnit, start, end *plan.Expr) plan.Frame {
	bound := func(e *plan.Expr) plan.FrameBound {
		switch {
		case e == nil:
			return plan.FrameBound{Kind: "unbounded"}
		case e.Value.Int == 0 && e.Value.Bits == 0:
			return plan.FrameBound{Kind: "current"}
		}
		return plan.FrameBound{Kind: "offset", Offset: e}
	}
	return plan.Frame{Unit: unit, Start: bound(start), End: bound(end)}
}

func literal(t plan.Type, v int64) *plan.Expr {
	if t.Kind == plan.KindFloat64 {
		return &plan.Expr{Op: plan.OpLiteral, Type: t, Value: plan.Literal{Bits: math.Float64bits(float64(v))}}
	}
	e := &plan.Expr{Op: plan.OpLiteral, Type: t, Value: plan.Literal{Int: v}}
	if t.Kind == plan.KindDecimal && v < 0 {
		e.Value.High = -1
	}
	return e
}

// The frames and values here are those that Spark gives.
func TestWindowTypes(t *testing.T) {
	here := plan.Int64Literal(0)
	growing := between(plan.FrameRows, nil, here)
	order := []plan.SortKey{{Column: 0}}
	for _, c := range []struct {
		name, schema string
		order        []plan.SortKey
		calls        []plan.WindowCall
		rows         string
		want         string
	}{
		{"range over double", "x double", order, []plan.WindowCall{
			call("count", 0, plan.Float64, plan.Int64, between(plan.FrameRange, literal(plan.Float64, -1), literal(plan.Float64, 1))),
		}, "-Infinity -0.0 0.0 1.5 2.5 Infinity NaN", "1 2 2 2 2 1 1"},
		{"range over dates by months", "x date", order, []plan.WindowCall{
			call("count", 0, plan.Date, plan.Int64, between(plan.FrameRange, literal(plan.YearMonthInterval, -1), here)),
		}, "2024-01-31 2024-02-29 2024-03-29 2024-03-31", "1 2 2 3"},
		{"range over dates by time, descending", "x date", []plan.SortKey{{Column: 0, Descending: true}}, []plan.WindowCall{
			call("count", 0, plan.Date, plan.Int64, between(plan.FrameRange, literal(plan.DayTimeInterval, -86400e6), literal(plan.DayTimeInterval, 86400e6))),
		}, "2024-03-31 2024-03-29 2024-02-01 2024-01-31", "1 1 2 2"},
		{"range over decimals", "x decimal(10,2)", order, []plan.WindowCall{
			call("count", 0, plan.Decimal(10, 2), plan.Int64, between(plan.FrameRange, literal(plan.Decimal(10, 2), -50), here)),
		}, "NULL NULL 1.00 1.50 2.01 2.49", "0 0 1 2 1 2"},
		{"growing over double", "x double", nil, []plan.WindowCall{
			call("sum", 0, plan.Float64, plan.Float64, growing), call("min", 0, plan.Float64, plan.Float64, growing),
			call("max", 0, plan.Float64, plan.Float64, growing), call("avg", 0, plan.Float64, plan.Float64, growing),
		}, "1.5 NULL 0.5 NaN -1.0", "1.5|1.5|1.5|1.5 1.5|1.5|1.5|1.5 2.0|0.5|1.5|1.0 NaN|0.5|NaN|NaN NaN|-1.0|NaN|NaN"},
		{"growing over int", "x int", nil, []plan.WindowCall{
			call("sum", 0, plan.Int32, plan.Int64, growing), call("min", 0, plan.Int32, plan.Int32, growing),
			call("max", 0, plan.Int32, plan.Int32, growing), call("avg", 0, plan.Int32, plan.Float64, growing),
			call("count", 0, plan.Int32, plan.Int64, growing),
		}, "NULL 2 1", "NULL|NULL|NULL|NULL|0 2|2|2|2.0|1 3|1|2|1.5|2"},
		{"growing over text and time", "s string, d date", nil, []plan.WindowCall{
			call("max", 0, plan.String, plan.String, growing), call("min", 1, plan.Date, plan.Date, growing),
			call("count", 0, plan.String, plan.Int64, growing),
		}, "a|2024-01-02 NULL|2024-01-01 b|NULL", "a|2024-01-02|1 a|2024-01-01|1 b|2024-01-01|2"},
		{"whole and one side open", "x int", nil, []plan.WindowCall{
			call("sum", 0, plan.Int32, plan.Int64, between(plan.FrameRange, nil, nil)),
			call("sum", 0, plan.Int32, plan.Int64, between(plan.FrameRange, nil, here)),
			call("sum", 0, plan.Int32, plan.Int64, between(plan.FrameRows, here, nil)),
			call("collect_list", 0, plan.Int32, plan.Array(plan.Int32, false), between(plan.FrameRows, nil, plan.Int64Literal(-1))),
		}, "1 2 3", "6|6|6|[] 6|6|5|[1] 6|6|3|[1,2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows := strings.Fields(c.rows)
			var want []string
			for i, w := range strings.Fields(c.want) {
				want = append(want, rows[i]+"|"+w)
			}
			optest.Run(t, optest.Case{
				Ordered: true, Inputs: []optest.Table{{Schema: c.schema, Rows: rows}}, Want: want,
				Build: build(windowNode(t, c.schema, &plan.Window{OrderBy: c.order, Calls: c.calls})),
			})
		})
	}
}

// Errors of a function end the output in every world.
func TestWindowErrors(t *testing.T) {
	here := plan.Int64Literal(0)
	for name, c := range map[string]plan.WindowCall{
		"sum of a growing frame": call("sum", 0, plan.Int64, plan.Int64, between(plan.FrameRows, nil, here)),
		"sum of a moving frame":  call("sum", 0, plan.Int64, plan.Int64, between(plan.FrameRows, plan.Int64Literal(-1), here)),
		"sum of a partition":     call("sum", 0, plan.Int64, plan.Int64, between(plan.FrameRows, nil, nil)),
		"bound out of range":     call("count", 0, plan.Int64, plan.Int64, between(plan.FrameRange, here, plan.Int64Literal(1))),
	} {
		t.Run(name, func(t *testing.T) {
			optest.Run(t, optest.Case{
				Inputs:    []optest.Table{{Schema: "x bigint", Rows: []string{"9223372036854775806", "9223372036854775807"}}},
				Build:     build(windowNode(t, "x bigint", &plan.Window{OrderBy: []plan.SortKey{{Column: 0}}, Calls: []plan.WindowCall{c}})),
				WantError: &plan.Failure{Kind: plan.FailureUser},
			})
		})
	}
}
