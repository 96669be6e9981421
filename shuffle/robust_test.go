package shuffle

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// TestReaderThatTakesNothing is FAULTS F37: the handler of a stream that nobody reads ends, and the reader, should it come
// back, goes on where it was.
func TestReaderThatTakesNothing(t *testing.T) {
	ended := make(chan struct{}, 10)
	c := newCluster(t, 1, 2, 1, 4000, 4000, func(h http.Handler) http.Handler {
		h.(*handler).patience = 50 * time.Millisecond
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { ended <- struct{}{} }()
			h.ServeHTTP(w, r)
		})
	})
	s := NewClient(c.client, ClientOptions{Backoff: time.Millisecond}).Fetch(c.outputs, api.Partition(0), schema, "", nil)
	rec, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := rec.NumRows()
	rec.Release()
	<-ended // though there is more to send than windows hold
	ids, err := drain(t.Context(), s)
	if err != nil || !equal(ids, c.want[0][first:]) {
		t.Errorf("%d rows of %d, %v", len(ids), len(c.want[0])-int(first), err)
	}
}

// hangs has a handler send some bytes and then nothing, the first times that it is called.
func hangs(times int64, after int, requests *atomic.Int64) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) > times {
				h.ServeHTTP(w, r)
				return
			}
			h.ServeHTTP(&hanging{ResponseWriter: w, left: after, gone: r.Context().Done()}, r)
		})
	}
}

type hanging struct {
	http.ResponseWriter
	left int
	gone <-chan struct{}
}

func (h *hanging) Write(p []byte) (int, error) {
	n, err := h.ResponseWriter.Write(p[:min(len(p), h.left)])
	if h.left -= n; err == nil && n < len(p) {
		err = errors.Join(http.NewResponseController(h.ResponseWriter).Flush(), errors.New("hung"))
		<-h.gone
	}
	return n, err
}

// A worker that keeps the connection and sends nothing is tried once more, and then its map output is lost.
func TestWorkerThatHangs(t *testing.T) {
	for _, after := range []int{0, 10, 3000} {
		var requests atomic.Int64
		c := newCluster(t, 1, 2, 1, 500, 50, hangs(1<<30, after, &requests))
		client := NewClient(c.client, ClientOptions{Backoff: time.Millisecond, Idle: 30 * time.Millisecond})
		_, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
		if f := plan.AsFailure(err); err == nil || f.Kind != plan.FailureFetch || !strings.Contains(f.Message, "nothing came for 30ms") {
			t.Errorf("hung after %d bytes: %v", after, err)
		}
	}
	var requests atomic.Int64
	c := newCluster(t, 1, 2, 1, 500, 50, hangs(1, 3000, &requests))
	client := NewClient(c.client, ClientOptions{Backoff: time.Millisecond, Idle: 30 * time.Millisecond})
	ids, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
	if err != nil || !equal(ids, c.want[0]) || requests.Load() != 2 {
		t.Errorf("hung once: %d rows of %d in %d requests, %v", len(ids), len(c.want[0]), requests.Load(), err)
	}
}

// TestResetStorm is FAULTS F36: where every answer is cut off, a reader that gets nowhere gives up soon, and one that gets on
// arrives.
func TestResetStorm(t *testing.T) {
	var requests, left atomic.Int64
	c := newCluster(t, 1, 2, 1, 2000, 50, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			h.ServeHTTP(&breaker{ResponseWriter: w, left: int(left.Load())}, r)
		})
	})
	client := NewClient(c.client, ClientOptions{Backoff: time.Microsecond})
	_, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
	lost(t, err, 0, 0, "5 tries")
	if n := requests.Load(); n != 5 {
		t.Errorf("%d requests", n)
	}
	left.Store(12_000) // a block or two
	ids, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
	if err != nil || !equal(ids, c.want[0]) || requests.Load() < 10 {
		t.Errorf("%d rows of %d in %d requests, %v", len(ids), len(c.want[0]), requests.Load()-5, err)
	}
}

// More streams than a connection takes, all of them with full windows, do not keep another from being read.
func TestMoreStreamsThanFit(t *testing.T) {
	c := newCluster(t, 1, 1, 1, 3000, 200, nil)
	transport := NewTransport(nil)
	transport.HTTP2.MaxReceiveBufferPerStream = 64 << 10 // or they would take a gigabyte
	t.Cleanup(transport.CloseIdleConnections)
	client := NewClient(&http.Client{Transport: transport}, ClientOptions{})
	var standing []*Stream
	for range maxStreams + 100 {
		s := client.Fetch(c.outputs, api.Partition(0), schema, "", nil)
		standing = append(standing, s)
		rec, err := s.Next(t.Context())
		if err != nil {
			t.Fatalf("stream %d: %v", len(standing), err)
		}
		rec.Release()
	}
	ids, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
	if err != nil || !equal(ids, c.want[0]) {
		t.Errorf("%d rows of %d, %v", len(ids), len(c.want[0]), err)
	}
	for _, s := range standing {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A store keeps indexes within bounds, and forgets them with their run.
func TestIndexesAreKeptWithinBounds(t *testing.T) {
	c := newCluster(t, 1, 20, 8, 200, 5, nil)
	store := c.stores[0]
	for range 2 {
		if _, err := drain(t.Context(), NewClient(c.client, ClientOptions{}).Fetch(c.outputs, api.Selection{To: 8}, schema, "", nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(store.indexes.byName); n != 20 {
		t.Errorf("%d indexes of 20 segments", n)
	}
	one := store.indexes.get("run-1/4-0-0.seg")
	for i := range 2 * indexBytes / int(one.Footprint()) {
		store.indexes.put(strconv.Itoa(i), one)
	}
	if n := store.indexes.bytes; n > indexBytes || n < indexBytes/2 {
		t.Errorf("%d bytes are kept of %d", n, indexBytes)
	}
	store.indexes.drop("")
	if store.indexes.bytes != 0 || store.indexes.recent.Len() != 0 {
		t.Errorf("%d bytes, %d indexes after all were dropped", store.indexes.bytes, store.indexes.recent.Len())
	}
}
