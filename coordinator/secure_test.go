package coordinator

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/api/secure"
)

const (
	goodToken  = "0123456789abcdef-good"
	wrongToken = "0123456789abcdef-wrong"
)

// credentials are what an authority in a folder has issued.
type credentials struct {
	t         *testing.T
	dir       string
	authority *secure.Authority
}

func newCredentials(t *testing.T) *credentials {
	c := &credentials{t: t, dir: t.TempDir()}
	var err error
	if c.authority, err = secure.OpenAuthority(c.dir); err != nil {
		t.Fatal(err)
	}
	return c
}

// open makes an identity; without a role it has no certificate.
func (c *credentials) open(name string, role secure.Access) *secure.Identity {
	c.t.Helper()
	f := secure.Files{CA: filepath.Join(c.dir, "ca.pem")}
	var err error
	if role != 0 {
		if f, err = c.authority.Issue(c.dir, name, role, []string{"127.0.0.1"}, time.Hour); err != nil {
			c.t.Fatal(err)
		}
	}
	i, err := secure.Open(f, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return i
}

// secured makes coordinators speak TLS.
func (c *credentials) secured(o *Options) {
	c.t.Helper()
	path := filepath.Join(c.dir, "tokens-"+o.ID)
	if err := secure.WriteSecret(path, []byte("admin:"+goodToken+"\n")); err != nil {
		c.t.Fatal(err)
	}
	var err error
	if o.Tokens, err = secure.OpenTokens(path, nil); err != nil {
		c.t.Fatal(err)
	}
	o.Identity = c.open(o.ID, secure.Coordinators)
}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// Every route that there is, asked by everybody whom it is not for. A new one is in the table, and so in this test.
func TestEveryRouteIsGuarded(t *testing.T) {
	t.Parallel()
	keys := newCredentials(t)
	c := newCluster(t, 1, keys.secured)
	node := c.nodes["c1"]
	asker := map[string]*http.Transport{}
	for name, role := range map[string]secure.Access{"stranger": 0, "worker": secure.Workers, "coordinator": secure.Coordinators, "monitor": secure.Monitors} {
		transport := client.NewTransport(keys.open("asker-"+name, role))
		defer transport.CloseIdleConnections()
		asker[name] = transport
	}
	for _, route := range node.routes() {
		for _, who := range []struct {
			transport, token string
			is               secure.Access
			refused          int
		}{
			{"stranger", "", 0, http.StatusUnauthorized},
			{"stranger", wrongToken, 0, http.StatusUnauthorized},
			{"worker", wrongToken, 0, http.StatusUnauthorized},
			{"stranger", goodToken, secure.Callers, http.StatusForbidden},
			{"worker", "", secure.Workers, http.StatusForbidden},
			{"coordinator", "", secure.Coordinators, http.StatusForbidden},
			{"monitor", "", secure.Monitors, http.StatusForbidden},
		} {
			method, path, _ := strings.Cut(wildcard.ReplaceAllString(route.Pattern, "x"), " ")
			got := ask(t, asker[who.transport], method, "https://"+node.Addr()+path, who.token)
			allowed := route.For&(who.is|secure.Anyone) != 0
			refused := got == http.StatusUnauthorized || got == http.StatusForbidden
			if allowed == refused || (refused && got != who.refused) {
				t.Errorf("%s is for %s, and answers %d to a %s with the token %q", route.Pattern, route.For, got, who.transport, who.token)
			}
		}
		if route.For&secure.Anyone != 0 && !strings.HasSuffix(route.Pattern, "z") {
			t.Errorf("%s needs no credentials", route.Pattern)
		}
	}
}

func ask(t *testing.T, transport *http.Transport, method, url, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return response.StatusCode
}

func TestRunSurvivesTheLeaderWithTLS(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	keys := newCredentials(t)
	c := newCluster(t, 3, keys.secured)
	var endpoints []string
	for _, a := range c.peers {
		endpoints = append(endpoints, "https://"+a)
	}
	caller := client.New(endpoints, client.Options{Identity: keys.open("", 0), Token: goodToken})
	defer caller.Close()
	submit(ctx, t, caller, api.SubmitRequest{RunID: "r1", Query: &api.Query{SQL: "SELECT 1"}})
	c.kill(c.leader())
	if s, err := caller.Status(ctx, "r1", 0, 0); err != nil || s.State != api.RunQueued {
		t.Errorf("the next leader says %+v, %v", s, err)
	}
	// The plan has come to a majority from coordinator to coordinator, and goes from any of them to a worker.
	var plan string
	eventually(t, "a task for a worker", func() bool {
		plan = leaseOne(ctx, t, client.New(endpoints, client.Options{Identity: keys.open("w", secure.Workers)}))
		return plan != ""
	})
	if data := getBlob(ctx, t, caller, plan); len(data) == 0 {
		t.Error("the plan is empty")
	}
	stranger := client.New(endpoints, client.Options{Identity: keys.open("", 0)})
	defer stranger.Close()
	if _, err := stranger.Runs(ctx); err == nil || err.(*api.Error).Code != api.CodeUnauthorized {
		t.Errorf("without a token: %v", err)
	}
}

// leaseOne is the plan of a task that a worker is given.
func leaseOne(ctx context.Context, t *testing.T, worker *client.Client) string {
	t.Helper()
	defer worker.Close()
	if _, err := worker.Register(ctx, api.RegisterRequest{WorkerID: "w1", Address: "127.0.0.1:1", Slots: 1, Memory: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	reply, err := worker.Lease(ctx, api.LeaseRequest{WorkerID: "w1", Free: 1, Wait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range reply.Assignments {
		return a.Plan
	}
	return ""
}
