package sql

import (
	"strings"
)

// ColumnName is the name that an expression without an alias gives its column, following Spark: the last part of a
// column's name, and else the expression with every operator in parentheses: "(a + b)", "count(1)", "CAST(1 AS INT)".
func ColumnName(e Expr) string {
	var n Namer
	return n.Name(e)
}

// Namer derives the names of columns from expressions, with what it can know of the query around them.
type Namer struct {
	// Windows are those that OVER name can mean.
	Windows []NamedWindow
	// Special, unless nil, names what only types can tell: s.x is "s.x" where s is a struct, and "x" where it is a table,
	// and what is added to a date is "date_add(d, 7)". An empty result leaves the expression to the usual rules. It may
	// call Text for the operands.
	Special func(Expr) string
	// Recast, unless nil, tells whether the offset of a frame is cast to the type of the sort key: then the bound shows what it
	// has become.
	Recast func(order []OrderItem, offset Expr) bool

	variables []string // parameters of the lambda functions around an expression
}

// Name is the name of the column that a select item without alias makes.
func (n *Namer) Name(e Expr) string {
	switch e := e.(type) {
	case *Name:
		return e.Parts[len(e.Parts)-1].Name
	case *Cast:
		if x, ok := e.X.(*Name); ok {
			return n.Name(x)
		}
	}
	return n.Text(e)
}

// Text is how an expression reads inside of another.
func (n *Namer) Text(e Expr) string {
	if n.Special != nil {
		if text := n.Special(e); text != "" {
			return text
		}
	}
	switch e := e.(type) {
	case *Name:
		return n.column(e)
	case *Star:
		return "1"
	case *Literal:
		return literalName(e)
	case *Interval:
		return intervalName(e)
	case *Param:
		return e.Name
	case *Unary:
		return n.unary(e)
	case *Binary:
		return n.binary(e)
	case *Call:
		return n.call(e)
	case *Case:
		return n.caseExpr(e)
	case *Cast:
		return n.cast(e)
	case *Between, *In, *Like, *Is, *Quantified:
		return n.predicate(e)
	case *Exists:
		return "exists()"
	case *ScalarSubquery:
		return "scalarsubquery()"
	case *Row:
		return n.row(e)
	case *Extract:
		return "extract(" + e.Field.Name + " FROM " + n.Text(e.X) + ")"
	case *Lambda:
		return n.lambda(e)
	case *Index:
		return n.Text(e.X) + "[" + n.Text(e.I) + "]"
	case *Field:
		return n.Text(e.X) + "." + e.Name.Name
	}
	return FormatExpr(e)
}

func (n *Namer) list(list []Expr) string {
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = n.Text(e)
	}
	return strings.Join(parts, ", ")
}

// column is a column, or a variable of a lambda function, which all have the same name.
func (n *Namer) column(e *Name) string {
	for _, v := range n.variables {
		if !strings.EqualFold(v, e.Parts[0].Name) {
			continue
		}
		text := "namedlambdavariable()"
		for _, field := range e.Parts[1:] {
			text += "." + field.Name
		}
		return text
	}
	return e.Parts[len(e.Parts)-1].Name
}

func (n *Namer) lambda(e *Lambda) string {
	outer := n.variables
	for _, p := range e.Params {
		n.variables = append(n.variables, p.Name)
	}
	body := n.Text(e.Body)
	n.variables = outer
	return "lambdafunction(" + body + strings.Repeat(", namedlambdavariable()", len(e.Params)) + ")"
}

// row is (a, b), a struct whose fields have the names of its columns.
func (n *Namer) row(e *Row) string {
	parts := make([]string, len(e.Items))
	for i, item := range e.Items {
		name := structField(i)
		if c, ok := item.(*Name); ok {
			name = c.Parts[len(c.Parts)-1].Name
		}
		parts[i] = name + ", " + n.Text(item)
	}
	return "named_struct(" + strings.Join(parts, ", ") + ")"
}

func (n *Namer) unary(e *Unary) string {
	switch x := n.Text(e.X); e.Op {
	case "not":
		return "(NOT " + x + ")"
	case "~":
		return "~" + x
	default:
		return "(" + e.Op + " " + x + ")"
	}
}

