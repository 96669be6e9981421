package secure_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quern-engine/quern/api/secure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	goodToken  = "0123456789abcdef-good"
	otherToken = "0123456789abcdef-other"
)

// world is an authority, what it has issued, and a guarded server.
type world struct {
	t         *testing.T
	dir       string
	authority *secure.Authority
	address   string
}

// newWorld serves a table with a coordinator's certificate, or in cleartext.
func newWorld(t *testing.T, clear bool) *world {
	w := &world{t: t, dir: t.TempDir()}
	var err error
	if w.authority, err = secure.OpenAuthority(w.dir); err != nil {
		t.Fatal(err)
	}
	options := secure.GuardOptions{}
	if !clear {
		options.Identity, options.Tokens = w.member("c", secure.Coordinators, time.Hour), w.tokens("admin:"+goodToken+"\n")
	}
	w.serve(options)
	return w
}

func (w *world) issue(name string, roles secure.Access, life time.Duration) secure.Files {
	w.t.Helper()
	f, err := w.authority.Issue(w.dir, name, roles, []string{"127.0.0.1"}, life)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

func (w *world) open(f secure.Files) *secure.Identity {
	w.t.Helper()
	i, err := secure.Open(f, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) member(name string, roles secure.Access, life time.Duration) *secure.Identity {
	w.t.Helper()
	return w.open(w.issue(name, roles, life))
}

func (w *world) tokens(text string) *secure.Tokens {
	w.t.Helper()
	path := filepath.Join(w.dir, "tokens")
	if err := secure.WriteSecret(path, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
	tokens, err := secure.OpenTokens(path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return tokens
}

func (w *world) serve(o secure.GuardOptions) {
	w.t.Helper()
	says := func(what string) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				http.Error(rw, err.Error(), http.StatusTeapot)
				return
			}
			rw.Header().Set("Caller", secure.Caller(r.Context()))
			io.WriteString(rw, what)
		})
	}
	server := &http.Server{ErrorLog: log.New(w.t.Output(), "", 0), Handler: secure.NewGuard([]secure.Route{
		{Pattern: "GET /healthz", For: secure.Anyone, Handler: says("health")},
		{Pattern: "GET /runs/{run}", For: secure.Callers | secure.Coordinators, Handler: says("run")},
		{Pattern: "POST /runs", For: secure.Callers, Body: 10, Handler: says("submitted")},
		{Pattern: "POST /workers", For: secure.Workers, Handler: says("worker")},
		{Pattern: "GET /raft", For: secure.Coordinators, Handler: says("raft")},
		{Pattern: "GET /forgotten", Handler: says("forgotten")},
	}, o)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := o.Identity.Prepare(server, l); err != nil {
		w.t.Fatal(err)
	}
	w.address = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- o.Identity.Serve(server, l) }()
	w.t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			w.t.Error(err)
		}
	})
}

// caller is somebody who asks.
type caller struct {
	t         *testing.T
	transport *http.Transport
	scheme    string
	address   string
}

func (w *world) as(i *secure.Identity) *caller {
	c := &caller{t: w.t, transport: i.Transport(&http.Transport{}, secure.Coordinators), scheme: i.Scheme(), address: w.address}
	w.t.Cleanup(c.transport.CloseIdleConnections)
	return c
}

