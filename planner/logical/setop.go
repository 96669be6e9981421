package logical

import (
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// setOperation analyses UNION, INTERSECT and EXCEPT. Columns go by place and take the left side's names, and the types
// that both sides' have in common.
func (a *analyser) setOperation(op *sql.SetOperation, with *named) (Node, error) {
	operands := []sql.SetExpr{op.Left, op.Right}
	if isUnionAll(op) { // a chain of thousands is one node, and not recursion
		operands = unionOperands(op)
	}
	ins := make([]Node, len(operands))
	for i, e := range operands {
		n, err := a.setExpr(e, with)
		if err != nil {
			return nil, err
		}
		ins[i] = n
	}
	if op.ByName {
		var err error
		if ins[1], err = a.byName(op.Span, ins[0], ins[1]); err != nil {
			return nil, err
		}
	}
	ins, err := a.aligned(op, ins)
	if err != nil {
		return nil, err
	}
	if op.Op != "union" || !op.All {
		if err := a.comparable(op.Span, ins[0].Columns()); err != nil {
			return nil, err
		}
	}
	switch {
	case op.Op == "union" && op.All:
		return a.unionOf(ins), nil
	case op.Op == "union":
		return a.distinct(a.unionOf(ins)), nil
	case op.All:
		return a.countedRows(op, ins[0], ins[1])
	}
	t := plan.JoinLeftSemi
	if op.Op == "except" {
		t = plan.JoinLeftAnti
	}
	return a.distinct(&Join{Type: t, Left: ins[0], Right: ins[1], On: sameRow(ins[0], ins[1])}), nil
}

func isUnionAll(op *sql.SetOperation) bool { return op.Op == "union" && op.All && !op.ByName }

// unionOperands are the operands of a chain of UNION ALL.
func unionOperands(op *sql.SetOperation) []sql.SetExpr {
	var reversed []sql.SetExpr
	var e sql.SetExpr = op
	for {
		o, ok := e.(*sql.SetOperation)
		if !ok || !isUnionAll(o) {
			break
		}
		reversed, e = append(reversed, o.Right), o.Left
	}
	out := []sql.SetExpr{e}
	for i := len(reversed) - 1; i >= 0; i-- {
		out = append(out, reversed[i])
	}
	return out
}

// aligned gives the operands the same number of columns, of the same types.
func (a *analyser) aligned(op *sql.SetOperation, ins []Node) ([]Node, error) {
	name := strings.ToUpper(op.Op)
	first := ins[0].Columns()
	types := make([]plan.Type, len(first))
	for i, c := range first {
		types[i] = c.Type
	}
	for k, in := range ins[1:] {
		cols := in.Columns()
		if len(cols) != len(first) {
			return nil, a.errorf(op.Span, "NUM_COLUMNS_MISMATCH",
				"%s needs inputs with the same number of columns: the first has %d, the %s has %d", name, len(first), ordinalWord(k+2), len(cols))
		}
		for i, c := range cols {
			t, ok := compute.CommonType(types[i], c.Type)
			if !ok {
				return nil, a.errorf(op.Span, "INCOMPATIBLE_COLUMN_TYPE", "%s: the %s column of the %s input is %s, and %s in the first",
					name, ordinalWord(i+1), ordinalWord(k+2), c.Type, first[i].Type)
			}
			types[i] = t
		}
	}
	out := make([]Node, len(ins))
	for i, in := range ins {
		out[i] = a.castTo(in, types)
	}
	return out, nil
}

func ordinalWord(n int) string {
	words := []string{"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"}
	if n <= len(words) {
		return words[n-1]
	}
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		suffix = map[int]string{1: "st", 2: "nd", 3: "rd"}[n%10]
		if suffix == "" {
			suffix = "th"
		}
	}
	return columnNumber(n)[len("col"):] + suffix
}

// castTo gives a node's columns other types.
func (a *analyser) castTo(n Node, types []plan.Type) Node {
	p := &Project{Input: n}
	changed := false
	for i, c := range n.Columns() {
		if c.Type.Equal(types[i]) {
			p.Defs = append(p.Defs, Definition{Column: c, Expr: c.Ref()})
			continue
		}
		changed = true
		e := compute.Cast(c.Ref(), types[i])
		p.Defs = append(p.Defs, Definition{Column: a.env.IDs.Column(fieldOf(c.Name, e)), Expr: e})
	}
	if !changed {
		return n
	}
	return p
}

