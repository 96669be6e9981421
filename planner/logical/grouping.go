package logical

import (
	"slices"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// grouping is the grouping sets of a block: each set lists places in the block's keys, ascending.
type grouping struct {
	sets [][]int
	id   Column // which keys a row is not grouped by: a bit for each key, the first key's the highest
}

const (
	maxGroupingKeys = 64
	maxGroupingSets = 4096
)

// groupBy analyses the grouping expressions: expressions over FROM, ordinals and aliases of select items, grouping
// sets, or ALL.
func (b *block) groupBy(s *sql.Select) error {
	if s.GroupAll || len(s.GroupBy) == 1 && b.isAll(s.GroupBy[0]) {
		return b.groupByAll(s)
	}
	var sets [][]int // of all elements so far; the sets of elements side by side combine, each with each
	sets = append(sets, nil)
	for _, g := range s.GroupBy {
		choices, err := b.groupingElement(g)
		if err != nil {
			return err
		}
		var product [][]int
		for _, left := range sets {
			for _, right := range choices {
				product = append(product, slices.Concat(left, right))
			}
		}
		if sets = product; len(sets) > maxGroupingSets {
			return b.errorf(g.Pos(), "UNSUPPORTED_FEATURE", "more than %d grouping sets", maxGroupingSets)
		}
	}
	if !b.hasSets {
		return nil
	}
	if len(b.keys) > maxGroupingKeys {
		return b.errorf(s.Span, "GROUPING_SIZE_LIMIT_EXCEEDED", "grouping sets of %d expressions; at most %d are possible", len(b.keys), maxGroupingKeys)
	}
	b.grouping = &grouping{}
	for _, set := range sets {
		set = slices.Compact(slices.Sorted(slices.Values(set)))
		b.grouping.sets = append(b.grouping.sets, set)
	}
	return nil
}

// hasGroupingSets reports ROLLUP, CUBE or GROUPING SETS.
func hasGroupingSets(s *sql.Select) bool {
	return slices.ContainsFunc(s.GroupBy, func(e sql.Expr) bool {
		_, ok := e.(*sql.GroupingSets)
		return ok
	})
}

// groupingElement is the sets that one element of GROUP BY stands for: one set of one key for an expression.
func (b *block) groupingElement(e sql.Expr) ([][]int, error) {
	g, ok := e.(*sql.GroupingSets)
	if !ok {
		k, err := b.groupingKey(e)
		return [][]int{{k}}, err
	}
	for _, x := range g.Given {
		if _, err := b.groupingKey(x); err != nil {
			return nil, err
		}
	}
	var members [][][]int // per member of g, the sets it stands for
	for _, list := range g.Sets {
		sets := [][]int{nil}
		if len(list) == 1 {
			inner, err := b.groupingElement(list[0])
			if err != nil {
				return nil, err
			}
			sets = inner
		} else {
			for _, x := range list {
				k, err := b.groupingKey(x)
				if err != nil {
					return nil, err
				}
				sets[0] = append(sets[0], k)
			}
		}
		members = append(members, sets)
	}
	return b.combine(g, members)
}

// combine makes the sets of ROLLUP (every prefix), CUBE (every choice) and GROUPING SETS (all of the members').
func (b *block) combine(g *sql.GroupingSets, members [][][]int) ([][]int, error) {
	if g.Kind == "sets" {
		return slices.Concat(members...), nil
	}
	var units [][]int
	for i, m := range members {
		if _, nested := g.Sets[i][0].(*sql.GroupingSets); nested || len(m) != 1 {
			return nil, b.errorf(g.Span, "PARSE_SYNTAX_ERROR", "%s can have expressions and lists of expressions only", strings.ToUpper(g.Kind))
		}
		units = append(units, m[0])
	}
	var out [][]int
	if g.Kind == "rollup" {
		for n := len(units); n >= 0; n-- {
			out = append(out, slices.Concat(units[:n]...))
		}
		return out, nil
	}
	if 1<<min(len(units), 62) > maxGroupingSets {
		return nil, b.errorf(g.Span, "UNSUPPORTED_FEATURE", "more than %d grouping sets", maxGroupingSets)
	}
	for choice := 1<<len(units) - 1; choice >= 0; choice-- {
		var set []int
		for i, u := range units {
			if choice>>(len(units)-1-i)&1 == 1 {
				set = append(set, u...)
			}
		}
		out = append(out, set)
	}
	return out, nil
}

// groupingKey analyses one grouping expression and is its place in the block's keys.
func (b *block) groupingKey(g sql.Expr) (int, error) {
	if n, ok := ordinal(g); ok && b.env.Session.Is(plan.GroupByOrdinal) {
		return b.groupingOrdinal(g, n)
	}
	ctx := &exprContext{scope: b.in.scope, subs: b.subs, clause: "GROUP BY", aliases: b.items}
	if !b.env.Session.Is(plan.GroupByAliases) {
		ctx.aliases = nil
	}
	e, err := b.expr(g, ctx)
	if err != nil {
		return 0, err
	}
	if b.usesAggregate(e) {
		return 0, b.errorf(g.Pos(), "GROUP_BY_AGGREGATE", "aggregate functions are not allowed in GROUP BY")
	}
	return b.addKey(e, sql.ColumnName(g), g.Pos())
}

func (b *block) groupingOrdinal(g sql.Expr, n int) (int, error) {
	if i := slices.IndexFunc(b.items, func(it item) bool { return it.ast == nil }); i >= 0 {
		return 0, b.errorf(b.items[i].span, "STAR_GROUP_BY_POS", "* cannot be selected when GROUP BY has a position: list the columns")
	}
	if n < 1 || n > len(b.items) {
		return 0, b.errorf(g.Pos(), "GROUP_BY_POS_OUT_OF_RANGE", "GROUP BY position %d is not in the select list (1 to %d)", n, len(b.items))
	}
	it := b.items[n-1]
	if b.usesAggregate(it.expr) {
		return 0, b.errorf(g.Pos(), "GROUP_BY_POS_AGGREGATE", "GROUP BY %d refers to an expression with an aggregate function", n)
	}
	return b.addKey(it.expr, it.name, g.Pos())
}

// addKey makes a grouping expression a key, or finds it among the keys.
func (b *block) addKey(e *plan.Expr, name string, span source.Span) (int, error) {
	for i, k := range b.keys {
		if sameValue(k.Expr, e) {
			return i, nil
		}
	}
	if b.readsLater(e) {
		return 0, b.errorf(span, "UNSUPPORTED_EXPR_FOR_OPERATOR", "neither window functions nor generators are allowed in GROUP BY")
	}
	if e.Type.Kind == plan.KindInterval {
		return 0, b.errorf(span, "GROUP_EXPRESSION_TYPE_IS_NOT_ORDERABLE", "rows cannot be grouped by values of type %s", e.Type)
	}
	b.keys = append(b.keys, Definition{Column: b.env.IDs.Column(fieldOf(name, e)), Expr: e})
	return len(b.keys) - 1, nil
}

// groupByAll groups by every item without an aggregate function, unless there is a column that is called all.
func (b *block) groupByAll(s *sql.Select) error {
	all := &sql.Name{Parts: []sql.Ident{{Name: "all"}}, Span: s.Span}
	if e, found, err := b.column(b.in.scope, all); found && err == nil {
		_, err := b.addKey(e, "all", s.Span)
		return err
	}
	mixed := -1
	for i, it := range b.items {
		switch {
		case !b.usesAggregate(it.expr) && !b.readsLater(it.expr):
			if _, err := b.addKey(it.expr, it.name, it.span); err != nil {
				return err
			}
		case mixed < 0 && b.readsFrom(it.expr):
			mixed = i
		}
	}
	if len(b.keys) == 0 && mixed >= 0 {
		return b.errorf(b.items[mixed].span, "UNRESOLVED_ALL_IN_GROUP_BY", "GROUP BY ALL cannot tell what to group by").
			WithHint("list the grouping expressions")
	}
	return nil
}

// readsFrom reports a column of FROM outside of aggregate functions.
func (b *block) readsFrom(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		if x.Op == plan.OpColumn && b.pending[x.Column] != nil {
			found = found || slices.ContainsFunc(b.pending[x.Column].free(), b.readsFrom)
		}
		found = found || x.Op == plan.OpColumn && has(b.in.node, x.Column)
		return !found
	})
	return found
}

func (b *block) usesAggregate(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		found = found || x.Op == plan.OpColumn && b.aggs.has(x.Column) || isGrouping(x)
		return !found
	})
	return found
}

// readsLater reports a result of a window function or generator, which come after grouping.
func (b *block) readsLater(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		found = found || x.Op == plan.OpColumn && (b.windows.has(x.Column) || b.generated(x.Column))
		return !found
	})
	return found
}

// ordinal is the position that an integer literal in GROUP BY or ORDER BY stands for.
func ordinal(e sql.Expr) (int, bool) {
	lit, ok := e.(*sql.Literal)
	if !ok || lit.Kind != "integer" || lit.Suffix != "" {
		return 0, false
	}
	n, err := strconv.Atoi(lit.Text)
	return n, err == nil
}
