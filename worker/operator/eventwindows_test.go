package operator_test

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
)

const (
	eventRows  = "k string, q bigint, id bigint"
	eventTable = "k2 string, t bigint, ready bigint, i bigint, x double, s string, d decimal(10,2), wide decimal(30,2), ok boolean"
)

// The places of the columns of eventTable.
const (
	colTime = iota + 1
	colReady
	colInt
	colDouble
	colText
	colDecimal
	colWide
	colOK
)

// eventPreset is a window and what it says, in other words.
type eventPreset struct {
	window plan.EventWindow
	has    func(q, t int64) bool
}

func eventPresets(w int64) []eventPreset {
	floor := func(v, step int64) int64 { return int64(math.Floor(float64(v)/float64(step))) * step }
	window := func(x plan.EventWindow) plan.EventWindow { x.Width = w; return x }
	return []eventPreset{
		{window(plan.EventWindow{Preset: "exact"}), func(q, t int64) bool { return q-w <= t && t < q }},
		{window(plan.EventWindow{Preset: "chronon", Hop: 5}), func(q, t int64) bool { return floor(q-w, 5) <= t && t < q }},
		{window(plan.EventWindow{Preset: "chronon_snapshot", Snap: 4}), func(q, t int64) bool { return floor(q, 4)-w <= t && t < floor(q, 4) }},
		{window(plan.EventWindow{Preset: "zipline", Hop: 5, ClosedEnd: true}), func(q, t int64) bool { return floor(q-w, 5) <= t && t <= q }},
		{window(plan.EventWindow{Preset: "feathr", Delay: 2, OpenStart: true, ClosedEnd: true}), func(q, t int64) bool { return q-2-w < t && t <= q-2 }},
		{window(plan.EventWindow{Preset: "sql_range", ClosedEnd: true}), func(q, t int64) bool { return q-w <= t && t <= q }},
		{window(plan.EventWindow{Preset: "right", OpenStart: true, ClosedEnd: true}), func(q, t int64) bool { return q-w < t && t <= q }},
		{window(plan.EventWindow{Preset: "neither", OpenStart: true}), func(q, t int64) bool { return q-w < t && t < q }},
		{plan.EventWindow{Preset: "unbounded", Unbounded: true}, func(q, t int64) bool { return t < q }},
	}
}

// eventFunction is a function over a column of the events, its result's type, and what it says of the rows of a window.
type eventFunction struct {
	feature plan.EventFeature
	typ     string
	naive   func(rows [][]string) string
}

func valuesOf(rows [][]string, col int) []string {
	var out []string
	for _, r := range rows {
		if r[col] != "NULL" {
			out = append(out, r[col])
		}
	}
	return out
}

// orNull is what f makes of values, NULL of none.
func orNull(col int, f func(values []string) string) func([][]string) string {
	return func(rows [][]string) string {
		if values := valuesOf(rows, col); len(values) > 0 {
			return f(values)
		}
		return "NULL"
	}
}

func exact(values []string) *big.Float {
	sum := new(big.Float).SetPrec(3000)
	for _, v := range values {
		x, _ := strconv.ParseFloat(v, 64)
		sum.Add(sum, new(big.Float).SetFloat64(x))
	}
	return sum
}

func rounded(x *big.Float) float64 { f, _ := x.Float64(); return f }

func spreadOf(values []string) *big.Float {
	n, squares, sum := new(big.Float).SetInt64(int64(len(values))), new(big.Float).SetPrec(3000), exact(values)
	for _, v := range values {
		x, _ := strconv.ParseFloat(v, 64)
		squares.Add(squares, new(big.Float).SetPrec(3000).Mul(big.NewFloat(x), big.NewFloat(x)))
	}
	spread := squares.Mul(squares, n)
	return spread.Sub(spread, sum.Mul(sum, sum))
}

func cents(v string) *big.Int {
	n, _ := new(big.Int).SetString(strings.ReplaceAll(v, ".", ""), 10)
	return n
}

