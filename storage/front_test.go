package storage_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// front stands before a server that speaks the protocol of an object store. It counts requests, and may delay them or spoil them.
type front struct {
	server   *httptest.Server
	requests atomic.Int64
	delay    time.Duration
	// spoil may answer a request itself, which is then done. It is set before requests come.
	spoil func(w http.ResponseWriter, r *http.Request, pass http.Handler) (done bool)
}

// newFront stands before the server of a base URL and returns the URL that goes through it.
func newFront(t *testing.T, base string) (*front, string) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	query, f := u.Query(), &front{}
	target := &url.URL{Scheme: "http"}
	switch u.Scheme {
	case "s3":
		target.Host = strings.TrimPrefix(query.Get("endpoint"), "http://")
	case "gs":
		target.Host = os.Getenv("STORAGE_EMULATOR_HOST")
	case "azblob":
		target.Host = query.Get("domain")
	}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			if u.Scheme != "gs" { // whose fake goes by its own name
				r.Out.Host = r.In.Host // which S3 requests are signed for
			}
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		time.Sleep(f.delay) // what the way to a store takes
		if f.spoil == nil || !f.spoil(w, r, pass) {
			pass.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.server.Close)
	switch host := strings.TrimPrefix(f.server.URL, "http://"); u.Scheme {
	case "s3":
		query.Set("endpoint", f.server.URL)
	case "gs":
		t.Setenv("STORAGE_EMULATOR_HOST", host)
	case "azblob":
		query.Set("domain", host)
	}
	u.RawQuery = query.Encode()
	return f, u.String()
}
