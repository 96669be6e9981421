package logical

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// naming gives the columns of a SELECT the names that Spark derives from their expressions, where these take more than
// the text: a path s.f reads otherwise if s is a struct than if it is a table, and sums with dates have names of their
// own.
type naming struct {
	*analyser
	scope *scope
	namer sql.Namer
	// counted are stars that stand for no columns: of count(*).
	counted map[*sql.Star]bool
}

// columnName is the name of a select item without an alias.
func (b *block) columnName(e sql.Expr) string {
	n := &naming{analyser: b.analyser, scope: b.in.scope, counted: map[*sql.Star]bool{}}
	n.namer.Windows, n.namer.Special, n.namer.Recast = b.windows.named, n.special, n.recast
	if name, ok := e.(*sql.Name); ok && n.texts[name] == currentUser {
		return currentUser
	}
	return n.namer.Name(e)
}

// special is the text of an expression inside of another, "" for all that sql.Namer can tell by itself.
func (n *naming) special(e sql.Expr) string {
	switch e := e.(type) {
	case *sql.Name:
		return n.texts[e]
	case *sql.Star:
		return n.star(e)
	case *sql.Literal:
		return n.moment(e)
	case *sql.Call:
		if x := n.made[e]; e.Bare && x != nil && x.Op == plan.OpColumn {
			return e.Name.Name
		}
		if _, ok := n.windowOf[e]; ok {
			return "window"
		}
		if r, ok := n.env.routine(e.Name.Name); ok {
			return n.routine(e, r)
		}
		if c := unitCall(e); !strings.EqualFold(c.Name.Name, e.Name.Name) {
			return n.namer.Text(c)
		}
		if strings.EqualFold(e.Name.Name, "count") && len(e.Args) == 1 && !e.Distinct {
			if star, ok := e.Args[0].(*sql.Star); ok && len(star.Qualifier) == 0 {
				n.counted[star] = true
			}
		}
		return n.typedCall(e)
	case *sql.Binary:
		return n.binary(e)
	case *sql.Exists:
		return n.subquery("exists", e)
	case *sql.ScalarSubquery:
		return n.subquery("scalarsubquery", e)
	case *sql.In:
		if e.Query == nil {
			return ""
		}
		text := "(" + n.namer.Text(e.X) + " IN (" + n.subquery("listquery", e) + "))"
		if e.Not {
			return "(NOT " + text + ")"
		}
		return text
	}
	return ""
}

// recast reports the offset of a frame that is of another type than the sort key, unless it is a distance of times.
func (n *naming) recast(order []sql.OrderItem, offset sql.Expr) bool {
	if len(order) != 1 {
		return false
	}
	key, x := n.made[order[0].Expr], n.made[offset]
	_, written := offset.(*sql.Cast)
	return key != nil && x != nil && !written && !isMoment(key.Type) && !key.Type.Equal(x.Type)
}

// typedCall names calls that show what the types of their arguments make of them: to_char is what it stands for, and
// lpad of bytes fills up with a zero byte.
func (n *naming) typedCall(e *sql.Call) string {
	if x := n.made[e]; x != nil && x.Type.Kind == plan.KindMap && strings.EqualFold(e.Name.Name, "from_json") {
		return "entries"
	}
	if len(e.Args) != 2 || e.Over != nil || n.made[e.Args[0]] == nil {
		return ""
	}
	name, of := strings.ToLower(e.Name.Name), n.made[e.Args[0]].Type
	x, y := n.namer.Text(e.Args[0]), n.namer.Text(e.Args[1])
	switch {
	case (name == "lpad" || name == "rpad") && of.Kind == plan.KindBinary:
		return name + "(" + x + ", " + y + ", X'00')"
	case (name == "to_char" || name == "to_varchar") && isMoment(of):
		return "date_format(" + x + ", " + y + ")"
	case name == "to_varchar" && of.Kind == plan.KindBinary:
		return "to_varchar(" + x + ", " + y + ")"
	case name == "to_char" && of.Kind == plan.KindBinary:
		switch strings.ToLower(y) {
		case "base64", "hex":
			return strings.ToLower(y) + "(" + x + ")"
		}
		return "decode(" + x + ", " + y + ")"
	}
	return ""
}

// moment is a date or timestamp written as casts write it, in the session's time zone.
func (n *naming) moment(e *sql.Literal) string {
	x := n.made[e]
	if e.Kind != "typed" || x == nil || !isMoment(x.Type) {
		return ""
	}
	text, ok := n.constant(compute.Cast(x, plan.String))
	if !ok || text.Value.Null {
		return ""
	}
	return strings.ToUpper(x.Type.String()) + " '" + string(text.Value.Bytes) + "'"
}

// star lists what a star in a call stands for.
func (n *naming) star(e *sql.Star) string {
	if n.counted[e] {
		return ""
	}
	items, err := n.starItems(e, n.scope)
	if err != nil {
		return ""
	}
	names := make([]string, len(items))
	for i, it := range items {
		names[i] = it.name
		if it.expr.Op != plan.OpColumn {
			names[i] = nameText(e.Qualifier) + "." + it.name + " AS " + it.name
		}
	}
	return strings.Join(names, ", ")
}

