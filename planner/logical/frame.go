package logical

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// unbounded and currentRow are the bounds of frames that have no offset.
var (
	unbounded  = plan.FrameBound{Kind: "unbounded"}
	currentRow = plan.FrameBound{Kind: "current"}
)

// windowFrame is the frame of a call: the one that is written, or the function's own, or the default: up to the
// current row's peers where there is an order, the whole partition where there is none.
func (a *analyser) windowFrame(e *sql.Call, f *compute.Function, spec *sql.WindowSpec, order []OrderKey, ctx *exprContext) (plan.Frame, error) {
	if f.Kind == compute.Window && len(order) == 0 {
		return plan.Frame{}, a.errorf(e.Span, "WINDOW_FUNCTION_FRAME_NOT_ORDERED", "%s needs an ORDER BY in its window", f.Name).
			WithHint("%s(…) OVER (ORDER BY …)", f.Name)
	}
	if f.WithinGroup == compute.WithinGroupArgument && (len(order) > 0 || spec.Frame != nil) {
		return plan.Frame{}, a.errorf(e.Span, "INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC", "the window of %s can have neither ORDER BY nor a frame", f.Name)
	}
	whole := plan.Frame{Unit: plan.FrameRows, Start: unbounded, End: unbounded}
	toHere := plan.Frame{Unit: plan.FrameRows, Start: unbounded, End: currentRow}
	written, err := a.writtenFrame(spec, order, ctx)
	if err != nil {
		return plan.Frame{}, err
	}
	switch {
	case f.Kind == compute.Window && f.Name != "nth_value":
		return toHere, a.ownFrame(e, f, spec, written, toHere)
	case spec.Frame != nil:
		return written, nil
	case len(order) > 0:
		return plan.Frame{Unit: plan.FrameRange, Start: unbounded, End: currentRow}, nil
	}
	return whole, nil
}

// ownFrame refuses a frame where the function has its own.
func (a *analyser) ownFrame(e *sql.Call, f *compute.Function, spec *sql.WindowSpec, written, own plan.Frame) error {
	switch {
	case spec.Frame == nil:
		return nil
	case f.Name == "lag" || f.Name == "lead":
		return a.errorf(e.Span, "_LEGACY_ERROR_TEMP_1035", "%s takes no window frame", f.Name)
	case !sameFrame(written, own):
		return a.errorf(e.Span, "_LEGACY_ERROR_TEMP_1036", "the only window frame that %s takes is ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", f.Name)
	}
	return nil
}

// writtenFrame checks a frame clause and computes its offsets; the frame is empty where there is no clause.
func (a *analyser) writtenFrame(spec *sql.WindowSpec, order []OrderKey, ctx *exprContext) (plan.Frame, error) {
	fr := spec.Frame
	if fr == nil {
		return plan.Frame{}, nil
	}
	out := plan.Frame{Unit: plan.FrameUnit(fr.Unit)}
	start, err := a.frameOffset(fr, fr.Start, ctx)
	if err != nil {
		return out, err
	}
	end, err := a.frameOffset(fr, fr.End, ctx)
	if err != nil {
		return out, err
	}
	bad := func(class, format string, args ...any) (plan.Frame, error) {
		return out, a.errorf(fr.Span, "DATATYPE_MISMATCH."+class, format, args...)
	}
	if fr.Start.Kind == "unbounded following" || fr.End.Kind == "unbounded preceding" {
		return bad("SPECIFIED_WINDOW_FRAME_INVALID_BOUND", "the frame ends before it begins")
	}
	offsets := slices.DeleteFunc([]*plan.Expr{start, end}, func(x *plan.Expr) bool { return x == nil })
	cast := out.Unit == plan.FrameRange && len(order) == 1 && order[0].Expr.Type.IsNumeric() && len(offsets) == 2 &&
		offsets[0].Type.IsNumeric() && offsets[1].Type.IsNumeric() // both become values like the sort key's
	if len(offsets) == 2 && !cast && !offsets[0].Type.Equal(offsets[1].Type) {
		return bad("SPECIFIED_WINDOW_FRAME_DIFF_TYPES", "the bounds of the frame differ in type: %s and %s", offsets[0].Type, offsets[1].Type)
	}
	if out.Unit == plan.FrameRange {
		switch {
		case len(order) == 0:
			return bad("RANGE_FRAME_WITHOUT_ORDER", "a RANGE frame needs an ORDER BY in its window")
		case len(order) > 1 && len(offsets) > 0:
			return bad("RANGE_FRAME_MULTI_ORDER", "a RANGE frame with offsets takes one sort key, and there are %d", len(order))
		}
	}
	if out.Start, err = a.frameBound(fr, fr.Start, start, order); err != nil {
		return out, err
	}
	if out.End, err = a.frameBound(fr, fr.End, end, order); err != nil {
		return out, err
	}
	if greater, err := a.greater(out.Start.Offset, out.End.Offset); err != nil || greater {
		return bad("SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON", "the frame ends before it begins")
	}
	return out, nil
}

