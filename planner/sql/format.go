package sql

import (
	"slices"
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
	with := "WITH "
	if slices.ContainsFunc(q.With, func(c CTE) bool { return c.Recursive }) {
		with = "WITH RECURSIVE "
	}
	for i, c := range q.With {
		f.words(separator(i, with), formatIdent(c.Name))
		f.columns(c.Columns)
		f.words(" AS (")
		f.query(c.Query)
		f.words(")")
	}
	if q.With != nil {
		f.words(" ")
	}
	f.setExpr(q.Body)
	f.orderBy(" ORDER BY ", q.OrderBy)
	f.list(" DISTRIBUTE BY ", q.Distribute)
	f.orderBy(" SORT BY ", q.SortBy)
	f.clause(" LIMIT ", q.Limit)
	f.clause(" OFFSET ", q.Offset)
}

// clause writes a keyword with its expression, if there is one.
func (f *printer) clause(keyword string, e Expr) {
	if e != nil {
		f.words(keyword)
		f.expr(e)
	}
}

// list writes a keyword with its expressions, if there are any.
func (f *printer) list(keyword string, list []Expr) {
	if list != nil {
		f.words(keyword)
		f.exprs(list)
	}
}

// separator is what stands before the i-th item of a list.
func separator(i int, first string) string {
	if i == 0 {
		return first
	}
	return ", "
}

func (f *printer) orderBy(keyword string, items []OrderItem) {
	for i, o := range items {
		f.words(separator(i, keyword))
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
}

func (f *printer) setExpr(e SetExpr) {
	switch e := e.(type) {
	case *Select:
		f.selectBlock(e)
	case *ValuesClause:
		for i, row := range e.Rows {
			f.words(separator(i, "VALUES "))
			f.valuesRow(row)
		}
	case *SetOperation:
		f.setExpr(e.Left)
		f.words(" ", strings.ToUpper(e.Op), " ")
		if e.All {
			f.words("ALL ")
		}
		if e.ByName {
			f.words("BY NAME ")
		}
		f.setExpr(e.Right)
	case *Query:
		f.words("(")
		f.query(e)
		f.words(")")
	}
}

// valuesRow writes a row of VALUES. One value that is itself a row needs the name struct: ((a, b)) is (a, b).
func (f *printer) valuesRow(row []Expr) {
	if len(row) == 1 {
		switch e := row[0].(type) {
		case *Row:
			f.words("struct")
		case *Call:
			if isStruct(e.Name) {
				f.words("struct")
			}
		}
	}
	f.words("(")
	f.exprs(row)
	f.words(")")
}

// pipe writes what a SELECT has no words for: new values of columns, and keys that are numbers of columns.
func (f *printer) pipe(s *Select) bool {
	numbered := slices.ContainsFunc(s.GroupBy, func(e Expr) bool {
		_, ok := e.(*InputColumn)
		return ok
	})
	if !numbered && !replaces(s) {
		return false
	}
	for i, ref := range s.From {
		f.words(separator(i, "FROM "))
		f.tableRef(ref)
	}
	f.clause(" |> WHERE ", s.Where)
	if numbered {
		f.words(" |> AGGREGATE ")
		f.selectItems(s.Items[len(s.GroupBy):])
		f.words(" GROUP BY ")
		f.selectItems(s.Items[:len(s.GroupBy)])
		return true
	}
	for i, r := range s.Items[0].Expr.(*Star).Replace {
		f.words(separator(i, " |> SET "), formatIdent(r.Name))
		f.clause(" = ", r.Value)
	}
	return true
}

func (f *printer) selectBlock(s *Select) {
	if f.pipe(s) {
		return
	}
	f.words("SELECT ")
	if s.Distinct {
		f.words("DISTINCT ")
	}
	f.selectItems(s.Items)
	for i, ref := range s.From {
		f.words(separator(i, " FROM "))
		f.tableRef(ref)
	}
	for _, v := range s.LateralViews {
		f.lateralView(v)
	}
	f.clause(" WHERE ", s.Where)
	f.groupBy(s)
	f.clause(" HAVING ", s.Having)
	f.clause(" QUALIFY ", s.Qualify)
	for i, w := range s.Windows {
		f.words(separator(i, " WINDOW "), formatIdent(w.Name), " AS ")
		f.windowSpec(w.Spec)
	}
}

func (f *printer) selectItems(items []SelectItem) {
	for i, item := range items {
		f.words(separator(i, ""))
		f.expr(item.Expr)
		f.alias(item.Alias)
		if item.Aliases != nil {
			f.words(" AS ")
			f.columns(item.Aliases)
		}
	}
}

func (f *printer) lateralView(v LateralView) {
	f.words(" LATERAL VIEW ")
	if v.Outer {
		f.words("OUTER ")
	}
	f.call(v.Call)
	if v.Table != nil {
		f.words(" ", formatIdent(*v.Table))
	}
	if v.Columns != nil {
		f.words(" AS ", formatIdents(v.Columns, ", "))
	}
}

func (f *printer) groupBy(s *Select) {
	if s.GroupAll {
		f.words(" GROUP BY ALL")
	}
	for i, e := range s.GroupBy {
		f.words(separator(i, " GROUP BY "))
		if g, ok := e.(*GroupingSets); ok {
			f.groupingSets(g)
		} else {
			f.groupingExpr(e)
		}
	}
}

// groupingExpr writes an expression of GROUP BY. One that begins like ROLLUP (…) goes in parentheses: it is a call.
func (f *printer) groupingExpr(e Expr) {
	text := FormatExpr(e)
	if name, _, call := strings.Cut(text, "("); call && (strings.EqualFold(name, "rollup") || strings.EqualFold(name, "cube")) {
		text = "(" + text + ")"
	}
	f.words(text)
}

func (f *printer) groupingSets(g *GroupingSets) {
	f.exprs(g.Given)
	if g.Given != nil {
		f.words(" ")
	}
	if g.Kind == "sets" {
		f.words("GROUPING SETS (")
	} else {
		f.words(strings.ToUpper(g.Kind), "(")
	}
	for i, set := range g.Sets {
		f.words(separator(i, ""))
		if len(set) == 1 {
			if nested, ok := set[0].(*GroupingSets); ok {
				f.groupingSets(nested)
				continue
			}
			if _, row := set[0].(*Row); !row {
				f.groupingExpr(set[0])
				continue
			}
		}
		f.words("(")
		f.exprs(set)
		f.words(")")
	}
	f.words(")")
}

func (f *printer) windowSpec(w *WindowSpec) {
	if w.Base != nil {
		f.words(formatIdent(*w.Base))
		return
	}
	f.words("(")
	f.list("PARTITION BY ", w.PartitionBy)
	if w.OrderBy != nil && w.PartitionBy != nil {
		f.words(" ")
	}
	f.orderBy("ORDER BY ", w.OrderBy)
	if fr := w.Frame; fr != nil {
		if w.OrderBy != nil || w.PartitionBy != nil {
			f.words(" ")
		}
		f.words(strings.ToUpper(fr.Unit), " BETWEEN ")
		f.frameBound(fr.Start)
		f.words(" AND ")
		f.frameBound(fr.End)
	}
	f.words(")")
}

func (f *printer) frameBound(b FrameBound) {
	switch b.Kind {
	case "current":
		f.words("CURRENT ROW")
		return
	case "preceding", "following":
		f.operand(b.Offset, precedenceCompare)
		f.words(" ")
	}
	f.words(strings.ToUpper(b.Kind))
}

func (f *printer) alias(alias *Ident) {
	if alias != nil {
		f.words(" AS ", formatIdent(*alias))
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
