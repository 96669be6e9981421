// Package metrics shows what a process counts to Prometheus. Rooms count in plain atomic numbers, and say here how they are called;
// nothing is read or made before somebody scrapes. It is the one door to Prometheus' client library.
package metrics

import (
	"net/http"
	"runtime"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Set is the metrics of one process. Add all of them before the first scrape; the zero value is empty.
type Set struct {
	collectors []prometheus.Collector
	once       sync.Once
	handler    http.Handler
}

// Counter shows a number that only grows. read is called at each scrape, by several at once.
func (s *Set) Counter(name, help string, read func() int64) {
	s.add(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(read()) }))
}

// Gauge shows a number that comes and goes.
func (s *Set) Gauge(name, help string, read func() float64) {
	s.add(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Histogram is a count of durations, in buckets that double. Its method is safe for concurrent use.
type Histogram struct{ h prometheus.Histogram }

// Histogram shows how long something takes, from first seconds on, in so many buckets, each twice as long as the one before.
func (s *Set) Histogram(name, help string, first float64, buckets int) *Histogram {
	h := &Histogram{prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(first, 2, buckets)})}
	s.add(h.h)
	return h
}

// Observe counts one duration.
func (h *Histogram) Observe(seconds float64) { h.h.Observe(seconds) }

// Counts are counters told apart by labels, whose values must be few: never ids of runs or workers.
type Counts struct{ v *prometheus.CounterVec }

// Counts shows counters with labels.
func (s *Set) Counts(name, help string, labels ...string) *Counts {
	c := &Counts{prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)}
	s.add(c.v)
	if len(labels) == 0 {
		c.Add(0) // it is there from the start; with labels it is not known which
	}
	return c
}

// Add adds to the counter with these values of the labels, in their order.
func (c *Counts) Add(n float64, values ...string) { c.v.WithLabelValues(values...).Add(n) }

// Emit shows a value of a family, with the values of its labels in their order.
type Emit func(value float64, labels ...string)

// Family shows values that are read at each scrape, told apart by labels. A read that emits nothing shows nothing.
func (s *Set) Family(name, help string, counter bool, labels []string, read func(Emit)) {
	kind := prometheus.GaugeValue
	if counter {
		kind = prometheus.CounterValue
	}
	s.add(&family{prometheus.NewDesc(name, help, labels, nil), kind, read})
}

type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(Emit)
}

// Describe and Collect implement prometheus.Collector.
func (f *family) Describe(c chan<- *prometheus.Desc) { c <- f.desc }

func (f *family) Collect(c chan<- prometheus.Metric) {
	f.read(func(value float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
	})
}

func (s *Set) add(c prometheus.Collector) { s.collectors = append(s.collectors, c) }

// ServeHTTP answers a scrape.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(func() {
		registry := prometheus.NewRegistry()
		// A name that is there twice is a defect, which every test that scrapes would meet.
		registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		registry.MustRegister(s.collectors...)
		s.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	})
	s.handler.ServeHTTP(w, r)
}

// Build shows which build a process is.
func (s *Set) Build(build string) {
	s.Family("quern_build_info", "The build of the process; always 1.", false, []string{"build", "goversion"}, func(emit Emit) {
		emit(1, build, runtime.Version())
	})
}
