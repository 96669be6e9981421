package worker

import (
	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/metrics"
	"github.com/quern-engine/quern/storage"
)

// measures are what a worker shows to Prometheus. Labels have few values: no ids of runs. What tasks count is added when they end.
type measures struct {
	set        metrics.Set
	attempts   *metrics.Counts
	seconds    *metrics.Histogram
	spilled    *metrics.Counts
	rows, read *metrics.Counts
}

func (w *Worker) measure() *measures {
	m := &measures{}
	s := &m.set
	s.Build(w.opts.Build)
	s.Gauge("quern_worker_registered", "Whether a leader has taken this worker on, 1 or 0.", func() float64 {
		generation, _ := w.session.current()
		return float64(min(generation, 1))
	})
	s.Gauge("quern_worker_draining", "Whether this worker is about to stop, 1 or 0.", func() float64 {
		if w.isDraining() {
			return 1
		}
		return 0
	})
	s.Family("quern_worker_slots", "Slots, by state.", false, []string{"state"}, func(emit metrics.Emit) {
		free := w.attempts.free()
		emit(float64(w.opts.Slots-free), "busy")
		emit(float64(free), "free")
	})
	s.Gauge("quern_worker_memory_budget_bytes", "What --memory allows for all tasks together.", func() float64 { return float64(w.opts.Memory) })
	m.attempts = s.Counts("quern_worker_attempts_total", "Attempts that ended here, by outcome; failure is the kind of a failed one.", "outcome", "failure")
	m.seconds = s.Histogram("quern_worker_attempt_seconds", "Time that attempts took, waiting for a slot included.", 0.01, 18)
	m.rows = s.Counts("quern_worker_source_rows_total", "Rows read from sources.")
	m.read = s.Counts("quern_worker_source_bytes_total", "Bytes read from sources, as stored.")
	m.spilled = s.Counts("quern_worker_spill_bytes_total", "Bytes that operators wrote to scratch files.")
	s.Counter("quern_worker_shuffle_served_bytes_total", "Bytes of shuffle data sent to other workers and to readers of results.", w.segments.Served)
	s.Counter("quern_worker_shuffle_fetched_bytes_total", "Bytes of shuffle data that came from other workers.", w.env.Fetch.Fetched)
	s.Counter("quern_worker_plugin_batches_total", "Batches sent to plugins.", w.plugins.Batches)
	storage.Measure(s, w.opts.Store)
	return m
}

// ended counts an attempt.
func (m *measures) ended(r *api.Report) {
	if r.Failure == nil {
		m.attempts.Add(1, "succeeded", "")
	} else {
		m.attempts.Add(1, "failed", string(r.Failure.Kind))
	}
	m.seconds.Observe(r.Seconds)
	m.rows.Add(float64(r.Counts.RowsRead))
	m.read.Add(float64(r.Counts.BytesRead))
	var spilled int64
	for _, o := range r.Counts.Operators {
		spilled += o.Spilled
	}
	m.spilled.Add(float64(spilled))
}
