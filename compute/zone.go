package compute

import (
	"math"

	"strings"
	"time"
)

// zone is a time zone as java.time sees one: a local time that a change of the clock leaves out is read with the offset
// before the change, and one that occurs twice is its first occurrence. It caches spans of equal offset, so one
// goroutine may use it at a time.
type zone struct {
	name   string
	offset int64          // seconds east of UTC, of a zone without changes
	region *time.Location // nil for a zone without changes
	cache  []zoneSpan
}

// zoneSpan is a stretch of time with one offset: from ≤ t < to, in seconds since the epoch.
type zoneSpan struct{ from, to, offset int64 }

// zoneCacheSpans is the size of the cache, a power of two; an entry covers about 48 days, all of them 34 years.
const zoneCacheSpans = 256

func fixedZone(name string, offset int64) *zone { return &zone{name: name, offset: offset} }

// isFixed reports a zone that never changes its offset.
func (z *zone) isFixed() bool { return z.region == nil }

// span is the stretch that a second since the epoch lies in.
func (z *zone) span(second int64) zoneSpan {
	if z.region == nil {
		return zoneSpan{math.MinInt64, math.MaxInt64, z.offset}
	}
	if z.cache == nil {
		z.cache = make([]zoneSpan, zoneCacheSpans)
	}
	s := &z.cache[uint64(second)>>22&(zoneCacheSpans-1)]
	if second < s.from || second >= s.to {
		*s = lookUpSpan(z.region, second)
	}
	return *s
}

func lookUpSpan(region *time.Location, second int64) zoneSpan {
	t := time.Unix(second, 0).In(region)
	_, offset := t.Zone()
	s := zoneSpan{math.MinInt64, math.MaxInt64, int64(offset)}
	from, to := t.ZoneBounds()
	if !from.IsZero() {
		s.from = from.Unix()
	}
	if !to.IsZero() {
		s.to = to.Unix()
	}
	if second < s.from || second >= s.to { // the rules of far years wrap around: take the second alone
		s.from, s.to = second, second+1
	}
	return s
}

// local is the local time of microseconds since the epoch, as microseconds since the local epoch.
func (z *zone) local(micros int64) int64 {
	offset := z.offset
	if z.region != nil {
		offset = z.span(floorDiv(micros, microsPerSecond)).offset
	}
	return saturatingAdd(micros, offset*microsPerSecond)
}

// instant is the reverse of local.
func (z *zone) instant(local int64) int64 {
	offset := z.offset
	if z.region != nil {
		offset = z.offsetOfLocal(floorDiv(local, microsPerSecond))
	}
	return saturatingAdd(local, -offset*microsPerSecond)
}

// offsetOfLocal is the offset that a local second is read with.
func (z *zone) offsetOfLocal(local int64) int64 {
	const day = 86_400 // more than any offset
	s := z.span(local + day)
	for s.from != math.MinInt64 {
		before := z.span(s.from - 1)
		if local >= s.from+max(before.offset, s.offset) {
			break
		}
		s = before
	}
	return s.offset
}

// offsetAt is the offset at an instant in microseconds.
func (z *zone) offsetAt(micros int64) int64 { return z.span(floorDiv(micros, microsPerSecond)).offset }

// midnight is the instant at which a day begins.
func (z *zone) midnight(days int64) int64 { return z.instant(days * microsPerDay) }

func saturatingAdd(a, b int64) int64 {
	s, ok := addOne(a, b)
	switch {
	case ok:
		return s
	case a < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// shortZones is Java's list of abbreviations that stand for regions or offsets.
var shortZones = map[string]string{
	"ACT": "Australia/Darwin", "AET": "Australia/Sydney", "AGT": "America/Argentina/Buenos_Aires", "ART": "Africa/Cairo",
	"AST": "America/Anchorage", "BET": "America/Sao_Paulo", "BST": "Asia/Dhaka", "CAT": "Africa/Harare",
	"CNT": "America/St_Johns", "CST": "America/Chicago", "CTT": "Asia/Shanghai", "EAT": "Africa/Addis_Ababa",
	"ECT": "Europe/Paris", "IET": "America/Indiana/Indianapolis", "IST": "Asia/Kolkata", "JST": "Asia/Tokyo",
	"MIT": "Pacific/Apia", "NET": "Asia/Yerevan", "NST": "Pacific/Auckland", "PLT": "Asia/Karachi",
	"PNT": "America/Phoenix", "PRT": "America/Puerto_Rico", "PST": "America/Los_Angeles", "SST": "Pacific/Guadalcanal",
	"VST": "Asia/Ho_Chi_Minh", "EST": "-05:00", "MST": "-07:00", "HST": "-10:00",
}

// zones finds time zones by their names and remembers them.
type zones struct{ known map[string]*zone }

// find is the zone of a name: a region, an abbreviation, an offset, or UTC, GMT or UT with or without an offset.
func (z *zones) find(name string) (*zone, bool) {
	if found, ok := z.known[name]; ok {
		return found, found != nil
	}
	if z.known == nil {
		z.known = map[string]*zone{}
	}
	name = strings.Clone(name)
	found := loadZone(name)
	z.known[name] = found
	return found, found != nil
}

// loadZone is nil for a name that is no zone's.
func loadZone(name string) *zone {
	id := name
	if full, ok := shortZones[id]; ok {
		id = full
	}
	switch id {
	case "", "Local", "localtime", "posixrules", "Factory":
		return nil
	case "Z", "UTC", "GMT", "UT":
		return fixedZone(name, 0)
	}
	for _, prefix := range []string{"UTC", "GMT", "UT", ""} {
		rest, ok := strings.CutPrefix(id, prefix)
		if !ok || rest == "" || rest[0] != '+' && rest[0] != '-' {
			continue
		}
		if offset, ok := parseOffset(rest); ok {
			return fixedZone(name, offset)
		}
		return nil
	}
	if c := id[0] | 0x20; c < 'a' || c > 'z' || strings.HasPrefix(id, "posix/") || strings.HasPrefix(id, "right/") {
		return nil
	}
	region, err := time.LoadLocation(id)
	if err != nil {
		return nil
	}
	return &zone{name: name, region: region}
}

// parseOffset reads ±h, ±hh, ±hhmm, ±hhmmss, and ±[h]h:[m]m[:[s]s], up to 18 hours, in seconds.
func parseOffset(s string) (int64, bool) {
	sign, digits := int64(1), s[1:]
	if s[0] == '-' {
		sign = -1
	}
	var parts []string
	if strings.Contains(digits, ":") {
		parts = strings.Split(digits, ":")
	} else {
		for len(digits) > 2 {
			parts, digits = append(parts, digits[:2]), digits[2:]
			if len(digits) == 1 {
				return 0, false
			}
		}
		parts = append(parts, digits)
	}
	if len(parts) > 3 {
		return 0, false
	}
	total, unit := int64(0), int64(3600)
	for i, p := range parts {
		v, rest, ok := scanNumber(p, 1, 2)
		if !ok || rest != "" || i > 0 && v > 59 {
			return 0, false
		}
		total += v * unit
		unit /= 60
	}
	return sign * total, total <= 18*3600
}
