package compute

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestZones checks local times against the standard library, and that reading a local time gives the instant, the
// first of two with that local time, or, for a local time that there is not, one that is later by the gap.
func TestZones(t *testing.T) {
	names := []string{"America/Los_Angeles", "Europe/Paris", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "+05:45", "UTC"}
	known := &zones{}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "zone")
		z, ok := known.find(name)
		if !ok {
			t.Fatalf("no zone %s", name)
		}
		v := rapid.Int64Range(-5_000_000_000, 20_000_000_000).Draw(t, "seconds")*microsPerSecond + rapid.Int64Range(0, 999_999).Draw(t, "micros")
		if !z.isFixed() {
			_, offset := time.UnixMicro(v).In(z.region).Zone()
			if got := z.local(v); got != v+int64(offset)*microsPerSecond {
				t.Fatalf("%s: local time of %d is %d, with the offset %d", name, v, got, offset)
			}
		}
		local := z.local(v)
		back := z.instant(local)
		if z.local(back) != local || back > v {
			t.Fatalf("%s: %d is %d locally, which is read as %d", name, v, local, back)
		}
		gap := z.instant(v) // any local time, of which few fall into a gap
		if z.local(gap) < v {
			t.Fatalf("%s: the local time %d is read as the earlier %d", name, v, z.local(gap))
		}
	})
}

// TestZoneNames checks which names are zones.
func TestZoneNames(t *testing.T) {
	known := &zones{}
	for name, want := range map[string]bool{
		"Z": true, "UTC": true, "GMT+3": true, "UTC-08:00": true, "+1": true, "+01:30:15": true, "-18:00": true, "PST": true, "EST": true,
		"Asia/Tokyo": true, "": false, "+18:01": false, "+1:60": false, "Local": false, "../etc": false, "Mars": false, "posixrules": false, "+": false,
	} {
		if z, ok := known.find(name); ok != want {
			t.Errorf("%q: %v, %v", name, z, ok)
		}
	}
}
