package compute

import "strings"

// timeFields is what a pattern has read so far; fields that it does not name keep their value in 1970-01-01 00:00:00.
type timeFields struct {
	year, month, day     int64
	hour, minute, second int64
	micros               int64
	zone                 *zone // nil: the session's
	dayOfYear            int64 // 0: not given
	half                 int64 // 1 AM, 2 PM, 0 not given
	hour12               bool
	weekday              int // 1 Monday …, 0 not given
	bc                   bool
	fraction             bool // micros has been read; a second fraction must be the same
	zones                *zones
}

// parseTime reads a whole text by a pattern.
func parseTime(items []patternItem, s string, in session) (int64, bool) {
	f := timeFields{year: 1970, month: 1, day: 1, zones: in.zones}
	rest, ok := f.readAll(items, s)
	if !ok || rest != "" {
		return 0, false
	}
	return f.time(in.zone)
}

// readAll reads a section; an optional part that does not match reads nothing.
func (f *timeFields) readAll(items []patternItem, s string) (rest string, ok bool) {
	for i, it := range items {
		if it.letter == '[' {
			before := *f
			if rest, ok := f.readAll(it.optional, s); ok {
				s = rest
			} else {
				*f = before
			}
			continue
		}
		adjacent := i+1 < len(items) && isNumeric(items[i+1])
		if s, ok = f.read(it, s, adjacent); !ok {
			return s, false
		}
	}
	return s, true
}

// isNumeric reports letters that stand for digits.
func isNumeric(it patternItem) bool {
	return it.letter != 0 && strings.IndexByte("yudDHhkKmsS", it.letter) >= 0 || (it.letter == 'M' || it.letter == 'L') && it.count < 3
}

func (f *timeFields) read(it patternItem, s string, adjacent bool) (string, bool) {
	ok := true
	switch it.letter {
	case 0:
		return strings.CutPrefix(s, it.literal)
	case 'y', 'u':
		return f.readYear(it, s, adjacent)
	case 'M', 'L':
		if it.count >= 3 {
			i, rest, ok := readName(s, monthNames[:], it.count == 3)
			f.month = int64(i) + 1
			return rest, ok
		}
		f.month, s, ok = readDigits(s, it, adjacent, 1, 12)
	case 'd':
		f.day, s, ok = readDigits(s, it, adjacent, 1, 31)
	case 'D':
		f.dayOfYear, s, ok = readDigits(s, it, adjacent, 1, 366)
	case 'E':
		i, rest, ok := readName(s, dayNames[:], it.count < 4)
		f.weekday = i + 1
		return rest, ok
	case 'a':
		i, rest, ok := readName(s, []string{"AM", "PM"}, false)
		f.half = int64(i) + 1
		return rest, ok
	case 'H':
		f.hour, s, ok = readDigits(s, it, adjacent, 0, 23)
	case 'k':
		f.hour, s, ok = readDigits(s, it, adjacent, 1, 24)
		f.hour %= 24
	case 'h', 'K':
		f.hour, s, ok = readDigits(s, it, adjacent, 0, 12)
		f.hour, f.hour12 = f.hour%12, true
	case 'm':
		f.minute, s, ok = readDigits(s, it, adjacent, 0, 59)
	case 's':
		f.second, s, ok = readDigits(s, it, adjacent, 0, 59)
	case 'S':
		return f.readFraction(it, s)
	case 'X', 'x', 'Z', 'z', 'V', 'O':
		f.zone, s, ok = f.readZone(s, it)
	case 'G':
		i, rest, ok := readName(s, []string{"AD", "BC"}, false)
		f.bc = i == 1
		return rest, ok
	default:
		return s, false
	}
	return s, ok
}

func (f *timeFields) readYear(it patternItem, s string, adjacent bool) (string, bool) {
	sign := int64(1)
	if it.count != 2 && s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	wide := it
	if it.count != 2 && !adjacent {
		wide.count = 1
		if digits := len(s) - len(strings.TrimLeft(s, "0123456789")); digits < it.count || digits > 7 {
			return s, false
		}
	}
	v, s, ok := readDigits(s, wide, adjacent, 0, 9_999_999)
	if it.count == 2 {
		v += 2000 // Java's base year: two digits are 2000 to 2099
	}
	f.year = sign * v
	return s, ok
}

// readDigits reads a number: as many digits as there are for a single letter, else as many as letters.
func readDigits(s string, it patternItem, adjacent bool, low, high int64) (int64, string, bool) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' && n < 9 && !(n == it.count && (it.count > 1 || adjacent)) {
		n++
	}
	if n < it.count {
		return 0, s, false
	}
	v, rest, ok := scanNumber(s[:n], 1, 9)
	return v, rest + s[n:], ok && v >= low && v <= high
}

func (f *timeFields) readFraction(it patternItem, s string) (string, bool) {
	before, again := f.micros, f.fraction
	f.fraction = true
	rest, ok := f.readMicros(it, s)
	return rest, ok && (!again || f.micros == before)
}

func (f *timeFields) readMicros(it patternItem, s string) (string, bool) {
	unit := int64(microsPerSecond / 10)
	f.micros = 0
	for i := range it.count {
		if i >= len(s) || s[i] < '0' || s[i] > '9' {
			return s[min(i, len(s)):], i > 0 && it.count > 1
		}
		f.micros += int64(s[i]-'0') * unit
		unit /= 10
	}
	return s[it.count:], true
}

// readName reads one of several names, cut to three letters if short, in any letter case.
func readName(s string, names []string, short bool) (int, string, bool) {
	for i, name := range names {
		if short {
			name = name[:3]
		}
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			return i, s[len(name):], true
		}
	}
	return 0, s, false
}

// readZone reads the longest text that is a zone of the letter's kind.
func (f *timeFields) readZone(s string, it patternItem) (*zone, string, bool) {
	names := it.letter == 'V' || it.letter == 'z'
	end := 0
	for end < len(s) && (strings.IndexByte("+-:0123456789GMTUZ", s[end]) >= 0 || names && isZoneLetter(s[end])) {
		end++
	}
	for ; end > 0; end-- {
		if z, ok := f.zones.find(s[:end]); ok && (names || z.isFixed()) {
			return z, s[end:], true
		}
	}
	return nil, s, false
}

func isZoneLetter(c byte) bool { return c == '/' || c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func (f *timeFields) time(zone *zone) (int64, bool) {
	if f.bc {
		f.year = 1 - f.year
	}
	if f.zone != nil {
		zone = f.zone
	}
	days := int64(0)
	switch {
	case f.dayOfYear > 0:
		if f.dayOfYear == 366 && !isLeap(f.year) {
			return 0, false
		}
		days = daysOf(f.year, 1, 1) + f.dayOfYear - 1
	case int(f.day) > daysInMonth(f.year, int(f.month)):
		return 0, false
	default:
		days = daysOf(f.year, int(f.month), int(f.day))
	}
	if days >= maxDay || days <= -maxDay || f.weekday > 0 && dayOfWeek(days) != f.weekday-1 {
		return 0, false
	}
	if f.hour12 && f.half == 2 {
		f.hour += 12
	}
	seconds := days*86400 + f.hour*3600 + f.minute*60 + f.second
	return zone.instant(seconds*microsPerSecond + f.micros), true
}
