package operator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
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
	colQuery // the left row's time, in the oracle
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

// eventFunction is a function over a column of the events, its result's type, and what it says of the rows of a window,
// which have the time of the left row as a further cell.
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
	for _, f := range list {
		if f.feature.Func == "sum" {
			naive := f.naive
			f.feature.Empty, f.naive = plan.EmptyZero, func(rows [][]string) string {
				if out := naive(rows); out != "NULL" {
					return out
				}
				return map[string]string{"bigint": "0", "double": "0.0"}[f.typ] + map[bool]string{true: "0.00"}[strings.HasPrefix(f.typ, "decimal")]
			}
			list = append(list, f)
		}
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
	return slices.Concat(list, listFunctions(), timedFunctions())
}

// cellsOf is a column's cells as they are inside of lists.
func cellsOf(rows [][]string, col int) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		if out[i] = inList(r[col], col); r[col] == "NULL" {
			out[i] = "null"
		}
	}
	return out
}

func inList(cell string, col int) string {
	if col == colText {
		return `"` + strings.Trim(cell, "'") + `"`
	}
	return cell
}

func listText(cells []string) string {
	if len(cells) == 0 {
		return "NULL"
	}
	return "[" + strings.Join(cells, ",") + "]"
}

func lastOf[T any](values []T, k int) []T { return values[max(0, len(values)-k):] }

func withValue(rows [][]string, col int) [][]string {
	return slices.DeleteFunc(slices.Clone(rows), func(r []string) bool { return r[col] == "NULL" })
}

// deduped leaves out rows of which a later one is equal in a column.
func deduped(rows [][]string, col int) [][]string {
	var out [][]string
	for i, r := range rows {
		if !slices.ContainsFunc(rows[i+1:], func(o []string) bool { return o[col] == r[col] }) {
			out = append(out, r)
		}
	}
	return out
}

// greatestOf is the k rows with the greatest of a column, greatest first, later ones first among equals.
func greatestOf(rows [][]string, col, k int, less func(a, b string) bool) [][]string {
	rows = withValue(rows, col)
	slices.Reverse(rows)
	slices.SortStableFunc(rows, func(a, b []string) int {
		switch {
		case less(b[col], a[col]):
			return -1
		case less(a[col], b[col]):
			return 1
		}
		return 0
	})
	return rows[:min(k, len(rows))]
}

func textOf(cell string) string { return strings.Trim(cell, "'") }

func shorterText(a, b string) bool { return textOf(a) < textOf(b) }

func tallied(cells []string) map[string]int {
	counts := map[string]int{}
	for _, c := range cells {
		counts[c]++
	}
	return counts
}

func mapText(counts map[string]int, col int) string {
	if len(counts) == 0 {
		return "NULL"
	}
	var entries []string
	for c, n := range counts {
		entries = append(entries, fmt.Sprintf("%s:%d", inList(c, col), n))
	}
	slices.Sort(entries)
	return "{" + strings.Join(entries, ",") + "}"
}

func ranked(values []string, share float64, less func(a, b string) bool) string {
	slices.SortFunc(values, func(a, b string) int {
		switch {
		case less(a, b):
			return -1
		case less(b, a):
			return 1
		}
		return 0
	})
	return values[max(0, int(math.Ceil(share*float64(len(values))))-1)]
}

func doubleLiteral(x float64) *plan.Expr {
	return &plan.Expr{Op: plan.OpLiteral, Type: plan.Float64, Value: plan.Literal{Bits: math.Float64bits(x)}}
}

func listLiteral(element plan.Type, items ...plan.Literal) *plan.Expr {
	return &plan.Expr{Op: plan.OpLiteral, Type: plan.Array(element, false), Value: plan.Literal{Items: items}}
}

// with is a feature with parameters.
func with(f plan.EventFeature, params ...*plan.Expr) plan.EventFeature {
	f.Params = params
	return f
}

