package worker

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/storage"
)

// Every route that there is, asked by those whom it is not for.
func TestEveryRouteIsGuarded(t *testing.T) {
	dir := t.TempDir()
	authority, err := secure.OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string, role secure.Access) *secure.Identity {
		f := secure.Files{CA: filepath.Join(dir, "ca.pem")}
		if role != 0 {
			if f, err = authority.Issue(dir, name, role, []string{"127.0.0.1"}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		i, err := secure.Open(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	store, err := shuffle.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Worker{segments: store, measures: &measures{}, session: newSession(nil), draining: make(chan struct{})}
	server, err := startServer(listener, open("server", secure.Workers), slog.New(slog.DiscardHandler), w.routes())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(server.close(), store.Close()); err != nil {
			t.Error(err)
		}
	}()
	for name, is := range map[string]secure.Access{"stranger": 0, "worker": secure.Workers, "coordinator": secure.Coordinators, "monitor": secure.Monitors} {
		transport := shuffle.NewTransport(open(name, is))
		defer transport.CloseIdleConnections()
		for _, route := range w.routes() {
			method, path, _ := strings.Cut(route.Pattern, " ")
			r, err := http.NewRequestWithContext(t.Context(), method, "https://"+listener.Addr().String()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			got := response.StatusCode
			refused := got == http.StatusUnauthorized || got == http.StatusForbidden
			if allowed := route.For&(is|secure.Anyone) != 0; allowed == refused || response.ProtoMajor != 2 {
				t.Errorf("%s is for %s, and answers %d to a %s by %s", route.Pattern, route.For, got, name, response.Proto)
			}
		}
	}
}

func TestAdvertisedAddress(t *testing.T) {
	t.Parallel()
	store := storage.New()
	defer store.Close()
	for _, c := range []struct{ listen, advertise, want string }{
		{"127.0.0.1:0", "", "127.0.0.1:"},
		{"localhost:0", "", "localhost:"},
		{"0.0.0.0:0", "node1.example:7081", "node1.example:7081"},
	} {
		w, err := New(Options{Coordinators: []string{"http://127.0.0.1:1"}, Scratch: t.TempDir(), Store: store, Listen: c.listen, Advertise: c.advertise})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(w.Addr(), c.want) || strings.HasSuffix(w.Addr(), ":0") {
			t.Errorf("listening on %s, advertising %q: others are told %s", c.listen, c.advertise, w.Addr())
		}
	}
}
