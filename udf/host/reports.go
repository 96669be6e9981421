package host

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quern-engine/quern/udf/udfpb"
)

// mostRecords bounds the records of an attempt that go into the log: a function that logs each row must not fill a disk.
const mostRecords = 1000

// mostCounters bounds the counters of an attempt, mostName the bytes of the name of one.
const (
	mostCounters = 100
	mostName     = 100
)

// reports takes in what an attempt's functions tell beside their results. It is safe for concurrent use.
type reports struct {
	log *slog.Logger

	mu       sync.Mutex
	records  int
	counters map[string]int64 // by function and name
	busy     time.Duration    // how long functions have worked
}

// take logs the records of a report and adds its counters up.
func (r *reports) take(function string, report *udfpb.Report) {
	if report == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy += time.Duration(report.GetBusyNanos())
	for _, l := range report.GetLogs() {
		if r.records++; r.records > mostRecords {
			if r.records == mostRecords+1 {
				r.log.Warn("plugin functions log more than is kept", "records", mostRecords)
			}
			break
		}
		attributes := []slog.Attr{slog.String("function", function), slog.String("text", clip(l.GetMessage()))}
		if text := l.GetAttributes(); text != "" {
			attributes = append(attributes, slog.String("attributes", clip(text)))
		}
		r.log.LogAttrs(context.Background(), slog.Level(l.GetLevel()), "plugin logs", attributes...)
	}
	for name, n := range report.GetCounters() {
		key := function + "." + strings.ToValidUTF8(name[:min(len(name), mostName)], "")
		if _, known := r.counters[key]; !known && len(r.counters) >= mostCounters {
			continue
		}
		if r.counters == nil {
			r.counters = map[string]int64{}
		}
		r.counters[key] += n
	}
}

// counted is the counters, by function and name.
func (r *reports) counted() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counters)
}

// worked is how long functions have worked so far.
func (r *reports) worked() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy
}

// close logs the counters.
func (r *reports) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(r.counters)) {
		r.log.Info("plugin counts", "counter", key, "value", r.counters[key])
	}
	r.counters = nil
}
