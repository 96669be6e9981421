package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/quern-engine/quern/api/secure"
)

// credentials are certificates and a token in a folder. A nil one is for a cluster on loopback, which needs none.
type credentials struct {
	dir    string
	token  string
	client *http.Client
}

// newCredentials makes some for hosts.
func newCredentials(t *testing.T, hosts string) *credentials {
	t.Helper()
	c := &credentials{dir: filepath.Join(t.TempDir(), "certs")}
	if out, err := exec.Command(binary(t), "certs", c.dir, "--host", hosts).CombinedOutput(); err != nil {
		t.Fatalf("quern certs: %v\n%s", err, out)
	}
	identity, err := secure.Open(secure.Files{CA: c.path("ca.pem")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.token, err = secure.ReadToken(c.path("tokens")); err != nil {
		t.Fatal(err)
	}
	transport := identity.Transport(&http.Transport{}, secure.Coordinators)
	t.Cleanup(transport.CloseIdleConnections)
	c.client = &http.Client{Transport: transport}
	return c
}

func (c *credentials) path(name string) string { return filepath.Join(c.dir, name) }

func (c *credentials) scheme() string {
	if c == nil {
		return "http"
	}
	return "https"
}

// do sends a request as a caller.
func (c *credentials) do(r *http.Request) (*http.Response, error) {
	if c == nil {
		return http.DefaultClient.Do(r)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	return c.client.Do(r)
}

// shows adds the flags with a member's certificate to a command.
func (c *credentials) shows(member string, args []string) []string {
	if c == nil {
		return args
	}
	return append(args, "--tls-ca", c.path("ca.pem"), "--tls-cert", c.path(member+".pem"), "--tls-key", c.path(member+"-key.pem"))
}

func (c *credentials) coordinator(args []string) []string {
	if c == nil {
		return args
	}
	return append(c.shows("coordinator", args), "--token-file", c.path("tokens"))
}

func (c *credentials) worker(args []string) []string { return c.shows("worker", args) }

// caller adds the flags of a caller.
func (c *credentials) caller(args []string) []string {
	if c == nil {
		return args
	}
	return append(args, "--tls-ca", c.path("ca.pem"), "--token-file", c.path("tokens"))
}