// listFunctions are those that look at the rows of a window one by one.
func listFunctions() []eventFunction {
	k, yes := plan.Int64Literal(3), plan.BoolLiteral(true)
	pick := func(f string, col int, typ string, params []*plan.Expr, naive func(rows [][]string) []string) eventFunction {
		return eventFunction{with(plan.EventFeature{Agg: plan.Agg{Func: f, Args: []int{col}}}, params...), typ, func(rows [][]string) string {
			if cells := naive(rows); len(cells) > 0 {
				return cells[0]
			}
			return "NULL"
		}}
	}
	column := func(rows [][]string, col int) (out []string) {
		for _, r := range rows {
			out = append(out, r[col])
		}
		return out
	}
	dedupe := with(over("last_k", colText, plan.Null), k)
	dedupe.DedupeBy = []int{colInt}
	empty := with(over("last_k", colInt, plan.Null), k)
	empty.Empty = plan.EmptyZero
	top := func(col, by int) plan.EventFeature {
		return with(plan.EventFeature{Agg: plan.Agg{Func: "top_k", Args: []int{col, by}}}, k)
	}
	distinct := over("count", colText, plan.Int64)
	distinct.Distinct = true
	both := distinct
	both.Args = []int{colInt, colOK}
	return []eventFunction{
		pick("first", colText, "string", nil, func(rows [][]string) []string { return column(rows, colText) }),
		pick("first", colInt, "bigint", []*plan.Expr{yes}, func(rows [][]string) []string { return valuesOf(rows, colInt) }),
		pick("last", colDouble, "double", nil, func(rows [][]string) []string { return column(lastOf(rows, 1), colDouble) }),
		pick("last", colText, "string", []*plan.Expr{yes}, func(rows [][]string) []string { return lastOf(valuesOf(rows, colText), 1) }),
		{with(over("first_k", colText, plan.Null), k), "array<string>", func(rows [][]string) string {
			return listText(cellsOf(rows[:min(3, len(rows))], colText))
		}},
		{with(over("first_k", colInt, plan.Null), k, yes), "array<bigint>", func(rows [][]string) string {
			rows = withValue(rows, colInt)
			return listText(cellsOf(rows[:min(3, len(rows))], colInt))
		}},
		{with(over("last_k", colText, plan.Null), k), "array<string>", func(rows [][]string) string { return listText(cellsOf(lastOf(rows, 3), colText)) }},
		{with(over("last_k", colInt, plan.Null), k, yes), "array<bigint>", func(rows [][]string) string {
			return listText(cellsOf(lastOf(withValue(rows, colInt), 3), colInt))
		}},
		{dedupe, "array<string>", func(rows [][]string) string { return listText(cellsOf(lastOf(deduped(rows, colInt), 3), colText)) }},
		{empty, "array<bigint>", func(rows [][]string) string {
			return "[" + strings.Join(cellsOf(lastOf(rows, 3), colInt), ",") + "]"
		}},
		{top(colText, colInt), "array<string>", func(rows [][]string) string {
			return listText(cellsOf(greatestOf(rows, colInt, 3, numberLess), colText))
		}},
		{top(colInt, colText), "array<bigint>", func(rows [][]string) string {
			return listText(cellsOf(greatestOf(rows, colText, 3, shorterText), colInt))
		}},
		{distinct, "bigint", func(rows [][]string) string { return strconv.Itoa(len(tallied(valuesOf(rows, colText)))) }},
		{both, "bigint", func(rows [][]string) string {
			var pairs []string
			for _, r := range withValue(withValue(rows, colInt), colOK) {
				pairs = append(pairs, r[colInt]+r[colOK])
			}
			return strconv.Itoa(len(tallied(pairs)))
		}},
		{over("approx_count_distinct", colInt, plan.Int64), "bigint", func(rows [][]string) string { return strconv.Itoa(len(tallied(valuesOf(rows, colInt)))) }},
		{over("histogram", colText, plan.Null), "map<string,bigint>", func(rows [][]string) string { return mapText(tallied(valuesOf(rows, colText)), colText) }},
		{over("histogram", colDouble, plan.Null), "map<double,bigint>", func(rows [][]string) string { return mapText(tallied(valuesOf(rows, colDouble)), colDouble) }},
		{with(over("percentile_approx", colInt, plan.Int64), doubleLiteral(0.5)), "bigint", orNull(colInt, func(v []string) string { return ranked(v, 0.5, numberLess) })},
		{with(over("percentile_approx", colWide, plan.Decimal(30, 2)), doubleLiteral(0.9)), "decimal(30,2)", orNull(colWide, func(v []string) string { return ranked(v, 0.9, numberLess) })},
		{with(over("percentile_approx", colDouble, plan.Null), listLiteral(plan.Float64, doubleLiteral(0).Value, doubleLiteral(0.75).Value)), "array<double>", orNull(colDouble, func(v []string) string {
			return listText([]string{ranked(v, 0, numberLess), ranked(v, 0.75, numberLess)})
		})},
		{with(over("bucket_counts", colInt, plan.Null), listLiteral(plan.Int64, plan.Literal{Int: -3}, plan.Literal{Int: 2})), "array<bigint>", orNull(colInt, func(v []string) string {
			counts := make([]int, 3)
			for _, x := range v {
				switch n := cellNumber(x); {
				case n < -3:
					counts[0]++
				case n < 2:
					counts[1]++
				default:
					counts[2]++
				}
			}
			return fmt.Sprintf("[%d,%d,%d]", counts[0], counts[1], counts[2])
		})},
	}
}

