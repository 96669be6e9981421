package logical

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// intervalUnit says what one of a unit is, and which field of its kind of interval it fills.
type intervalUnit struct {
	months, micros int64
	field          int32
}

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 24 * 60 * 60 * microsPerSecond
)

// intervalUnits are the units by singular name. Units of months make a year-month interval, the others a day-time one.
var intervalUnits = map[string]intervalUnit{
	"year": {months: 12, field: plan.FieldYear}, "month": {months: 1, field: plan.FieldMonth},
	"week": {micros: 7 * microsPerDay, field: plan.FieldDay}, "day": {micros: microsPerDay, field: plan.FieldDay},
	"hour": {micros: 3600 * microsPerSecond, field: plan.FieldHour}, "minute": {micros: 60 * microsPerSecond, field: plan.FieldMinute},
	"second":      {micros: microsPerSecond, field: plan.FieldSecond},
	"millisecond": {micros: 1000, field: plan.FieldSecond}, "microsecond": {micros: 1, field: plan.FieldSecond},
}

// quantity is a number of a unit as written.
type quantity struct{ number, unit string }

// interval types INTERVAL …: units of years and months make a year-month interval, the others a day-time interval,
// with the fields from the largest to the smallest unit that is written.
func (a *analyser) interval(e *sql.Interval) (*plan.Expr, error) {
	if len(e.Parts) == 1 && e.Parts[0].To != "" {
		return a.intervalRange(e)
	}
	var parts []quantity
	for _, p := range e.Parts {
		if p.Unit != "" {
			parts = append(parts, quantity{strings.TrimSpace(p.Value.Text), p.Unit})
			continue
		}
		inside, ok := quantities(p.Value.Text)
		if !ok {
			return nil, a.errorf(e.Span, "INVALID_TYPED_LITERAL", "'%s' is not an interval", p.Value.Text).
				WithHint("write INTERVAL 7 DAYS, INTERVAL '1' MONTH or INTERVAL '1 day 2 hours'")
		}
		parts = append(parts, inside...)
	}
	return a.intervalSum(e, parts)
}

// quantities reads "1 day -2 hours": pairs of a number and a unit.
func quantities(text string) ([]quantity, bool) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) > 0 && words[0] == "interval" {
		words = words[1:]
	}
	var out []quantity
	for len(words) > 0 {
		number := words[0]
		words = words[1:]
		if (number == "-" || number == "+") && len(words) > 0 { // a sign may stand by itself
			number, words = number+words[0], words[1:]
		}
		if len(words) == 0 {
			return nil, false
		}
		unit := strings.TrimSuffix(words[0], "s")
		if _, known := intervalUnits[unit]; !known {
			return nil, false
		}
		if _, err := strconv.ParseFloat(number, 64); err != nil {
			return nil, false
		}
		out, words = append(out, quantity{number, unit}), words[1:]
	}
	return out, len(out) > 0
}

func (a *analyser) intervalSum(e *sql.Interval, parts []quantity) (*plan.Expr, error) {
	var months, micros int64
	var byMonth, byTime bool
	first, last := int32(math.MaxInt32), int32(0)
	for _, p := range parts {
		unit, ok := intervalUnits[p.unit]
		if !ok {
			return nil, a.errorf(e.Span, "INVALID_INTERVAL_FORMAT.INVALID_UNIT", "unknown unit %s", p.unit)
		}
		byMonth, byTime = byMonth || unit.months != 0, byTime || unit.micros != 0
		first, last = min(first, unit.field), max(last, unit.field)
		m, t, err := a.amount(e, p, unit)
		if err != nil {
			return nil, err
		}
		var okMonths, okMicros bool
		months, okMonths = addExact(months, m)
		micros, okMicros = addExact(micros, t)
		if !okMonths || !okMicros || months != int64(int32(months)) {
			return nil, a.errorf(e.Span, "INVALID_INTERVAL_FORMAT.ARITHMETIC_EXCEPTION", "the interval is too large")
		}
	}
	if byMonth && byTime {
		return nil, a.errorf(e.Span, "_LEGACY_ERROR_TEMP_0029", "years and months do not mix with days and times in one interval").
			WithHint("write two intervals, and add one after the other")
	}
	t := plan.Type{Kind: plan.KindDayTimeInterval, Precision: first, Scale: last}
	value := micros
	if byMonth {
		t.Kind, value = plan.KindYearMonthInterval, months
	}
	return intervalLiteral(t, value), nil
}

