package logical

import (
	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// timeWindows puts the windows of time that a block asks for by window(…) below all that uses them, as a column that is called
// window. All calls of a block must mean the same windows.
func (a *analyser) timeWindows(in relation, calls []*sql.Call, with *named) (relation, error) {
	var g generator
	for i, e := range calls {
		one, err := a.timeWindow(e, &exprContext{scope: in.scope, clause: "window", subs: &subqueries{with: with}})
		switch {
		case err != nil:
			return in, err
		case i == 0:
			g = one
		case !one.Call.Equal(g.Call):
			return in, a.errorf(e.Span, "_LEGACY_ERROR_TEMP_1039", "a query can have one kind of windows of time")
		}
	}
	if len(calls) == 0 {
		return in, nil
	}
	node, err := a.attach(in.node, g.Call)
	if err != nil {
		return in, err
	}
	if a.windowOf == nil {
		a.windowOf = map[*sql.Call]Column{}
	}
	for _, e := range calls {
		a.windowOf[e] = g.Cols[0]
	}
	cols := append(in.scope.cols[:len(in.scope.cols):len(in.scope.cols)], scopeColumn{Column: g.Cols[0], hidden: true})
	return relation{node: g.over(node), scope: &scope{cols: cols}}, nil
}

// timeWindow is one call as a generator.
func (a *analyser) timeWindow(e *sql.Call, ctx *exprContext) (generator, error) {
	g := generator{span: e.Span}
	if len(e.Args) < 2 || len(e.Args) > 4 {
		return g, a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "window takes a time, a duration, and perhaps a slide and a start")
	}
	at, err := a.expr(e.Args[0], ctx)
	if err != nil {
		return g, err
	}
	micros := []int64{0, 0, 0} // duration, slide, start
	for i, x := range e.Args[1:] {
		if micros[i], err = a.windowSpan(x, ctx); err != nil {
			return g, err
		}
		if i == 0 {
			micros[1] = micros[0]
		}
	}
	duration, slide, start := micros[0], micros[1], micros[2]
	switch {
	case duration <= 0 || slide <= 0:
		return g, a.errorf(e.Span, "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "the duration and the slide of window must be longer than nothing")
	case slide > duration || max(start, -start) >= slide:
		return g, a.errorf(e.Span, "DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION", "window's slide is at most its duration, and its start less than its slide")
	}
	args := []*plan.Expr{at, plan.Int64Literal(duration), plan.Int64Literal(slide), plan.Int64Literal(start)}
	f, _ := compute.Lookup("window")
	sig, err := f.ResolveCall(args)
	if err != nil {
		return g, a.typeError(e.Span, err)
	}
	args[0] = compute.Cast(at, sig.Args[0])
	g.Call = &plan.Expr{Op: plan.OpCall, Name: f.Name, Type: sig.Returns, Nullable: true, Args: args}
	g.Cols = []Column{a.env.IDs.Column(sig.Returns.Children[0])}
	return g, nil
}

// windowSpan is a constant stretch of time in microseconds: a text such as '5 minutes', or a number.
func (a *analyser) windowSpan(x sql.Expr, ctx *exprContext) (int64, error) {
	e, err := a.expr(x, ctx)
	if err != nil {
		return 0, err
	}
	v, ok := a.constant(e)
	if !ok || v.Value.Null || v.Type.Kind != plan.KindString && !v.Type.IsInteger() {
		return 0, a.errorf(x.Pos(), "_LEGACY_ERROR_TEMP_1207", "a stretch of time must be a constant text or number")
	}
	if v.Type.IsInteger() {
		return v.Value.Int, nil
	}
	return a.spanOf(x.Pos(), v)
}

func (a *analyser) spanOf(span source.Span, text *plan.Expr) (int64, error) {
	v, ok := a.constant(compute.TryCast(text, plan.Interval))
	if !ok || v.Value.Null {
		return 0, a.errorf(span, "CANNOT_PARSE_INTERVAL", "%q is no stretch of time", text.Value.Bytes).WithHint("'10 minutes' is one")
	}
	months, days := v.Value.High>>32, int64(int32(v.Value.High))
	if months != 0 {
		return 0, a.errorf(span, "_LEGACY_ERROR_TEMP_3231", "windows of time cannot be months long, since these differ")
	}
	return days*86_400_000_000 + v.Value.Int, nil
}
