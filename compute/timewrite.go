package compute

import (
	"strconv"
	"time"
)

// The English names, which patterns and functions cut to three letters.
var (
	dayNames   = [...]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	monthNames = [...]string{
		"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
	}
)

// stamp is an instant as a zone sees it.
type stamp struct {
	local, offset int64
	at            int64
	zone          *zone
}

func newStamp(micros int64, z *zone) stamp {
	return stamp{z.local(micros), z.offsetAt(micros), micros, z}
}

func appendTime(dst []byte, items []patternItem, t stamp) ([]byte, error) {
	days, micros := splitDay(t.local)
	year, month, day := civil(days)
	seconds := micros / microsPerSecond
	hour := seconds / 3600
	var err error
	for _, it := range items {
		switch it.letter {
		case 0:
			dst = append(dst, it.literal...)
		case '[':
			dst, err = appendTime(dst, it.optional, t)
		case 'y', 'u':
			dst = appendYear(dst, year, it)
		case 'M', 'L':
			dst = appendMonth(dst, month, it.count)
		case 'Q', 'q':
			dst = appendQuarter(dst, month, it.count)
		case 'd':
			dst = appendPadded(dst, int64(day), it.count)
		case 'D':
			dst = appendPadded(dst, days-daysOf(year, 1, 1)+1, it.count)
		case 'F':
			dst = appendPadded(dst, int64(day-1)%7+1, it.count)
		case 'E':
			name := dayNames[dayOfWeek(days)]
			if it.count < 4 {
				name = name[:3]
			}
			dst = append(dst, name...)
		case 'a':
			dst = append(dst, "AMPM"[2*(hour/12):2*(hour/12)+2]...)
		case 'H':
			dst = appendPadded(dst, hour, it.count)
		case 'k':
			dst = appendPadded(dst, (hour+23)%24+1, it.count)
		case 'K':
			dst = appendPadded(dst, hour%12, it.count)
		case 'h':
			dst = appendPadded(dst, (hour+11)%12+1, it.count)
		case 'm':
			dst = appendPadded(dst, seconds/60%60, it.count)
		case 's':
			dst = appendPadded(dst, seconds%60, it.count)
		case 'S':
			var fraction [9]byte
			dst = append(dst, appendPadded(fraction[:0], micros%microsPerSecond*1000, 9)[:it.count]...)
		case 'G':
			dst = append(dst, eraName(year, it.count)...)
		default:
			dst, err = appendZone(dst, t, it)
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func eraName(year int64, count int) string {
	switch {
	case year > 0 && count < 4:
		return "AD"
	case year > 0:
		return "Anno Domini"
	case count < 4:
		return "BC"
	}
	return "Before Christ"
}

func appendQuarter(dst []byte, month, count int) []byte {
	q := int64(month-1)/3 + 1
	switch count {
	case 3:
		return append(dst, 'Q', byte('0'+q))
	case 4:
		return append(dst, []string{"1st", "2nd", "3rd", "4th"}[q-1]+" quarter"...)
	}
	return appendPadded(dst, q, count)
}

func appendYear(dst []byte, year int64, it patternItem) []byte {
	count := it.count
	if it.era && year <= 0 {
		year = 1 - year
	}
	if count == 2 {
		return appendPadded(dst, floorMod(year, 100), 2)
	}
	if year < 0 {
		dst, year = append(dst, '-'), -year
	} else if year > 9999 && count == 4 {
		dst = append(dst, '+')
	}
	return appendPadded(dst, year, count)
}

func appendMonth(dst []byte, month, count int) []byte {
	switch count {
	case 3:
		return append(dst, monthNames[month-1][:3]...)
	case 4:
		return append(dst, monthNames[month-1]...)
	}
	return appendPadded(dst, int64(month), count)
}

func appendPadded(dst []byte, v int64, width int) []byte {
	text := strconv.FormatInt(v, 10)
	for i := len(text); i < width; i++ {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// appendZone writes a zone by one of the letters V, z, O, X, x and Z.
func appendZone(dst []byte, t stamp, it patternItem) ([]byte, error) {
	switch {
	case it.letter == 'V':
		return append(dst, t.zone.name...), nil
	case it.letter == 'z':
		return appendZoneName(dst, t, it.count)
	case it.letter == 'O' || it.letter == 'Z' && it.count == 4:
		dst = append(dst, "GMT"...)
		if t.offset == 0 {
			return dst, nil
		}
		return appendOffset(dst, t.offset, it.count == 4, true, t.offset%60 != 0), nil
	case it.letter == 'X' && t.offset == 0, it.letter == 'Z' && it.count == 5 && t.offset == 0:
		return append(dst, 'Z'), nil
	case it.letter == 'Z' && it.count == 5:
		return appendOffset(dst, t.offset, true, true, t.offset%60 != 0), nil
	case it.letter == 'Z':
		return appendOffset(dst, t.offset, true, false, false), nil
	case it.count == 1 && t.offset%3600/60 == 0:
		return appendOffset(dst, t.offset-t.offset%3600, true, false, false)[:len(dst)+3], nil
	}
	colons, seconds := it.count == 3 || it.count == 5, it.count > 3 && t.offset%60 != 0
	return appendOffset(dst, t.offset, true, colons, seconds), nil
}

// appendOffset writes ±hh[:]mm[[:]ss]; without wide, hours without zeros and no minutes where there are none.
func appendOffset(dst []byte, offset int64, wide, colons, seconds bool) []byte {
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = append(dst, sign)
	if !wide {
		dst = strconv.AppendInt(dst, offset/3600, 10)
		if offset%3600 == 0 {
			return dst
		}
	} else {
		dst = appendPadded(dst, offset/3600, 2)
	}
	parts := []int64{offset / 60 % 60, offset % 60}
	if !seconds {
		parts = parts[:1]
	}
	for _, v := range parts {
		if colons {
			dst = append(dst, ':')
		}
		dst = appendPadded(dst, v, 2)
	}
	return dst
}

// longZones gives the long names behind the common abbreviations.
var longZones = map[string]string{
	"UTC": "Coordinated Universal Time", "GMT": "Greenwich Mean Time", "BST": "British Summer Time",
	"PST": "Pacific Standard Time", "PDT": "Pacific Daylight Time", "MST": "Mountain Standard Time", "MDT": "Mountain Daylight Time",
	"CST": "Central Standard Time", "CDT": "Central Daylight Time", "EST": "Eastern Standard Time", "EDT": "Eastern Daylight Time",
	"AKST": "Alaska Standard Time", "AKDT": "Alaska Daylight Time", "HST": "Hawaii-Aleutian Standard Time",
	"CET": "Central European Standard Time", "CEST": "Central European Summer Time", "EET": "Eastern European Standard Time",
	"EEST": "Eastern European Summer Time", "WET": "Western European Standard Time", "WEST": "Western European Summer Time",
	"JST": "Japan Standard Time", "KST": "Korean Standard Time", "MSK": "Moscow Standard Time",
}

func appendZoneName(dst []byte, t stamp, count int) ([]byte, error) {
	name := t.zone.name
	if t.zone.region != nil {
		name, _ = time.UnixMicro(t.at).In(t.zone.region).Zone()
	}
	if count < 4 {
		return append(dst, name...), nil
	}
	long, ok := longZones[name]
	if !ok {
		return dst, userError("UNSUPPORTED_FEATURE", "The long name of the time zone %s is not known: use VV or XXX.", t.zone.name)
	}
	return append(dst, long...), nil
}
