package storage_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// spoilt are the ways in which a request to a store goes wrong.
var spoilt = map[string]func(w http.ResponseWriter, r *http.Request, pass http.Handler){
	"503": func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
	},
	"lost": func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) },
	"done and lost": func(_ http.ResponseWriter, r *http.Request, pass http.Handler) {
		pass.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	},
	"cut short": func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		whole := httptest.NewRecorder()
		pass.ServeHTTP(whole, r)
		for name, values := range whole.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(whole.Code)
		w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
		panic(http.ErrAbortHandler)
	},
	"slow": func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		whole := httptest.NewRecorder()
		pass.ServeHTTP(whole, r)
		for name, values := range whole.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(whole.Code)
		const pieces = 10
		for piece := range slices.Chunk(whole.Body.Bytes(), max(whole.Body.Len()/pieces, 1)) {
			time.Sleep(100 * time.Millisecond)
			w.Write(piece)
			http.NewResponseController(w).Flush()
		}
	},
	"hanging": func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.Copy(io.Discard, r.Body) // only then is it noticed that the caller has gone
		select {
		case <-r.Context().Done():
		case <-time.After(20 * time.Second):
		}
		panic(http.ErrAbortHandler)
	},
}

// TestFaultsOfStores has the first request of each operation, and then the second, go wrong in each of these ways, on every server:
// reading, listing and deleting do not show it, and writing either succeeds or says that it may be tried again.
func TestFaultsOfStores(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind.name, func(t *testing.T) {
			base := kind.base(t)
			if strings.HasPrefix(base, "file:") || strings.HasPrefix(base, "mem:") {
				t.Skip("there is no server")
			}
			for name, spoil := range spoilt {
				t.Run(name, func(t *testing.T) { checkFaults(t, base, name, spoil) })
			}
		})
	}
}

func checkFaults(t *testing.T, base, name string, spoil func(http.ResponseWriter, *http.Request, http.Handler)) {
	f, base := newFront(t, base)
	var left atomic.Int32 // requests up to the one that goes wrong
	f.spoil = func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
		if left.Add(-1) != 0 {
			return false
		}
		spoil(w, r, pass)
		return true
	}
	s := storage.New()
	defer s.Close()
	url, content := storage.Join(base, strings.ReplaceAll(name, " ", "-"), "file"), bytes.Repeat([]byte("0123456789"), 100_000)
	for at := range int32(3) {
		left.Store(at)
		if at == 0 || name != "hanging" {
			writeUntilDone(t, s, url, content)
		}
	}
	left.Store(0)
	info, err := s.Stat(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	s.SetPatience(2 * time.Second) // what hangs is noticed after that, but not of a write
	operations := map[string]func() error{
		"stat": func() error { _, err := s.Stat(t.Context(), url); return err },
		"list": func() error {
			infos, err := s.List(t.Context(), storage.Join(url, ".."))
			if err == nil && len(infos) != 1 {
				err = errors.New("not one file")
			}
			return err
		},
		"read": func() error {
			r, err := s.ReaderAt(t.Context(), url, info.Size)
			if err != nil {
				return err
			}
			defer r.Close()
			got := make([]byte, 500_000)
			if _, err := r.ReadAt(got, 100); err != nil {
				return err
			}
			if !bytes.Equal(got, content[100:500_100]) {
				return errors.New("other bytes")
			}
			return nil
		},
	}
	for what, do := range operations {
		for _, at := range []int32{1, 2} {
			left.Store(at)
			if err := do(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	left.Store(1)
	if err := s.Delete(t.Context(), url); err != nil {
		t.Errorf("delete: %v", err)
	}
	left.Store(0)
	if _, err := s.Stat(t.Context(), url); err == nil {
		t.Error("it is still there")
	}
}

// writeUntilDone writes a file as a task does: what fails is written again, if that may help.
func writeUntilDone(t *testing.T, s *storage.Store, url string, content []byte) {
	t.Helper()
	for range 4 {
		err := s.Put(t.Context(), url, content)
		if err == nil {
			return
		}
		if f := plan.AsFailure(err); f == nil || f.Kind != plan.FailureStorage {
			t.Fatalf("write: %v", err)
		}
		t.Logf("written again: %v", err)
	}
	t.Error("four writes failed")
}
