package ipcio

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// typeOf is the SQL type that a column of an Arrow type has, its parts nullable, as Spark chooses it: unsigned integers
// have the next wider type, and what differs in layout only (large, views, fixed sizes, runs) is the same type.
func typeOf(dt arrow.DataType) (plan.Type, error) {
	switch dt := dt.(type) {
	case *arrow.Uint8Type:
		return plan.Int16, nil
	case *arrow.Uint16Type:
		return plan.Int32, nil
	case *arrow.Uint32Type:
		return plan.Int64, nil
	case *arrow.Uint64Type:
		return plan.Decimal(20, 0), nil
	case *arrow.Float16Type:
		return plan.Float32, nil
	case *arrow.Date64Type:
		return plan.Date, nil
	case *arrow.DayTimeIntervalType:
		return plan.Interval, nil
	case *arrow.LargeStringType, *arrow.StringViewType:
		return plan.String, nil
	case *arrow.LargeBinaryType, *arrow.BinaryViewType, *arrow.FixedSizeBinaryType:
		return plan.Binary, nil
	case arrow.DecimalType:
		return decimalOf(dt)
	case *arrow.DictionaryType:
		return typeOf(dt.ValueType)
	case *arrow.RunEndEncodedType:
		return typeOf(dt.Encoded())
	case *arrow.MapType:
		return partsOf(plan.KindMap, arrow.Field{Name: "key", Type: dt.KeyType()}, arrow.Field{Name: "value", Type: dt.ItemType()})
	case *arrow.StructType:
		return partsOf(plan.KindStruct, dt.Fields()...)
	case arrow.ListLikeType:
		return partsOf(plan.KindArray, arrow.Field{Name: "element", Type: dt.Elem()})
	}
	return plan.TypeOf(dt)
}

func decimalOf(dt arrow.DecimalType) (plan.Type, error) {
	p, s := dt.GetPrecision(), dt.GetScale()
	if p < 1 || p > plan.MaxPrecision || s < 0 || s > p {
		return plan.Type{}, fmt.Errorf("arrow type %s has no SQL type here", dt)
	}
	return plan.Decimal(p, s), nil
}

func partsOf(kind plan.Kind, fields ...arrow.Field) (plan.Type, error) {
	t := plan.Type{Kind: kind}
	for i, f := range fields {
		part, err := typeOf(f.Type)
		if err != nil {
			return plan.Type{}, err
		}
		t.Children = append(t.Children, plan.Field{Name: f.Name, Type: part, Nullable: kind != plan.KindMap || i == 1})
	}
	return t, nil
}

// nullable is a type with parts as typeOf makes them.
func nullable(t plan.Type) plan.Type {
	if !t.IsNested() {
		return t
	}
	out := plan.Type{Kind: t.Kind}
	for i, c := range t.Children {
		c.Type, c.Nullable = nullable(c.Type), t.Kind != plan.KindMap || i == 1
		out.Children = append(out.Children, c)
	}
	return out
}
