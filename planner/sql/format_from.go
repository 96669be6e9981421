package sql

import (
	"strconv"
	"strings"
)

func (f *printer) tableRef(ref TableRef) { f.sampled(ref, nil) }

// sampled writes a reference with a sample of it, which stands before its alias.
func (f *printer) sampled(ref TableRef, s *Sample) {
	switch ref := ref.(type) {
	case *TableName:
		f.words(formatIdents(ref.Parts, "."))
		f.sample(s)
		f.tableAlias(ref.Alias, ref.Columns)
		return
	case *Subquery:
		f.lateral(ref.Lateral)
		f.subquery("(", ref.Query)
		f.sample(s)
		f.tableAlias(ref.Alias, ref.Columns)
		return
	case *TableFunction:
		f.lateral(ref.Lateral)
		if ref.Table == nil {
			f.call(ref.Call)
		} else {
			f.tableArgument(ref.Call, ref.Table)
		}
		f.sample(s)
		f.tableAlias(ref.Alias, ref.Columns)
		return
	case *Aliased:
		f.words("(")
		f.tableRef(ref.Ref)
		f.words(")")
		f.sample(s)
		f.tableAlias(ref.Alias, ref.Columns)
		return
	}
	if s != nil {
		f.words("(")
		f.tableRef(ref)
		f.words(")")
		f.sample(s)
		return
	}
	switch ref := ref.(type) {
	case *Sample:
		f.sampled(ref.Ref, ref)
	case *Join:
		f.join(ref)
	case *Pivot:
		f.pivot(ref)
	case *Unpivot:
		f.unpivot(ref)
	}
}

func (f *printer) lateral(lateral bool) {
	if lateral {
		f.words("LATERAL ")
	}
}

func (f *printer) sample(s *Sample) {
	if s == nil {
		return
	}
	f.words(" TABLESAMPLE (")
	if s.Kind == "bucket" {
		f.words("BUCKET ", strconv.Itoa(s.Bucket), " OUT OF ", strconv.Itoa(s.Buckets))
	} else {
		f.expr(s.Amount)
		f.words(" ", strings.ToUpper(s.Kind))
	}
	f.words(")")
	if s.Seed != nil {
		f.words(" REPEATABLE (")
		f.operand(s.Seed, precedenceCompare)
		f.words(")")
	}
}

func (f *printer) join(j *Join) {
	f.tableRef(j.Left)
	if j.Natural {
		f.words(" NATURAL")
	}
	switch j.Type {
	case "inner":
	case "asof_left":
		f.words(" LEFT ASOF")
	default:
		f.words(" ", strings.ToUpper(strings.ReplaceAll(j.Type, "_", " ")))
	}
	f.words(" JOIN ")
	switch j.Right.(type) {
	case *Join, *Pivot, *Unpivot:
		f.words("(")
		f.tableRef(j.Right)
		f.words(")")
	default:
		f.tableRef(j.Right)
	}
	if j.Match != nil {
		f.words(" MATCH_CONDITION (")
		f.expr(j.Match)
		f.words(")")
	}
	f.clause(" ON ", j.On)
	if j.Using != nil {
		f.words(" USING (", formatIdents(j.Using, ", "), ")")
	}
	if j.Tolerance != nil {
		f.words(" TOLERANCE ")
		f.operand(j.Tolerance, precedenceCompare)
	}
	if j.Ties != nil {
		f.list(" TIES (", j.Ties)
		f.words(")")
	}
}

func (f *printer) pivot(v *Pivot) {
	f.tableRef(v.Ref)
	f.words(" PIVOT (")
	f.selectItems(v.Aggregates)
	f.words(" FOR ")
	if len(v.Columns) > 1 {
		f.list("(", v.Columns)
		f.words(")")
	} else {
		f.exprs(v.Columns)
	}
	f.words(" IN (")
	for i, value := range v.Values {
		f.words(separator(i, ""))
		if len(value.Items) > 1 {
			f.list("(", value.Items)
			f.words(")")
		} else {
			f.exprs(value.Items)
		}
		f.alias(value.Alias)
	}
	f.words("))")
	f.alias(v.Alias)
}

func (f *printer) unpivot(u *Unpivot) {
	f.tableRef(u.Ref)
	f.words(" UNPIVOT ")
	if u.IncludeNulls {
		f.words("INCLUDE NULLS ")
	}
	several := len(u.Values) > 1
	f.words("(")
	if several {
		f.columns(u.Values)
	} else {
		f.words(formatIdent(u.Values[0]))
	}
	f.words(" FOR ", formatIdent(u.Name), " IN (")
	for i, c := range u.Columns {
		f.words(separator(i, ""))
		if several {
			f.words("(")
		}
		for j, n := range c.Names {
			f.words(separator(j, ""), formatIdents(n.Parts, "."))
		}
		if several {
			f.words(")")
		}
		f.alias(c.Alias)
	}
	f.words("))")
	f.alias(u.Alias)
}

func (f *printer) tableAlias(alias *Ident, columns []Ident) {
	f.alias(alias)
	if alias != nil {
		f.columns(columns)
	}
}

// tableArgument writes f(TABLE(…) PARTITION BY … ORDER BY …).
func (f *printer) tableArgument(c *Call, t *TableArgument) {
	f.words(formatIdent(c.Name), "(TABLE")
	if q, ok := t.Ref.(*Subquery); ok && q.Alias == nil {
		f.subquery("(", q.Query)
	} else {
		f.words("(")
		f.tableRef(t.Ref)
		f.words(")")
	}
	if len(t.PartitionBy) > 0 {
		f.list(" PARTITION BY ", t.PartitionBy)
	}
	if t.Single {
		f.words(" WITH SINGLE PARTITION")
	}
	f.orderBy(" ORDER BY ", t.OrderBy)
	f.words(")")
}
