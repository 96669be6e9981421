package parquetio

import (
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// schemaMerger makes the columns of a table of those of its files: columns that further files add come behind, and where
// types differ the wider one counts.
type schemaMerger struct {
	fields []plan.Field
	from   []*file // which file a column's type comes from
}

func (m *schemaMerger) add(f *file) error {
	for _, col := range f.fields {
		at := indexOf(m.fields, col.name)
		if at < 0 {
			m.fields = append(m.fields, plan.Field{Name: col.name, Type: col.typ, Nullable: true})
			m.from = append(m.from, f)
			continue
		}
		t, ok := merge(m.fields[at].Type, col.typ)
		if !ok {
			return plan.Failf(plan.FailureUser, "[CANNOT_MERGE_SCHEMAS] Failed merging schemas: column %s has type %s in %s, but %s in %s",
				col.name, m.fields[at].Type, storage.Display(m.from[at].url), col.typ, storage.Display(f.url))
		}
		m.fields[at].Type = t
	}
	return nil
}

func indexOf(fields []plan.Field, name string) int {
	for i, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return i
		}
	}
	return -1
}

// merge is the type that holds the values of both, if there is one.
func merge(a, b plan.Type) (plan.Type, bool) {
	switch {
	case !a.IsNested() && !b.IsNested() && widens(b, a):
		return a, true
	case !a.IsNested() && !b.IsNested() && widens(a, b):
		return b, true
	case a.Kind != b.Kind || !a.IsNested():
		return a, false
	}
	out := plan.Type{Kind: a.Kind, Children: append([]plan.Field(nil), a.Children...)}
	for i, c := range b.Children {
		at := i
		if a.Kind == plan.KindStruct {
			if at = indexOf(out.Children, c.Name); at < 0 {
				out.Children = append(out.Children, c)
				continue
			}
		}
		t, ok := merge(out.Children[at].Type, c.Type)
		if !ok {
			return a, false
		}
		out.Children[at].Type = t
	}
	return out, true
}
