package compute

import (
	"strconv"
	"strings"
)

// parseDate reads [+-]yyyy[yyy][-[m]m[-[d]d]], and ignores what follows a full date after a blank or T.
func parseDate(s string) (int32, bool) {
	days, rest, ok := scanDate(trimSpace(s), 7)
	if !ok || rest != "" && rest[0] != ' ' && rest[0] != 'T' || int64(int32(days)) != days {
		return 0, false
	}
	return int32(days), true
}

// scanDate reads a date at the start of the text, of a year with so many digits at most; rest is empty unless month and day were given.
func scanDate(s string, digits int) (days int64, rest string, ok bool) {
	sign := int64(1)
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	year, s, ok := scanNumber(s, 4, digits)
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

// clockText is what the text of a timestamp says.
type clockText struct {
	days, micros int64
	zone         string // as written; empty for none
	timeOnly     bool   // there was no date
}

// scanClock reads [+-]yyyy[yy][-[m]m[-[d]d]], and after a blank or T an optional [h]h[:[m]m[:[s]s[.fraction]]], of which
// seconds may be followed by a zone. A time may stand alone, with a T in front or a colon behind its hour.
func scanClock(s string) (c clockText, ok bool) {
	s = trimSpace(s)
	if len(s) > 1 && (s[0] == 'T' || len(s) > 2 && (s[1] == ':' || s[2] == ':')) {
		c.timeOnly = true
		ok = c.scanTime(strings.TrimPrefix(s, "T"))
		return c, ok
	}
	var rest string
	if c.days, rest, ok = scanDate(s, 6); !ok || rest == "" {
		return c, ok
	}
	if rest[0] != ' ' && rest[0] != 'T' {
		return c, false
	}
	return c, c.scanTime(rest[1:])
}

func (c *clockText) scanTime(s string) bool {
	var ok bool
	for i, limit := range []int64{23, 59, 59} {
		c.micros *= 60
		if i > 0 {
			if s == "" {
				continue
			}
			if s[0] != ':' {
				return false
			}
			s = s[1:]
		}
		var v int64
		if v, s, ok = scanNumber(s, 1, 2); !ok || v > limit {
			return false
		}
		c.micros += v
	}
	c.micros *= microsPerSecond
	if strings.HasPrefix(s, ".") {
		unit := int64(microsPerSecond / 10)
		for s = s[1:]; s != "" && s[0] >= '0' && s[0] <= '9'; s = s[1:] {
			c.micros += int64(s[0]-'0') * unit
			unit /= 10
		}
	}
	c.zone = trimSpace(s)
	return true
}

// parseTimestamp reads a timestamp; without a zone in the text it is a time of the session's zone.
func (s session) parseTimestamp(text string) (int64, bool) {
	c, ok := scanClock(text)
	zone := s.zone
	if ok && c.zone != "" {
		zone, ok = s.zones.find(c.zone)
	}
	if !ok || c.timeOnly && s.now == 0 {
		return 0, false
	}
	if c.timeOnly {
		c.days = floorDiv(zone.local(s.now), microsPerDay)
	}
	return zone.exactly(c.days, c.micros)
}

// exactly is the instant of a time of a day; false beyond what a timestamp holds.
func (z *zone) exactly(days, micros int64) (int64, bool) {
	if days < maxDay && days > -maxDay {
		return z.instant(days*microsPerDay + micros), true
	}
	offset := z.offset
	if z.region != nil {
		offset = z.offsetOfLocal(days*(microsPerDay/microsPerSecond) + micros/microsPerSecond)
	}
	if micros -= offset * microsPerSecond; days < 0 { // the first day does not fit as a whole
		days, micros = days+1, micros-microsPerDay
	}
	if days > maxDay || days < -maxDay {
		return 0, false
	}
	return addOne(days*microsPerDay, micros)
}

// parseNTZ reads a timestamp without time zone; a zone in the text counts for nothing.
func (s session) parseNTZ(text string) (int64, bool) {
	c, ok := scanClock(text)
	if ok && c.zone != "" {
		_, ok = s.zones.find(c.zone)
	}
	if !ok || c.timeOnly {
		return 0, false
	}
	return fixedZone("UTC", 0).exactly(c.days, c.micros)
}
