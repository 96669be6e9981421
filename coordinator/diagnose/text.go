package diagnose

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/quern-engine/quern/api"
)

// took is a time as people read it.
func took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", seconds)
	}
	if d < time.Hour {
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func nanos(n int64) float64 { return time.Duration(n).Seconds() }

func bytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func rows(n float64) string { return humanize.Comma(int64(n)) + " rows" }

func percent(part float64) string { return fmt.Sprintf("%.0f %%", 100*part) }

// count is a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return humanize.Comma(int64(n)) + " " + what + "s"
}

// times says how much longer or more something is.
func times(a, b float64) string {
	if b <= 0 {
		return "many times"
	}
	if a/b < 10 {
		return fmt.Sprintf("%.1f times", a/b)
	}
	return fmt.Sprintf("%.0f times", a/b)
}

// keyText is a key as people write it: user = 7.
func keyText(columns string, k api.KeyRows) string {
	value := k.Value
	switch {
	case value == "" && columns == "":
		return "a key"
	case value == "":
		return "a value of " + columns
	}
	if strings.Contains(columns, ", ") {
		return "(" + columns + ") = (" + value + ")"
	}
	return columns + " = " + value
}

// clipped bounds a text.
func clipped(text string, most int) string {
	text, _, _ = strings.Cut(text, "\n")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
