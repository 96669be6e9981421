package logical

import (
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// typeName resolves a type as written.
func (a *analyser) typeName(n sql.TypeName) (plan.Type, error) {
	switch n.Name {
	case "decimal", "dec", "numeric":
		return a.decimalType(n)
	case "varchar", "char", "character":
		if len(n.Args) == 0 {
			return plan.Type{}, a.errorf(n.Span, "DATATYPE_MISSING_SIZE", "%s needs a length: %s(10)", n.Name, n.Name)
		}
		return plan.String, nil
	case "array", "map", "struct":
		return a.nestedType(n)
	}
	if fields, ok := strings.CutPrefix(n.Name, "interval "); ok {
		return a.intervalType(n, fields)
	}
	t, ok := plan.ParseTypeName(n.Name)
	if !ok {
		return plan.Type{}, a.errorf(n.Span, "UNSUPPORTED_DATATYPE", "there is no type %q", n.Name)
	}
	return t, nil
}

func (a *analyser) decimalType(n sql.TypeName) (plan.Type, error) {
	precision, scale := 10, 0
	if len(n.Args) > 0 {
		precision = n.Args[0]
	}
	if len(n.Args) > 1 {
		scale = n.Args[1]
	}
	switch {
	case precision < 0 || precision > plan.MaxPrecision:
		return plan.Type{}, a.errorf(n.Span, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
			"decimal(%d,%d): the precision is at most %d", precision, scale, plan.MaxPrecision)
	case scale < 0 || scale > precision:
		return plan.Type{}, a.errorf(n.Span, "DECIMAL_SCALE_EXCEEDS_PRECISION",
			"decimal(%d,%d): the scale is at most the precision", precision, scale)
	case precision == 0:
		return plan.Type{}, a.errorf(n.Span, "UNSUPPORTED_FEATURE", "decimal(0,0) has no digits").WithHint("precision is 1 to %d", plan.MaxPrecision)
	}
	return plan.Decimal(int32(precision), int32(scale)), nil
}

// nestedType resolves array<t>, map<k, v> and struct<a: t, …>. All parts may be NULL but keys and what says NOT NULL.
func (a *analyser) nestedType(n sql.TypeName) (plan.Type, error) {
	wanted := map[string]int{"array": 1, "map": 2, "struct": len(n.Fields)}[n.Name]
	if len(n.Fields) != wanted {
		return plan.Type{}, a.errorf(n.Span, "INCOMPLETE_TYPE_DEFINITION."+strings.ToUpper(n.Name), "%s needs %d types in <…>", n.Name, wanted)
	}
	var fields []plan.Field
	for _, f := range n.Fields {
		t, err := a.typeName(f.Type)
		if err != nil {
			return plan.Type{}, err
		}
		fields = append(fields, plan.Field{Name: f.Name.Name, Type: t, Nullable: !f.NotNull})
	}
	switch n.Name {
	case "array":
		return plan.Array(fields[0].Type, true), nil
	case "map":
		return plan.Map(fields[0].Type, fields[1].Type, true), nil
	}
	return plan.Struct(fields...), nil
}

// intervalType resolves "interval year to month", "interval day" and the like; fields is what follows the first word.
func (a *analyser) intervalType(n sql.TypeName, fields string) (plan.Type, error) {
	from, to, ok := strings.Cut(fields, " to ")
	if !ok {
		to = from
	}
	first, okFirst := intervalUnits[from]
	last, okLast := intervalUnits[to]
	if !okFirst || !okLast || (first.months != 0) != (last.months != 0) || first.field > last.field {
		return plan.Type{}, a.errorf(n.Span, "UNSUPPORTED_DATATYPE", "there is no type %q", n.Name)
	}
	t := plan.Type{Kind: plan.KindDayTimeInterval, Precision: first.field, Scale: last.field}
	if first.months != 0 {
		t.Kind = plan.KindYearMonthInterval
	}
	return t, nil
}
