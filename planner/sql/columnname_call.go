package sql

import (
	"strconv"
	"strings"
)

// structField is the name of a struct's i-th field when nothing else names it.
func structField(i int) string { return "col" + strconv.Itoa(i+1) }

func (n *Namer) call(e *Call) string {
	s := n.callText(e)
	if e.Filter != nil {
		s += " FILTER (WHERE " + n.Text(e.Filter) + ")"
	}
	if e.Over != nil {
		s += " OVER " + n.window(e)
	}
	return s
}

// callText is a call without FILTER and OVER.
func (n *Namer) callText(e *Call) string {
	name := strings.ToLower(e.Name.Name)
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = n.argument(e, i, a)
	}
	if text := specialCallName(name, args); text != "" {
		return text
	}
	args = shownArguments(name, args)
	if e.Distinct && len(args) > 0 {
		args[0] = "DISTINCT " + args[0]
	}
	text := shownName(name, e) + "(" + strings.Join(args, ", ") + ")"
	switch {
	case e.IgnoreNulls != nil && *e.IgnoreNulls && name == "nth_value":
		text += " ignore nulls"
	case e.WithinGroup != nil:
		text += " WITHIN GROUP (ORDER BY " + n.withinGroup(name, e.WithinGroup) + ")"
	}
	return text
}

// takesLambda reports functions whose second argument is a lambda of one parameter.
func takesLambda(name Ident) bool {
	switch strings.ToLower(name.Name) {
	case "transform", "filter", "exists", "forall":
		return true
	}
	return false
}

func (n *Namer) argument(e *Call, i int, a Expr) string {
	text := n.Text(a)
	if _, lambda := a.(*Lambda); i == 1 && !lambda && takesLambda(e.Name) { // a lambda that does not look at its parameter
		return "lambdafunction(" + text + ", namedlambdavariable())"
	}
	if e.Names != nil && e.Names[i] != nil && isStruct(e.Name) {
		return text + " AS " + e.Names[i].Name
	}
	return text
}

// withinGroup is the order of WITHIN GROUP. The percentiles leave out what is the default, and mode shows the order
// in which it looks for ties, which is the other way round.
func (n *Namer) withinGroup(name string, items []OrderItem) string {
	switch name {
	case "percentile_cont", "percentile_disc", "mode":
		if o := items[0]; o.Descending == (name != "mode") {
			return n.Text(o.Expr) + " DESC"
		}
		return n.Text(items[0].Expr)
	}
	return n.sortKeys(items)
}

// window is the definition behind OVER, with the frame written out.
func (n *Namer) window(e *Call) string {
	w := e.Over
	for range 2 { // a name can stand for a name
		if w.Base == nil {
			break
		}
		named := findWindow(n.Windows, *w.Base)
		if named == nil {
			return w.Base.Name
		}
		w = named.Spec
	}
	var parts []string
	if w.PartitionBy != nil {
		parts = append(parts, "PARTITION BY "+n.list(w.PartitionBy))
	}
	if w.OrderBy != nil {
		parts = append(parts, "ORDER BY "+n.sortKeys(w.OrderBy))
	}
	parts = append(parts, n.frame(e, w))
	return "(" + strings.Join(parts, " ") + ")"
}

func (n *Namer) sortKeys(items []OrderItem) string {
	parts := make([]string, len(items))
	for i, o := range items {
		direction, nulls := " ASC", " NULLS LAST"
		if o.Descending {
			direction = " DESC"
		}
		if o.NullsFirst {
			nulls = " NULLS FIRST"
		}
		parts[i] = n.Text(o.Expr) + direction + nulls
	}
	return strings.Join(parts, ", ")
}

// frame is the frame of a call, which some functions fix.
func (n *Namer) frame(e *Call, w *WindowSpec) string {
	switch name := strings.ToLower(e.Name.Name); name {
	case "row_number", "rank", "dense_rank", "percent_rank", "ntile":
		return "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
	case "cume_dist":
		return "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
	case "lag", "lead":
		offset := "1"
		if len(e.Args) > 1 {
			offset = n.Text(e.Args[1])
		}
		if name == "lag" {
			offset = negate(offset)
		}
		return "ROWS BETWEEN " + offset + " FOLLOWING AND " + offset + " FOLLOWING"
	}
	switch f := w.Frame; {
	case f != nil:
		return strings.ToUpper(f.Unit) + " BETWEEN " + n.bound(w, f.Start) + " AND " + n.bound(w, f.End)
	case w.OrderBy != nil:
		return "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
	}
	return "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
}

func (n *Namer) bound(w *WindowSpec, b FrameBound) string {
	if b.Kind == "preceding" && w.Frame.Unit == "range" && n.Recast != nil && n.Recast(w.OrderBy, b.Offset) {
		return "(- " + n.Text(b.Offset) + ") FOLLOWING"
	}
	switch b.Kind {
	case "current":
		return "CURRENT ROW"
	case "preceding", "following":
		return n.Text(b.Offset) + " " + strings.ToUpper(b.Kind)
	}
	return strings.ToUpper(b.Kind)
}