// byName puts the right side's columns into the order of the left one's names.
func (a *analyser) byName(span source.Span, left, right Node) (Node, error) {
	cols := right.Columns()
	if len(cols) != len(left.Columns()) {
		return nil, a.errorf(span, "NUM_COLUMNS_MISMATCH", "UNION BY NAME needs inputs with the same columns: the first has %d, the second %d",
			len(left.Columns()), len(cols))
	}
	p := &Project{Input: right}
	seen := map[string]bool{}
	for _, c := range left.Columns() {
		if seen[lower(c.Name)] {
			return nil, a.errorf(span, "COLUMN_ALREADY_EXISTS", "UNION BY NAME: the first input has two columns %q", c.Name)
		}
		seen[lower(c.Name)] = true
		found := scopeOf("", cols).find([]sql.Ident{{Name: c.Name}})
		if len(found) == 0 {
			return nil, a.errorf(span, "FIELD_NOT_FOUND", "UNION BY NAME: the second input has no column %q", c.Name)
		}
		if len(found) > 1 {
			return nil, a.errorf(span, "COLUMN_ALREADY_EXISTS", "UNION BY NAME: the second input has two columns %q", c.Name)
		}
		p.Defs = append(p.Defs, Definition{Column: found[0].Column, Expr: found[0].Ref()})
	}
	return p, nil
}

// comparable refuses maps where rows are compared.
func (a *analyser) comparable(span source.Span, cols []Column) error {
	for _, c := range cols {
		if hasMap(c.Type) {
			return a.errorf(span, "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE",
				"maps cannot be compared, and column %q is %s", c.Name, c.Type)
		}
	}
	return nil
}

func hasMap(t plan.Type) bool {
	if t.Kind == plan.KindMap {
		return true
	}
	for _, c := range t.Children {
		if hasMap(c.Type) {
			return true
		}
	}
	return false
}

// unionOf puts nodes with columns of the same types together, under the first one's names.
func (a *analyser) unionOf(ins []Node) Node {
	out := &Union{Ins: ins}
	for i, c := range ins[0].Columns() {
		f := c.Field
		for _, in := range ins {
			f.Nullable = f.Nullable || in.Columns()[i].Nullable
		}
		out.Cols = append(out.Cols, a.env.IDs.Column(f))
	}
	return out
}

func (a *analyser) distinct(n Node) Node {
	out := &Aggregate{Input: n}
	for _, c := range n.Columns() {
		out.Keys = append(out.Keys, Definition{Column: a.env.IDs.Column(c.Field), Expr: c.Ref()})
	}
	return out
}

// sameRow compares all columns of two nodes; NULL is the same as NULL.
func sameRow(left, right Node) *plan.Expr {
	var on *plan.Expr
	r := right.Columns()
	for i, c := range left.Columns() {
		on = plan.And(on, equal(c.Ref(), r[i].Ref(), true))
	}
	return on
}

// countedRows is INTERSECT ALL and EXCEPT ALL: each different row as often as the counts on both sides say.
func (a *analyser) countedRows(op *sql.SetOperation, left, right Node) (Node, error) {
	width := len(left.Columns())
	sides := make([]Node, 2)
	for i, in := range []Node{left, right} {
		p := &Project{Input: in, Defs: keepAll(in.Columns())}
		for j, name := range []string{"left", "right"} {
			one := plan.Int64Literal(0)
			if i == j {
				one = plan.Int64Literal(1)
			}
			p.Defs = append(p.Defs, Definition{Column: a.env.IDs.Column(plan.Field{Name: name, Type: plan.Int64}), Expr: one})
		}
		sides[i] = p
	}
	all := a.unionOf(sides)
	cols := all.Columns()
	counts := &Aggregate{Input: all}
	for _, c := range cols[:width] {
		counts.Keys = append(counts.Keys, Definition{Column: a.env.IDs.Column(c.Field), Expr: c.Ref()})
	}
	for _, c := range cols[width:] {
		col := a.env.IDs.Column(plan.Field{Name: c.Name, Type: plan.Int64, Nullable: true})
		counts.Aggs = append(counts.Aggs, AggCall{Column: col, Func: "sum", Args: []*plan.Expr{c.Ref()}})
	}
	inLeft, inRight := counts.Aggs[0].Ref(), counts.Aggs[1].Ref()
	var times *plan.Expr
	var err error
	if op.Op == "except" {
		times, err = a.call(op.Span, "-", inLeft, inRight)
	} else {
		times, err = a.call(op.Span, "least", inLeft, inRight)
	}
	if err != nil {
		return nil, err
	}
	return a.replicated(op.Span, counts, counts.Columns()[:width], times)
}

// replicated repeats each row as often as an expression says, not at all where it is not positive.
func (a *analyser) replicated(span source.Span, n Node, cols []Column, times *plan.Expr) (Node, error) {
	some, err := a.call(span, ">", times, plan.Int64Literal(0))
	if err != nil {
		return nil, err
	}
	args := []*plan.Expr{times}
	for _, c := range cols {
		args = append(args, c.Ref())
	}
	call, err := a.generatorCall(span, "replicate_rows", args...)
	if err != nil {
		return nil, err
	}
	g := &Generate{Input: &Filter{Input: n, Predicate: some}, Call: call, Cols: a.generatorColumns(call)}
	out := &Project{Input: g}
	for i, c := range cols {
		e := g.Cols[i].Ref()
		out.Defs = append(out.Defs, Definition{Column: a.env.IDs.Column(fieldOf(c.Name, e)), Expr: e})
	}
	return out, nil
}
