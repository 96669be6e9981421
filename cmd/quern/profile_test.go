package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/quern-engine/quern/api"
)

// What is said of a run fits the terminal, long texts and times included.
func TestSlownessFits(t *testing.T) {
	long := strings.Repeat("a title of many words ", 12)
	p := &api.Profile{
		RunID: "r", Name: "job", State: api.RunFailed, Seconds: 40000, Phases: api.PhaseTimes{Waiting: 1.5, Tasks: 39998.5},
		Stages: []api.StageProfile{
			{Label: "scan events_of_a_long_name, read 12 → aggregate → shuffle", Tasks: 1_000_000, Done: 1_000_000, Ended: 39998, Busy: 80000, Worked: 79000,
				Took: api.Spread{Median: 3599, Most: 39999}, Facts: api.AttemptFacts{Read: 50e12, Fetch: 10e12, Plugin: 2e12, Write: 3e12}},
			{ID: 117, Label: "read 0 → write out"},
		},
		Findings: []api.Finding{{Kind: api.FindingSpill, Seconds: 39999, Title: long, Why: []string{long, "short"}, Do: long}},
	}
	for _, width := range []int{widestLine, 80} {
		var out strings.Builder
		printSlowness(&out, p, width)
		for _, line := range strings.Split(out.String(), "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		for _, want := range []string{"1. a title of", "→ a title of", "11h06m", "Where the time went: waiting 1.5 s, tasks 11h06m", "62 %"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("there is no %q in\n%s", want, out.String())
			}
		}
	}
}

func TestNothingStandsOut(t *testing.T) {
	var out strings.Builder
	printSlowness(&out, &api.Profile{RunID: "r", Name: "job", State: api.RunSucceeded, Seconds: 2, Phases: api.PhaseTimes{Tasks: 2}, Stages: []api.StageProfile{
		{Label: "scan events → result", Tasks: 1, Done: 1, Ended: 2, Busy: 2, Worked: 2},
	}}, widestLine)
	if text := out.String(); !strings.Contains(text, "Nothing stands out.") || !strings.Contains(text, "Where the time went: tasks 2.0 s") || !strings.Contains(text, "scan events") {
		t.Error(text)
	}
}