func (c *caller) do(method, path, token string, change func(*http.Request)) (*http.Response, error) {
	r, err := http.NewRequest(method, c.scheme+"://"+c.address+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if change != nil {
		change(r)
	}
	response, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response, errors.Join(err, response.Body.Close())
}

// expect asks and compares the status.
func (c *caller) expect(want int, method, path, token string, change func(*http.Request)) *http.Response {
	c.t.Helper()
	response, err := c.do(method, path, token, change)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if response.StatusCode != want {
		c.t.Errorf("%s %s answers %d, want %d", method, path, response.StatusCode, want)
	}
	return response
}

func TestGuardKnowsWhoMayDoWhat(t *testing.T) {
	w := newWorld(t, false)
	ca := secure.Files{CA: filepath.Join(w.dir, "ca.pem")}
	stranger := w.as(w.open(ca))
	worker := w.as(w.member("w", secure.Workers, time.Hour))
	peer := w.as(w.member("c2", secure.Coordinators, time.Hour))
	nobody := w.as(w.member("n", 0, time.Hour))
	for _, c := range []struct {
		who          *caller
		name         string
		token        string
		method, path string
		want         int
	}{
		{stranger, "stranger", "", "GET", "/healthz", 200},
		{stranger, "stranger", "", "GET", "/runs/r", 401},
		{stranger, "stranger", "", "POST", "/workers", 401},
		{stranger, "stranger", "", "GET", "/nothing/there", 401},
		{stranger, "stranger", "", "DELETE", "/runs/r", 401},
		{stranger, "stranger", otherToken, "GET", "/runs/r", 401},
		{stranger, "caller", goodToken, "GET", "/runs/r", 200},
		{stranger, "caller", goodToken, "HEAD", "/runs/r", 200},
		{stranger, "caller", goodToken, "POST", "/workers", 403},
		{stranger, "caller", goodToken, "GET", "/raft", 403},
		{stranger, "caller", goodToken, "GET", "/nothing/there", 404},
		{worker, "worker", "", "POST", "/workers", 200},
		{worker, "worker", "", "GET", "/runs/r", 403},
		{worker, "worker", "", "POST", "/runs", 403},
		{worker, "worker", "", "GET", "/raft", 403},
		{worker, "worker", otherToken, "POST", "/workers", 401},
		{worker, "worker with a token", goodToken, "POST", "/runs", 200},
		{peer, "coordinator", "", "GET", "/raft", 200},
		{peer, "coordinator", "", "GET", "/runs/r", 200},
		{peer, "coordinator", "", "POST", "/workers", 403},
		{peer, "coordinator", "", "GET", "/forgotten", 403},
		{stranger, "caller", goodToken, "GET", "/forgotten", 403},
		{nobody, "certificate without a role", "", "GET", "/runs/r", 403},
	} {
		t.Run(c.name+" "+c.method+strings.ReplaceAll(c.path, "/", " "), func(t *testing.T) {
			who := *c.who
			who.t = t
			who.expect(c.want, c.method, c.path, c.token, nil)
		})
	}
	basic := func(r *http.Request) { r.Header.Set("Authorization", "Basic "+goodToken) }
	if response := stranger.expect(401, "GET", "/runs/r", "", basic); response.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("the answer has the header %v", response.Header)
	}
}

