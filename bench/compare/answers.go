package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// sameRows compares two answers as sets of rows; numbers may differ in their text form, but not
// beyond 1e-12 or, where Quern has a decimal and DuckDB a double, beyond half of the decimal's last digit.
func sameRows(a, b []string) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d rows, but %d on DuckDB", len(a), len(b))
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	for i := range a {
		x, y := strings.Split(a[i], "\t"), strings.Split(b[i], "\t")
		for c := range x {
			if x[c] == y[c] {
				continue
			}
			f, err1 := strconv.ParseFloat(x[c], 64)
			g, err2 := strconv.ParseFloat(y[c], 64)
			if err1 != nil || err2 != nil || math.Abs(f-g) > max(1e-12*math.Max(math.Abs(f), 1), lastDigit(x[c])) {
				return fmt.Errorf("row %q, but %q on DuckDB", a[i], b[i])
			}
		}
	}
	return nil
}

// lastDigit is half of what the last digit of a decimal stands for; 0 of a number in another form.
func lastDigit(text string) float64 {
	_, digits, found := strings.Cut(text, ".")
	if !found || len(digits) < 4 || len(digits) > 8 || strings.ContainsAny(digits, "eE") {
		return 0
	}
	return 0.5 * math.Pow10(-len(digits))
}
