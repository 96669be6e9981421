package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quern-engine/quern/api/secure"
)

// TestClusterWithTLS runs the job on three coordinators and two workers that trust nobody without a certificate or a
// token: on loopback, and on an address that others could reach.
func TestClusterWithTLS(t *testing.T) {
	job := flightJobWithPlugin(t)
	want := digests(t, quern(t, t.TempDir(), "run", job, "-p", "ds=2001-01-10", "-q", "-o", "json").Outputs["examples"])
	t.Run("loopback", func(t *testing.T) { testSecured(t, "127.0.0.1", job, want) })
	t.Run("network", func(t *testing.T) {
		host := networkAddress()
		if host == "" {
			t.Skip("this machine has no address but loopback")
		}
		testSecured(t, host, job, want)
	})
}

// networkAddress is an address of this machine that is not loopback, or empty.
func networkAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// secured is a cluster whose processes have the credentials of a folder.
type secured struct {
	certs, urls  string
	coordinators []*process
	workers      []*process
}

func startSecured(t *testing.T, host string) *secured {
	s := &secured{certs: filepath.Join(t.TempDir(), "certs")}
	s.certify(t, host)
	var peers, urls []string
	addresses := freeAddressesOn(t, host, 3)
	for i, a := range addresses {
		peers, urls = append(peers, fmt.Sprintf("c%d=%s", i+1, a)), append(urls, "https://"+a)
	}
	s.urls = strings.Join(urls, ",")
	state := t.TempDir()
	for i, a := range addresses {
		id := fmt.Sprintf("c%d", i+1)
		s.coordinators = append(s.coordinators, start(t, id, s.shows("coordinator", "coordinator", "--verbose", "--id", id, "--listen", a,
			"--state", filepath.Join(state, id), "--peers", strings.Join(peers, ","), "--token-file", filepath.Join(s.certs, "tokens"))...))
	}
	for i := range 2 {
		s.workers = append(s.workers, start(t, fmt.Sprintf("w%d", i+1), s.shows("worker", "worker", "--verbose", "--coordinator", s.urls,
			"--listen", net.JoinHostPort(host, "0"), "--scratch", t.TempDir(), "--slots", "1", "--memory", "1GiB")...))
	}
	return s
}

// certify makes certificates, anew if there are some.
func (s *secured) certify(t *testing.T, host string) {
	t.Helper()
	if out, err := exec.Command(binary(t), "certs", s.certs, "--host", host).CombinedOutput(); err != nil {
		t.Fatalf("quern certs: %v\n%s", err, out)
	}
}

// shows adds the flags with a member's certificate to a command.
func (s *secured) shows(member string, args ...string) []string {
	return append(args, "--tls-ca", filepath.Join(s.certs, "ca.pem"),
		"--tls-cert", filepath.Join(s.certs, member+".pem"), "--tls-key", filepath.Join(s.certs, member+"-key.pem"))
}

// calls adds the flags of a caller.
func (s *secured) calls(args ...string) []string {
	return append(args, "--coordinator", s.urls, "--tls-ca", filepath.Join(s.certs, "ca.pem"), "--token-file", filepath.Join(s.certs, "tokens"))
}

func (s *secured) submit(job, run string) []string {
	return s.calls("submit", job, "-p", "ds=2001-01-10", "-q", "-o", "json", "--wait", "--run-id", run)
}

func testSecured(t *testing.T, host, job string, want []string) {
	s := startSecured(t, host)
	dir := t.TempDir()
	sameBytes(t, quern(t, dir, s.submit(job, "first")...), want)

	refused := func(what, says string, args ...string) {
		t.Helper()
		p := start(t, what, args...)
		if status := p.wait(t, deadline); status != 2 || !strings.Contains(p.log.String(), says) {
			t.Errorf("%s ended with status %d:\n%s", what, status, p.log)
		}
	}
	ca := filepath.Join(s.certs, "ca.pem")
	refused("without a token", "show a token", "runs", "--coordinator", s.urls, "--tls-ca", ca)
	refused("with a worker's certificate", "does not open this path", s.shows("worker", "runs", "--coordinator", s.urls)...)

	// New certificates and another token, read by processes that run on; then a leader dies, and all that connects anew
	// shows the new ones.
	old := filepath.Join(dir, "old-token")
	tokens := filepath.Join(s.certs, "tokens")
	if err := os.Rename(tokens, old); err != nil {
		t.Fatal(err)
	}
	s.certify(t, host)
	refused("with the old token", "not one that this process knows", "runs", "--coordinator", s.urls, "--tls-ca", ca, "--token-file", old)
	p := startIn(t, dir, "second", s.submit(job, "second")...)
	s.killLeader(t)
	if status := p.wait(t, deadline); status != 0 {
		t.Fatalf("the second run ended with status %d:\n%s", status, p.log)
	}
	var r result
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, r, want)
	for _, w := range s.workers {
		w.signal(syscall.SIGTERM)
		if status := w.wait(t, 5*time.Second); status != 0 {
			t.Errorf("%s ended with status %d:\n%s", w.name, status, w.log)
		}
	}
}

// killLeader kills the coordinator that leads.
func (s *secured) killLeader(t *testing.T) {
	t.Helper()
	identity, err := secure.Open(secure.Files{CA: filepath.Join(s.certs, "ca.pem")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := secure.ReadToken(filepath.Join(s.certs, "tokens"))
	if err != nil {
		t.Fatal(err)
	}
	transport := identity.Transport(&http.Transport{}, secure.Coordinators)
	defer transport.CloseIdleConnections()
	leads := func(url string) bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/runs", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := transport.RoundTrip(r)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK // the others name the leader
	}
	eventually(t, "a leader to kill", func() bool {
		for i, url := range strings.Split(s.urls, ",") {
			if leads(url) {
				s.coordinators[i].kill()
				return true
			}
		}
		return false
	})
}

func freeAddressesOn(t *testing.T, host string, n int) []string {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}
