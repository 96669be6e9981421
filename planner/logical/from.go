package logical

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// relation is a plan and the names of its columns.
type relation struct {
	node  Node
	scope *scope
}

// named is a query of a WITH clause; the list leads outwards.
type named struct {
	name  string
	node  Node
	outer *named
}

func (n *named) find(name string) (Node, bool) {
	for ; n != nil; n = n.outer {
		if strings.EqualFold(n.name, name) {
			return n.node, true
		}
	}
	return nil, false
}

// from analyses the FROM clause; comma is a cross join. Nothing is one row of no columns.
func (a *analyser) from(refs []sql.TableRef, with *named) (relation, error) {
	if len(refs) == 0 {
		return relation{node: &Values{Rows: [][]*plan.Expr{{}}}, scope: &scope{}}, nil
	}
	out, err := a.tableRef(refs[0], with)
	for _, ref := range refs[1:] {
		if err != nil {
			break
		}
		var right relation
		if right, err = a.tableRef(ref, with); err == nil {
			out = combine(plan.JoinCross, out, right, nil)
		}
	}
	return out, err
}

func (a *analyser) tableRef(ref sql.TableRef, with *named) (relation, error) {
	switch ref := ref.(type) {
	case *sql.TableName:
		return a.tableName(ref, with)
	case *sql.Subquery:
		return a.subquery(ref, with)
	case *sql.Join:
		return a.join(ref, with)
	}
	return relation{}, a.errorf(source.Span{}, "UNSUPPORTED_FEATURE", "%T in FROM is not supported", ref)
}

func (a *analyser) tableName(ref *sql.TableName, with *named) (relation, error) {
	name := nameText(ref.Parts)
	node, err := a.lookupTable(name, ref, with)
	if err != nil {
		return relation{}, err
	}
	alias := ref.Parts[len(ref.Parts)-1].Name
	if ref.Alias != nil {
		alias = ref.Alias.Name
	}
	cols, err := a.rename(node.Columns(), ref.Columns, ref.Span)
	return relation{node: node, scope: scopeOf(alias, cols)}, err
}

func (a *analyser) lookupTable(name string, ref *sql.TableName, with *named) (Node, error) {
	if len(ref.Parts) == 1 {
		if node, ok := with.find(name); ok {
			return Refresh(node, a.env.IDs), nil
		}
	}
	if r, ok := a.env.Relation(name); ok {
		if r.Plan != nil {
			return Refresh(r.Plan, a.env.IDs), nil
		}
		return ScanTable(r.Name, r.Table, a.env.IDs), nil
	}
	err := a.errorf(ref.Span, "TABLE_OR_VIEW_NOT_FOUND", "no table, step or CTE %q", name)
	var names []string
	for n := with; n != nil; n = n.outer {
		names = append(names, n.name)
	}
	for _, r := range a.env.Relations {
		names = append(names, r.Name)
	}
	if near := source.Nearest(name, names); near != "" {
		return nil, err.WithHint("did you mean %q?", near)
	}
	if len(names) > 0 {
		return nil, err.WithHint("there are: %s", abbreviate(names, 12))
	}
	return nil, err.WithHint("no tables are defined")
}

func (a *analyser) subquery(ref *sql.Subquery, with *named) (relation, error) {
	node, err := a.query(ref.Query, with)
	if err != nil {
		return relation{}, err
	}
	alias := ""
	if ref.Alias != nil {
		alias = ref.Alias.Name
	}
	cols, err := a.rename(node.Columns(), ref.Columns, ref.Span)
	return relation{node: node, scope: scopeOf(alias, cols)}, err
}

var joinTypes = map[string]plan.JoinType{
	"inner": plan.JoinInner, "left": plan.JoinLeft, "right": plan.JoinLeft, "full": plan.JoinFull,
	"cross": plan.JoinCross, "left_semi": plan.JoinLeftSemi, "left_anti": plan.JoinLeftAnti,
}

// combine joins two relations. The names stay in written order even where a right join has its sides exchanged.
func combine(t plan.JoinType, left, right relation, on *plan.Expr) relation {
	node := &Join{Type: t, Left: left.node, Right: right.node, On: on}
	s := &scope{cols: append(append([]scopeColumn(nil), left.scope.cols...), right.scope.cols...)}
	if t == plan.JoinLeftSemi || t == plan.JoinLeftAnti {
		s.cols = s.cols[:len(left.scope.cols):len(left.scope.cols)]
	}
	s.update(node.Columns())
	return relation{node: node, scope: s}
}

func (a *analyser) join(ref *sql.Join, with *named) (relation, error) {
	left, err := a.tableRef(ref.Left, with)
	if err != nil {
		return relation{}, err
	}
	right, err := a.tableRef(ref.Right, with)
	if err != nil {
		return relation{}, err
	}
	t, ok := joinTypes[ref.Type]
	if !ok {
		return relation{}, a.errorf(ref.Span, "UNSUPPORTED_FEATURE", "%s join is not supported", strings.ReplaceAll(ref.Type, "_", " "))
	}
	using := ref.Using
	if ref.Natural {
		using = commonNames(left.scope, right.scope)
	}
	if len(using) > 0 {
		return a.joinUsing(ref, t, left, right, using)
	}
	on, err := a.joinCondition(ref, left, right)
	if err != nil {
		return relation{}, err
	}
	if t == plan.JoinInner && on == nil {
		t = plan.JoinCross
	}
	if t == plan.JoinCross && on != nil {
		t = plan.JoinInner
	}
	return joinSides(ref, t, left, right, on), nil
}

// joinSides makes the join; a right join is a left join the other way round.
func joinSides(ref *sql.Join, t plan.JoinType, left, right relation, on *plan.Expr) relation {
	if ref.Type != "right" {
		return combine(t, left, right, on)
	}
	out := combine(t, right, left, on)
	cols := out.scope.cols
	n := len(right.scope.cols)
	out.scope.cols = append(append([]scopeColumn(nil), cols[n:]...), cols[:n]...)
	return out
}

func (a *analyser) joinCondition(ref *sql.Join, left, right relation) (*plan.Expr, error) {
	if ref.On == nil {
		return nil, nil
	}
	both := &scope{cols: append(append([]scopeColumn(nil), left.scope.cols...), right.scope.cols...)}
	on, err := a.predicate(ref.On, &exprContext{scope: both, clause: "a join condition"})
	if err != nil {
		return nil, err
	}
	if hasUDF(on) {
		return nil, a.errorf(ref.On.Pos(), "UNSUPPORTED_FEATURE", "a plugin function in a join condition is not supported").
			WithHint("compute it in a subquery and join on its column")
	}
	return on, nil
}

func keepAll(cols []Column) []Definition {
	defs := make([]Definition, len(cols))
	for i, c := range cols {
		defs[i] = Definition{Column: c, Expr: c.Ref()}
	}
	return defs
}

func nullable(c Column) Column {
	c.Nullable = true
	return c
}
