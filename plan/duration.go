package plan

import (
	"regexp"
	"strconv"
)

var durationPattern = regexp.MustCompile(`^(?:[0-9]+(?:w|d|h|ms|m|s|us))+$`)
var durationPart = regexp.MustCompile(`([0-9]+)(w|d|h|ms|m|s|us)`)

// unitMicros is how long the units of a duration are, in microseconds.
var unitMicros = map[string]int64{"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3600e6, "d": 86400e6, "w": 7 * 86400e6}

// maxMicros is the longest duration: some 290 years, so that sums with times do not overflow.
const maxMicros = 1 << 53

// ParseDuration reads a length of time as users write it, "7d", "1h30m", "250ms", in microseconds.
func ParseDuration(text string) (micros int64, ok bool) {
	if !durationPattern.MatchString(text) {
		return 0, false
	}
	for _, m := range durationPart.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > maxMicros/unitMicros[m[2]] {
			return 0, false
		}
		if micros += n * unitMicros[m[2]]; micros > maxMicros {
			return 0, false
		}
	}
	return micros, true
}

// FormatDuration is a length of time as users write it, in days and less: "7d", "1h30m"; "0s" for none.
func FormatDuration(micros int64) string {
	if micros == 0 {
		return "0s"
	}
	text := ""
	for _, unit := range []string{"d", "h", "m", "s", "ms", "us"} {
		if n := micros / unitMicros[unit]; n > 0 {
			text += strconv.FormatInt(n, 10) + unit
			micros -= n * unitMicros[unit]
		}
	}
	return text
}
