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
	node, schema, err := a.lookupTable(ref, with)
	if err != nil {
		return relation{}, err
	}
	alias := ref.Parts[len(ref.Parts)-1].Name
	if ref.Alias != nil {
		alias, schema = ref.Alias.Name, ""
	}
	cols, err := a.rename(node.Columns(), ref.Columns, ref.Span)
	return relation{node: node, scope: scopeOf(alias, cols).inSchema(schema)}, err
}

// lookupTable finds what a name in FROM stands for, and in which schema it lies.
func (a *analyser) lookupTable(ref *sql.TableName, with *named) (node Node, schema string, err error) {
	if len(ref.Parts) == 1 {
		if node, ok := with.find(ref.Parts[0].Name); ok {
			return Refresh(node, a.env.IDs), "", nil
		}
	}
	parts := make([]string, len(ref.Parts))
	for i, p := range ref.Parts {
		parts[i] = p.Name
	}
	r, ok := a.env.find(parts)
	switch {
	case !ok:
		return nil, "", a.noTable(ref, with)
	case r.View != nil:
		node, err := r.View()
		return node, r.Schema, err
	case r.Plan != nil:
		return Refresh(r.Plan, a.env.IDs), r.Schema, nil
	case r.Schema == "": // a table that the caller named: as if it lay in the schema default
		schema = defaultSchema
	default:
		schema = r.Schema
	}
	return ScanTable(r.Source(), r.Table, a.env.IDs), schema, nil
}

// noTable is the error for a name that nothing has.
func (a *analyser) noTable(ref *sql.TableName, with *named) error {
	name := nameText(ref.Parts)
	err := a.errorf(ref.Span, "TABLE_OR_VIEW_NOT_FOUND", "no table, step or CTE %q", name)
	var names []string
	for n := with; n != nil; n = n.outer {
		names = append(names, n.name)
	}
	for _, r := range a.env.Relations {
		if r.Schema == "" || strings.EqualFold(r.Schema, a.env.schema()) {
			names = append(names, r.Name)
		} else {
			names = append(names, r.Schema+"."+r.Name)
		}
	}
	if near := source.Nearest(name, names); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	if len(names) > 0 {
		return err.WithHint("there are: %s", abbreviate(names, 12))
	}
	return err.WithHint("no tables are defined")
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
