package logical

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
)

// interpreter runs logical plans on literal rows, one row and one expression at a time: slow, and simple enough to judge
// by. A column that no input has comes from outer, so that it runs subqueries as the language defines them, for each row
// of the query around.
type interpreter struct {
	tables map[string][][]*plan.Expr // rows by the name of a scan's source
	outer  map[int]*plan.Expr
}

type rowSet struct {
	cols []Column
	rows [][]*plan.Expr
}

func (in interpreter) with(cols []Column, row []*plan.Expr) interpreter {
	env := make(map[int]*plan.Expr, len(in.outer)+len(cols))
	for id, v := range in.outer {
		env[id] = v
	}
	for i, c := range cols {
		env[c.ID] = row[i]
	}
	return interpreter{tables: in.tables, outer: env}
}

func (in interpreter) eval(e *plan.Expr) (*plan.Expr, error) {
	if e.Op == plan.OpColumn {
		v, ok := in.outer[e.Column]
		if !ok {
			return nil, fmt.Errorf("no column %s", e)
		}
		return v, nil
	}
	v, err := compute.Fold(Substitute(e, in.outer), plan.Session{})
	if err == nil && !v.IsLiteral() {
		err = fmt.Errorf("not constant: %s", v)
	}
	return v, err
}

func (in interpreter) evalAll(exprs []*plan.Expr) ([]*plan.Expr, error) {
	out := make([]*plan.Expr, len(exprs))
	for i, e := range exprs {
		v, err := in.eval(e)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (in interpreter) holds(e *plan.Expr) (bool, error) {
	if e == nil {
		return true, nil
	}
	v, err := in.eval(e)
	return err == nil && v.IsTrue(), err
}

func (in interpreter) run(n Node) (rowSet, error) {
	out := rowSet{cols: n.Columns()}
	var ins []rowSet
	for _, x := range n.Inputs() {
		r, err := in.run(x)
		if err != nil {
			return out, err
		}
		ins = append(ins, r)
	}
	var err error
	switch n := n.(type) {
	case *Scan:
		for _, row := range in.tables[n.Source] {
			var cells []*plan.Expr
			for _, o := range n.Ordinals {
				cells = append(cells, row[o])
			}
			out.rows = append(out.rows, cells)
		}
	case *Values:
		out.rows = n.Rows
	case *Filter:
		for _, row := range ins[0].rows {
			ok, err := in.with(ins[0].cols, row).holds(n.Predicate)
			if err != nil {
				return out, err
			}
			if ok {
				out.rows = append(out.rows, row)
			}
		}
	case *Project:
		for _, row := range ins[0].rows {
			var exprs []*plan.Expr
			for _, d := range n.Defs {
				exprs = append(exprs, d.Expr)
			}
			cells, err := in.with(ins[0].cols, row).evalAll(exprs)
			if err != nil {
				return out, err
			}
			out.rows = append(out.rows, cells)
		}
	case *Sort:
		out.rows, err = in.sorted(ins[0], n)
	case *Limit:
		rows := ins[0].rows[min(int(n.Offset), len(ins[0].rows)):]
		if n.Count >= 0 {
			rows = rows[:min(int(n.Count), len(rows))]
		}
		out.rows = rows
	case *Union:
		for _, r := range ins {
			out.rows = append(out.rows, r.rows...)
		}
	case *Expand:
		for _, row := range ins[0].rows {
			for _, p := range n.Projections {
				cells, err := in.with(ins[0].cols, row).evalAll(p)
				if err != nil {
					return out, err
				}
				out.rows = append(out.rows, cells)
			}
		}
	case *Generate:
		out.rows, err = in.generate(n, ins[0])
	case *Aggregate:
		out.rows, err = in.aggregate(n, ins[0])
	case *Window:
		out.rows, err = in.window(n, ins[0])
	case *Join:
		out.rows, err = in.join(n, ins[0], ins[1])
	default:
		err = fmt.Errorf("cannot interpret %T", n)
	}
	return out, err
}

func (in interpreter) sorted(r rowSet, n *Sort) ([][]*plan.Expr, error) {
	rows := slices.Clone(r.rows)
	slices.SortStableFunc(rows, func(a, b []*plan.Expr) int {
		for _, k := range n.Keys {
			i := slices.IndexFunc(r.cols, func(c Column) bool { return c.ID == k.Column.ID })
			if c := compareValues(a[i], b[i], k.Descending, k.NullsLast); c != 0 {
				return c
			}
		}
		return 0
	})
	if n.Limit >= 0 {
		rows = rows[:min(int(n.Limit), len(rows))]
	}
	return rows, nil
}

func compareValues(a, b *plan.Expr, descending, nullsLast bool) int {
	if a.Value.Null || b.Value.Null {
		switch {
		case a.Value.Null && b.Value.Null:
			return 0
		case a.Value.Null == nullsLast:
			return 1
		}
		return -1
	}
	less, err := compute.Call("<", a, b)
	if err != nil {
		panic(err)
	}
	c := 1
	if a.Value.Equal(b.Value) {
		return 0
	} else if v, err := compute.Fold(less, plan.Session{}); err == nil && v.IsTrue() {
		c = -1
	}
	if descending {
		return -c
	}
	return c
}

// generate knows explode and replicate_rows.
func (in interpreter) generate(n *Generate, r rowSet) ([][]*plan.Expr, error) {
	var out [][]*plan.Expr
	for _, row := range r.rows {
		args, err := in.with(r.cols, row).evalAll(n.Call.Args)
		if err != nil {
			return nil, err
		}
		made := 0
		switch n.Call.Name {
		case "explode":
			for _, item := range args[0].Value.Items {
				v := &plan.Expr{Op: plan.OpLiteral, Type: n.Cols[0].Type, Nullable: item.Null, Value: item}
				out = append(out, append(slices.Clone(row), v))
				made++
			}
		case "replicate_rows":
			for range args[0].Value.Int {
				out = append(out, append(slices.Clone(row), args[1:]...))
				made++
			}
		default:
			return nil, fmt.Errorf("cannot interpret %s", n.Call.Name)
		}
		if made == 0 && n.Outer {
			cells := slices.Clone(row)
			for _, c := range n.Cols {
				cells = append(cells, plan.NullLiteral(c.Type))
			}
			out = append(out, cells)
		}
	}
	return out, nil
}

func rowKey(cells []*plan.Expr) string {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = plan.FormatLiteral(c.Type, c.Value)
	}
	return strings.Join(texts, "\x00")
}

func (in interpreter) aggregate(n *Aggregate, r rowSet) ([][]*plan.Expr, error) {
	groups, keys := map[string][][]*plan.Expr{}, [][]*plan.Expr{}
	if len(n.Keys) == 0 {
		groups[""], keys = nil, append(keys, nil)
	}
	for _, row := range r.rows {
		var exprs []*plan.Expr
		for _, k := range n.Keys {
			exprs = append(exprs, k.Expr)
		}
		key, err := in.with(r.cols, row).evalAll(exprs)
		if err != nil {
			return nil, err
		}
		if _, ok := groups[rowKey(key)]; !ok && len(n.Keys) > 0 {
			keys = append(keys, key)
		}
		groups[rowKey(key)] = append(groups[rowKey(key)], row)
	}
	var out [][]*plan.Expr
	for _, key := range keys {
		cells := slices.Clone(key)
		for _, call := range n.Aggs {
			v, err := in.fold(call, rowSet{r.cols, groups[rowKey(key)]})
			if err != nil {
				return nil, err
			}
			cells = append(cells, v)
		}
		out = append(out, cells)
	}
	return out, nil
}

// fold knows count, sum, min, max and first.
func (in interpreter) fold(call AggCall, r rowSet) (*plan.Expr, error) {
	count, acc := int64(0), (*plan.Expr)(nil)
	seen := map[string]bool{}
	for _, row := range r.rows {
		env := in.with(r.cols, row)
		if ok, err := env.holds(call.Filter); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		args, err := env.evalAll(call.Args)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(args, func(a *plan.Expr) bool { return a.Value.Null }) || call.Distinct && seen[rowKey(args)] {
			continue
		}
		seen[rowKey(args)] = true
		count++
		switch {
		case call.Func == "count" || call.Func == "first" && acc != nil:
		case acc == nil:
			acc = args[0]
		case call.Func == "sum":
			acc = &plan.Expr{Op: plan.OpLiteral, Type: call.Type, Value: plan.Literal{Int: acc.Value.Int + args[0].Value.Int}}
		case call.Func == "max" || call.Func == "min":
			if (compareValues(args[0], acc, false, false) > 0) == (call.Func == "max") {
				acc = args[0]
			}
		default:
			return nil, fmt.Errorf("cannot interpret %s", call.Func)
		}
	}
	switch {
	case call.Func == "count":
		return plan.Int64Literal(count), nil
	case acc == nil:
		return plan.NullLiteral(call.Type), nil
	}
	c := *acc
	c.Type = call.Type
	return &c, nil
}

// window knows row_number, and aggregates over whole partitions.
func (in interpreter) window(n *Window, r rowSet) ([][]*plan.Expr, error) {
	type placed struct {
		at       int
		key, ord []*plan.Expr
	}
	rows := make([]placed, len(r.rows))
	for i, row := range r.rows {
		env := in.with(r.cols, row)
		key, err := env.evalAll(n.PartitionBy)
		if err != nil {
			return nil, err
		}
		var exprs []*plan.Expr
		for _, k := range n.OrderBy {
			exprs = append(exprs, k.Expr)
		}
		ord, err := env.evalAll(exprs)
		if err != nil {
			return nil, err
		}
		rows[i] = placed{i, key, ord}
	}
	slices.SortStableFunc(rows, func(a, b placed) int {
		for i, k := range n.OrderBy {
			if c := compareValues(a.ord[i], b.ord[i], k.Descending, k.NullsLast); c != 0 {
				return c
			}
		}
		return 0
	})
	out := make([][]*plan.Expr, len(rows))
	number := map[string]int64{}
	for _, p := range rows {
		cells := slices.Clone(r.rows[p.at])
		number[rowKey(p.key)]++
		for _, call := range n.Calls {
			if call.Func == "row_number" {
				cells = append(cells, &plan.Expr{Op: plan.OpLiteral, Type: call.Type, Value: plan.Literal{Int: number[rowKey(p.key)]}})
				continue
			}
			if len(n.OrderBy) > 0 {
				return nil, fmt.Errorf("cannot interpret %s", call.Func)
			}
			part := rowSet{cols: r.cols}
			for _, q := range rows {
				if rowKey(q.key) == rowKey(p.key) {
					part.rows = append(part.rows, r.rows[q.at])
				}
			}
			v, err := in.fold(call.AggCall, part)
			if err != nil {
				return nil, err
			}
			cells = append(cells, v)
		}
		out[p.at] = cells
	}
	return out, nil
}

func nulls(cols []Column) []*plan.Expr {
	out := make([]*plan.Expr, len(cols))
	for i, c := range cols {
		out[i] = plan.NullLiteral(c.Type)
	}
	return out
}

func (in interpreter) join(n *Join, left, right rowSet) ([][]*plan.Expr, error) {
	var out [][]*plan.Expr
	both := slices.Concat(left.cols, right.cols)
	matched := make([]bool, len(right.rows))
	for _, l := range left.rows {
		var partners [][]*plan.Expr
		unknown := false
		for i, r := range right.rows {
			env := in.with(both, slices.Concat(l, r))
			on := plan.BoolLiteral(true)
			if n.On != nil {
				v, err := env.eval(n.On)
				if err != nil {
					return nil, err
				}
				on = v
			}
			if on.IsTrue() {
				partners, matched[i] = append(partners, r), true
			} else if on.Value.Null && n.NullAware {
				u, err := in.comparedUnknown(n, env)
				if err != nil {
					return nil, err
				}
				unknown = unknown || u
			}
		}
		switch n.Type {
		case plan.JoinLeftSemi:
			if len(partners) > 0 {
				out = append(out, l)
			}
			continue
		case plan.JoinLeftAnti:
			if len(partners) == 0 && !unknown {
				out = append(out, l)
			}
			continue
		case plan.JoinMark:
			mark := plan.BoolLiteral(len(partners) > 0)
			if len(partners) == 0 && unknown {
				mark = plan.NullLiteral(plan.Boolean)
			}
			out = append(out, append(slices.Clone(l), mark))
			continue
		case plan.JoinSingle:
			if len(partners) > 1 {
				return nil, fmt.Errorf("more than one row")
			}
		}
		if len(partners) == 0 && n.Type != plan.JoinInner && n.Type != plan.JoinCross {
			partners = [][]*plan.Expr{nulls(right.cols)}
		}
		for _, r := range partners {
			out = append(out, slices.Concat(l, r))
		}
	}
	for i, r := range right.rows {
		if n.Type == plan.JoinFull && !matched[i] {
			out = append(out, slices.Concat(nulls(left.cols), r))
		}
	}
	return out, nil
}

// comparedUnknown reports a pair of which IN cannot say whether it is equal: what else the condition asks for is true,
// and no compared value differs.
func (in interpreter) comparedUnknown(n *Join, env interpreter) (bool, error) {
	for _, p := range plan.Conjuncts(n.On) {
		compared := slices.ContainsFunc(n.Compared, func(c *plan.Expr) bool { return c.Equal(p) })
		v, err := env.eval(p)
		if err != nil {
			return false, err
		}
		if !v.IsTrue() && (!compared || !v.Value.Null) {
			return false, nil
		}
	}
	return true, nil
}
