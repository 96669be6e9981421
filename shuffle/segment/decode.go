package segment

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/arrowipc"
	"github.com/quern-engine/quern/plan"
)

// Decoder turns blocks into batches of a schema. It is not safe for concurrent use.
type Decoder struct {
	mem     memory.Allocator
	schema  plan.Schema
	scratch []byte
}

// NewDecoder makes a decoder that accepts the schema's types and no others.
func NewDecoder(mem memory.Allocator, schema plan.Schema) *Decoder {
	return &Decoder{mem: mem, schema: schema}
}

// Decode is the block's batch, which the caller owns and which does not refer to the block.
func (d *Decoder) Decode(b Block) (arrow.Record, error) {
	raw, scratch, err := b.raw(d.scratch)
	d.scratch = scratch
	if err != nil {
		return nil, err
	}
	rec, err := arrowipc.Decode(d.mem, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: block %d of partition %d: %w", ErrCorrupt, b.Sequence, b.Partition, err)
	}
	if err := d.check(b, rec); err != nil {
		rec.Release()
		return nil, err
	}
	return rec, nil
}

func (d *Decoder) check(b Block, rec arrow.Record) error {
	if rec.NumRows() != int64(b.Rows) {
		return fmt.Errorf("%w: block of %d rows holds %d", ErrCorrupt, b.Rows, rec.NumRows())
	}
	if int(rec.NumCols()) != len(d.schema.Fields) {
		return fmt.Errorf("block has %d columns, not the %d of (%s)", rec.NumCols(), len(d.schema.Fields), d.schema)
	}
	for i, f := range d.schema.Fields {
		if !fits(rec.Column(i).DataType(), f.Type) {
			return fmt.Errorf("column %s of a block is %s, not %s", f.Name, rec.Column(i).DataType(), f.Type)
		}
	}
	return nil
}

// fits reports whether an Arrow type is the plain or the dictionary-encoded layout of a SQL type. What the parts of a
// nested type are called, and whether they may be NULL, does not change the layout.
func fits(dt arrow.DataType, t plan.Type) bool {
	if dict, ok := dt.(*arrow.DictionaryType); ok {
		return dict.IndexType.ID() == arrow.INT32 && sameLayout(dict.ValueType, t.Arrow())
	}
	return sameLayout(dt, t.Arrow())
}

func sameLayout(a, b arrow.DataType) bool {
	if a.ID() != b.ID() {
		return false
	}
	x, nested := a.(arrow.NestedType)
	if !nested {
		return arrow.TypeEqual(a, b)
	}
	y := b.(arrow.NestedType)
	if len(x.Fields()) != len(y.Fields()) {
		return false
	}
	for i, f := range x.Fields() {
		if !sameLayout(f.Type, y.Fields()[i].Type) {
			return false
		}
	}
	return true
}
