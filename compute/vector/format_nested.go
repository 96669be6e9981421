package vector

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// appendPart is a value inside a nested one: NULL is null, and strings stand in quotes, which are not escaped.
func appendPart(dst []byte, arr arrow.Array, i int, zone *time.Location) []byte {
	switch {
	case ValidityOf(arr).IsNull(i):
		return append(dst, "null"...)
	case valueType(arr).ID() == arrow.STRING:
		dst = append(dst, '"')
		return append(append(dst, bytesAt(arr, i)...), '"')
	}
	return appendValue(dst, arr, i, zone)
}

func appendArray(dst []byte, l Lists, i int, zone *time.Location) []byte {
	dst = append(dst, '[')
	from, to := l.Range(i)
	for k := from; k < to; k++ {
		if k > from {
			dst = append(dst, ',')
		}
		dst = appendPart(dst, l.Elements, k, zone)
	}
	return append(dst, ']')
}

func appendMap(dst []byte, m Maps, i int, zone *time.Location) []byte {
	from, to := m.Range(i)
	entries := make([]string, 0, to-from)
	for ; from < to; from++ {
		entry := append(appendPart(nil, m.Keys, from, zone), ':')
		entries = append(entries, string(appendPart(entry, m.Values, from, zone)))
	}
	slices.Sort(entries)
	return append(append(append(dst, '{'), strings.Join(entries, ",")...), '}')
}

func appendStruct(dst []byte, arr arrow.Array, i int, zone *time.Location) []byte {
	dst = append(dst, '{')
	for k, f := range arr.DataType().(*arrow.StructType).Fields() {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), f.Name...), `":`...)
		dst = appendPart(dst, arr.(*array.Struct).Field(k), i, zone)
	}
	return append(dst, '}')
}

// FormatMonths is a year-month interval: 1-2 for 14 months.
func FormatMonths(months int32) string {
	n, sign := int64(months), ""
	if n < 0 {
		n, sign = -n, "-"
	}
	return sign + strconv.FormatInt(n/12, 10) + "-" + strconv.FormatInt(n%12, 10)
}

// FormatDuration is a day-time interval given in microseconds: 1 02:03:04.500000000.
func FormatDuration(micros int64) string {
	n, sign := uint64(micros), ""
	if micros < 0 {
		n, sign = -n, "-"
	}
	two := func(b []byte, v uint64) []byte { return append(b, byte('0'+v/10), byte('0'+v%10)) }
	b := strconv.AppendUint([]byte(sign), n/86_400_000_000, 10)
	b = two(append(b, ' '), n/3_600_000_000%24)
	b = two(append(b, ':'), n/60_000_000%60)
	b = two(append(b, ':'), n/1_000_000%60)
	fraction := strconv.FormatUint(1_000_000+n%1_000_000, 10)
	return string(b) + "." + fraction[1:] + "000"
}

// FormatInterval is a calendar interval in words: 1 years 2 months 3 days 4 hours 5 minutes 6.7 seconds.
func FormatInterval(months, days int32, micros int64) string {
	var parts []string
	part := func(n int64, unit string) {
		if n != 0 {
			parts = append(parts, strconv.FormatInt(n, 10)+" "+unit)
		}
	}
	part(int64(months/12), "years")
	part(int64(months%12), "months")
	part(int64(days), "days")
	part(micros/3_600_000_000, "hours")
	part(micros/60_000_000%60, "minutes")
	if rest := micros % 60_000_000; rest != 0 {
		parts = append(parts, formatSeconds(rest)+" seconds")
	}
	if len(parts) == 0 {
		return "0 seconds"
	}
	return strings.Join(parts, " ")
}

// formatSeconds is less than a minute in seconds, the fraction without trailing zeros.
func formatSeconds(micros int64) string {
	sign := ""
	if micros < 0 {
		micros, sign = -micros, "-"
	}
	s := sign + strconv.FormatInt(micros/1_000_000, 10)
	if f := micros % 1_000_000; f != 0 {
		s += "." + strings.TrimRight(strconv.FormatInt(1_000_000+f, 10)[1:], "0")
	}
	return s
}
