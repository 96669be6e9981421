package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/quern-engine/quern/shuffle"
)

// headerTimeout bounds how long a connection may take to say what it wants.
const headerTimeout = 10 * time.Second

// server serves the worker's segments.
type server struct {
	http *http.Server
	done chan struct{} // closed when Serve has returned
	err  error         // why; read after done

	mu       sync.Mutex
	closing  bool           // guarded by mu; no request is begun any more
	handlers sync.WaitGroup // requests being answered; added to while mu is held and closing is false
}

func startServer(listener net.Listener, segments *shuffle.Store) *server {
	s := &server{done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle("POST /v1/shuffle/fetch", shuffle.Handler(segments))
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "ok") })
	s.http = &http.Server{Handler: s.track(mux), ReadHeaderTimeout: headerTimeout}
	shuffle.ConfigureServer(s.http)
	go func() {
		defer close(s.done)
		s.err = s.http.Serve(listener)
	}()
	return s
}

// track lets close wait for handlers: http.Server.Close does not, and they read files of the scratch folder.
func (s *server) track(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !s.begin() {
			http.Error(rw, "the worker is stopping", http.StatusServiceUnavailable)
			return
		}
		defer s.handlers.Done()
		next.ServeHTTP(rw, r)
	})
}

func (s *server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.handlers.Add(1)
	}
	return !s.closing
}

// wait returns when ctx is done or the server has failed.
func (s *server) wait(ctx context.Context) error {
	select {
	case <-s.done:
		return fmt.Errorf("serve segments: %w", s.err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close ends the server at once. A graceful shutdown would wait for readers that will not get the rest of what they
// read anyway, since the segments go with the worker; and it takes HTTP/2 a second even when there are none.
func (s *server) close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	err := s.http.Close()
	<-s.done
	s.handlers.Wait()
	return ignoreClosed(err)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