// greater compares the offsets of a frame that has two.
func (a *analyser) greater(x, y *plan.Expr) (bool, error) {
	if x == nil || y == nil {
		return false, nil
	}
	e, err := compute.Call(">", x, y)
	if err != nil {
		return false, err
	}
	v, err := compute.Fold(e, a.env.Session)
	return err == nil && v.IsTrue(), err
}

// frameOffset is the value of an offset as written, with the sign of its direction; nil for bounds without one.
func (a *analyser) frameOffset(fr *sql.Frame, b sql.FrameBound, ctx *exprContext) (*plan.Expr, error) {
	if b.Offset == nil {
		return nil, nil
	}
	if !isWrittenConstant(b.Offset) {
		return nil, a.errorf(b.Offset.Pos(), "INVALID_SQL_SYNTAX.INVALID_WINDOW_FRAME_BOUND", "the bounds of a frame must be constants")
	}
	x, err := a.expr(b.Offset, &exprContext{scope: ctx.scope, clause: "a window frame"})
	if err != nil {
		return nil, err
	}
	wanted := x.Type.IsNumeric() || x.Type.IsInterval()
	if fr.Unit == "rows" {
		wanted = x.Type.Kind == plan.KindInt32 || x.Type.Kind == plan.KindInt16 || x.Type.Kind == plan.KindInt8
	}
	if !wanted {
		return nil, a.errorf(b.Offset.Pos(), "DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE",
			"the bound of a frame in %s cannot be %s", strings.ToUpper(fr.Unit), x.Type)
	}
	if b.Kind == "preceding" {
		if x, err = a.call(b.Offset.Pos(), "negative", x); err != nil {
			return nil, err
		}
	}
	v, err := compute.Fold(x, a.env.Session)
	if err != nil {
		return nil, a.typeError(b.Offset.Pos(), err)
	}
	if !v.IsLiteral() || v.Value.Null {
		return nil, a.errorf(b.Offset.Pos(), "DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WITHOUT_FOLDABLE", "the bounds of a frame must be constants, and not NULL")
	}
	return v, nil
}

// isWrittenConstant reports literals, parameters, and what operators make of them.
func isWrittenConstant(e sql.Expr) bool {
	switch e := e.(type) {
	case *sql.Literal, *sql.Interval, *sql.Param:
		return true
	case *sql.Unary:
		return isWrittenConstant(e.X)
	case *sql.Binary:
		return isWrittenConstant(e.L) && isWrittenConstant(e.R)
	case *sql.Cast:
		return isWrittenConstant(e.X)
	}
	return false
}

// frameBound gives an offset the type that the operator takes: bigint for rows, and for a range that of the sort key or,
// of dates and timestamps, that of the distance.
func (a *analyser) frameBound(fr *sql.Frame, b sql.FrameBound, offset *plan.Expr, order []OrderKey) (plan.FrameBound, error) {
	switch {
	case b.Kind == "current":
		return currentRow, nil
	case offset == nil:
		return unbounded, nil
	case fr.Unit == "rows":
		v, err := compute.Fold(compute.Cast(offset, plan.Int64), a.env.Session)
		return plan.FrameBound{Kind: "offset", Offset: v}, err
	}
	key := order[0].Expr.Type
	if isDistance(key, offset.Type) {
		return plan.FrameBound{Kind: "offset", Offset: offset}, nil
	}
	if key.Kind == plan.KindString {
		return plan.FrameBound{}, a.errorf(b.Offset.Pos(), "DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE", "the bound of a frame in RANGE cannot be %s", key)
	}
	isMoment := key.Kind == plan.KindDate || key.Kind == plan.KindTimestamp || key.Kind == plan.KindTimestampNTZ
	if isMoment || !compute.CanCast(offset.Type, key) || key.IsNumeric() != offset.Type.IsNumeric() {
		return plan.FrameBound{}, a.errorf(fr.Span, "DATATYPE_MISMATCH.RANGE_FRAME_INVALID_TYPE",
			"a frame over a sort key of type %s cannot have an offset of type %s", key, offset.Type)
	}
	v, err := compute.Fold(compute.Cast(offset, key), a.env.Session)
	if err != nil {
		return plan.FrameBound{}, a.typeError(b.Offset.Pos(), err)
	}
	return plan.FrameBound{Kind: "offset", Offset: v}, nil
}

// isDistance reports a type of which values can be added to dates or timestamps.
func isDistance(key, offset plan.Type) bool {
	switch key.Kind {
	case plan.KindDate:
		return offset.Kind == plan.KindInt32 || offset.Kind == plan.KindYearMonthInterval ||
			offset.Kind == plan.KindDayTimeInterval && offset.Scale == plan.FieldDay
	case plan.KindTimestamp, plan.KindTimestampNTZ:
		return offset.IsInterval()
	}
	return false
}