// amount is so many of a unit. Only seconds take a fraction, of which what is below a microsecond is cut off.
func (a *analyser) amount(e *sql.Interval, p quantity, unit intervalUnit) (months, micros int64, err error) {
	if n, err := strconv.ParseInt(p.number, 10, 64); err == nil {
		months, okMonths := multiplyExact(n, unit.months)
		micros, okMicros := multiplyExact(n, unit.micros)
		if !okMonths || !okMicros {
			return 0, 0, a.errorf(e.Span, "INVALID_INTERVAL_FORMAT.ARITHMETIC_EXCEPTION", "%s %s is too long", p.number, p.unit)
		}
		return months, micros, nil
	}
	whole, fraction, ok := strings.Cut(p.number, ".")
	if !ok || !digits(strings.TrimLeft(whole, "+-")) || !digits(fraction) {
		return 0, 0, a.errorf(e.Span, "INVALID_INTERVAL_FORMAT.INVALID_VALUE", "%q is not a number of %ss", p.number, p.unit)
	}
	if p.unit != "second" {
		return 0, 0, a.errorf(e.Span, "INVALID_INTERVAL_FORMAT.INVALID_FRACTION", "%s takes no fraction: %s", p.unit, p.number)
	}
	n, err := strconv.ParseInt(whole+(fraction + "000000")[:6], 10, 64)
	if err != nil || len(fraction) > 9 {
		return 0, 0, a.errorf(e.Span, "INVALID_INTERVAL_FORMAT.INVALID_PRECISION", "%s seconds: at most nine digits after the point", p.number)
	}
	return 0, n, nil
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func addExact(x, y int64) (int64, bool) {
	s := x + y
	return s, (s > x) == (y > 0)
}

func multiplyExact(x, y int64) (int64, bool) {
	if x == 0 || y == 0 {
		return 0, true
	}
	p := x * y
	return p, p/y == x && !(x == -1 && y == math.MinInt64) && !(y == -1 && x == math.MinInt64)
}

func intervalLiteral(t plan.Type, value int64) *plan.Expr {
	return &plan.Expr{Op: plan.OpLiteral, Type: t, Value: plan.Literal{Int: value}}
}

// intervalRange is INTERVAL '1-2' YEAR TO MONTH: the string is read as a cast reads it.
func (a *analyser) intervalRange(e *sql.Interval) (*plan.Expr, error) {
	p := e.Parts[0]
	from, okFrom := intervalUnits[p.Unit]
	to, okTo := intervalUnits[p.To]
	if !okFrom || !okTo || (from.months != 0) != (to.months != 0) || from.field >= to.field {
		return nil, a.errorf(e.Span, "_LEGACY_ERROR_TEMP_0028", "there is no interval from %s to %s", p.Unit, p.To)
	}
	t := plan.Type{Kind: plan.KindDayTimeInterval, Precision: from.field, Scale: to.field}
	if from.months != 0 {
		t.Kind = plan.KindYearMonthInterval
	}
	v, err := compute.Fold(compute.Cast(plan.StringLiteral(p.Value.Text), t), a.env.Session)
	if err == nil && (!v.IsLiteral() || v.Value.Null) {
		err = errors.New("[INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING] the text does not have this form")
	}
	if err != nil {
		return nil, a.typeError(e.Span, err)
	}
	return v, nil
}