func sumCents(values []string) *big.Int {
	sum := new(big.Int)
	for _, v := range values {
		sum.Add(sum, cents(v))
	}
	return sum
}

func float(x float64) string { return vector.FormatFloat(x, 64) }

func best(values []string, less func(a, b string) bool) string {
	out := values[0]
	for _, v := range values {
		if less(v, out) {
			out = v
		}
	}
	return out
}

func numberLess(a, b string) bool {
	x, _ := strconv.ParseFloat(a, 64)
	y, _ := strconv.ParseFloat(b, 64)
	return x < y
}

func textLess(a, b string) bool { return a < b }

func flipped(less func(a, b string) bool) func(a, b string) bool {
	return func(a, b string) bool { return less(b, a) }
}

func over(f string, col int, t plan.Type) plan.EventFeature {
	return plan.EventFeature{Agg: plan.Agg{Func: f, Args: []int{col}, Type: t}}
}

func eventFunctions() []eventFunction {
	dec := func(p int32) plan.Type { return plan.Decimal(p, 2) }
	list := []eventFunction{
		{plan.EventFeature{Agg: plan.Agg{Func: "count", Type: plan.Int64}}, "bigint", func(rows [][]string) string { return strconv.Itoa(len(rows)) }},
		{plan.EventFeature{Agg: plan.Agg{Func: "count", Type: plan.Int64}, Empty: plan.EmptyNull}, "bigint", func(rows [][]string) string {
			if len(rows) == 0 {
				return "NULL"
			}
			return strconv.Itoa(len(rows))
		}},
		{over("count", colText, plan.Int64), "bigint", func(rows [][]string) string { return strconv.Itoa(len(valuesOf(rows, colText))) }},
		{over("sum", colInt, plan.Int64), "bigint", orNull(colInt, func(v []string) string { return exact(v).Text('f', 0) })},
		{over("avg", colInt, plan.Float64), "double", orNull(colInt, func(v []string) string { return float(rounded(exact(v)) / float64(len(v))) })},
		{over("sum", colDouble, plan.Float64), "double", orNull(colDouble, func(v []string) string { return float(rounded(exact(v))) })},
		{over("avg", colDouble, plan.Float64), "double", orNull(colDouble, func(v []string) string { return float(rounded(exact(v)) / float64(len(v))) })},
		{over("min", colInt, plan.Int64), "bigint", orNull(colInt, func(v []string) string { return best(v, numberLess) })},
		{over("max", colInt, plan.Int64), "bigint", orNull(colInt, func(v []string) string { return best(v, flipped(numberLess)) })},
		{over("max", colDouble, plan.Float64), "double", orNull(colDouble, func(v []string) string { return best(v, flipped(numberLess)) })},
		{over("min", colText, plan.String), "string", orNull(colText, func(v []string) string { return best(v, textLess) })},
		{over("max", colText, plan.String), "string", orNull(colText, func(v []string) string { return best(v, flipped(textLess)) })},
		{over("min", colDecimal, dec(10)), "decimal(10,2)", orNull(colDecimal, func(v []string) string { return best(v, numberLess) })},
		{over("sum", colDecimal, dec(20)), "decimal(20,2)", orNull(colDecimal, func(v []string) string { return vector.FormatDecimal(sumCents(v).String(), 2) })},
		{over("sum", colWide, dec(38)), "decimal(38,2)", orNull(colWide, func(v []string) string { return vector.FormatDecimal(sumCents(v).String(), 2) })},
	}
	for _, t := range []string{"var_pop", "var_samp", "stddev_pop", "stddev_samp"} {
		list = append(list, eventFunction{over(t, colDouble, plan.Float64), "double", orNull(colDouble, func(v []string) string {
			n := len(v)
			if strings.HasSuffix(t, "samp") {
				n--
			}
			if n == 0 {
				return "NULL"
			}
			x := rounded(spreadOf(v)) / float64(len(v)*n)
			if strings.HasPrefix(t, "stddev") {
				x = math.Sqrt(x)
			}
			return float(x)
		})})
	}
	return list
}

