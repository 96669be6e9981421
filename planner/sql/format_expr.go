package sql

import (
	"strconv"
	"strings"
)

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
	case *Quantified:
		if e.Query != nil {
			return precedenceCompare
		}
		return precedencePredicate
	case *Lambda:
		return precedenceLambda
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
		for i, n := range e.Except {
			f.words(separator(i, " EXCEPT ("), formatIdents(n.Parts, "."))
		}
		if e.Except != nil {
			f.words(")")
		}
	case *InputColumn:
		f.words(strconv.Itoa(e.Number))
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
		f.words(" AS ", formatType(e.Type, true), ")")
	case *Between, *In, *Like, *Is, *Quantified:
		f.predicate(e)
	case *Interval:
		f.interval(e)
	case *Lambda:
		f.lambda(e)
	case *Index:
		f.operand(e.X, precedencePrimary)
		f.words("[")
		f.operand(e.I, precedenceCompare)
		f.words("]")
	case *Field:
		f.field(e)
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

func (f *printer) lambda(e *Lambda) {
	if len(e.Params) == 1 {
		f.words(formatIdent(e.Params[0]))
	} else {
		f.columns(e.Params)
	}
	f.words(" -> ")
	f.expr(e.Body)
}

// field writes x.name; a bare number before the dot would run together with it.
func (f *printer) field(e *Field) {
	if l, ok := e.X.(*Literal); ok && isNumber(l) {
		f.words("(")
		f.expr(e.X)
		f.words(")")
	} else {
		f.operand(e.X, precedencePrimary)
	}
	f.words(".", formatIdent(e.Name))
}

func (f *printer) interval(e *Interval) {
	f.words("INTERVAL")
	for _, p := range e.Parts {
		f.words(" ", formatLiteral(p.Value))
		if p.Unit != "" {
			f.words(" ", strings.ToUpper(p.Unit))
		}
		if p.To != "" {
			f.words(" TO ", strings.ToUpper(p.To))
		}
	}
}

func (f *printer) call(e *Call) {
	f.words(formatIdent(e.Name))
	if e.Bare {
		return
	}
	f.words("(")
	if e.Distinct {
		f.words("DISTINCT ")
	}
	for i, a := range e.Args {
		f.words(separator(i, ""))
		f.argument(e, i, a)
	}
	f.words(")")
	f.orderBy(" WITHIN GROUP (ORDER BY ", e.WithinGroup)
	if e.WithinGroup != nil {
		f.words(")")
	}
	if e.Filter != nil {
		f.clause(" FILTER (WHERE ", e.Filter)
		f.words(")")
	}
	if e.IgnoreNulls != nil {
		if *e.IgnoreNulls {
			f.words(" IGNORE NULLS")
		} else {
			f.words(" RESPECT NULLS")
		}
	}
	if e.Over != nil {
		f.words(" OVER ")
		f.windowSpec(e.Over)
	}
}

// argument writes the i-th argument of a call, with its name if it has one.
func (f *printer) argument(e *Call, i int, a Expr) {
	var name *Ident
	if e.Names != nil {
		name = e.Names[i]
	}
	switch {
	case name != nil && isStruct(e.Name):
		f.expr(a)
		f.alias(name)
		return
	case name != nil:
		f.words(formatIdent(*name), " => ")
	case i == 0 && takesUnit(e.Name) && len(e.Args) == 3:
		f.unit(a)
		return
	case i == 0 && takesKeywords(e.Name):
		f.operand(a, precedenceCompare) // in position(a IN b) the IN would be the function's
		return
	}
	f.expr(a)
}

// unit writes the first of three arguments where a bare word is a unit.
func (f *printer) unit(a Expr) {
	switch x := a.(type) {
	case *Literal:
		f.words(x.Text)
	case *Name:
		f.words("(")
		f.expr(a)
		f.words(")")
	default:
		f.expr(a)
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
	case *Quantified:
		f.quantified(e, not(e.Not))
	case *Is:
		f.operand(e.X, precedenceCompare)
		f.words(" IS", not(e.Not), strings.ToUpper(e.What))
		if e.Other != nil {
			f.words(" FROM ")
			f.operand(e.Other, precedenceCompare)
		}
	}
}

func (f *printer) quantified(e *Quantified, not string) {
	f.operand(e.X, precedenceCompare)
	f.words(not, strings.ToUpper(e.Op))
	if e.All {
		f.words(" ALL (")
	} else {
		f.words(" ANY (")
	}
	if e.Query != nil {
		f.query(e.Query)
	} else {
		f.exprs(e.List)
	}
	f.words(")")
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
	}
	return e.Text + e.Suffix
}
