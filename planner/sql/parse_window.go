package sql

import (
	"strings"
)

// startsWindows reports WINDOW name AS.
func (p *parser) startsWindows() bool {
	return p.peek().is("WINDOW") && p.startsClause()
}

// windows reads WINDOW name AS (spec), ….
func (p *parser) windows() []NamedWindow {
	p.expect("WINDOW", "")
	var list []NamedWindow
	for {
		w := NamedWindow{Name: p.wholeIdent("the name of a window")}
		p.expect("AS", " after the name of a window")
		w.Spec = p.windowSpec()
		if findWindow(list, w.Name) != nil {
			p.fail(w.Name.Span, "INVALID_SQL_SYNTAX.REPETITIVE_WINDOW_DEFINITION", "WINDOW defines %s twice", w.Name.Name)
		}
		list = append(list, w)
		if !p.acceptOp(",") {
			break
		}
	}
	p.checkWindowReferences(list)
	return list
}

// checkWindowReferences makes sure that a window that stands for another one names a window with a definition.
func (p *parser) checkWindowReferences(list []NamedWindow) {
	for _, w := range list {
		if w.Spec.Base == nil {
			continue
		}
		switch other := findWindow(list, *w.Spec.Base); {
		case other == nil:
			p.fail(w.Spec.Span, "INVALID_SQL_SYNTAX.UNRESOLVED_WINDOW_REFERENCE", "there is no window %s", w.Spec.Base.Name)
		case other.Spec.Base != nil:
			p.fail(w.Spec.Span, "INVALID_SQL_SYNTAX.INVALID_WINDOW_REFERENCE", "the window %s only names another window", other.Name.Name)
		}
	}
}

func findWindow(list []NamedWindow, name Ident) *NamedWindow {
	for i := range list {
		if strings.EqualFold(list[i].Name.Name, name.Name) {
			return &list[i]
		}
	}
	return nil
}

// queryWindows reads the WINDOW clause behind ORDER BY, where the grammar has a place for it, too.
func (p *parser) queryWindows(q *Query) {
	t := p.peek()
	list := p.windows()
	s, ok := q.Body.(*Select)
	if !ok || s.Windows != nil {
		p.unsupported(t.span, "WINDOW stands behind the SELECT whose windows it names, and once")
		return
	}
	s.Windows = list
}

// windowSpec reads name, (name) or (PARTITION BY … ORDER BY … frame).
func (p *parser) windowSpec() *WindowSpec {
	start := p.peek().span
	w := &WindowSpec{}
	if p.peek().isName() {
		w.Base = new(p.ident("the name of a window"))
		w.Span = p.spanFrom(start)
		return w
	}
	p.expectOp("(", " or the name of a window")
	if p.peek().isName() && p.peekAt(1).isOp(")") {
		w.Base = new(p.ident("the name of a window"))
	} else {
		p.windowBody(w)
	}
	p.expectOp(")", " at the end of the window")
	w.Span = p.spanFrom(start)
	return w
}

// windowBody reads PARTITION BY … ORDER BY … frame; DISTRIBUTE, SORT and CLUSTER are other words for the same.
func (p *parser) windowBody(w *WindowSpec) {
	if !p.enter() {
		return
	}
	defer p.leave()
	t := p.peek()
	switch {
	case t.is("CLUSTER"):
		p.advance()
		p.expect("BY", " after CLUSTER")
		w.PartitionBy = p.exprList(p.expr())
	case t.isOneOf("PARTITION", "DISTRIBUTE"):
		p.advance()
		p.expect("BY", " after "+t.upper)
		w.PartitionBy = p.exprList(p.expr())
	}
	if o := p.peek(); o.isOneOf("ORDER", "SORT") && !t.is("CLUSTER") {
		p.advance()
		p.expect("BY", " after "+o.upper)
		w.OrderBy = p.orderItems()
	}
	if p.peek().isOneOf("ROWS", "RANGE") {
		w.Frame = p.frame()
	}
}

// frame reads ROWS|RANGE start, or BETWEEN start AND end. The end is the current row when it is not written.
func (p *parser) frame() *Frame {
	t := p.advance()
	f := &Frame{Unit: strings.ToLower(t.upper), End: FrameBound{Kind: "current"}}
	if p.accept("BETWEEN") {
		f.Start = p.frameBound()
		p.expect("AND", " between the bounds of the frame")
		f.End = p.frameBound()
	} else {
		f.Start = p.frameBound()
	}
	f.Span = p.spanFrom(t.span)
	return f
}

func (p *parser) frameBound() FrameBound {
	t, next := p.peek(), p.peekAt(1)
	switch {
	case t.is("UNBOUNDED") && next.isOneOf("PRECEDING", "FOLLOWING"):
		p.advance()
		p.advance()
		return FrameBound{Kind: "unbounded " + strings.ToLower(next.upper)}
	case t.is("CURRENT") && next.is("ROW"):
		p.advance()
		p.advance()
		return FrameBound{Kind: "current"}
	}
	b := FrameBound{Offset: p.value(precedenceCompare)}
	if !isConstant(b.Offset) {
		p.fail(b.Offset.Pos(), "_LEGACY_ERROR_TEMP_0064", "the bound of a frame is a constant")
	}
	switch {
	case p.accept("PRECEDING"):
		b.Kind = "preceding"
	case p.accept("FOLLOWING"):
		b.Kind = "following"
	default:
		p.failExpected("PRECEDING or FOLLOWING")
	}
	return b
}

// isConstant reports an expression of literals and operators.
func isConstant(e Expr) bool {
	switch e := e.(type) {
	case *Literal, *Interval, *Param:
		return true
	case *Unary:
		return isConstant(e.X)
	case *Binary:
		return isConstant(e.L) && isConstant(e.R)
	case *Cast:
		return isConstant(e.X)
	}
	return false
}

// lateralViews reads LATERAL VIEW [OUTER] f(…) table [AS] columns, as often as it comes.
func (p *parser) lateralViews() []LateralView {
	var list []LateralView
	for p.peek().is("LATERAL") && p.peekAt(1).is("VIEW") {
		start := p.advance().span
		p.advance()
		v := LateralView{Outer: p.peek().is("OUTER") && !p.peekAt(1).isOp("(")}
		if v.Outer {
			p.advance()
		}
		v.Call = p.lateralCall()
		if t := p.peek(); t.kind == tokenQuoted || t.kind == tokenWord && !p.startsClause() {
			v.Table = new(p.ident("the name of the view"))
		}
		if t := p.peek(); p.accept("AS") || t.kind == tokenQuoted || t.kind == tokenWord && !p.startsClause() {
			v.Columns = p.identSeq("the name of a column")
		}
		v.Span = p.spanFrom(start)
		list = append(list, v)
	}
	return list
}

// lateralCall reads the call of a generator.
func (p *parser) lateralCall() *Call {
	start := p.peek().span
	name := p.functionName()
	c := &Call{Name: name}
	p.expectOp("(", " after the name of a generator function such as explode")
	p.arguments(c)
	p.expectOp(")", " or a comma")
	c.Span = p.spanFrom(start)
	return c
}
