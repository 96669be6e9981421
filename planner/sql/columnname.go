package sql

import (
	"strconv"
	"strings"
)

// ColumnName is the name that an expression without an alias gives its column, following Spark: the last part of a
// column's name, and else the expression with every operator in parentheses: "(a + b)", "count(1)", "CAST(x AS INT)".
func ColumnName(e Expr) string {
	switch e := e.(type) {
	case *Name:
		return e.Parts[len(e.Parts)-1].Name
	case *Star:
		return "1"
	case *Literal:
		return literalName(e)
	case *Param:
		return e.Name
	case *Unary:
		switch x := ColumnName(e.X); e.Op {
		case "not":
			return "(NOT " + x + ")"
		case "~":
			return "~" + x
		default:
			return "(" + e.Op + " " + x + ")"
		}
	case *Binary:
		return binaryName(e)
	case *Call:
		return callName(e)
	case *Case:
		return caseName(e)
	case *Cast:
		return castKeyword(e) + "(" + ColumnName(e.X) + " AS " + strings.ToUpper(castTypeName(e.Type)) + ")"
	case *Between, *In, *Like, *Is:
		return predicateName(e)
	case *Exists:
		return "exists()"
	case *ScalarSubquery:
		return "scalarsubquery()"
	case *Row:
		return "struct(" + columnNames(e.Items) + ")"
	case *Extract:
		return "extract(" + e.Field.Name + " FROM " + ColumnName(e.X) + ")"
	}
	return FormatExpr(e)
}

func columnNames(list []Expr) string {
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = ColumnName(e)
	}
	return strings.Join(parts, ", ")
}

func binaryName(e *Binary) string {
	l, r := ColumnName(e.L), ColumnName(e.R)
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

func callName(e *Call) string {
	name, args := strings.ToLower(e.Name.Name), columnNames(e.Args)
	if e.Distinct {
		args = "DISTINCT " + args
	}
	s := name + "(" + args + ")"
	switch { // functions that Spark writes in a way of their own
	case name == "if":
		s = "(IF(" + args + "))"
	case (name == "substring" || name == "substr") && len(e.Args) == 2:
		s = name + "(" + args + ", 2147483647)"
	case trimSide(name) != "" && len(e.Args) == 2:
		s = "TRIM(" + trimSide(name) + " " + ColumnName(e.Args[0]) + " FROM " + ColumnName(e.Args[1]) + ")"
	}
	if e.Filter != nil {
		s += " FILTER (WHERE " + ColumnName(e.Filter) + ")"
	}
	return s
}

// trimSide is the keyword that stands for one of the trim functions, "" for others.
func trimSide(name string) string {
	switch name {
	case "trim":
		return "BOTH"
	case "ltrim":
		return "LEADING"
	case "rtrim":
		return "TRAILING"
	}
	return ""
}

func caseName(e *Case) string {
	var b strings.Builder
	b.WriteString("CASE")
	for _, w := range e.Whens {
		cond := ColumnName(w.Cond)
		if e.Operand != nil {
			cond = "(" + ColumnName(e.Operand) + " = " + cond + ")"
		}
		b.WriteString(" WHEN " + cond + " THEN " + ColumnName(w.Then))
	}
	if e.Else != nil {
		b.WriteString(" ELSE " + ColumnName(e.Else))
	}
	b.WriteString(" END")
	return b.String()
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
	}
	if t.Name == "decimal" {
		switch len(t.Args) {
		case 0:
			t.Args = []int{10, 0}
		case 1:
			t.Args = []int{t.Args[0], 0}
		}
	}
	return formatType(t, strings.ToUpper)
}

func predicateName(e Expr) string {
	name, not := "", false
	switch e := e.(type) {
	case *Between:
		name, not = "between("+columnNames([]Expr{e.X, e.Low, e.High})+")", e.Not
	case *In:
		list := "listquery()"
		if e.Query == nil {
			list = columnNames(e.List)
		}
		name, not = "("+ColumnName(e.X)+" IN ("+list+"))", e.Not
	case *Like:
		x, pattern := ColumnName(e.X), ColumnName(e.Pattern)
		not = e.Not
		switch e.Op {
		case "like":
			name = x + " LIKE " + pattern
		case "ilike":
			name = "ilike(" + x + ", " + pattern + ")"
		default:
			name = "RLIKE(" + x + ", " + pattern + ")"
		}
		if e.Escape != nil {
			name += " ESCAPE '" + ColumnName(e.Escape) + "'"
		}
	case *Is:
		return isName(e)
	}
	if not {
		return "(NOT " + name + ")"
	}
	return name
}

func isName(e *Is) string {
	x := ColumnName(e.X)
	switch e.What {
	case "true", "false":
		if e.Not {
			return "(NOT (" + x + " <=> " + e.What + "))"
		}
		return "(" + x + " <=> " + e.What + ")"
	case "distinct":
		same := "(" + x + " <=> " + ColumnName(e.Other) + ")"
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

func literalName(e *Literal) string {
	switch e.Kind {
	case "null":
		return "NULL"
	case "string":
		return e.Text
	case "double":
		bits := 64
		if e.Suffix == "F" {
			bits = 32
		}
		if v, err := strconv.ParseFloat(e.Text, bits); err == nil {
			return javaFloat(v, bits)
		}
		return e.Text
	case "integer", "decimal":
		return plainNumber(e.Text)
	case "typed", "interval":
		return formatLiteral(e)
	}
	return e.Text
}

// plainNumber drops leading zeros, and writes .5 as 0.5 and 1. as 1.
func plainNumber(text string) string {
	sign := ""
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		sign, text = "-", rest
	}
	whole, fraction, point := strings.Cut(text, ".")
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if point && fraction != "" {
		whole += "." + fraction
	}
	if strings.Trim(whole, "0.") == "" {
		sign = ""
	}
	return sign + whole
}

// javaFloat writes a number as Java does, which is what Spark shows: 1.0, 1.0E10, 1.0E-5.
func javaFloat(v float64, bits int) string {
	abs := v
	if abs < 0 {
		abs = -abs
	}
	if abs == 0 || abs >= 1e-3 && abs < 1e7 {
		s := strconv.FormatFloat(v, 'f', -1, bits)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, bits), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, err := strconv.Atoi(exponent)
	if err != nil {
		return mantissa
	}
	return mantissa + "E" + strconv.Itoa(n)
}