// naiveWindows looks at all events for each row. A NULL of ready is never.
func naiveWindows(rows, events []string, w *plan.EventWindows, presets []eventPreset, functions []eventFunction) []string {
	var out []string
	for _, row := range rows {
		l := strings.Split(row, "|")
		for i, f := range w.Features {
			var in [][]string
			for _, e := range events {
				r := strings.Split(e, "|")
				if l[0] == "NULL" || l[0] != r[0] || l[1] == "NULL" || r[colTime] == "NULL" || !presets[f.Window].has(cellNumber(l[1]), cellNumber(r[colTime])) {
					continue
				}
				if w.Available > 0 && (r[colReady] == "NULL" || cellNumber(r[colReady])+w.Latency > cellNumber(l[1])) {
					continue
				}
				if f.Filter > 0 && r[f.Filter-1] != "true" {
					continue
				}
				in = append(in, r)
			}
			row += "|" + functions[i].naive(in)
		}
		out = append(out, row)
	}
	return out
}

func TestEventWindowsAgainstOracle(t *testing.T) {
	cell := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	key := cell("a", "a", "b", "NULL")
	time := cell("0", "1", "2", "3", "3", "5", "8", "13", "-4", "NULL")
	row := rapid.Custom(func(t *rapid.T) string {
		at := time.Draw(t, "t")
		ready := "NULL"
		if at != "NULL" {
			ready = strconv.FormatInt(cellNumber(at)+rapid.SampledFrom([]int64{0, 0, -1, 2, 6, 20}).Draw(t, "late"), 10)
		}
		return strings.Join([]string{
			key.Draw(t, "k"), at, cell(ready, ready, ready, "NULL").Draw(t, "ready"), cell("1", "2", "-3", "7", "NULL").Draw(t, "i"),
			cell("0.1", "0.25", "-3.5", "1.0E20", "-1.0E20", "1.0E-30", "NULL").Draw(t, "x"), cell("x", "y", "yy", "''", "NULL").Draw(t, "s"),
			cell("1.25", "-0.50", "99999999.99", "NULL").Draw(t, "d"), cell("0.01", "1234567890123456789012345678.90", "-5.00", "NULL").Draw(t, "wide"),
			cell("true", "true", "false", "NULL").Draw(t, "ok"),
		}, "|")
	})
	rapid.Check(t, func(rt *rapid.T) {
		left := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return key.Draw(t, "k") + "|" + time.Draw(t, "q") + "|" + cell("1", "2").Draw(t, "id")
		}), 0, 8).Draw(rt, "rows")
		events := rapid.SliceOfN(row, 0, 16).Draw(rt, "events")
		sortCells(left, 0, 1)
		sortCells(events, 0, 1)
		presets := eventPresets(rapid.SampledFrom([]int64{1, 3, 6, 1000}).Draw(rt, "width"))
		functions := rapid.SliceOfN(rapid.SampledFrom(eventFunctions()), 1, 5).Draw(rt, "functions")
		w := &plan.EventWindows{LeftKeys: []int{0}, EventKeys: []int{0}, LeftTime: 1, EventTime: colTime}
		for _, p := range presets {
			w.Windows = append(w.Windows, p.window)
		}
		out := eventRows
		for i, f := range functions {
			f.feature.Window = rapid.IntRange(0, len(presets)-1).Draw(rt, "window")
			if rapid.IntRange(0, 3).Draw(rt, "filter") == 0 {
				f.feature.Filter = colOK + 1
			}
			w.Features = append(w.Features, f.feature)
			out += fmt.Sprintf(", f%d %s", i, f.typ)
		}
		if rapid.Bool().Draw(rt, "available") {
			w.Available, w.Latency = colReady+1, rapid.Int64Range(-1, 2).Draw(rt, "latency")
		}
		optest.RunIn(rt, optest.Case{
			Inputs: []optest.Table{{Schema: eventRows, Rows: left}, {Schema: eventTable, Rows: events}},
			Build:  build(&plan.Node{Op: plan.NodeEventWindows, Schema: schema(t, out), EventWindows: w}),
			Want:   naiveWindows(left, events, w, presets, functions), Ordered: true,
		}, rapid.IntRange(0, optest.Worlds-1).Draw(rt, "world"))
	})
}

