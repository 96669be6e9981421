package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/quern-engine/quern/storage"
)

// flakyStore fails one request to a blob store: the one of a number, in one of three ways.
type flakyStore struct {
	store http.Handler
	seen  atomic.Int64
	fails atomic.Int64 // counted from 1; 0: none
	how   func(f *flakyStore, w http.ResponseWriter, r *http.Request)
}

func (f *flakyStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.seen.Add(1) == f.fails.Load() {
		f.how(f, w, r)
		return
	}
	f.store.ServeHTTP(w, r)
}

var storeFaults = map[string]func(f *flakyStore, w http.ResponseWriter, r *http.Request){
	"answered with 503": func(_ *flakyStore, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	},
	"lost": func(*flakyStore, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"done, its answer lost": func(f *flakyStore, _ http.ResponseWriter, r *http.Request) {
		f.store.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	},
	"cut in the middle of its answer": func(f *flakyStore, w http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		f.store.ServeHTTP(whole, r)
		for name, values := range whole.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(whole.Code)
		w.Write(whole.Body.Bytes()[:whole.Body.Len()/2]) // an error means that the caller has gone
		panic(http.ErrAbortHandler)
	},
}

// A blob store that fails, at each of the requests that a job makes.
func TestF39(t *testing.T) {
	long(t)
	local, err := filepath.Abs("../testdata/flights")
	if err != nil {
		t.Fatal(err)
	}
	store := storage.New()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	flaky := &flakyStore{}
	bucket := fakeBucket(t, func(h http.Handler) http.Handler { flaky.store = h; return flaky })
	upload(t, store, local, bucket("raw/flights"))
	run := func(fails int64, output string) (sums []string, requests int64) {
		flaky.seen.Store(0)
		flaky.fails.Store(fails)
		runBlobJob(t, bucket("raw/flights"), bucket(output))
		flaky.fails.Store(0)
		requests = flaky.seen.Load()
		return blobDigests(t, store, bucket(output)), requests
	}
	want, requests := run(0, "train/quiet")
	for name, how := range storeFaults {
		t.Run(name, func(t *testing.T) {
			flaky.how = how
			for k := int64(1); k <= requests; k++ {
				got, made := run(k, fmt.Sprintf("train/%s/%d", filepath.Base(t.Name()), k))
				if !slices.Equal(got, want) {
					t.Errorf("request %d: other bytes:\n got %v\nwant %v", k, got, want)
				}
				if made < k {
					t.Errorf("there was no request %d", k)
				}
			}
			t.Logf("%d runs right, each with another request %s", requests, name)
		})
	}
}
