package datagen

import (
	"time"

	"github.com/quern-engine/quern/plan"
)

// Options say which set to make. All of them but Out and Parallel decide its content.
type Options struct {
	Out         string    `json:"-"` // URL of a folder without files
	Seed        uint64    `json:"seed"`
	Start       time.Time `json:"start"` // midnight UTC
	Days        int       `json:"days"`
	Impressions int64     `json:"impressions"` // of the sessions that begin on a day
	Users       int64     `json:"users"`
	Items       int64     `json:"items"`
	Late        float64   `json:"late"`       // share of the feature snapshots that are corrected later
	Hot         float64   `json:"hot"`        // share of the traffic that the hottest user and the hottest item have
	Duplicates  float64   `json:"duplicates"` // share of the log rows that are logged twice
	Files       int       `json:"files"`      // of each table and day
	Parallel    int       `json:"-"`          // tasks at once
}

// Limits of the options.
const (
	maxDays     = 3660
	maxFiles    = 10_000
	maxKeys     = 2_000_000_000 // users or items: so many that a product of two fits 64 bits
	maxPerFile  = idsOfFile / 2 // impressions: event ids of a file are numbered on
	maxADay     = 1_000_000_000_000
	maxParallel = 1000
)

// validate names the flag that is wrong.
func (o *Options) validate() error {
	wrong := func(format string, args ...any) error { return plan.Failf(plan.FailureUser, format, args...) }
	switch {
	case o.Out == "":
		return wrong("--out: name the folder to write to")
	case !o.Start.Equal(o.Start.UTC().Truncate(24 * time.Hour)):
		return wrong("--start %s: a day begins at midnight UTC", o.Start)
	case o.Start.Year() < 1970 || o.Start.Year() > 9000:
		return wrong("--start %s: use a day from 1970-01-01 to 9000-12-31", o.Start.Format(time.DateOnly))
	case o.Days < 1 || o.Days > maxDays:
		return wrong("--days %d: use 1 to %d", o.Days, maxDays)
	case o.Files < 1 || o.Files > maxFiles:
		return wrong("--files %d: use 1 to %d", o.Files, maxFiles)
	case o.Impressions < minRequest || o.Impressions > maxADay:
		return wrong("--impressions %d: use %d to %d a day", o.Impressions, minRequest, maxADay)
	case o.Impressions/int64(o.Files) < minRequest:
		return wrong("--files %d: %d impressions a day leave less than %d for a file; use fewer files", o.Files, o.Impressions, minRequest)
	case o.Impressions/int64(o.Files) >= maxPerFile:
		return wrong("--files %d: %d impressions a day leave more than %d for a file; use more files", o.Files, o.Impressions, maxPerFile)
	case o.Users < 1 || o.Users > maxKeys:
		return wrong("--users %d: use 1 to %d", o.Users, maxKeys)
	case o.Items < 1 || o.Items > maxKeys:
		return wrong("--items %d: use 1 to %d", o.Items, maxKeys)
	case o.Parallel < 1 || o.Parallel > maxParallel:
		return wrong("--parallel %d: use 1 to %d", o.Parallel, maxParallel)
	}
	for _, s := range []struct {
		flag  string
		share float64
	}{{"--late", o.Late}, {"--hot", o.Hot}, {"--duplicates", o.Duplicates}} {
		if !(s.share >= 0 && s.share < 1) {
			return wrong("%s %v: use a share from 0 to below 1", s.flag, s.share)
		}
	}
	return nil
}
