package plan

import (
	"testing"

	"pgregory.net/rapid"
)

func TestDurationsAsText(t *testing.T) {
	for micros, want := range map[int64]string{0: "0s", 1: "1us", 7 * 86400e6: "7d", 5400e6: "1h30m", 86400e6 + 1_000_250: "1d1s250us"} {
		if got := FormatDuration(micros); got != want {
			t.Errorf("%d is %s, want %s", micros, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		micros := rapid.Int64Range(0, maxMicros).Draw(rt, "micros")
		if got, ok := ParseDuration(FormatDuration(micros)); !ok || got != micros {
			rt.Fatalf("%d is written %s, which is read as %d", micros, FormatDuration(micros), got)
		}
	})
}