// timedFunctions are those whose results depend on the left row's time.
func timedFunctions() []eventFunction {
	ages := with(plan.EventFeature{Agg: plan.Agg{Func: "ages"}}, plan.Int64Literal(3))
	return []eventFunction{
		{ages, "array<bigint>", func(rows [][]string) string {
			var out []string
			for _, r := range lastOf(rows, 3) {
				out = append(out, strconv.FormatInt(cellNumber(r[colQuery])-cellNumber(r[colTime]), 10))
			}
			return listText(out)
		}},
		{with(over("decayed_sum", colDouble, plan.Float64), plan.Int64Literal(3)), "double", decayedOracle},
	}
}

// decayedOracle adds up terms x·2^rest·2^whole, where whole and rest are the half-lives that an event's time has.
func decayedOracle(rows [][]string) string {
	halves := func(t int64) (whole int64, rest float64) {
		whole = int64(math.Floor(float64(t) / 3))
		return whole, float64(t-3*whole) / 3
	}
	rows = withValue(rows, colDouble)
	if len(rows) == 0 {
		return "NULL"
	}
	sum := new(big.Float).SetPrec(3000)
	for _, r := range rows {
		x, _ := strconv.ParseFloat(r[colDouble], 64)
		whole, rest := halves(cellNumber(r[colTime]))
		term := new(big.Float).SetPrec(3000).SetFloat64(x * math.Exp2(rest))
		sum.Add(sum, term.SetMantExp(term, int(whole)))
	}
	whole, rest := halves(cellNumber(rows[0][colQuery]))
	exponent := sum.MantExp(sum)
	return float(math.Ldexp(rounded(sum)*math.Exp2(-rest), exponent-int(whole)))
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
				in = append(in, append(r, l[1]))
			}
			row += "|" + functions[i].naive(in)
		}
		out = append(out, row)
	}
	return out
}

// dice makes random cells, all alike likely, from a seed that rapid draws.
type dice struct{ *rand.Rand }

func newDice(rt *rapid.T) dice {
	return dice{rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))}
}

func (d dice) of(values ...string) string { return values[d.IntN(len(values))] }

func (d dice) key() string { return d.of("a", "a", "a", "b", "NULL") }

