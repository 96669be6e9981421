package parquetio

import (
	"reflect"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/quern-engine/quern/plan"
)

// orderedGroup is a group whose fields keep their order; parquet-go's own sorts them by name.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

// Fields are the columns in the order of the schema.
func (g *orderedGroup) Fields() []parquet.Field { return g.fields }

// namedField is a column of an orderedGroup.
type namedField struct {
	parquet.Node
	name string
}

// Name is the column's name.
func (f *namedField) Name() string { return f.name }

// Value is asked for only where rows are written from Go values, which never happens here.
func (f *namedField) Value(base reflect.Value) reflect.Value {
	return base.MapIndex(reflect.ValueOf(f.name))
}

// fileSchema gives each column its Parquet form.
func fileSchema(schema plan.Schema, opts WriterOptions) (*orderedGroup, error) {
	if len(schema.Fields) == 0 {
		return nil, plan.Failf(plan.FailureUser, "an output needs at least one column")
	}
	return fileGroup(schema.Fields, func(f plan.Field) nodeOptions {
		named := func(name string) bool { return strings.EqualFold(name, f.Name) }
		// A filter takes its values from the dictionary alone, which a column may outgrow.
		plain := opts.NoDictionary || slices.ContainsFunc(opts.BloomFilters, named) || slices.ContainsFunc(opts.Plain, named)
		return nodeOptions{column: f.Name, dictionary: !plain}
	})
}

// nodeOptions are what the leaves of a column have in common.
type nodeOptions struct {
	column     string // for messages
	dictionary bool
}

func fileGroup(fields []plan.Field, options func(plan.Field) nodeOptions) (*orderedGroup, error) {
	group := &orderedGroup{Group: parquet.Group{}}
	for _, f := range fields {
		if _, twice := group.Group[f.Name]; twice {
			return nil, plan.Failf(plan.FailureUser, "[COLUMN_ALREADY_EXISTS] The column `%s` already exists. "+
				"Choose another name or rename the existing column.", f.Name)
		}
		node, err := fileField(f, options(f))
		if err != nil {
			return nil, err
		}
		group.Group[f.Name] = node
		group.fields = append(group.fields, &namedField{Node: node, name: f.Name})
	}
	return group, nil
}

// fileField is a field with its repetition.
func fileField(f plan.Field, o nodeOptions) (parquet.Node, error) {
	node, err := fileNode(f.Type, o)
	if err != nil {
		return nil, err
	}
	if f.Nullable {
		return parquet.Optional(node), nil
	}
	return parquet.Required(node), nil
}

// fileNode is a type's form; lists and maps are in three levels, named as the format wants it.
func fileNode(t plan.Type, o nodeOptions) (parquet.Node, error) {
	switch t.Kind {
	case plan.KindStruct:
		if len(t.Children) == 0 {
			break
		}
		return fileGroup(t.Children, func(plan.Field) nodeOptions { return o })
	case plan.KindArray:
		element, err := fileField(t.Element(), o)
		if err != nil {
			return nil, err
		}
		return parquet.List(element), nil
	case plan.KindMap:
		key, err := fileField(t.MapKey(), o)
		if err != nil {
			return nil, err
		}
		value, err := fileField(t.MapValue(), o)
		if err != nil {
			return nil, err
		}
		return parquet.Map(key, value), nil
	}
	node, encoded := fileLeaf(t)
	if node == nil {
		return nil, plan.Failf(plan.FailureUser, "[UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE] The Parquet datasource doesn't support the column "+
			"`%s` of the type \"%s\"; CAST it.", o.column, strings.ToUpper(t.String()))
	}
	if encoded && o.dictionary {
		return parquet.Encoded(node, &parquet.RLEDictionary), nil
	}
	return node, nil
}

// fileLeaf is the form of a type that is not nested, nil for one that has none, and whether a dictionary may pay.
func fileLeaf(t plan.Type) (node parquet.Node, dictionary bool) {
	switch t.Kind {
	case plan.KindBoolean:
		return parquet.Leaf(parquet.BooleanType), false
	case plan.KindInt8:
		return parquet.Int(8), true
	case plan.KindInt16:
		return parquet.Int(16), true
	case plan.KindInt32:
		return parquet.Leaf(parquet.Int32Type), true
	case plan.KindInt64:
		return parquet.Leaf(parquet.Int64Type), true
	case plan.KindFloat32:
		return parquet.Leaf(parquet.FloatType), true
	case plan.KindFloat64:
		return parquet.Leaf(parquet.DoubleType), true
	case plan.KindString:
		return parquet.String(), true
	case plan.KindBinary:
		return parquet.Leaf(parquet.ByteArrayType), true
	case plan.KindDate:
		return parquet.Date(), true
	case plan.KindTimestamp:
		return parquet.TimestampAdjusted(parquet.Microsecond, true), true
	case plan.KindTimestampNTZ:
		return parquet.TimestampAdjusted(parquet.Microsecond, false), true
	case plan.KindDecimal:
		p, s := int(t.Precision), int(t.Scale)
		switch {
		case p <= 9:
			return parquet.Decimal(s, p, parquet.Int32Type), true
		case p <= 18:
			return parquet.Decimal(s, p, parquet.Int64Type), true
		}
		return newLongDecimal(p, s), false
	}
	return nil, false
}
