package compute

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
