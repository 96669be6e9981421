package sql

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// intervalFields is the value of an interval literal, in months or in microseconds, with the units that it spans. It
// serves names and time zones; what a literal means in a query is decided where its type is.
type intervalFields struct {
	months   int64
	micros   int64
	from, to int // unitYear … unitSecond
}

// The units of interval types, from the largest.
const (
	unitYear = iota
	unitMonth
	unitDay
	unitHour
	unitMinute
	unitSecond
)

// unitOf is the unit of the type and its length: in months or, from days on, in microseconds.
func unitOf(name string) (unit int, length int64, ok bool) {
	const second = 1_000_000
	switch strings.TrimSuffix(strings.ToLower(name), "s") {
	case "year":
		return unitYear, 12, true
	case "month":
		return unitMonth, 1, true
	case "week":
		return unitDay, 7 * 86400 * second, true
	case "day":
		return unitDay, 86400 * second, true
	case "hour":
		return unitHour, 3600 * second, true
	case "minute":
		return unitMinute, 60 * second, true
	case "second":
		return unitSecond, second, true
	case "millisecond":
		return unitSecond, 1000, true
	case "microsecond":
		return unitSecond, 1, true
	}
	return 0, 0, false
}

// intervalOf reads an interval literal; false for one that has no value.
func intervalOf(e *Interval) (intervalFields, bool) {
	v := intervalFields{from: unitSecond, to: unitYear}
	for _, p := range e.Parts {
		var ok bool
		switch {
		case p.To != "":
			ok = v.addRange(p)
		case p.Unit != "":
			ok = v.add(p.Value.Text, p.Unit)
		default:
			ok = v.addText(p.Value.Text)
		}
		if !ok {
			return v, false
		}
	}
	return v, len(e.Parts) > 0
}

// mixed reports years or months together with smaller units.
func (v intervalFields) mixed() bool { return (v.from >= unitDay) != (v.to >= unitDay) }

// add adds a value in a unit.
func (v *intervalFields) add(text, name string) bool {
	unit, length, ok := unitOf(name)
	if !ok {
		return false
	}
	whole, fraction, point := strings.Cut(strings.TrimSpace(text), ".")
	if point && (unit != unitSecond || length != 1_000_000) {
		return false
	}
	negative := strings.HasPrefix(whole, "-")
	digits := strings.TrimLeft(whole, "+- ")
	if digits == "" && point {
		digits = "0"
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return false
	}
	high, low := bits.Mul64(n, uint64(length))
	if high != 0 || low > math.MaxInt64 {
		return false
	}
	amount := int64(low)
	if point {
		micros, err := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
		if err != nil || len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "" {
			return false
		}
		amount += micros
	}
	if negative {
		amount = -amount
	}
	if unit < unitDay {
		v.months += amount
	} else {
		v.micros += amount
	}
	v.from, v.to = min(v.from, unit), max(v.to, unit)
	return true
}

// addText adds "1 day 2 hours".
func (v *intervalFields) addText(text string) bool {
	words := strings.Fields(text)
	if len(words) > 0 && strings.EqualFold(words[0], "interval") {
		words = words[1:]
	}
	for i := len(words) - 2; i >= 0; i-- { // a sign may stand apart
		if words[i] == "-" || words[i] == "+" {
			words[i+1] = words[i] + words[i+1]
			words = slices.Delete(words, i, i+1)
		}
	}
	if len(words) == 0 || len(words)%2 != 0 {
		return false
	}
	for i := 0; i < len(words); i += 2 {
		if !v.add(words[i], words[i+1]) {
			return false
		}
	}
	return true
}

// addRange adds '1-2' YEAR TO MONTH or '1 2:3:4' DAY TO SECOND. The sign at the start is that of all values.
func (v *intervalFields) addRange(p IntervalPart) bool {
	from, _, ok1 := unitOf(p.Unit)
	to, _, ok2 := unitOf(p.To)
	text := strings.TrimSpace(p.Value.Text)
	sign := ""
	for strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
		if text[0] == '-' && sign == "" {
			sign = "-"
		} else if text[0] == '-' {
			sign = ""
		}
		text = text[1:]
	}
	values := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ':' || r == '-' })
	if !ok1 || !ok2 || from >= to || len(values) != to-from+1 {
		return false
	}
	units := [...]string{"year", "month", "day", "hour", "minute", "second"}
	for i, value := range values {
		if !v.add(sign+value, units[from+i]) {
			return false
		}
	}
	return true
}

// String is the literal in Spark's canonical form: INTERVAL '1 02:03:04.5' DAY TO SECOND.
func (v intervalFields) String() string {
	units := [...]string{"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"}
	sign, months, micros := "", v.months, v.micros
	if months < 0 || micros < 0 {
		sign, months, micros = "-", -months, -micros
	}
	text := ""
	switch {
	case v.to == unitYear:
		text = strconv.FormatInt(months/12, 10)
	case v.to == unitMonth && v.from == unitYear:
		text = fmt.Sprintf("%d-%d", months/12, months%12)
	case v.to == unitMonth:
		text = strconv.FormatInt(months, 10)
	default:
		text = v.dayTime(micros)
	}
	name := units[v.from]
	if v.to != v.from {
		name += " TO " + units[v.to]
	}
	return "INTERVAL '" + sign + text + "' " + name
}

// dayTime writes days to seconds. The first unit holds all that the larger ones would, and the others two digits.
func (v intervalFields) dayTime(micros int64) string {
	var b strings.Builder
	for unit := v.from; unit <= v.to; unit++ {
		length := [...]int64{86400_000_000, 3600_000_000, 60_000_000, 1_000_000}[unit-unitDay]
		n := micros / length
		micros %= length
		switch {
		case unit == v.from && unit != unitDay:
			fmt.Fprintf(&b, "%02d", n)
		case unit == v.from:
			fmt.Fprintf(&b, "%d", n)
		case unit == unitHour:
			fmt.Fprintf(&b, " %02d", n)
		default:
			fmt.Fprintf(&b, ":%02d", n)
		}
	}
	if v.to == unitSecond && micros > 0 {
		b.WriteString(strings.TrimRight(fmt.Sprintf(".%06d", micros), "0"))
	}
	return b.String()
}
