package logical

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// starItems is what *, t.* and s.* stand for, with EXCEPT taken away: columns, or fields of a struct.
func (a *analyser) starItems(star *sql.Star, s *scope) ([]item, error) {
	items, err := a.starredItems(star, s)
	if err != nil {
		return nil, err
	}
	for i := range items {
		if items[i].expr.Op == plan.OpColumn {
			a.spans[items[i].expr] = star.Span
		}
		items[i].span = star.Span
	}
	return a.exceptItems(star, items, s)
}

func (a *analyser) starredItems(star *sql.Star, s *scope) ([]item, error) {
	if len(star.Qualifier) == 0 {
		if len(s.cols) == 0 {
			return nil, nil
		}
		return itemsOf(s.visible()), nil
	}
	if cols := s.of(star.Qualifier); len(cols) > 0 {
		return itemsOf(cols), nil
	}
	x, found, err := a.column(s, &sql.Name{Parts: star.Qualifier, Span: star.Span})
	switch {
	case err != nil:
		return nil, err
	case !found && a.outer != nil:
		outer := a.outer
		a.outer = nil
		defer func() { a.outer = outer }()
		return a.starredItems(star, outer.scope)
	case !found:
		var names []string
		for _, c := range s.cols {
			names = append(names, c.Name)
		}
		return nil, a.errorf(star.Span, "CANNOT_RESOLVE_STAR_EXPAND", "no table and no struct %q here", nameText(star.Qualifier)).
			WithHint("there are the columns %s", abbreviate(names, 12))
	case x.Type.Kind != plan.KindStruct:
		return nil, a.errorf(star.Span, "_LEGACY_ERROR_TEMP_1050", "%s is %s: .* takes the fields of a struct", nameText(star.Qualifier), x.Type)
	}
	return structColumns(x), nil
}

func itemsOf(cols []scopeColumn) []item {
	items := make([]item, len(cols))
	for i, c := range cols {
		items[i] = item{name: c.Name, expr: c.Ref()}
	}
	return items
}

// exceptItems takes away what EXCEPT lists: whole items, or fields inside of them.
func (a *analyser) exceptItems(star *sql.Star, items []item, s *scope) ([]item, error) {
	paths := make([][][]sql.Ident, len(items)) // by item
	for _, n := range star.Except {
		i, path, err := a.exceptPath(n, items, s)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(paths[i], func(p []sql.Ident) bool { return overlap(p, path) }) {
			return nil, a.errorf(n.Span, "EXCEPT_OVERLAPPING_COLUMNS", "%q is in EXCEPT twice", nameText(n.Parts))
		}
		paths[i] = append(paths[i], path)
	}
	var out []item
	for i, it := range items {
		if slices.ContainsFunc(paths[i], func(p []sql.Ident) bool { return len(p) == 0 }) {
			continue
		}
		if len(paths[i]) > 0 {
			var err error
			if it.expr, err = a.withoutFields(it.expr, paths[i], star); err != nil {
				return nil, err
			}
		}
		out = append(out, it)
	}
	return out, nil
}

// exceptPath finds the item that a name of EXCEPT begins with, and the fields behind it.
func (a *analyser) exceptPath(n *sql.Name, items []item, s *scope) (int, []sql.Ident, error) {
	if col, path, found, _ := a.resolvePath(s, n); found {
		for i, it := range items {
			if it.expr.Op == plan.OpColumn && it.expr.Column == col.ID {
				return i, path, nil
			}
		}
	}
	for i, it := range items {
		if strings.EqualFold(it.name, n.Parts[0].Name) {
			return i, n.Parts[1:], nil
		}
	}
	var names []string
	for _, it := range items {
		names = append(names, it.name)
	}
	return 0, nil, a.unresolved(&scope{}, n, names)
}

func overlap(p, q []sql.Ident) bool {
	for i := range min(len(p), len(q)) {
		if !strings.EqualFold(p[i].Name, q[i].Name) {
			return false
		}
	}
	return true
}

// withoutFields is a struct without some of its fields.
func (a *analyser) withoutFields(x *plan.Expr, paths [][]sql.Ident, star *sql.Star) (*plan.Expr, error) {
	if x.Type.Kind != plan.KindStruct {
		return nil, a.errorf(star.Span, "INVALID_EXTRACT_BASE_FIELD_TYPE", "EXCEPT takes fields of structs away, and %s is %s", x, x.Type)
	}
	inside := map[int][][]sql.Ident{}
	drop := map[int]bool{}
	for _, p := range paths {
		i, err := a.fieldOrdinal(x.Type, p[0].Name, star.Span)
		if err != nil {
			return nil, err
		}
		drop[i] = drop[i] || len(p) == 1
		inside[i] = append(inside[i], p[1:])
	}
	var names []string
	var values []*plan.Expr
	for i, f := range x.Type.Children {
		if drop[i] {
			continue
		}
		v := getField(x, i)
		if len(inside[i]) > 0 {
			var err error
			if v, err = a.withoutFields(v, inside[i], star); err != nil {
				return nil, err
			}
		}
		names, values = append(names, f.Name), append(values, v)
	}
	out, err := a.structOf(star.Span, names, values)
	if err != nil || !x.Nullable {
		return out, err
	}
	null, err := a.call(star.Span, "isnull", x)
	if err != nil {
		return nil, err
	}
	return a.call(star.Span, "case", null, plan.NullLiteral(out.Type), out)
}

// starArgs analyses arguments among which * stands for all its columns; names are those that the arguments give
// fields of a struct.
func (a *analyser) starArgs(e *sql.Call, ctx *exprContext) (args []*plan.Expr, names []string, err error) {
	for i, x := range e.Args {
		star, ok := x.(*sql.Star)
		if !ok {
			arg, err := a.expr(x, ctx)
			if err != nil {
				return nil, nil, err
			}
			name := fieldName(x)
			if i < len(e.Names) && e.Names[i] != nil {
				name = e.Names[i].Name
			}
			args, names = append(args, arg), append(names, name)
			continue
		}
		items, err := a.starItems(star, ctx.scope)
		if err != nil {
			return nil, nil, err
		}
		for _, it := range items {
			args, names = append(args, it.expr), append(names, it.name)
		}
	}
	return args, names, nil
}

func isStar(e sql.Expr) bool {
	_, ok := e.(*sql.Star)
	return ok
}