func TestCertificatesThatDoNotCount(t *testing.T) {
	w := newWorld(t, false)
	elsewhere := newWorld(t, false)
	foreign := elsewhere.issue("w", secure.Workers, time.Hour)
	foreign.CA = filepath.Join(w.dir, "ca.pem") // it trusts the server, but not the other way round
	for name, c := range map[string]struct {
		identity *secure.Identity
		want     string
	}{
		"expired":            {w.member("old", secure.Workers, -time.Minute), "expired certificate"},
		"of another CA":      {w.open(foreign), "unknown certificate authority"},
		"server of other CA": {elsewhere.member("w2", secure.Workers, time.Hour), "certificate signed by unknown authority"},
	} {
		conn, err := c.identity.Dial(t.Context(), w.address, secure.Coordinators)
		if err == nil { // the server's opinion of a certificate comes after the client's half of the handshake
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	i := w.member("w3", secure.Workers, time.Hour)
	if conn, err := i.Dial(t.Context(), w.address, secure.Workers); err == nil || !strings.Contains(err.Error(), "one of the workers") {
		t.Errorf("a coordinator passes for a worker: %v, %v", conn, err)
	}
	conn, err := i.Dial(t.Context(), w.address, secure.Coordinators)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if s := conn.(*tls.Conn).ConnectionState(); s.Version != tls.VersionTLS13 || s.NegotiatedProtocol != "http/1.1" {
		t.Errorf("connected with version %x, protocol %q", s.Version, s.NegotiatedProtocol)
	}
	old := &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	if conn, err := tls.Dial("tcp", w.address, old); err == nil {
		t.Errorf("TLS 1.2 is served")
		conn.Close()
	}
}

func TestExpiryCountsOnOpenConnections(t *testing.T) {
	w := newWorld(t, false)
	worker := w.as(w.member("short", secure.Workers, 3*time.Second))
	worker.expect(200, "POST", "/workers", "", nil)
	deadline := time.Now().Add(10 * time.Second)
	for status := 200; status != 401; {
		response, err := worker.do("POST", "/workers", "", nil)
		if err != nil {
			t.Fatalf("before the answer came that explains it: %v", err)
		}
		if status = response.StatusCode; time.Now().After(deadline) {
			t.Fatal("it never expires")
		}
	}
	// The connection is given up, so that the next one shows what there is by then.
	w.issue("short", secure.Workers, time.Hour)
	for {
		response, err := worker.do("POST", "/workers", "", nil)
		if err == nil && response.StatusCode == 200 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new certificate is not used: %v", err)
		}
	}
}

func TestWithoutTLSOnlyLoopbackNames(t *testing.T) {
	w := newWorld(t, true)
	local := w.as(nil)
	local.expect(200, "POST", "/runs", "", nil)
	local.expect(200, "POST", "/workers", "", nil)
	local.expect(404, "GET", "/nothing/there", "", nil)
	for host, want := range map[string]int{
		"localhost:80": 200, "[::1]:7071": 200, "127.8.9.10": 200, "evil.example:7071": 403, "127.0.0.1.evil.example": 403, "192.0.2.1": 403,
	} {
		local.expect(want, "GET", "/runs/r", "", func(r *http.Request) { r.Host = host })
	}
	local.expect(403, "POST", "/runs", "", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") })
	local.expect(403, "POST", "/runs", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") })

	open, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	var none *secure.Identity
	if err := none.Prepare(&http.Server{}, open); err == nil {
		t.Error("an open listener is served without TLS")
	}
	if err := w.open(secure.Files{CA: filepath.Join(w.dir, "ca.pem")}).Prepare(&http.Server{}, open); err == nil {
		t.Error("a server without a certificate")
	}
}

// Handlers can tell who asks: the owner of a token, the name in a certificate, and nobody where neither is needed.
func TestCaller(t *testing.T) {
	w := newWorld(t, false)
	stranger, peer := w.as(w.open(secure.Files{CA: filepath.Join(w.dir, "ca.pem")})), w.as(w.member("c2", secure.Coordinators, time.Hour))
	local := newWorld(t, true).as(nil)
	for want, response := range map[string]*http.Response{
		"admin": stranger.expect(200, "GET", "/runs/1", goodToken, nil),
		"c2":    peer.expect(200, "GET", "/runs/1", "", nil),
		"":      local.expect(200, "GET", "/runs/1", "", nil),
	} {
		if got := response.Header.Get("Caller"); got != want {
			t.Errorf("the caller is %q, not %q", got, want)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	w := newWorld(t, true)
	local := w.as(nil)
	body := func(n int, known bool) func(*http.Request) {
		return func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", n)))
			r.ContentLength = -1
			if known {
				r.ContentLength = int64(n)
			}
		}
	}
	local.expect(200, "POST", "/runs", "", body(10, true))
	local.expect(413, "POST", "/runs", "", body(11, true))
	local.expect(http.StatusTeapot, "POST", "/runs", "", body(11, false))
	local.expect(413, "POST", "/workers", "", body(secure.DefaultBody+1, true))
}

func TestCredentialsAreReadAgain(t *testing.T) {
	w := newWorld(t, false)
	stranger := w.as(w.open(secure.Files{CA: filepath.Join(w.dir, "ca.pem")}))
	stranger.expect(200, "GET", "/runs/r", goodToken, nil)
	w.tokens("admin:" + otherToken + "\n")
	stranger.expect(401, "GET", "/runs/r", goodToken, nil)
	stranger.expect(200, "GET", "/runs/r", otherToken, nil)
	// What is broken changes nothing.
	if err := os.WriteFile(filepath.Join(w.dir, "tokens"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stranger.expect(200, "GET", "/runs/r", otherToken, nil)
	if err := os.Remove(filepath.Join(w.dir, "tokens")); err != nil {
		t.Fatal(err)
	}
	stranger.expect(200, "GET", "/runs/r", otherToken, nil)

	serial := func() string {
		conn, err := w.open(secure.Files{CA: filepath.Join(w.dir, "ca.pem")}).Dial(context.Background(), w.address, secure.Coordinators)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	w.issue("c", secure.Coordinators, time.Hour)
	if serial() == before {
		t.Error("the old certificate is still shown")
	}
}
