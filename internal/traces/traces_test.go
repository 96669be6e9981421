package traces

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quern-engine/quern/internal/testutil/otlp"
)

const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// Coordinators and workers of different builds must mean the same span: the ids are never to change.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		what  string
		place Place
		want  string
	}{
		{"run", Run("r1", ""), "00-6a74a0c1a2f74818d9c9053dc0072ee7-fd5627ca2dc5e52a-01"},
		{"stage", Run("r1", "").Stage("r1", 1), "00-6a74a0c1a2f74818d9c9053dc0072ee7-3878f9a9ad0a1f2d-01"},
		{"attempt", Run("r1", "").Stage("r1", 1).Attempt("r1", 1, 2, 3), "00-6a74a0c1a2f74818d9c9053dc0072ee7-2100cfd67700f51a-01"},
		{"run of a caller", Run("r1", caller), "00-0af7651916cd43dd8448eb211c80319c-fd5627ca2dc5e52a-01"},
		{"run of a caller who does not look", Run("r1", strings.TrimSuffix(caller, "1")+"0"), "00-0af7651916cd43dd8448eb211c80319c-fd5627ca2dc5e52a-00"},
		{"run of a caller who cannot be read", Run("r1", "00-xyz"), "00-6a74a0c1a2f74818d9c9053dc0072ee7-fd5627ca2dc5e52a-01"},
	} {
		if got := c.place.Traceparent(); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for text, want := range map[string]bool{"": true, caller: true, "00-0-0-01": false, "x": false, strings.ToUpper(caller): false} {
		if got := Check(text) == nil; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestNilIsOff(t *testing.T) {
	var off *Tracer
	off.Emit(Span{})
	off.Close()
}

// A collector that hangs holds up nobody: what there is no room for is dropped, and closing gives up.
func TestHangingCollector(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	var log bytes.Buffer
	tracer := open(t, server.URL, &log)
	begun := time.Now()
	for i := range 10_000 {
		tracer.Emit(Span{Place: Run("r1", "").Stage("r1", i), Name: "stage", Start: begun, End: begun})
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("10,000 spans took %v to hand over", took)
	}
	tracer.Close()
	if took := time.Since(begun); took > 2*closePatience {
		t.Errorf("closing took %v", took)
	}
	if !strings.Contains(log.String(), "spans were not exported") {
		t.Errorf("the log says nothing of spans that are lost: %s", &log)
	}
}

// An outage is logged once, however many requests fail, and its end as well.
func TestOutageIsLoggedOnce(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
	var down atomic.Bool
	taken := &otlp.Collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		taken.ServeHTTP(w, r)
	}))
	defer server.Close()
	var log bytes.Buffer
	tracer := open(t, server.URL+"/v1/traces", &log)
	emit := func(stage int) {
		tracer.Emit(Span{Place: Run("r1", "").Stage("r1", stage), Name: "stage", Start: time.Now(), End: time.Now()})
		if err := tracer.provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	down.Store(true)
	emit(0)
	emit(1)
	down.Store(false)
	emit(2)
	tracer.Close()
	for text, want := range map[string]int{"could not export traces": 1, "exported again": 1, "spans=2": 1} {
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("%q is logged %d times, want %d:\n%s", text, got, want, &log)
		}
	}
	if spans := taken.Spans(); len(spans) != 1 {
		t.Errorf("%d spans came, want 1", len(spans))
	}
}

func TestEndpoints(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://h:4318": "http://h:4318/v1/traces", "https://h/otlp/": "https://h/otlp/v1/traces", "http://h/v1/traces": "http://h/v1/traces",
		"h:4318": "", "grpc://h:4317": "", "http://": "",
	} {
		if got, err := tracesURL(endpoint); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", endpoint, got, err, want)
		}
	}
}

func open(t *testing.T, endpoint string, log *bytes.Buffer) *Tracer {
	t.Helper()
	tracer, err := Open(Options{Endpoint: endpoint, Service: "test", Build: "dev", Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}
