package compute

import (
	"strconv"
	"strings"

	"github.com/quern-engine/quern/plan"
)

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
	// maxDay is the last day whose microseconds fit a timestamp.
	maxDay = 106_751_991
)

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

// daysOf is the number of days from 1970-01-01 to a day of the proleptic Gregorian calendar. The day may lie outside
// of the month.
func daysOf(year int64, month, day int) int64 {
	// Years begin in March here, so that the leap day comes last; eras of 400 years repeat exactly.
	y, m := year, int64(month)
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yearOfEra := y - era*400
	dayOfYear := (153*floorMod(m+9, 12) + 2) / 5
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return era*146097 + dayOfEra - 719468 + int64(day) - 1
}

// civil is the year, month and day of a number of days since 1970-01-01.
func civil(days int64) (year int64, month, day int) {
	days += 719468
	era := floorDiv(days, 146097)
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*dayOfYear + 2) / 153
	day = int(dayOfYear-(153*m+2)/5) + 1
	month = int(m) + 3
	if month > 12 {
		month -= 12
	}
	year = yearOfEra + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

func isLeap(year int64) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysInMonth(year int64, month int) int {
	switch month {
	case 2:
		if isLeap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// addMonths moves a day by whole months; a day that the month lacks becomes its last one.
func addMonths(days int64, months int64) int64 {
	year, month, day := civil(days)
	m := year*12 + int64(month) - 1 + months
	year, month = floorDiv(m, 12), int(floorMod(m, 12))+1
	return daysOf(year, month, min(day, daysInMonth(year, month)))
}

// dayOfWeek counts from Monday, 0.
func dayOfWeek(days int64) int { return int(floorMod(days+3, 7)) }

func dateToMicros(days int32) (int64, error) {
	if days > maxDay || days < -maxDay {
		return 0, arithmeticOverflow(plan.Int64, "")
	}
	return int64(days) * microsPerDay, nil
}

// parseDate reads [+-]yyyy[yyy][-[m]m[-[d]d]], and ignores what follows a full date after a blank or T.
func parseDate(s string) (int32, bool) {
	days, rest, ok := scanDate(trimSpace(s))
	if !ok || rest != "" && rest[0] != ' ' && rest[0] != 'T' || int64(int32(days)) != days {
		return 0, false
	}
	return int32(days), true
}

// scanDate reads a date at the start of the text; rest is empty unless month and day were given.
func scanDate(s string) (days int64, rest string, ok bool) {
	sign := int64(1)
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	year, s, ok := scanNumber(s, 4, 7)
	if !ok {
		return 0, "", false
	}
	month, day, have := int64(1), int64(1), 1
	if strings.HasPrefix(s, "-") {
		if month, s, ok = scanNumber(s[1:], 1, 2); !ok {
			return 0, "", false
		}
		have++
		if strings.HasPrefix(s, "-") {
			if day, s, ok = scanNumber(s[1:], 1, 2); !ok {
				return 0, "", false
			}
			have++
		}
	}
	year *= sign
	if have < 3 && s != "" || month < 1 || month > 12 || day < 1 || int(day) > daysInMonth(year, int(month)) {
		return 0, "", false
	}
	return daysOf(year, int(month), int(day)), s, true
}

// scanNumber reads between least and most digits; more digits after them are an error.
func scanNumber(s string, least, most int) (v int64, rest string, ok bool) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n < least || n > most {
		return 0, s, false
	}
	v, err := strconv.ParseInt(s[:n], 10, 64)
	return v, s[n:], err == nil
}

// parseTimestamp reads a date, and after a blank or T an optional [h]h[:[m]m[:[s]s[.fraction]]] with a zone. Without
// a zone the time is UTC.
func parseTimestamp(s string) (int64, bool) {
	days, rest, ok := scanDate(trimSpace(s))
	if !ok || days > maxDay || days < -maxDay {
		return 0, false
	}
	if rest == "" {
		return days * microsPerDay, true
	}
	if rest[0] != ' ' && rest[0] != 'T' {
		return 0, false
	}
	micros, rest, ok := scanTime(rest[1:])
	if !ok {
		return 0, false
	}
	offset, ok := parseZone(trimSpace(rest))
	if !ok {
		return 0, false
	}
	return days*microsPerDay + micros - offset*microsPerSecond, true
}

func scanTime(s string) (micros int64, rest string, ok bool) {
	limits := []int64{23, 59, 59}
	for i, limit := range limits {
		if i > 0 {
			if !strings.HasPrefix(s, ":") {
				return finishTime(micros, i), s, true
			}
			s = s[1:]
		}
		var v int64
		if v, s, ok = scanNumber(s, 1, 2); !ok || v > limit {
			return 0, s, false
		}
		micros = micros*60 + v
	}
	micros *= microsPerSecond
	if strings.HasPrefix(s, ".") {
		unit := int64(microsPerSecond / 10)
		for s = s[1:]; s != "" && s[0] >= '0' && s[0] <= '9'; s = s[1:] {
			micros += int64(s[0]-'0') * unit
			unit /= 10
		}
	}
	return micros, s, true
}

// finishTime turns hours, or hours and minutes in base 60, into microseconds.
func finishTime(v int64, parts int) int64 {
	for ; parts < 3; parts++ {
		v *= 60
	}
	return v * microsPerSecond
}

// parseZone gives a zone's offset from UTC in seconds: Z, UTC, GMT, UT, and ±h[h][:mm[:ss]] on its own or after one of
// these names. Regions are not known: their rules would have to come from outside.
func parseZone(s string) (int64, bool) {
	for _, name := range []string{"UTC", "GMT", "UT", "Z"} {
		if s == name {
			return 0, true
		}
		if name != "Z" && strings.HasPrefix(s, name) {
			s = s[len(name):]
			break
		}
	}
	if s == "" {
		return 0, true
	}
	sign := int64(1)
	switch s[0] {
	case '-':
		sign = -1
	case '+':
	default:
		return 0, false
	}
	total, s := int64(0), s[1:]
	for i, unit := range []int64{3600, 60, 1} {
		if i > 0 {
			if s == "" {
				break
			}
			if s[0] == ':' {
				s = s[1:]
			}
		}
		if len(s) > 2 && s[1] != ':' && s[2] != ':' { // +hhmm
			v, err := strconv.ParseInt(s[:2], 10, 64)
			if err != nil {
				return 0, false
			}
			total, s = total+v*unit, s[2:]
			continue
		}
		v, rest, ok := scanNumber(s, 1, 2)
		if !ok || i > 0 && v > 59 {
			return 0, false
		}
		total, s = total+v*unit, rest
	}
	return sign * total, s == "" && total <= 18*3600
}
