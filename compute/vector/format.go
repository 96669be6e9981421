package vector

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
)

// Format is the value at row i in Spark's text form: NULL, true, 1.0, 1.0E10, 12.50, 2001-01-01, 2001-01-01 00:01:00.5,
// [1,null,"a"], {"key":1} for maps (entries in order of their text) and structs alike. Binary shows as its bytes,
// timestamps in UTC; [FormatIn] has another time zone. Dates show the year of their era without a sign, unlike a cast.
func Format(arr arrow.Array, i int) string { return FormatIn(arr, i, time.UTC) }

// FormatIn is [Format] with timestamps in a time zone.
func FormatIn(arr arrow.Array, i int, zone *time.Location) string {
	if ValidityOf(arr).IsNull(i) {
		return "NULL"
	}
	return string(appendValue(nil, arr, i, zone))
}

// appendValue is the text of a value that is not NULL.
func appendValue(dst []byte, arr arrow.Array, i int, zone *time.Location) []byte {
	switch dt := arr.DataType().(type) {
	case *arrow.BooleanType:
		return strconv.AppendBool(dst, Bools(arr).At(i))
	case *arrow.Int8Type:
		return strconv.AppendInt(dst, int64(Int8s(arr)[i]), 10)
	case *arrow.Int16Type:
		return strconv.AppendInt(dst, int64(Int16s(arr)[i]), 10)
	case *arrow.Int32Type:
		return strconv.AppendInt(dst, int64(Int32s(arr)[i]), 10)
	case *arrow.Int64Type:
		return strconv.AppendInt(dst, Int64s(arr)[i], 10)
	case *arrow.Float32Type:
		return AppendFloat(dst, float64(Float32s(arr)[i]), 32)
	case *arrow.Float64Type:
		return AppendFloat(dst, Float64s(arr)[i], 64)
	case *arrow.Decimal128Type:
		return AppendDecimal(dst, Decimals(arr)[i], dt.Scale)
	case *arrow.Date32Type:
		return append(dst, shownDay(time.Unix(int64(Int32s(arr)[i])*86400, 0).UTC())...)
	case *arrow.TimestampType:
		if dt.TimeZone == "" {
			zone = time.UTC
		}
		t := time.UnixMicro(Int64s(arr)[i]).In(zone)
		return append(append(dst, shownDay(t)...), t.Format(" 15:04:05.999999")...)
	case *arrow.MonthIntervalType:
		return append(dst, FormatMonths(Int32s(arr)[i])...)
	case *arrow.DurationType:
		return append(dst, FormatDuration(Int64s(arr)[i])...)
	case *arrow.MonthDayNanoIntervalType:
		v := Intervals(arr)[i]
		return append(dst, FormatInterval(v.Months, v.Days, v.Nanoseconds/1000)...)
	case *arrow.ListType:
		return appendArray(dst, ListsOf(arr), i, zone)
	case *arrow.MapType:
		return appendMap(dst, MapsOf(arr), i, zone)
	case *arrow.StructType:
		return appendStruct(dst, arr, i, zone)
	}
	return append(dst, bytesAt(arr, i)...)
}

// FormatFloat is a float (bits 32) or double (bits 64) as Java prints it: shortest digits, at least one after the
// point, an exponent outside of 1e-3 … 1e7.
func FormatFloat(v float64, bits int) string { return string(AppendFloat(nil, v, bits)) }

// AppendFloat appends what [FormatFloat] gives.
func AppendFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	}
	start := len(dst)
	if a := math.Abs(v); a == 0 || a >= 1e-3 && a < 1e7 {
		if dst = strconv.AppendFloat(dst, v, 'f', -1, bits); bytes.IndexByte(dst[start:], '.') < 0 {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	var scratch [32]byte
	mantissa, exponent, _ := bytes.Cut(strconv.AppendFloat(scratch[:0], v, 'e', -1, bits), []byte("e"))
	if dst = append(dst, mantissa...); bytes.IndexByte(mantissa, '.') < 0 {
		dst = append(dst, ".0"...)
	}
	dst = append(dst, 'E')
	if exponent[0] == '-' {
		dst = append(dst, '-')
	}
	return append(dst, bytes.TrimLeft(exponent, "+-0")...)
}

// FormatDecimal is an unscaled integer in decimal digits with its point set.
func FormatDecimal(unscaled string, scale int32) string {
	sign, digits := "", unscaled
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	if scale <= 0 {
		return sign + digits
	}
	if missing := int(scale) + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - int(scale)
	return sign + digits[:point] + "." + digits[point:]
}

// AppendDecimal appends a decimal of a scale in plain digits.
func AppendDecimal(dst []byte, v decimal128.Num, scale int32) []byte {
	if int64(v.LowBits())>>63 != v.HighBits() || scale < 0 {
		return append(dst, FormatDecimal(v.BigInt().String(), scale)...)
	}
	n := int64(v.LowBits())
	unsigned := uint64(n)
	if n < 0 {
		dst, unsigned = append(dst, '-'), -unsigned
	}
	var scratch [20]byte
	digits := strconv.AppendUint(scratch[:0], unsigned, 10)
	point := len(digits) - int(scale)
	if point <= 0 {
		dst = append(dst, '0')
	} else {
		dst = append(dst, digits[:point]...)
	}
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	for ; point < 0; point++ {
		dst = append(dst, '0')
	}
	return append(dst, digits[point:]...)
}

// FormatDate is a date given in days since 1970-01-01.
func FormatDate(days int32) string { return formatDay(time.Unix(int64(days)*86400, 0).UTC()) }

// FormatTimestamp is a timestamp given in microseconds, in UTC, its fraction without trailing zeros.
func FormatTimestamp(micros int64) string { return FormatTimestampIn(micros, time.UTC) }

// FormatTimestampIn is [FormatTimestamp] in a time zone.
func FormatTimestampIn(micros int64, zone *time.Location) string {
	t := time.UnixMicro(micros).In(zone)
	return formatDay(t) + t.Format(" 15:04:05.999999")
}

// shownDay is a day as results show it: the year of its era, without a sign.
func shownDay(t time.Time) string {
	year, month, day := t.Date()
	if year <= 0 {
		year = 1 - year
	}
	return dayText(nil, year, month, day)
}

func formatDay(t time.Time) string {
	year, month, day := t.Date()
	b := make([]byte, 0, 12)
	switch {
	case year > 9999:
		b = append(b, '+')
	case year < 0:
		b, year = append(b, '-'), -year
	}
	return dayText(b, year, month, day)
}

// dayText is a day of a year that is not negative.
func dayText(b []byte, year int, month time.Month, day int) string {
	for limit := 1000; limit > year && limit > 1; limit /= 10 {
		b = append(b, '0')
	}
	b = strconv.AppendInt(b, int64(year), 10)
	b = append(b, '-', byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10))
	return string(b)
}
