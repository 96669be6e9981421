package assembly

import (
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// On a terminal no line is wider than it, and nothing but texts of operators is cut.
func TestAnalyzedFits(t *testing.T) {
	s := api.StageProfile{
		ID: 1, Tasks: 2, Done: 2, AtOnce: 2, Sink: "shuffle into 2 by exchange-v1(" + strings.Repeat("user#1, ", 20) + ")", Began: 1, Ended: 12, Twins: 1,
		Busy: 11.7, Worked: 11, Adapted: "partition 1, 5 times as large as others, cut in 3; partition 7, 9 times as large as others, done in 4 slices",
		Counts:    api.Counts{RowsOut: 12779, Operators: make([]api.OperatorCounts, 2)},
		Operators: []api.OperatorProfile{{Op: plan.NodeScan, Text: "scan events " + strings.Repeat("column, ", 20)}, {Depth: 9, Op: plan.NodeSort, Text: "sort", OperatorCounts: api.OperatorCounts{Rows: 600000, Batches: 38, Spilled: 1 << 40, Peak: 15 << 20}}},
	}
	s.Counts.RowsRead, s.Counts.PagesPruned, s.Counts.RowsPruned = 600000, 123, 456789
	s.RowsIn = api.Spread{Least: 90260, Median: 98300, Most: 509740}
	s.Facts.Fetch, s.Facts.Write, s.Facts.Read = 480e6, 350e6, 900e6
	p := &api.Profile{Seconds: 13, Stages: []api.StageProfile{s}}
	whole := words(Analyzed(p, 0))
	for _, width := range []int{60, 80, 120} {
		text := Analyzed(p, width)
		for line := range strings.Lines(text) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("%d characters, of %d:\n%s", n, width, line)
			}
		}
		kept := words(text)
		for _, w := range []string{"spilled", "handing", "skipped", "slices", "attempts:", "task"} {
			if !strings.Contains(whole, w) || !strings.Contains(kept, w) {
				t.Errorf("%d: %q is missing:\n%s", width, w, text)
			}
		}
	}
}

func words(text string) string { return strings.Join(strings.Fields(text), " ") }