func (d dice) time() string {
	if d.IntN(12) == 0 {
		return "NULL"
	}
	return strconv.Itoa(d.IntN(24) - 4)
}

func (d dice) rows(n int) []string {
	rows := make([]string, d.IntN(n+1))
	for i := range rows {
		rows[i] = d.key() + "|" + d.time() + "|" + d.of("1", "2")
	}
	return rows
}

func (d dice) events(n int) []string {
	rows := make([]string, d.IntN(n+1))
	for i := range rows {
		at, ready := d.time(), "NULL"
		if at != "NULL" && d.IntN(12) > 0 {
			ready = strconv.FormatInt(cellNumber(at)+int64(d.IntN(3)*d.IntN(6))-1, 10)
		}
		rows[i] = strings.Join([]string{
			d.key(), at, ready, d.of("1", "2", "-3", "7", "8", "NULL"), d.of("0.1", "0.25", "-3.5", "1.0E20", "-1.0E20", "1.0E-30", "NULL"),
			d.of("x", "y", "yy", "''", "z", "NULL"), d.of("1.25", "-0.50", "99999999.99", "NULL"),
			d.of("0.01", "1234567890123456789012345678.90", "-5.00", "NULL"), d.of("true", "true", "false", "NULL"),
		}, "|")
	}
	return rows
}

// windows is all functions, each in some window, and what the oracle says of them.
func (d dice) windows(t *testing.T) (node *plan.Node, want func(left, events []string) []string) {
	presets := eventPresets([]int64{1, 3, 6, 1000}[d.IntN(4)])
	functions := eventFunctions()
	w := &plan.EventWindows{LeftKeys: []int{0}, EventKeys: []int{0}, LeftTime: 1, EventTime: colTime}
	for _, p := range presets {
		w.Windows = append(w.Windows, p.window)
	}
	out := eventRows
	for i, f := range functions {
		f.feature.Window = d.IntN(len(presets))
		if d.IntN(4) == 0 {
			f.feature.Filter = colOK + 1
		}
		w.Features = append(w.Features, f.feature)
		out += fmt.Sprintf(", f%d %s", i, f.typ)
	}
	for i, f := range schema(t, out).Fields[3:] {
		w.Features[i].Type = f.Type
	}
	if d.IntN(2) == 0 {
		w.Available, w.Latency = colReady+1, int64(d.IntN(4)-1)
	}
	node = &plan.Node{Op: plan.NodeEventWindows, Schema: schema(t, out), EventWindows: w}
	return node, func(left, events []string) []string { return naiveWindows(left, events, w, presets, functions) }
}

func TestEventWindowsAgainstOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDice(rt)
		left, events := d.rows(20), d.events(60)
		sortCells(left, 0, 1)
		sortCells(events, 0, 1)
		node, want := d.windows(t)
		optest.RunIn(rt, optest.Case{
			Inputs: []optest.Table{{Schema: eventRows, Rows: left}, {Schema: eventTable, Rows: events}},
			Build:  build(node), Want: want(left, events), Ordered: true,
		}, d.IntN(optest.Worlds))
	})
}

// compareEvents is the total order of events: all columns, NULLs first.
func compareEvents(a, b string) int {
	x, y := strings.Split(a, "|"), strings.Split(b, "|")
	for i := range x {
		if x[i] == y[i] {
			continue
		}
		less := numberLess
		if i == 0 || i == colText || i == colOK {
			less = shorterText
		}
		if x[i] == "NULL" || y[i] != "NULL" && less(x[i], y[i]) {
			return -1
		}
		return 1
	}
	return 0
}