// subquery is the name of a subquery with the columns that it takes from outside.
func (n *naming) subquery(kind string, e sql.Expr) string {
	x := n.made[e]
	for x != nil && x.Op == plan.OpCall && x.Name == "not" {
		x = x.Args[0]
	}
	if x == nil || x.Op != plan.OpColumn || n.pending[x.Column] == nil {
		return kind + "()"
	}
	free := map[int]bool{}
	for _, c := range freeColumns(n.pending[x.Column].node) {
		free[c.Column] = true
	}
	var names []string
	Walk(n.pending[x.Column].node, func(in Node) { // from the top, as Spark lists them
		for _, c := range columnsRead(exprsOf(in)...) {
			if free[c.Column] {
				names = append(names, c.Name)
				free[c.Column] = false
			}
		}
	})
	for _, name := range n.pending[x.Column].unused {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return kind + "(" + strings.Join(names, ", ") + ")"
}

// binary names sums of dates, timestamps and intervals.
func (n *naming) binary(e *sql.Binary) string {
	l, r := n.made[e.L], n.made[e.R]
	if l != nil && r != nil && (e.Op == "<" || e.Op == "<=" || e.Op == ">" || e.Op == ">=") {
		return n.wholeBound(e, l, r)
	}
	if l == nil || r == nil || e.Op != "+" && e.Op != "-" && e.Op != "*" && e.Op != "/" {
		return ""
	}
	left, right := e.L, e.R
	switch { // what is added to comes first
	case e.Op == "+" && isMoment(r.Type) && !isMoment(l.Type), e.Op == "*" && r.Type.IsInterval() && !l.Type.IsInterval():
		l, r, left, right = r, l, right, left
	}
	x, y := n.namer.Text(left), n.namer.Text(right)
	minus := e.Op == "-"
	switch {
	case e.Op == "*" && l.Type.Kind == plan.KindInterval:
		return "multiply_interval(" + x + ", " + y + ")"
	case e.Op == "/" && l.Type.Kind == plan.KindInterval:
		return "divide_interval(" + x + ", " + y + ")"
	case e.Op == "*" && l.Type.IsInterval():
		return "(" + x + " * " + y + ")"
	case e.Op == "*" || e.Op == "/":
		return ""
	case isMoment(l.Type) && r.Type.Kind == plan.KindNull && !minus, l.Type.Kind == plan.KindString && r.Type.IsInterval() && !l.IsLiteral():
		return x + " " + e.Op + " " + y
	case l.Type.Kind == plan.KindDate && r.Type.IsInteger():
		return map[bool]string{false: "date_add(", true: "date_sub("}[minus] + x + ", " + y + ")"
	case l.Type.Kind == plan.KindDate && isDays(r.Type) && minus:
		return "date_add(" + x + ", (- extractansiintervaldays(" + y + ")))"
	case l.Type.Kind == plan.KindDate && isDays(r.Type):
		return "date_add(" + x + ", extractansiintervaldays(" + y + "))"
	case isMoment(l.Type) && r.Type.IsInterval():
		return x + " " + e.Op + " " + y
	}
	return ""
}

// isDays reports intervals of whole days.
func isDays(t plan.Type) bool {
	return t.Kind == plan.KindDayTimeInterval && t.Scale == plan.FieldDay
}

// isMoment reports dates and timestamps.
func isMoment(t plan.Type) bool {
	return t.Kind == plan.KindDate || t.Kind == plan.KindTimestamp || t.Kind == plan.KindTimestampNTZ
}

// pathText is how a path of fields reads inside of an expression: s.f, m[k].
func pathText(x *plan.Expr, column sql.Ident, fields []sql.Ident) string {
	text := column.Name
	for _, f := range fields {
		switch x.Type.Kind {
		case plan.KindMap:
			text += "[" + f.Name + "]"
			x = &plan.Expr{Type: x.Type.MapValue().Type}
		case plan.KindStruct:
			text += "." + f.Name
			for _, c := range x.Type.Children {
				if strings.EqualFold(c.Name, f.Name) {
					x = &plan.Expr{Type: c.Type}
					break
				}
			}
		default:
			text += "." + f.Name
		}
	}
	return text
}

// wholeBound names comparisons of a whole number with a decimal constant, which Spark makes a whole number too: i < 1.25 is
// i < 2.
func (n *naming) wholeBound(e *sql.Binary, l, r *plan.Expr) string {
	bound, up := r, e.Op == "<" || e.Op == ">="
	if l.Type.Kind == plan.KindDecimal {
		bound, up = l, e.Op == ">" || e.Op == "<="
	}
	other := l
	if bound == l {
		other = r
	}
	if !bound.IsLiteral() || bound.Value.Null || bound.Type.Kind != plan.KindDecimal || !other.Type.IsInteger() {
		return ""
	}
	name := "floor"
	if up {
		name = "ceil"
	}
	whole, err := compute.Call(name, bound)
	if err != nil {
		return ""
	}
	text, ok := n.constant(compute.Cast(compute.TryCast(whole, other.Type), plan.String))
	if !ok || text.Value.Null {
		return ""
	}
	if bound == l {
		return "(" + string(text.Value.Bytes) + " " + e.Op + " " + n.namer.Text(e.R) + ")"
	}
	return "(" + n.namer.Text(e.L) + " " + e.Op + " " + string(text.Value.Bytes) + ")"
}
