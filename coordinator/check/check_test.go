package check

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
)

// TestJudge reads cases, each behind a line "==== title": checks and measures as JSON, earlier versions as "earlier RUN
// ROWS [DISTRIBUTIONS as JSON]" newest first, a line ----, and what came of it.
func TestJudge(t *testing.T) {
	golden.Files(t, "testdata/*.txt", func(t *testing.T, text string) string {
		var out strings.Builder
		for _, block := range strings.Split("\n"+text, "\n==== ")[1:] {
			head, _, _ := strings.Cut(block, "\n----")
			fmt.Fprintf(&out, "==== %s\n----\n%s\n", head, judged(t, head))
		}
		return strings.TrimRight(out.String(), "\n") + "\n"
	})
}

func judged(t *testing.T, text string) string {
	var checks []plan.Check
	var lines []string
	history := History{}
	for _, line := range strings.Split(text, "\n")[1:] {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "check":
			c := plan.Check{Name: "it", Output: "o"}
			decode(t, rest, &c)
			checks = append(checks, c)
		case "measured":
			lines = append(lines, rest)
		case "earlier":
			run, rest, _ := strings.Cut(rest, " ")
			rows, distributions, _ := strings.Cut(rest, " ")
			v := Version{Run: run}
			v.Rows, _ = strconv.ParseInt(rows, 10, 64)
			if distributions != "" {
				decode(t, distributions, &v.Distributions)
			}
			history["o"] = append(history["o"], v)
		default:
			t.Fatalf("%q", line)
		}
	}
	results := Judge(checks, lines, history)
	var out strings.Builder
	for _, r := range results {
		fmt.Fprintf(&out, "%s %s: %s\n", r.Severity, r.Outcome, r.Message)
		for _, d := range r.Distributions {
			fmt.Fprintf(&out, "  %s: %d rows, %d missing, %d quantiles, %d values\n", d.Column, d.Rows, d.Missing, len(d.Quantiles), len(d.Values))
		}
	}
	fmt.Fprintf(&out, "blocked: %v\n", api.Blocked(results))
	return out.String()
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// The distances of distributions over tenths, computed by hand: a bin with the shares x and y adds (y - x) · ln(y / x).
func TestDistances(t *testing.T) {
	q := func(from, step float64) (list []float64) {
		for i := range 101 {
			list = append(list, from+step*float64(i))
		}
		return list
	}
	a := api.Distribution{Rows: 1000, Quantiles: q(0, 1)}
	for _, c := range []struct {
		name    string
		b       api.Distribution
		psi, ks float64
		within  float64
	}{
		{"itself", a, 0, 0, 1e-12},
		{"elsewhere", api.Distribution{Rows: 1000, Quantiles: q(1000, 1)}, 8.2831, 1, 0.001},
		{"shifted by a tenth", api.Distribution{Rows: 10, Quantiles: q(10, 1)}, 0.7594, 0.1, 0.001},
		{"half as wide", api.Distribution{Rows: 7, Quantiles: q(0, 0.5)}, 3.797, 0.5, 0.001},
	} {
		if got := psi(a, c.b); got < c.psi-c.within || got > c.psi+c.within {
			t.Errorf("%s: psi %v, want %v", c.name, got, c.psi)
		}
		if got := ks(a.Quantiles, c.b.Quantiles); got < c.ks-c.within || got > c.ks+c.within {
			t.Errorf("%s: ks %v, want %v", c.name, got, c.ks)
		}
	}
}
