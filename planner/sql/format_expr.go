package sql

import "strings"

// exprPrecedence is how tightly the outermost operator of an expression binds.
func exprPrecedence(e Expr) int {
	switch e := e.(type) {
	case *Binary:
		return binaryPrecedence(e.Op)
	case *Unary:
		if e.Op == "not" {
			return precedenceNot
		}
		return precedenceUnary
	case *Between, *In, *Like, *Is:
		return precedencePredicate
	}
	return precedencePrimary
}

// operand writes an expression where only those that bind at least so tightly can stand bare.
func (f *printer) operand(e Expr, least int) {
	if exprPrecedence(e) >= least {
		f.expr(e)
		return
	}
	f.words("(")
	f.expr(e)
	f.words(")")
}

func (f *printer) exprs(list []Expr) {
	for i, e := range list {
		f.words(separator(i, ""))
		f.expr(e)
	}
}

func (f *printer) expr(e Expr) {
	switch e := e.(type) {
	case *Name:
		f.words(formatIdents(e.Parts, "."))
	case *Star:
		if e.Qualifier != nil {
			f.words(formatIdents(e.Qualifier, "."), ".")
		}
		f.words("*")
	case *Literal:
		f.words(formatLiteral(e))
	case *Param:
		f.words("${", e.Name, "}")
	case *Unary:
		f.unary(e)
	case *Binary:
		precedence := exprPrecedence(e)
		f.operand(e.L, precedence)
		f.words(" ", strings.ToUpper(e.Op), " ")
		f.operand(e.R, precedence+1)
	case *Call:
		f.call(e)
	case *Case:
		f.caseExpr(e)
	case *Cast:
		f.words(castKeyword(e), "(")
		f.expr(e.X)
		f.words(" AS ", formatType(e.Type, strings.ToUpper), ")")
	case *Between, *In, *Like, *Is:
		f.predicate(e)
	case *Exists:
		f.subquery("EXISTS (", e.Query)
	case *ScalarSubquery:
		f.subquery("(", e.Query)
	case *Row:
		f.words("(")
		f.exprs(e.Items)
		f.words(")")
	case *Extract:
		f.words("EXTRACT(", formatIdent(e.Field), " FROM ")
		f.expr(e.X)
		f.words(")")
	}
}

func castKeyword(e *Cast) string {
	if e.Try {
		return "TRY_CAST"
	}
	return "CAST"
}

func (f *printer) subquery(open string, q *Query) {
	f.words(open)
	f.query(q)
	f.words(")")
}

func (f *printer) unary(e *Unary) {
	if e.Op == "not" {
		f.words("NOT ")
		f.operand(e.X, precedenceNot)
		return
	}
	f.words(e.Op)
	switch x := e.X.(type) {
	case *Literal:
		if e.Op == "-" && isNumber(x) { // -1 is one literal, -(1) is not
			f.words("(")
			f.expr(x)
			f.words(")")
			return
		}
	case *Unary:
		if x.Op == "-" { // two minus signs would begin a comment
			f.words(" ")
		}
	}
	f.operand(e.X, precedenceUnary)
}

func isNumber(l *Literal) bool {
	return l.Kind == "integer" || l.Kind == "decimal" || l.Kind == "double"
}

func (f *printer) call(e *Call) {
	f.words(formatIdent(e.Name), "(")
	if e.Distinct {
		f.words("DISTINCT ")
	}
	for i, a := range e.Args {
		f.words(separator(i, ""))
		if i == 0 && takesKeywords(e.Name) {
			f.operand(a, precedenceCompare) // in position(a IN b) the IN would be the function's
		} else {
			f.expr(a)
		}
	}
	f.words(")")
	if e.Filter != nil {
		f.words(" FILTER (WHERE ")
		f.expr(e.Filter)
		f.words(")")
	}
}

// takesKeywords reports the functions whose arguments can be set apart by keywords.
func takesKeywords(name Ident) bool {
	switch strings.ToLower(name.Name) {
	case "position", "substring", "substr", "overlay", "trim":
		return !name.Quoted
	}
	return false
}

func (f *printer) caseExpr(e *Case) {
	f.words("CASE ")
	if e.Operand != nil {
		f.expr(e.Operand)
		f.words(" ")
	}
	for _, w := range e.Whens {
		f.words("WHEN ")
		f.expr(w.Cond)
		f.words(" THEN ")
		f.expr(w.Then)
		f.words(" ")
	}
	if e.Else != nil {
		f.words("ELSE ")
		f.expr(e.Else)
		f.words(" ")
	}
	f.words("END")
}

func (f *printer) predicate(e Expr) {
	not := func(negated bool) string {
		if negated {
			return " NOT "
		}
		return " "
	}
	switch e := e.(type) {
	case *Between:
		f.operand(e.X, precedenceCompare)
		f.words(not(e.Not), "BETWEEN ")
		f.operand(e.Low, precedenceCompare)
		f.words(" AND ")
		f.operand(e.High, precedenceCompare)
	case *In:
		f.operand(e.X, precedenceCompare)
		f.words(not(e.Not), "IN (")
		if e.Query != nil {
			f.query(e.Query)
		} else {
			f.exprs(e.List)
		}
		f.words(")")
	case *Like:
		f.operand(e.X, precedenceCompare)
		f.words(not(e.Not), strings.ToUpper(e.Op), " ")
		f.operand(e.Pattern, precedenceCompare)
		if e.Escape != nil {
			f.words(" ESCAPE ")
			f.expr(e.Escape)
		}
	case *Is:
		f.operand(e.X, precedenceCompare)
		f.words(" IS", not(e.Not), strings.ToUpper(e.What))
		if e.Other != nil {
			f.words(" FROM ")
			f.operand(e.Other, precedenceCompare)
		}
	}
}

// formatLiteral is a constant as SQL.
func formatLiteral(e *Literal) string {
	switch e.Kind {
	case "null", "boolean":
		return strings.ToUpper(e.Text)
	case "string":
		return quote(e.Text)
	case "typed":
		if e.TypeName == "binary" {
			return "X'" + e.Text + "'"
		}
		return strings.ToUpper(e.TypeName) + " " + quote(e.Text)
	case "interval":
		return formatInterval(e.Text)
	}
	return e.Text + e.Suffix
}

// formatInterval writes an interval in the standard's form where it has one ('1-2' YEAR TO MONTH, '3' DAY), else as
// one string. Either reads back as the same text.
func formatInterval(text string) string {
	words := strings.Split(text, " ")
	isUnit := func(w string) bool {
		return w == strings.ToLower(w) && intervalUnit(token{kind: tokenWord, text: w}) == w
	}
	n := len(words)
	units := 0
	switch {
	case n >= 4 && isUnit(words[n-3]) && words[n-2] == "to" && isUnit(words[n-1]):
		units = 3
	case n == 2 && isUnit(words[1]):
		units = 1
	}
	if units == 0 {
		return "INTERVAL " + quote(text)
	}
	value, unit := strings.Join(words[:n-units], " "), strings.ToUpper(strings.Join(words[n-units:], " "))
	return "INTERVAL " + quote(value) + " " + unit
}
