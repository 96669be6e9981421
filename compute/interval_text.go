package compute

import (
	"math"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// ParseInterval reads the text of an interval of a type, as a cast does: [+-]y-m, [+-]d h:m:s.f and their like with the
// type's fields, also as INTERVAL [+-]'…' FIELD TO FIELD; for the type interval a list of numbers and units.
func ParseInterval(text string, t plan.Type) (plan.Literal, error) {
	switch t.Kind {
	case plan.KindYearMonthInterval:
		months, err := parseYearMonth(text, t)
		return plan.Literal{Int: int64(months)}, err
	case plan.KindDayTimeInterval:
		micros, err := parseDayTime(text, t)
		return plan.Literal{Int: micros}, err
	}
	u, err := parseUnits(text)
	return u.literal(), err
}

// ParseIntervalUnits reads a list of numbers and units ("1 day 2 hours"), and gives the interval with the type that its
// units make: INTERVAL '1 day 2 hours' and INTERVAL 1 DAY 2 HOURS are interval day to hour. Months do not go with days.
func ParseIntervalUnits(text string) (plan.Type, plan.Literal, error) {
	u, err := parseUnits(text)
	if err != nil {
		return plan.Type{}, plan.Literal{}, err
	}
	switch {
	case u.yearMonth.any && u.dayTime.any:
		return plan.Type{}, plan.Literal{}, userError("_LEGACY_ERROR_TEMP_0029", "Cannot mix year-month and day-time fields: interval %s.", sqlString(text))
	case u.yearMonth.any:
		t := plan.Type{Kind: plan.KindYearMonthInterval, Precision: u.yearMonth.first, Scale: u.yearMonth.last}
		return t, plan.Literal{Int: u.months}, nil
	}
	t := plan.Type{Kind: plan.KindDayTimeInterval, Precision: u.dayTime.first, Scale: u.dayTime.last}
	hi, lo := mul64(u.days, microsPerDay)
	micros, ok := addOne(int64(lo), u.micros)
	if hi != int64(lo)>>63 || !ok {
		return t, plan.Literal{}, intervalOverflow("")
	}
	return t, plan.Literal{Int: micros}, nil
}

// intervalField is a field of day-time and year-month intervals with its number of units in the smallest one.
type intervalField struct {
	name   string
	unit   int64 // in microseconds, or months
	most   int64 // behind a larger field
	digits int   // in front
	before byte  // what separates it from a larger field
}

// The fields by their numbers in plan.
var (
	yearMonthFields = []intervalField{{"year", 12, 0, 10, 0}, {"month", 1, 11, 10, '-'}}
	dayTimeFields   = []intervalField{
		{"day", microsPerDay, 0, 9, 0}, {"hour", 3600 * microsPerSecond, 23, 10, ' '},
		{"minute", 60 * microsPerSecond, 59, 12, ':'}, {"second", microsPerSecond, 59, 13, ':'},
	}
)

func fieldsOf(t plan.Type) []intervalField {
	all := dayTimeFields
	if t.Kind == plan.KindYearMonthInterval {
		all = yearMonthFields
	}
	return all[t.Precision : t.Scale+1]
}

// intervalBody takes INTERVAL [+-]'…' FIELD TO FIELD off, if it is there, and the sign of what is left.
func intervalBody(text string, t plan.Type) (body string, negative, ok bool) {
	s := trimSpace(text)
	if len(s) > 9 && strings.EqualFold(s[:8], "interval") {
		s = strings.TrimLeft(s[8:], " \t\n\r")
		s, negative = cutSign(s, negative)
		from, to := strings.IndexByte(s, '\''), strings.LastIndexByte(s, '\'')
		if from != 0 || to == 0 || !strings.EqualFold(strings.Join(strings.Fields(s[to+1:]), " "), strings.TrimPrefix(t.String(), "interval ")) {
			return "", false, false
		}
		s = s[1:to]
	}
	s, negative = cutSign(s, negative)
	return s, negative, true
}

func cutSign(s string, negative bool) (string, bool) {
	switch {
	case strings.HasPrefix(s, "-"):
		return s[1:], !negative
	case strings.HasPrefix(s, "+"):
		return s[1:], negative
	}
	return s, negative
}

func parseYearMonth(text string, t plan.Type) (int32, error) {
	body, negative, ok := intervalBody(text, t)
	total := int64(0)
	for i, f := range fieldsOf(t) {
		if i > 0 && ok {
			body, ok = strings.CutPrefix(body, "-")
		}
		var v int64
		if ok {
			v, body, ok = scanField(body, 19)
		}
		switch {
		case !ok:
			return 0, unmatchedInterval(text, t)
		case i > 0 && v > f.most || v > math.MaxInt32:
			return 0, intervalParsing(text)
		}
		total += v * f.unit
	}
	if body != "" {
		return 0, unmatchedInterval(text, t)
	}
	if negative {
		total = -total
	}
	if int64(int32(total)) != total {
		return 0, intervalParsing(text)
	}
	return int32(total), nil
}

func parseDayTime(text string, t plan.Type) (int64, error) {
	body, negative, ok := intervalBody(text, t)
	total := int64(0)
	for i, f := range fieldsOf(t) {
		digits := 2
		switch {
		case i == 0 && t.Precision == plan.FieldDay && t.Scale > plan.FieldDay:
			digits = 19
		case i == 0:
			digits = f.digits
		case ok:
			body, ok = strings.CutPrefix(body, string(f.before))
		}
		var v int64
		if ok {
			v, body, ok = scanField(body, digits)
		}
		if !ok {
			return 0, unmatchedInterval(text, t)
		}
		if i > 0 && v > f.most {
			return 0, userError("INVALID_INTERVAL_FORMAT.INTERVAL_PARSING",
				"Error parsing %s to interval. %s %d outside range [0, %d].", sqlString(text), f.name, v, f.most)
		}
		if negative {
			v = -v
		}
		hi, lo := mul64(v, f.unit)
		sum, fits := addOne(total, int64(lo))
		if total = sum; hi != int64(lo)>>63 || !fits {
			return 0, intervalOverflow("")
		}
	}
	if t.Scale == plan.FieldSecond && strings.HasPrefix(body, ".") {
		micros, digits := fraction(body[1:])
		if negative {
			micros = -micros
		}
		if digits > 9 {
			return 0, unmatchedInterval(text, t)
		}
		total += micros
		body = body[1+digits:]
	}
	if body != "" {
		return 0, unmatchedInterval(text, t)
	}
	return total, nil
}

// scanField reads at most so many digits.
func scanField(s string, most int) (v int64, rest string, ok bool) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 0 || n > most {
		return 0, s, false
	}
	v, err := strconv.ParseInt(s[:n], 10, 64)
	return v, s[n:], err == nil
}

