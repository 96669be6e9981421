package vector

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
)

// Format is the value at row i in Spark's text form: NULL, true, 1.0, 1.0E10, 12.50, 2001-01-01, 2001-01-01 00:01:00.5.
// Binary shows as its bytes.
func Format(arr arrow.Array, i int) string {
	if ValidityOf(arr).IsNull(i) {
		return "NULL"
	}
	switch dt := arr.DataType().(type) {
	case *arrow.BooleanType:
		return strconv.FormatBool(Bools(arr).At(i))
	case *arrow.Int8Type:
		return strconv.FormatInt(int64(Int8s(arr)[i]), 10)
	case *arrow.Int16Type:
		return strconv.FormatInt(int64(Int16s(arr)[i]), 10)
	case *arrow.Int32Type:
		return strconv.FormatInt(int64(Int32s(arr)[i]), 10)
	case *arrow.Int64Type:
		return strconv.FormatInt(Int64s(arr)[i], 10)
	case *arrow.Float32Type:
		return FormatFloat(float64(Float32s(arr)[i]), 32)
	case *arrow.Float64Type:
		return FormatFloat(Float64s(arr)[i], 64)
	case *arrow.Decimal128Type:
		return FormatDecimal(Decimals(arr)[i].BigInt().String(), dt.Scale)
	case *arrow.Date32Type:
		return FormatDate(Int32s(arr)[i])
	case *arrow.TimestampType:
		return FormatTimestamp(Int64s(arr)[i])
	}
	return string(bytesAt(arr, i))
}

// FormatFloat is a float (bits 32) or double (bits 64) as Java prints it: shortest digits, at least one after the
// point, an exponent outside of 1e-3 … 1e7.
func FormatFloat(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	if a := math.Abs(v); a == 0 || a >= 1e-3 && a < 1e7 {
		s := strconv.FormatFloat(v, 'f', -1, bits)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, bits), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
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

// FormatDate is a date given in days since 1970-01-01.
func FormatDate(days int32) string { return formatDay(time.Unix(int64(days)*86400, 0).UTC()) }

// FormatTimestamp is a timestamp given in microseconds, in UTC, its fraction without trailing zeros.
func FormatTimestamp(micros int64) string {
	t := time.UnixMicro(micros).UTC()
	return formatDay(t) + t.Format(" 15:04:05.999999")
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
	for limit := 1000; limit > year && limit > 1; limit /= 10 {
		b = append(b, '0')
	}
	b = strconv.AppendInt(b, int64(year), 10)
	b = append(b, '-', byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10))
	return string(b)
}
