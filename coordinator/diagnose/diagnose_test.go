package diagnose

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/testutil/golden"
)

// TestFindings has profiles as text, a line for each part with its fields in JSON, then a line of ----, and what stands out.
//
//	run · stage · slow · running · key · op · took (a worker, by the stage before) · failed
//	source · worker · vanished
func TestFindings(t *testing.T) { golden.Files(t, "testdata/*.txt", runScript) }

func runScript(t *testing.T, text string) string {
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		if i > 0 {
			out.WriteString("\n")
		}
		input, _, _ := strings.Cut(block, "----\n")
		input = strings.TrimSuffix(input, "----")
		out.WriteString(strings.TrimRight(input, "\n") + "\n----\n")
		for _, f := range Findings(parse(t, input)) {
			fmt.Fprintf(&out, "%s (%.3g s, stage %d)\n", f.Title, f.Seconds, f.Stage)
			for _, why := range f.Why {
				fmt.Fprintf(&out, "  %s\n", why)
			}
			fmt.Fprintf(&out, "  → %s\n", f.Do)
		}
	}
	return out.String()
}

func parse(t *testing.T, input string) *api.Profile {
	t.Helper()
	p := &api.Profile{}
	for _, line := range strings.Split(input, "\n") {
		verb, fields, _ := strings.Cut(line, " ")
		var s *api.StageProfile
		if n := len(p.Stages); n > 0 {
			s = &p.Stages[n-1]
		}
		switch verb {
		case "", "#":
		case "run":
			decode(t, fields, p)
		case "stage":
			p.Stages = append(p.Stages, api.StageProfile{ID: len(p.Stages)})
			decode(t, fields, &p.Stages[len(p.Stages)-1])
		case "slow":
			s.Slowest = add(t, fields, s.Slowest)
		case "running":
			s.Running = add(t, fields, s.Running)
		case "key":
			s.Frequent = add(t, fields, s.Frequent)
		case "op":
			s.Operators = add(t, fields, s.Operators)
		case "took":
			s.Workers = add(t, fields, s.Workers)
		case "failed":
			s.Lost = add(t, fields, s.Lost)
		case "source":
			p.Sources = add(t, fields, p.Sources)
		case "worker":
			p.Workers = add(t, fields, p.Workers)
		case "vanished":
			p.Lost = add(t, fields, p.Lost)
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return p
}

func add[T any](t *testing.T, fields string, list []T) []T {
	t.Helper()
	var item T
	decode(t, fields, &item)
	return append(list, item)
}

func decode(t *testing.T, fields string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(fields))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", fields, err)
	}
}