// fraction reads digits behind a point as microseconds, and how many they are.
func fraction(s string) (micros int64, digits int) {
	unit := int64(microsPerSecond / 10)
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		micros += int64(s[digits]-'0') * unit
		unit /= 10
		digits++
	}
	return micros, digits
}

// fieldRange is the smallest and the largest field that a text has named.
type fieldRange struct {
	any         bool
	first, last int32
}

func (r *fieldRange) add(field int32) {
	if !r.any {
		r.first, r.last = field, field
	}
	r.any, r.first, r.last = true, min(r.first, field), max(r.last, field)
}

// unitsText is what a list of numbers and units says.
type unitsText struct {
	months, days, micros int64
	yearMonth, dayTime   fieldRange
}

func (u unitsText) literal() plan.Literal {
	return plan.Literal{Int: u.micros, High: u.months<<32 | int64(uint32(u.days))}
}

// parseUnits reads [interval] [+-] number unit …; only seconds may have a fraction.
func parseUnits(text string) (u unitsText, err error) {
	s := strings.ToLower(trimSpace(text))
	if rest, ok := strings.CutPrefix(s, "interval"); ok && rest != "" && rest[0] <= ' ' {
		s = rest
	}
	s = skipBlanks(s)
	if s == "" {
		return u, unitsError("INPUT_IS_EMPTY", text, "Interval string cannot be empty.")
	}
	for s != "" {
		if s, err = u.readUnit(s, text); err != nil {
			return u, err
		}
	}
	return u, nil
}

func skipBlanks(s string) string {
	for s != "" && s[0] <= ' ' {
		s = s[1:]
	}
	return s
}

