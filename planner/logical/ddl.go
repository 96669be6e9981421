package logical

import (
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// SchemaOf gives types to the columns of a declaration.
func SchemaOf(text *source.Text, columns []sql.ColumnDef) (plan.Schema, error) {
	a := &analyser{text: text, env: &Environment{}}
	var out plan.Schema
	for _, c := range columns {
		t, err := a.typeName(c.Type)
		if err != nil {
			return out, err
		}
		if out.Index(c.Name.Name) >= 0 {
			return out, a.errorf(c.Name.Span, "COLUMN_ALREADY_EXISTS", "column %q is declared twice", c.Name.Name)
		}
		out.Fields = append(out.Fields, plan.Field{Name: c.Name.Name, Type: t, Nullable: !c.NotNull})
	}
	return out, nil
}
