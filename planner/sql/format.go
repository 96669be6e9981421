package sql

import (
	"strconv"
	"strings"
	"unicode"
)

// Format is the query as canonical SQL on one line: keywords in upper case, parentheses only where they are needed,
// AS before every alias. Parsing it gives the same tree, spans aside.
func Format(q *Query) string {
	var f printer
	f.query(q)
	return f.String()
}

// FormatExpr is an expression as canonical SQL.
func FormatExpr(e Expr) string {
	var f printer
	f.expr(e)
	return f.String()
}

// printer writes canonical SQL.
type printer struct{ strings.Builder }

// words writes text as it stands.
func (f *printer) words(parts ...string) {
	for _, s := range parts {
		f.WriteString(s)
	}
}

func (f *printer) query(q *Query) {
	for i, c := range q.With {
		if i == 0 {
			f.words("WITH ")
		} else {
			f.words(", ")
		}
		f.words(formatIdent(c.Name))
		f.columns(c.Columns)
		f.words(" AS (")
		f.query(c.Query)
		f.words(")")
		if i == len(q.With)-1 {
			f.words(" ")
		}
	}
	f.setExpr(q.Body)
	for i, o := range q.OrderBy {
		f.words(separator(i, " ORDER BY "))
		f.orderItem(o)
	}
	if q.Limit != nil {
		f.words(" LIMIT ")
		f.expr(q.Limit)
	}
	if q.Offset != nil {
		f.words(" OFFSET ")
		f.expr(q.Offset)
	}
}

// separator is what stands before the i-th item of a list.
func separator(i int, first string) string {
	if i == 0 {
		return first
	}
	return ", "
}

func (f *printer) orderItem(o OrderItem) {
	f.expr(o.Expr)
	if o.Descending {
		f.words(" DESC")
	}
	switch {
	case o.NullsFirst && o.Descending:
		f.words(" NULLS FIRST")
	case !o.NullsFirst && !o.Descending:
		f.words(" NULLS LAST")
	}
}

func (f *printer) setExpr(e SetExpr) {
	switch e := e.(type) {
	case *Select:
		f.selectBlock(e)
	case *ValuesClause:
		for i, row := range e.Rows {
			f.words(separator(i, "VALUES "), "(")
			f.exprs(row)
			f.words(")")
		}
	case *SetOperation:
		f.setExpr(e.Left)
		f.words(" ", strings.ToUpper(e.Op), " ")
		if e.All {
			f.words("ALL ")
		}
		f.setExpr(e.Right)
	case *Query:
		f.words("(")
		f.query(e)
		f.words(")")
	}
}

func (f *printer) selectBlock(s *Select) {
	f.words("SELECT ")
	if s.Distinct {
		f.words("DISTINCT ")
	}
	for i, item := range s.Items {
		f.words(separator(i, ""))
		f.expr(item.Expr)
		if item.Alias != nil {
			f.words(" AS ", formatIdent(*item.Alias))
		}
	}
	for i, ref := range s.From {
		f.words(separator(i, " FROM "))
		f.tableRef(ref)
	}
	if s.Where != nil {
		f.words(" WHERE ")
		f.expr(s.Where)
	}
	if s.GroupAll {
		f.words(" GROUP BY ALL")
	}
	for i, e := range s.GroupBy {
		f.words(separator(i, " GROUP BY "))
		f.expr(e)
	}
	if s.Having != nil {
		f.words(" HAVING ")
		f.expr(s.Having)
	}
}

func (f *printer) tableRef(ref TableRef) {
	switch ref := ref.(type) {
	case *TableName:
		f.words(formatIdents(ref.Parts, "."))
		f.tableAlias(ref.Alias, ref.Columns)
	case *Subquery:
		f.words("(")
		f.query(ref.Query)
		f.words(")")
		f.tableAlias(ref.Alias, ref.Columns)
	case *Join:
		f.join(ref)
	}
}

func (f *printer) join(j *Join) {
	f.tableRef(j.Left)
	if j.Natural {
		f.words(" NATURAL")
	}
	if j.Type != "inner" {
		f.words(" ", strings.ToUpper(strings.ReplaceAll(j.Type, "_", " ")))
	}
	f.words(" JOIN ")
	if _, nested := j.Right.(*Join); nested {
		f.words("(")
		f.tableRef(j.Right)
		f.words(")")
	} else {
		f.tableRef(j.Right)
	}
	if j.On != nil {
		f.words(" ON ")
		f.expr(j.On)
	}
	if j.Using != nil {
		f.words(" USING (", formatIdents(j.Using, ", "), ")")
	}
}

func (f *printer) tableAlias(alias *Ident, columns []Ident) {
	if alias != nil {
		f.words(" AS ", formatIdent(*alias))
		f.columns(columns)
	}
}

func (f *printer) columns(names []Ident) {
	if names != nil {
		f.words("(", formatIdents(names, ", "), ")")
	}
}

// formatIdent is a name, in back quotes where it was written so or needs them.
func formatIdent(id Ident) string {
	if !id.Quoted && id.Name != "" && wordLength(id.Name) == len(id.Name) && !startsNumber(id.Name) {
		return id.Name
	}
	return "`" + strings.ReplaceAll(id.Name, "`", "``") + "`"
}

// startsNumber reports a word that the lexer would take for a number, such as 12 or 1e5.
func startsNumber(word string) bool {
	l := lexer{body: word}
	return isDigit(word[0]) && l.number()
}

func formatIdents(names []Ident, between string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = formatIdent(n)
	}
	return strings.Join(parts, between)
}

// formatType is a type; fold sets the case of its name.
func formatType(t TypeName, fold func(string) string) string {
	if strings.Contains(t.Name, "<") { // field names inside keep their case
		return t.Name
	}
	if t.Args == nil {
		return fold(t.Name)
	}
	args := make([]string, len(t.Args))
	for i, a := range t.Args {
		args[i] = strconv.Itoa(a)
	}
	return fold(t.Name) + "(" + strings.Join(args, ",") + ")"
}

// quote is a string literal.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i, r := range s {
		switch {
		case r == '\'' || r == '\\' || r == '$' && strings.HasPrefix(s[i+1:], "{"):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(r):
			const hex = "0123456789abcdef"
			b.WriteString(`\u00` + string(hex[r>>4]) + string(hex[r&15]))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