func (u *unitsText) readUnit(s, text string) (string, error) {
	before := s
	s, negative := cutSign(s, false)
	s = skipBlanks(s)
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	micros, hasFraction := int64(0), n < len(s) && s[n] == '.'
	whole, rest := s[:n], s[n:]
	if hasFraction {
		digits := 0
		micros, digits = fraction(rest[1:])
		if digits > 9 {
			return "", unitsError("INVALID_PRECISION", text, "Interval can only support nanosecond precision, %s is out of range.", s)
		}
		rest = rest[1+digits:]
	}
	word := skipBlanks(rest)
	end := 0
	for end < len(word) && word[end] > ' ' {
		end++
	}
	unit, next := word[:end], skipBlanks(word[end:])
	switch {
	case n == 0 && !hasFraction:
		return "", unitsError("UNRECOGNIZED_NUMBER", text, "Unrecognized number %s.", firstWord(before))
	case rest != "" && rest[0] > ' ':
		return "", unitsError("INVALID_VALUE", text, "Invalid value %s.", firstWord(before))
	case unit == "":
		return "", unitsError("MISSING_UNIT", text, "Expect a unit name after %s but hit EOL.", firstWord(before))
	}
	v := int64(0)
	if n > 0 {
		var err error
		if v, err = strconv.ParseInt(whole, 10, 64); err != nil {
			return "", unitsArithmetic(text)
		}
	}
	if negative {
		v, micros = -v, -micros
	}
	return next, u.add(unit, v, micros, hasFraction, text)
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// add counts v of a unit in, and micros of a second's fraction.
func (u *unitsText) add(unit string, v, micros int64, hasFraction bool, text string) error {
	name := strings.TrimSuffix(unit, "s")
	field, ok := intervalUnits[name]
	switch {
	case !ok:
		return unitsError("INVALID_UNIT", text, "Invalid unit %s.", unit)
	case hasFraction && name != "second":
		return unitsError("INVALID_FRACTION", text, "%s cannot have fractional part.", unit)
	}
	into, limit := &u.micros, int64(math.MaxInt64)
	switch field.part {
	case 'm':
		into, limit = &u.months, math.MaxInt32
		u.yearMonth.add(field.field)
	case 'd':
		into, limit = &u.days, math.MaxInt32
		u.dayTime.add(field.field)
	default:
		u.dayTime.add(field.field)
	}
	hi, lo := mul64(v, field.size)
	sum, fits := addOne(*into, int64(lo))
	whole, fits2 := addOne(sum, micros)
	if hi != int64(lo)>>63 || !fits || !fits2 || whole > limit || whole < -limit-1 {
		return unitsArithmetic(text)
	}
	*into = whole
	return nil
}

// intervalUnit is a unit of text: the part of an interval that it counts in, its size there, and its field.
type intervalUnit struct {
	part  byte
	size  int64
	field int32
}

var intervalUnits = map[string]intervalUnit{
	"year": {'m', 12, plan.FieldYear}, "month": {'m', 1, plan.FieldMonth}, "week": {'d', 7, plan.FieldDay},
	"day": {'d', 1, plan.FieldDay}, "hour": {'u', 3600 * microsPerSecond, plan.FieldHour},
	"minute": {'u', 60 * microsPerSecond, plan.FieldMinute}, "second": {'u', microsPerSecond, plan.FieldSecond},
	"millisecond": {'u', 1000, plan.FieldSecond}, "microsecond": {'u', 1, plan.FieldSecond},
}

func unitsError(sub, text, format string, args ...any) error {
	return userError("INVALID_INTERVAL_FORMAT."+sub, "Error parsing "+strings.ReplaceAll(sqlString(text), "%", "%%")+" to interval. "+format, args...)
}

func unitsArithmetic(text string) error {
	return unitsError("ARITHMETIC_EXCEPTION", text, "Uncaught arithmetic exception while parsing the value.")
}

func intervalParsing(text string) error {
	return unitsError("INTERVAL_PARSING", text, "Error parsing interval year-month string.")
}

func unmatchedInterval(text string, t plan.Type) error {
	sub, kind := "UNMATCHED_FORMAT_STRING_WITH_NOTICE", "day-time"
	if t.Kind == plan.KindYearMonthInterval {
		sub, kind = "UNMATCHED_FORMAT_STRING", "year-month"
	}
	return unitsError(sub, text, "Interval string does not match %s format when cast to %s.", kind, t)
}

// intervalOverflow is what arithmetic of intervals beyond their range raises; try names the tolerant function.
func intervalOverflow(try string) error {
	if try == "" {
		return userError("INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION",
			"Integer overflow while operating with intervals. Try devising appropriate values for the interval parameters.")
	}
	return userError("INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION",
		"Integer overflow while operating with intervals. Use `%s` to tolerate overflow and return NULL instead.", try)
}
