package parquetio

import (
	"reflect"

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
func fileSchema(schema plan.Schema) (parquet.Node, *parquet.WriterConfig, error) {
	root, config := &orderedGroup{Group: parquet.Group{}}, &parquet.WriterConfig{}
	if len(schema.Fields) == 0 {
		return nil, nil, plan.Failf(plan.FailureUser, "an output needs at least one column")
	}
	for _, f := range schema.Fields {
		if _, twice := root.Group[f.Name]; twice {
			return nil, nil, plan.Failf(plan.FailureUser, "the output has two columns named %s; give one another name with AS", f.Name)
		}
		node, err := fileColumn(f)
		if err != nil {
			return nil, nil, err
		}
		if f.Nullable {
			node = parquet.Optional(node)
		} else {
			node = parquet.Required(node)
		}
		root.Group[f.Name] = node
		root.fields = append(root.fields, &namedField{Node: node, name: f.Name})
		if f.Type.Kind == plan.KindDecimal && f.Type.Precision > 18 {
			// parquet-go orders these as unsigned bytes, so their bounds would lie.
			config.SkipPageBounds = append(config.SkipPageBounds, []string{f.Name})
		}
	}
	return root, config, nil
}

func fileColumn(f plan.Field) (parquet.Node, error) {
	dictionary := func(n parquet.Node) parquet.Node { return parquet.Encoded(n, &parquet.RLEDictionary) }
	switch f.Type.Kind {
	case plan.KindBoolean:
		return parquet.Leaf(parquet.BooleanType), nil
	case plan.KindInt8:
		return dictionary(parquet.Int(8)), nil
	case plan.KindInt16:
		return dictionary(parquet.Int(16)), nil
	case plan.KindInt32:
		return dictionary(parquet.Leaf(parquet.Int32Type)), nil
	case plan.KindInt64:
		return dictionary(parquet.Leaf(parquet.Int64Type)), nil
	case plan.KindFloat32:
		return parquet.Leaf(parquet.FloatType), nil
	case plan.KindFloat64:
		return parquet.Leaf(parquet.DoubleType), nil
	case plan.KindString:
		return dictionary(parquet.String()), nil
	case plan.KindBinary:
		return dictionary(parquet.Leaf(parquet.ByteArrayType)), nil
	case plan.KindDate:
		return dictionary(parquet.Date()), nil
	case plan.KindTimestamp:
		return dictionary(parquet.TimestampAdjusted(parquet.Microsecond, true)), nil
	case plan.KindDecimal:
		p, s := int(f.Type.Precision), int(f.Type.Scale)
		switch {
		case p <= 9:
			return dictionary(parquet.Decimal(s, p, parquet.Int32Type)), nil
		case p <= 18:
			return dictionary(parquet.Decimal(s, p, parquet.Int64Type)), nil
		}
		return dictionary(parquet.Decimal(s, p, parquet.FixedLenByteArrayType(16))), nil
	}
	return nil, plan.Failf(plan.FailureUser, "output column %s has type %s, which Parquet has no form for; CAST it", f.Name, f.Type)
}
