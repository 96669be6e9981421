package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/shuffle"
)

// server serves the worker's segments.
type server struct {
	http *http.Server
	done chan struct{} // closed when Serve has returned
	err  error         // why; read after done

	mu       sync.Mutex
	closing  bool           // guarded by mu; no request is begun any more
	handlers sync.WaitGroup // requests being answered; added to while mu is held and closing is false
}

// routes is all that a worker serves, and to whom: the guard knows nothing else.
func (w *Worker) routes() []secure.Route {
	return []secure.Route{
		{Pattern: "GET /healthz", For: secure.Anyone, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "ok") })},
		{Pattern: "GET /readyz", For: secure.Anyone, Handler: http.HandlerFunc(w.handleReady)},
		{Pattern: "GET /metrics", For: secure.Monitors | secure.Coordinators, Handler: &w.measures.set},
		{Pattern: "POST " + shuffle.FetchPath, For: secure.Workers, Body: shuffle.MaxRequest, Handler: shuffle.Handler(w.segments)},
	}
}

// handleReady answers 200 when a leader may give this worker tasks.
func (w *Worker) handleReady(rw http.ResponseWriter, _ *http.Request) {
	generation, _ := w.session.current()
	switch {
	case generation == 0:
		http.Error(rw, "not registered with a leader yet", http.StatusServiceUnavailable)
	case w.isDraining():
		http.Error(rw, "draining", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(rw, "ok")
	}
}

func startServer(listener net.Listener, identity *secure.Identity, log *slog.Logger, routes []secure.Route) (*server, error) {
	s := &server{done: make(chan struct{})}
	guard := secure.NewGuard(routes, secure.GuardOptions{Identity: identity, Log: log})
	s.http = &http.Server{Handler: s.track(guard), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	shuffle.ConfigureServer(s.http)
	if err := identity.Prepare(s.http, listener); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	go func() {
		defer close(s.done)
		s.err = identity.Serve(s.http, listener)
	}()
	return s, nil
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