// Every function in every world, through the harness.
func TestEventWindows(t *testing.T) {
	rows := []string{"NULL|1|0", "a|NULL|0", "a|0|1", "a|1|2", "a|1|3", "a|7|4", "b|2|5", "c|1|6", "d|9|7"}
	events := []string{
		"NULL|1|1|1|1|x|1.00|1.00|true", "a|NULL|1|1|1|x|1.00|1.00|true", "a|-3|-3|5|0.1|x|1.00|NULL|true", "a|0|2|NULL|0.2|y|2.00|3.00|true",
		"a|0|0|4|NULL|x|NULL|7.00|false", "a|1|5|-2|0.3|NULL|3.10|7.00|true", "a|2|2|3|0.4|z|3.10|7.00|NULL", "b|3|3|3|0.4|z|3.10|7.00|NULL",
		"d|1|1|1|1.0E20|a|1.00|1.00|true", "d|2|2|2|1.0|b|1.00|1.00|true", "d|3|9|2|-1.0E20|b|1.00|1.00|true",
	}
	for _, available := range []int{0, colReady + 1} {
		t.Run(fmt.Sprintf("available %d", available), func(t *testing.T) {
			presets, functions := eventPresets(7), eventFunctions()
			w := &plan.EventWindows{LeftKeys: []int{0}, EventKeys: []int{0}, LeftTime: 1, EventTime: colTime, Available: available}
			out := eventRows
			for _, p := range presets {
				w.Windows = append(w.Windows, p.window)
			}
			for i, f := range functions {
				f.feature.Window = i % len(presets)
				w.Features = append(w.Features, f.feature)
				out += fmt.Sprintf(", f%d %s", i, f.typ)
			}
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{{Schema: eventRows, Rows: rows}, {Schema: eventTable, Rows: events}},
				Build:  build(&plan.Node{Op: plan.NodeEventWindows, Schema: schema(t, out), EventWindows: w}),
				Want:   naiveWindows(rows, events, w, presets, functions), Ordered: true,
			})
		})
	}
}

// The measured rows of the design: times 1, 2, 2, 3 counted with their peers, and without.
func TestEventWindowsOverPeers(t *testing.T) {
	rows := []string{"a|1|0", "a|2|1", "a|2|2", "a|3|3"}
	var events []string
	for _, r := range rows {
		events = append(events, strings.TrimSuffix(r, r[3:])+"|NULL|NULL|NULL|NULL|NULL|NULL|NULL")
	}
	w := &plan.EventWindows{
		LeftKeys: []int{0}, EventKeys: []int{0}, LeftTime: 1, EventTime: colTime,
		Windows: []plan.EventWindow{{Preset: "sql_range", Width: 1, ClosedEnd: true}, {Preset: "sql_range", Width: 1}},
	}
	for i := range w.Windows {
		w.Features = append(w.Features, plan.EventFeature{Agg: plan.Agg{Func: "count", Type: plan.Int64}, Window: i})
	}
	optest.Run(t, optest.Case{
		Inputs: []optest.Table{{Schema: eventRows, Rows: rows}, {Schema: eventTable, Rows: events}},
		Build:  build(&plan.Node{Op: plan.NodeEventWindows, Schema: schema(t, eventRows+", peers bigint, others bigint"), EventWindows: w}),
		Want:   []string{"a|1|0|1|0", "a|2|1|3|1", "a|2|2|3|1", "a|3|3|3|2"}, Ordered: true,
	})
}

var _ = slices.Sort[[]string]
