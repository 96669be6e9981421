// Package promtext checks what a process shows to Prometheus.
package promtext

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// Lint names what Prometheus' own conventions have against the metrics.
func Lint(text string) ([]string, error) {
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	var list []string
	for _, p := range problems {
		list = append(list, p.Metric+": "+p.Text)
	}
	return list, err
}
