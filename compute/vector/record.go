package vector

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/plan"
)

// NewRecord is a batch of columns under a schema: field types are the columns' actual layouts, so that the same SQL
// schema holds a plain column in one batch and a dictionary-encoded one in the next. It takes its own references.
func NewRecord(schema plan.Schema, cols []arrow.Array, rows int) arrow.Record {
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		f := schema.Fields[i]
		fields[i] = arrow.Field{Name: f.Name, Type: c.DataType(), Nullable: f.Nullable}
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(rows))
}

// Slice is the rows from up to, not including, to; it shares memory with the batch and is owned by the caller.
func Slice(rec arrow.Record, from, to int) arrow.Record { return rec.NewSlice(int64(from), int64(to)) }
