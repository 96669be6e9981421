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
		if isLateral(ref) {
			out, err = a.lateral(out, ref, with, lateralJoin{span: spanOf(ref)})
			continue
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
	case *sql.TableFunction:
		return a.tableFunction(ref, with)
	case *sql.Aliased:
		return a.aliased(ref, with)
	case *sql.Sample:
		return a.sample(ref, with)
	case *sql.Pivot:
		return a.pivot(ref, with)
	case *sql.Unpivot:
		return a.unpivot(ref, with)
	}
	return relation{}, a.errorf(source.Span{}, "UNSUPPORTED_FEATURE", "%T in FROM is not supported", ref)
}

// aliased gives a reference a name, behind which the names in it are hidden.
func (a *analyser) aliased(ref *sql.Aliased, with *named) (relation, error) {
	in, err := a.tableRef(ref.Ref, with)
	if err != nil || ref.Alias == nil {
		return in, err
	}
	return a.renamedAs(in, ref.Alias, ref.Columns, ref.Span)
}

func (a *analyser) renamedAs(in relation, alias *sql.Ident, names []sql.Ident, span source.Span) (relation, error) {
	var cols []Column
	for _, c := range in.scope.visible() {
		cols = append(cols, c.Column)
	}
	cols, err := a.rename(cols, names, span)
	return relation{node: in.node, scope: scopeOf(alias.Name, cols)}, err
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
	if r, ok := a.env.Relation(unqualified(ref.Parts)); ok {
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

// unqualified leaves out the names of the one catalog and the one schema that there are. Global views keep their schema's.
func unqualified(parts []sql.Ident) string {
	if len(parts) == 3 && strings.EqualFold(parts[0].Name, "spark_catalog") {
		parts = parts[1:]
	}
	if len(parts) == 2 && strings.EqualFold(parts[0].Name, "default") {
		parts = parts[1:]
	}
	return nameText(parts)
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
	if _, ok := ref.Query.Body.(*sql.ValuesClause); ok && len(ref.Columns) > 0 && len(ref.Columns) != len(node.Columns()) {
		return relation{}, a.errorf(ref.Span, "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
			"%d column names for rows of %d values", len(ref.Columns), len(node.Columns()))
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
