package logical

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// windowing collects the window function calls of a block; equal calls share a column.
type windowing struct {
	named []sql.NamedWindow
	calls []windowed
}

// windowed is a call with the window it is computed over.
type windowed struct {
	WindowCall
	partition []*plan.Expr
	order     []OrderKey
	span      source.Span
}

func (w *windowing) has(id int) bool {
	return w != nil && slices.ContainsFunc(w.calls, func(c windowed) bool { return c.ID == id })
}

func (w *windowing) add(ids *IDs, name string, call windowed) *plan.Expr {
	for _, c := range w.calls {
		if sameWindow(c, call) && sameCall(c.AggCall, call.AggCall) && c.IgnoreNulls == call.IgnoreNulls && sameFrame(c.Frame, call.Frame) {
			return c.Ref()
		}
	}
	call.Column.ID = ids.New()
	call.Name = name
	w.calls = append(w.calls, call)
	return call.Ref()
}

func sameWindow(c, d windowed) bool {
	return slices.EqualFunc(c.partition, d.partition, (*plan.Expr).Equal) && slices.EqualFunc(c.order, d.order, sameKey)
}

func sameFrame(f, g plan.Frame) bool {
	return f.Unit == g.Unit && sameBound(f.Start, g.Start) && sameBound(f.End, g.End)
}

func sameBound(a, b plan.FrameBound) bool {
	return a.Kind == b.Kind && (a.Offset == nil) == (b.Offset == nil) && (a.Offset == nil || a.Offset.Equal(b.Offset))
}

// windowExpr collects a window function call and stands for its result.
func (a *analyser) windowExpr(e *sql.Call, f *compute.Function, ctx *exprContext) (*plan.Expr, error) {
	if err := a.windowAllowed(e, f, ctx); err != nil {
		return nil, err
	}
	spec, err := a.windowSpec(e.Over, ctx.windows.named, nil)
	if err != nil {
		return nil, err
	}
	inner := *ctx
	inner.inWindow = true
	agg, wrapped, err := a.aggregateCall(e, f, &inner)
	if err != nil {
		return nil, err
	}
	if len(e.Args) == 3 && (f.Name == "lag" || f.Name == "lead") {
		if x, d := a.made[e.Args[0]], a.made[e.Args[2]]; x != nil && d != nil && x.Type.Kind == plan.KindNull && d.Type.Kind != plan.KindNull {
			return nil, a.errorf(e.Args[2].Pos(), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "the default must be of the type of the value: NULL, not %s", d.Type)
		}
	}
	call := windowed{WindowCall: WindowCall{AggCall: agg, IgnoreNulls: e.IgnoreNulls != nil && *e.IgnoreNulls}, span: e.Span}
	if call.partition, err = a.exprs(spec.PartitionBy, &inner); err != nil {
		return nil, err
	}
	for i, x := range call.partition {
		if !x.Type.HasOrder() {
			return nil, a.errorf(spec.PartitionBy[i].Pos(), "EXPRESSION_TYPE_IS_NOT_ORDERABLE", "values of type %s have no order, so rows cannot be divided by them", x.Type)
		}
	}
	if call.order, err = a.orderKeys(spec.OrderBy, &inner); err != nil {
		return nil, err
	}
	if call.Frame, err = a.windowFrame(e, f, spec, call.order, &inner); err != nil {
		return nil, err
	}
	if ctx.lambda != nil && windowReadsVariable(call) {
		return nil, a.unsupported(e.Span, "a window function of a lambda's parameter")
	}
	return wrapped(ctx.windows.add(a.env.IDs, sql.ColumnName(e), call)), nil
}

func windowReadsVariable(c windowed) bool {
	return slices.ContainsFunc(slices.Concat(c.Args, c.partition), readsVariable) ||
		slices.ContainsFunc(c.order, func(k OrderKey) bool { return readsVariable(k.Expr) })
}

// windowAllowed says where window functions may stand, and which functions are such.
func (a *analyser) windowAllowed(e *sql.Call, f *compute.Function, ctx *exprContext) error {
	switch {
	case ctx.inAggregate && ctx.clause == "FILTER":
		return a.errorf(e.Span, "INVALID_AGGREGATE_FILTER.CONTAINS_WINDOW_FUNCTION", "FILTER cannot use a window function")
	case ctx.inAggregate:
		return a.errorf(e.Span, "_LEGACY_ERROR_TEMP_1031", "a window function cannot be inside an aggregate function").
			WithHint("compute it in a subquery first")
	case ctx.windows == nil && (ctx.clause == "WHERE" || ctx.clause == "HAVING"):
		return a.errorf(e.Span, "WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE", "window functions are not allowed in %s", ctx.clause).
			WithHint("QUALIFY filters by window functions")
	case ctx.windows == nil:
		return a.errorf(e.Span, "UNSUPPORTED_EXPR_FOR_OPERATOR", "window functions are not allowed in %s", ctx.clause).
			WithHint("select it under a name, and use that")
	case f.Kind != compute.Window && f.Kind != compute.Aggregate:
		return a.errorf(e.Span, "UNSUPPORTED_EXPR_FOR_WINDOW", "%s is neither a window nor an aggregate function: OVER does not apply", f.Name)
	case e.Distinct:
		return a.errorf(e.Span, "DISTINCT_WINDOW_FUNCTION_UNSUPPORTED", "DISTINCT does not go with OVER")
	case f.Kind == compute.Aggregate:
		return nil
	case e.Filter != nil:
		return a.unsupportedSyntax(e, f.Name, "FILTER CLAUSE")
	case e.IgnoreNulls != nil && !slices.Contains([]string{"lag", "lead", "nth_value"}, f.Name):
		return a.unsupportedSyntax(e, f.Name, ignoreText(e))
	}
	return nil
}