// As planned, rows and events come in any order and are sorted first, in little memory through the scratch disk: what a row
// gets depends on neither.
func TestEventWindowsOverSorts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDice(rt)
		left, events := d.rows(10), d.events(20)
		node, want := d.windows(t)
		sorted := slices.SortedFunc(slices.Values(events), compareEvents)
		world := d.IntN(optest.Worlds)
		optest.RunIn(rt, optest.Case{
			Inputs: []optest.Table{{Schema: eventRows, Rows: left}, {Schema: eventTable, Rows: events}},
			Build: func(env operator.Env, inputs []operator.Operator) (operator.Operator, error) {
				order := make([]plan.SortKey, len(inputs[1].Schema().Fields))
				for i := range order {
					order[i].Column = i
				}
				rows := operator.NewSort(env, inputs[0], &plan.Sort{Keys: order[:2], Limit: -1})
				return operator.NewEventWindows(env, rows, operator.NewSort(env, inputs[1], &plan.Sort{Keys: order, Limit: -1}), node.EventWindows, node.Schema)
			},
			Want: want(left, sorted), Spills: world%3 == 0 && len(left) > 1, // in batches of one row
		}, world)
	})
}

// peak is a Memory without limit that remembers the most.
type peak struct{ held, most int64 }

func (p *peak) Reserve(n int64) error { p.Take(n); return nil }
func (p *peak) Take(n int64)          { p.held += n; p.most = max(p.most, p.held) }

