package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/metrics"
	"github.com/quern-engine/quern/internal/testutil/promtext"
)

func TestScrape(t *testing.T) {
	t.Parallel()
	var s metrics.Set
	n := int64(7)
	s.Build("v1")
	s.Counter("quern_test_reads_total", "Reads.", func() int64 { return n })
	s.Gauge("quern_test_slots", "Slots.", func() float64 { return 3 })
	s.Family("quern_test_runs", "Runs.", false, []string{"state"}, func(emit metrics.Emit) { emit(2, "queued") })
	s.Family("quern_test_nothing", "Nothing.", false, nil, func(metrics.Emit) {})
	s.Histogram("quern_test_commit_seconds", "Commits.", 0.001, 3).Observe(0.0015)
	s.Counts("quern_test_ends_total", "Ends.", "outcome").Add(4, "failed")
	for range 2 { // the second scrape is like the first
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		body := w.Body.String()
		for _, line := range []string{
			`quern_build_info{build="v1",goversion=`, "quern_test_reads_total 7", "quern_test_slots 3", `quern_test_runs{state="queued"} 2`,
			`quern_test_commit_seconds_bucket{le="0.001"} 0`, `quern_test_commit_seconds_bucket{le="0.002"} 1`, `quern_test_ends_total{outcome="failed"} 4`,
			"go_goroutines ", "process_open_fds ",
		} {
			if !strings.Contains(body, "\n"+line) {
				t.Errorf("there is no line %s in\n%s", line, body)
			}
		}
		if strings.Contains(body, "quern_test_nothing") {
			t.Error("a family without values is shown")
		}
		problems, err := promtext.Lint(body)
		if err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
	}
}