func (n *Namer) binary(e *Binary) string {
	l, r := n.Text(e.L), n.Text(e.R)
	switch e.Op {
	case "<>":
		return "(NOT (" + l + " = " + r + "))"
	case "||":
		return "concat(" + l + ", " + r + ")"
	case "and", "or":
		return "(" + l + " " + strings.ToUpper(e.Op) + " " + r + ")"
	}
	return "(" + l + " " + e.Op + " " + r + ")"
}

func (n *Namer) caseExpr(e *Case) string {
	var b strings.Builder
	b.WriteString("CASE")
	for _, w := range e.Whens {
		cond := n.Text(w.Cond)
		if e.Operand != nil {
			cond = "(" + n.Text(e.Operand) + " = " + cond + ")"
		}
		b.WriteString(" WHEN " + cond + " THEN " + n.Text(w.Then))
	}
	if e.Else != nil {
		b.WriteString(" ELSE " + n.Text(e.Else))
	}
	b.WriteString(" END")
	return b.String()
}

// cast is CAST(x AS type); casts to nested types do not show.
func (n *Namer) cast(e *Cast) string {
	if e.Type.Fields != nil {
		return n.Text(e.X)
	}
	return castKeyword(e) + "(" + n.Text(e.X) + " AS " + castTypeName(e.Type) + ")"
}

// castTypeName is a type under its first name.
func castTypeName(t TypeName) string {
	switch t.Name {
	case "integer":
		t.Name = "int"
	case "long":
		t.Name = "bigint"
	case "short":
		t.Name = "smallint"
	case "byte":
		t.Name = "tinyint"
	case "real":
		t.Name = "float"
	case "dec", "numeric":
		t.Name = "decimal"
	case "timestamp_ltz":
		t.Name = "timestamp"
	case "char", "character", "varchar":
		t.Name, t.Args = "string", nil
	}
	if t.Name == "decimal" {
		switch len(t.Args) {
		case 0:
			t.Args = []int{10, 0}
		case 1:
			t.Args = []int{t.Args[0], 0}
		}
	}
	return formatType(t, true)
}

func (n *Namer) predicate(e Expr) string {
	name, not := "", false
	switch e := e.(type) {
	case *Between:
		name, not = "between("+n.list([]Expr{e.X, e.Low, e.High})+")", e.Not
	case *In:
		list := "listquery()"
		if e.Query == nil {
			list = n.list(e.List)
		}
		name, not = "("+n.Text(e.X)+" IN ("+list+"))", e.Not
	case *Like:
		name, not = n.like(e), e.Not
	case *Quantified:
		return n.quantified(e)
	case *Is:
		return n.is(e)
	}
	if not {
		return "(NOT " + name + ")"
	}
	return name
}

func (n *Namer) like(e *Like) string {
	x, pattern := n.Text(e.X), n.Text(e.Pattern)
	switch e.Op {
	case "rlike":
		return "RLIKE(" + x + ", " + pattern + ")"
	case "ilike":
		return "ilike(" + x + ", " + pattern + ")"
	}
	name := x + " LIKE " + pattern
	if e.Escape != nil {
		name += " ESCAPE '" + n.Text(e.Escape) + "'"
	}
	return name
}

// quantified is likeany(x) and its like, whose patterns do not show, and a comparison with a query.
func (n *Namer) quantified(e *Quantified) string {
	word := "any"
	if e.All {
		word = "all"
	}
	x := n.Text(e.X)
	if e.Query != nil {
		return "(" + x + " " + e.Op + " " + strings.ToUpper(word) + " (listquery()))"
	}
	if e.Op == "ilike" {
		x = "lower(" + x + ")"
	}
	if e.Not {
		return "notlike" + word + "(" + x + ")"
	}
	return "like" + word + "(" + x + ")"
}

func (n *Namer) is(e *Is) string {
	x := n.Text(e.X)
	switch e.What {
	case "true", "false":
		if e.Not {
			return "(NOT (" + x + " <=> " + e.What + "))"
		}
		return "(" + x + " <=> " + e.What + ")"
	case "distinct":
		same := "(" + x + " <=> " + n.Text(e.Other) + ")"
		if e.Not {
			return same
		}
		return "(NOT " + same + ")"
	}
	if e.Not {
		return "(" + x + " IS NOT NULL)"
	}
	return "(" + x + " IS NULL)"
}
