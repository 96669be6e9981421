package compute

import (
	"strings"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// fieldNames gives the field that a name of EXTRACT and date_part stands for.
var fieldNames = map[string]string{
	"year": "year", "y": "year", "years": "year", "yr": "year", "yrs": "year",
	"yearofweek": "yearofweek", "quarter": "quarter", "qtr": "quarter",
	"month": "month", "mon": "month", "mons": "month", "months": "month",
	"week": "week", "w": "week", "weeks": "week", "day": "day", "d": "day", "days": "day",
	"dayofweek": "dayofweek", "dow": "dayofweek", "dayofweek_iso": "dayofweek_iso", "dow_iso": "dayofweek_iso", "doy": "doy",
	"hour": "hour", "h": "hour", "hours": "hour", "hr": "hour", "hrs": "hour",
	"minute": "minute", "m": "minute", "min": "minute", "mins": "minute", "minutes": "minute",
	"second": "second", "s": "second", "sec": "second", "seconds": "second", "secs": "second",
}

// secondType is the type of a second with its fraction.
var secondType = plan.Decimal(8, 6)

func extractFunctions() []Function {
	return []Function{{
		Name: "date_part", Aliases: []string{"datepart", "extract"}, Usage: "date_part(field, source)",
		Summary: "A field of a date, timestamp or interval, as EXTRACT(field FROM source) gives it.",
		Example: "date_part('YEAR', TIMESTAMP '2019-08-12 01:00:00.123456')", ExampleResult: "2019",
		resolve: resolveByType, resolveExprs: resolveExtract, build: buildExtract,
	}}
}

// resolveByType stands in where the field is not known: most fields are whole numbers.
func resolveByType(args []plan.Type) (Signature, error) {
	if len(args) != 2 {
		return Signature{}, arityError{"2", len(args)}
	}
	return Signature{Args: []plan.Type{plan.String, args[1]}, Returns: plan.Int32}, nil
}

// resolveExtract types a call by its field, which is a constant.
func resolveExtract(args []*plan.Expr) (Signature, error) {
	if len(args) != 2 {
		return Signature{}, arityError{"2", len(args)}
	}
	field, source := args[0], args[1].Type
	if !field.IsLiteral() || field.Type.Kind != plan.KindString && !field.Value.Null {
		return Signature{}, userError("NON_FOLDABLE_ARGUMENT",
			"The function `date_part` requires the parameter `field` to be a foldable expression of the type \"STRING\", but the "+
				"actual argument is a non-foldable.")
	}
	if field.Value.Null {
		return Signature{Args: []plan.Type{plan.String, source}, Returns: plan.Float64}, nil
	}
	name := string(field.Value.Bytes)
	arg, returns, ok := extractTypes(fieldNames[strings.ToLower(name)], source)
	if !ok {
		return Signature{}, userError("INVALID_EXTRACT_FIELD", "Cannot extract `%s` from %s.", name, sqlString(args[1].String()))
	}
	if !canCoerce(source, arg) {
		return Signature{}, argumentError{1, sqlType(arg), source}
	}
	return Signature{Args: []plan.Type{plan.String, arg}, Returns: returns}, nil
}

// extractTypes is what a field is taken from, and its type; false for a field that the source does not have.
func extractTypes(field string, source plan.Type) (arg, returns plan.Type, ok bool) {
	if source.IsInterval() {
		returns, ok = intervalFieldType(field, source)
		return source, returns, ok
	}
	switch field {
	case "":
		return arg, returns, false
	case "hour", "minute", "second":
		arg, returns = plan.Timestamp, plan.Int32
		if source.Kind == plan.KindTimestampNTZ {
			arg = source
		}
		if field == "second" {
			returns = secondType
		}
		return arg, returns, true
	}
	return plan.Date, plan.Int32, true
}

func intervalFieldType(field string, t plan.Type) (plan.Type, bool) {
	var known bool
	switch field {
	case "year":
		known = t.Kind == plan.KindYearMonthInterval && t.Precision == plan.FieldYear
	case "month":
		known = t.Kind == plan.KindYearMonthInterval && t.Scale == plan.FieldMonth
	case "day":
		known = t.Kind == plan.KindDayTimeInterval && t.Precision == plan.FieldDay
	case "hour":
		known = t.Kind == plan.KindDayTimeInterval && t.Precision <= plan.FieldHour && t.Scale >= plan.FieldHour
	case "minute":
		known = t.Kind == plan.KindDayTimeInterval && t.Precision <= plan.FieldMinute && t.Scale >= plan.FieldMinute
	case "second":
		known = t.Kind == plan.KindDayTimeInterval && t.Scale == plan.FieldSecond
	default:
		return plan.Type{}, false
	}
	returns := plan.Int8
	switch field {
	case "year", "day":
		returns = plan.Int32
	case "second":
		returns = secondType
	}
	return returns, known || t.Kind == plan.KindInterval
}

func buildExtract(b *binding) (node, error) {
	lit, ok := b.constant(0)
	if !ok {
		return nil, defect("date_part of a field that is no constant")
	}
	if lit.Null {
		return newConst(b.t, plan.Literal{Null: true}), nil
	}
	field := fieldNames[strings.ToLower(string(lit.Bytes))]
	source := &binding{b.name, b.args[1:], b.t, b.session}
	switch t := b.arg(1); t.Kind {
	case plan.KindDate:
		f, ok := dateFields[field]
		if !ok {
			return nil, defect("date_part(%s) of a date", field)
		}
		return total(map1(f))(source)
	case plan.KindTimestamp, plan.KindTimestampNTZ:
		zone := b.clockOf(1)
		return clockField(field, zone.local)(source)
	case plan.KindYearMonthInterval:
		if field == "year" {
			return total(map1(func(v int32) int32 { return v / 12 }))(source)
		}
		return total(map1(func(v int32) int8 { return int8(v % 12) }))(source)
	case plan.KindDayTimeInterval:
		if field == "day" {
			return total(map1(func(v int64) int32 { return int32(v / microsPerDay) }))(source)
		}
		return spanField(field, func(v int64) int64 { return v % microsPerDay })(source)
	}
	return calendarField(field)(source)
}

// dateFields is the fields of a date.
var dateFields = map[string]func(days int32) int32{
	"year":    func(d int32) int32 { y, _, _ := civil(int64(d)); return int32(y) },
	"quarter": func(d int32) int32 { return int32(monthOf(d)-1)/3 + 1 },
	"month":   func(d int32) int32 { return int32(monthOf(d)) },
	"day":     func(d int32) int32 { _, _, n := civil(int64(d)); return int32(n) },
	"week":    weekOfYear,
	"yearofweek": func(d int32) int32 {
		y, _, _ := civil(int64(d) - int64(dayOfWeek(int64(d))) + 3)
		return int32(y)
	},
	"dayofweek":     func(d int32) int32 { return int32(dayOfWeek(int64(d))+1)%7 + 1 },
	"dayofweek_iso": func(d int32) int32 { return int32(dayOfWeek(int64(d))) + 1 },
	"doy":           dayOfYear,
}

// clockField is hour, minute or second of a local time.
func clockField(field string, local func(int64) int64) builder {
	switch field {
	case "hour":
		return total(map1(func(v int64) int32 { return int32(floorMod(local(v), microsPerDay) / (3600 * microsPerSecond)) }))
	case "minute":
		return total(map1(func(v int64) int32 { return int32(floorMod(local(v), 3600*microsPerSecond) / (60 * microsPerSecond)) }))
	}
	return total(map1(func(v int64) decimal128.Num {
		return decimal128.FromI64(floorMod(local(v), 60*microsPerSecond))
	}))
}

// spanField is hour, minute or second of a length of time; all have its sign.
func spanField[A any](field string, micros func(A) int64) builder {
	switch field {
	case "hour":
		return total(map1(func(v A) int8 { return int8(micros(v) / (3600 * microsPerSecond)) }))
	case "minute":
		return total(map1(func(v A) int8 { return int8(micros(v) / (60 * microsPerSecond) % 60) }))
	}
	return total(map1(func(v A) decimal128.Num { return decimal128.FromI64(micros(v) % (60 * microsPerSecond)) }))
}

func calendarField(field string) builder {
	switch field {
	case "year":
		return total(map1(func(v interval) int32 { return v.Months / 12 }))
	case "month":
		return total(map1(func(v interval) int8 { return int8(v.Months % 12) }))
	case "day":
		return total(map1(func(v interval) int32 { return v.Days }))
	}
	return spanField(field, func(v interval) int64 { return v.Nanoseconds / 1000 })
}