// However many events a key has, what is held are those of the windows: also where a window reaches back to the first one
// but few events of it matter, and where rows are few and far from each other.
func TestEventWindowsHoldNoMoreThanWindows(t *testing.T) {
	for _, c := range []struct {
		name   string
		window plan.EventWindow
		funcs  []string
		late   bool
	}{
		{"bounded", plan.EventWindow{Width: 500}, []string{"count", "sum", "avg", "min", "last_k", "top_k", "distinct", "percentile_approx", "decayed_sum"}, false},
		{"bounded, late", plan.EventWindow{Width: 500}, []string{"count", "sum", "max", "last_k", "approx_count_distinct"}, true},
		{"unbounded", plan.EventWindow{Unbounded: true}, []string{"count", "sum", "avg", "max", "last", "last_k", "top_k", "approx_count_distinct"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var most []int64
			for _, n := range []int{100_000, 400_000} {
				events := eventBench(n, n)
				rows := events.every(n / 4)
				w := &plan.EventWindows{LeftKeys: []int{0}, EventKeys: []int{0}, LeftTime: 1, EventTime: 1, Windows: []plan.EventWindow{c.window}}
				if c.late {
					w.Available = 4
				}
				out := plan.Schema{Fields: slices.Clone(rows.schema.Fields)}
				for _, f := range c.funcs {
					x := benchFeature(f)
					w.Features = append(w.Features, x)
					out.Fields = append(out.Fields, plan.Field{Name: f, Type: x.Type, Nullable: true})
				}
				memory := &peak{}
				op, err := operator.NewEventWindows(operator.Env{Memory: memory, BatchRows: 1024}, rows, events, w, out)
				if err != nil {
					t.Fatal(err)
				}
				for rows := 0; ; {
					rec, err := op.Next(context.Background())
					if err == io.EOF && rows == 4 {
						break
					}
					if err != nil {
						t.Fatalf("after %d rows: %v", rows, err)
					}
					rows += int(rec.NumRows())
					rec.Release()
				}
				if err := op.Close(); err != nil || memory.held != 0 {
					t.Fatalf("%v, %d bytes reserved at the end", err, memory.held)
				}
				most = append(most, memory.most)
			}
			if most[1] > 2*most[0] {
				t.Errorf("%d bytes for 100 000 events, %d for 400 000", most[0], most[1])
			}
		})
	}
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
			for i, f := range schema(t, out).Fields[3:] {
				w.Features[i].Type = f.Type
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

// HyperLogLog over a window that moves says what it says over the window's events alone.
func TestEventWindowsApproxDistinct(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDice(rt)
		call := over("approx_count_distinct", colInt, plan.Int64)
		call.ArgTypes, call.Params = []plan.Type{plan.Int64}, []*plan.Expr{doubleLiteral([]float64{0.39, 0.05}[d.IntN(2)])}
		var left, events []string
		for i := range 80 {
			at := strconv.Itoa(i)
			left = append(left, "a|"+at+"|1")
			for range d.IntN(6) {
				ready := strconv.Itoa(i + d.IntN(3)*d.IntN(40))
				events = append(events, "a|"+at+"|"+ready+"|"+strconv.Itoa(d.IntN(1000))+"|NULL|NULL|NULL|NULL|NULL")
			}
		}
		w := &plan.EventWindows{
			LeftKeys: []int{0}, EventKeys: []int{0}, LeftTime: 1, EventTime: colTime, Available: colReady + 1,
			Windows: []plan.EventWindow{{Width: 30}}, Features: []plan.EventFeature{call},
		}
		exact := eventPreset{has: func(q, t int64) bool { return q-30 <= t && t < q }}
		sketch := eventFunction{naive: func(rows [][]string) string {
			acc, err := agg.New(memory.DefaultAllocator, call.Agg)
			if err != nil {
				t.Fatal(err)
			}
			var values []int64
			for _, r := range rows {
				values = append(values, cellNumber(r[colInt]))
			}
			if err := acc.Update(agg.Batch{Rows: len(values), Len: 1}, []arrow.Array{vector.FromInt64s(memory.DefaultAllocator, values)}); err != nil {
				t.Fatal(err)
			}
			result, err := acc.Result(memory.DefaultAllocator, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			return vector.Format(result, 0)
		}}
		optest.RunIn(rt, optest.Case{
			Inputs: []optest.Table{{Schema: eventRows, Rows: left}, {Schema: eventTable, Rows: events}},
			Build:  build(&plan.Node{Op: plan.NodeEventWindows, Schema: schema(t, eventRows+", n bigint"), EventWindows: w}),
			Want:   naiveWindows(left, events, w, []eventPreset{exact}, []eventFunction{sketch}), Ordered: true,
		}, d.IntN(optest.Worlds))
	})
}

// bounded is a Memory with a limit.
type bounded struct{ books }

const bound = 20 << 20

func (b *bounded) Reserve(n int64) error {
	if n > 0 && b.held+n > bound {
		return plan.Failf(plan.FailureOutOfMemory, "no more")
	}
	return b.books.Reserve(n)
}

// What the windows of one key hold must fit in memory; where it does not, the failure says why.
func TestEventWindowsThatDoNotFit(t *testing.T) {
	const n = 1_000_000
	run := func(f string, window plan.EventWindow) error {
		rows, events := eventBench(n, n), eventBench(n, n)
		w := &plan.EventWindows{LeftKeys: []int{0}, EventKeys: []int{0}, LeftTime: 1, EventTime: 1, Windows: []plan.EventWindow{window}}
		out := plan.Schema{Fields: append([]plan.Field{}, rows.schema.Fields...)}
		x := benchFeature(f)
		w.Features, out.Fields = append(w.Features, x), append(out.Fields, plan.Field{Name: "x", Type: x.Type, Nullable: true})
		var b bounded
		op, err := operator.NewEventWindows(operator.Env{Memory: &b}, rows, events, w, out)
		if err != nil {
			t.Fatal(err)
		}
		err = drain(t.Context(), op)
		if closing := op.Close(); closing != nil || b.held != 0 {
			t.Errorf("closed with %v, %d bytes still reserved", closing, b.held)
		}
		return err
	}
	for _, f := range []string{"count", "sum", "max", "last_k", "decayed_sum"} {
		if err := run(f, plan.EventWindow{Unbounded: true}); err != nil {
			t.Errorf("%s of all: %v", f, err)
		}
	}
	if err := run("sum", plan.EventWindow{Width: 1000}); err != nil {
		t.Error(err)
	}
	err := run("sum", plan.EventWindow{Width: n})
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != plan.FailureOutOfMemory || !strings.Contains(f.Message, "events of one key at a time") {
		t.Errorf("ended with %v", err)
	}
}
