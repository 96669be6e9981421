package check

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// Stratum is the rows of a sample that were kept with one rate.
type Stratum struct {
	Name string   `json:"name"`
	Rate *float64 `json:"rate"` // nil if it differs from row to row
	Seen int64    `json:"seen"`
	Kept int64    `json:"kept"`
}

// LedgerLine is the line of measures that says what the ledger of a check's sample has.
func LedgerLine(number int, strata []Stratum) (string, error) {
	line, err := json.Marshal(map[string][]Stratum{fmt.Sprintf("%d.strata", number): strata})
	return string(line), err
}

// judgeSampling compares the inverse rates of the rows that were kept, added up, with the rows that there were.
func judgeSampling(c plan.Check, m *measures, r *api.CheckResult, _ []Version) {
	var strata []Stratum
	if !m.read("strata", &strata) {
		if m.err == nil {
			m.err = fmt.Errorf("the ledger of step %s is not known: its rows were never all there by themselves", c.Step)
		}
		return
	}
	var off []string
	looked, farthest := 0, 0.0
	for _, s := range strata {
		if s.Rate == nil || *s.Rate <= 0 || s.Seen == 0 {
			continue
		}
		looked++
		by := deviations(s)
		farthest = max(farthest, by)
		if c.Max != nil && by > *c.Max {
			off = append(off, s.text(by))
		}
	}
	switch {
	case looked == 0:
		r.Outcome, r.Message = api.CheckSkipped, "no stratum has a rate and rows"
		return
	case len(off) > 0:
		r.Outcome, r.Message = api.CheckFailed, strings.Join(off[:min(len(off), 3)], "; ")
	default:
		r.Message = fmt.Sprintf("at most %.1f standard deviations off, in %s", farthest, strataText(looked))
	}
	r.Message += ", " + bounds(nil, c.Max, plainly) + " wanted"
}

// text says how far a stratum is off.
func (s *Stratum) text(by float64) string {
	kept := fmt.Sprintf("%s: %d of %d rows kept", s.Name, s.Kept, s.Seen)
	if *s.Rate >= 1 {
		return kept + ", and all were to be"
	}
	return fmt.Sprintf("%s at a rate of %s, %.1f standard deviations off", kept, plainly(*s.Rate), by)
}

func strataText(n int) string {
	if n == 1 {
		return "1 stratum"
	}
	return fmt.Sprintf("%d strata", n)
}

// deviations is how many standard deviations the weights of a stratum are off its rows. Where nothing is left to chance, any
// difference is too many.
func deviations(s Stratum) float64 {
	rate, seen := *s.Rate, float64(s.Seen)
	off := math.Abs(float64(s.Kept)/rate - seen)
	if rate >= 1 {
		if off == 0 {
			return 0
		}
		return math.Inf(1)
	}
	return off / math.Sqrt(seen*(1-rate)/rate)
}