// windowSpec follows the names of windows: OVER w, and (w ORDER BY …), which completes what w leaves open.
func (a *analyser) windowSpec(s *sql.WindowSpec, named []sql.NamedWindow, seen []string) (*sql.WindowSpec, error) {
	if s.Base == nil {
		return s, nil
	}
	i := slices.IndexFunc(named, func(w sql.NamedWindow) bool { return strings.EqualFold(w.Name.Name, s.Base.Name) })
	if i < 0 || slices.Contains(seen, lower(s.Base.Name)) {
		return nil, a.errorf(s.Base.Span, "MISSING_WINDOW_SPECIFICATION", "the WINDOW clause has no window %q", s.Base.Name)
	}
	base, err := a.windowSpec(named[i].Spec, named, append(seen, lower(s.Base.Name)))
	if err != nil {
		return nil, err
	}
	out := *s
	out.Base = nil
	switch {
	case len(s.PartitionBy) > 0, len(s.OrderBy) > 0 && len(base.OrderBy) > 0:
		return nil, a.errorf(s.Span, "UNSUPPORTED_FEATURE", "this says again what window %q says", s.Base.Name).
			WithHint("a window that is based on another can add ORDER BY and a frame that are not there")
	case len(s.OrderBy) == 0:
		out.OrderBy = base.OrderBy
	}
	out.PartitionBy = base.PartitionBy
	if out.Frame == nil {
		out.Frame = base.Frame
	}
	return &out, nil
}

// checkNames refuses two windows of one name.
func (a *analyser) checkWindows(named []sql.NamedWindow) error {
	seen := map[string]bool{}
	for _, w := range named {
		if seen[lower(w.Name.Name)] {
			return a.errorf(w.Name.Span, "INVALID_SQL_SYNTAX.REPETITIVE_WINDOW_DEFINITION", "window %q is defined twice", w.Name.Name)
		}
		seen[lower(w.Name.Name)] = true
	}
	return nil
}

// stack puts Window nodes over a node: one for each window, in order of first use, and those whose calls read the
// results of others above these.
func (w *windowing) stack(in Node) Node {
	level := map[int]int{}
	var levels [][]*Window
	for _, c := range w.calls {
		n := 0
		for _, x := range c.reads() {
			x.Walk(func(x *plan.Expr) bool {
				if l, ok := level[x.Column]; ok && x.Op == plan.OpColumn {
					n = max(n, l+1)
				}
				return true
			})
		}
		level[c.ID] = n
		for len(levels) <= n {
			levels = append(levels, nil)
		}
		levels[n] = place(levels[n], c)
	}
	for _, nodes := range levels {
		for _, n := range nodes {
			n.Input = in
			in = n
		}
	}
	return in
}

// place adds a call to the node of its window.
func place(nodes []*Window, c windowed) []*Window {
	for _, n := range nodes {
		if sameWindow(c, windowed{partition: n.PartitionBy, order: n.OrderBy}) {
			n.Calls = append(n.Calls, c.WindowCall)
			return nodes
		}
	}
	return append(nodes, &Window{PartitionBy: c.partition, OrderBy: c.order, Calls: []WindowCall{c.WindowCall}})
}

// reads are the expressions of a call and its window.
func (c windowed) reads() []*plan.Expr {
	out := slices.Concat(c.Args, c.partition)
	for _, k := range slices.Concat(c.order, c.OrderBy) {
		out = append(out, k.Expr)
	}
	return out
}

// rewrite replaces all expressions of the calls.
func (w *windowing) rewrite(f func(*plan.Expr, source.Span) (*plan.Expr, error)) error {
	for i, c := range w.calls {
		var err error
		each := func(x *plan.Expr) *plan.Expr {
			if err != nil {
				return x
			}
			var out *plan.Expr
			if out, err = f(x, c.span); err != nil {
				return x
			}
			return out
		}
		c.AggCall = c.AggCall.mapExprs(each)
		c.partition, c.order = mapAll(c.partition, each), mapOrder(c.order, each)
		if err != nil {
			return err
		}
		w.calls[i] = c
	}
	return nil
}
