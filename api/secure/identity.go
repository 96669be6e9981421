package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

// Files are where a process's credentials lie, as PEM. Cert may have intermediate certificates after its own; CA may
// have several authorities, as it does while one is replaced by another.
type Files struct {
	Cert, Key string // both or none: a caller with a token has none
	CA        string // empty: the system's authorities
}

// Identity is what a process shows to the others, and what it trusts. A nil one is that of a process on loopback, which
// speaks cleartext.
type Identity struct {
	material *watched[*material]
}

type material struct {
	certificate *tls.Certificate // nil: none to show
	authorities *x509.CertPool   // nil: the system's
}

// Open reads credentials. Those of servers must be complete: [Identity.Serve] says if they are not.
func Open(f Files, log *slog.Logger) (*Identity, error) {
	if (f.Cert == "") != (f.Key == "") {
		return nil, fmt.Errorf("a certificate and its key belong together: give both or none")
	}
	var paths []string
	for _, p := range []string{f.Cert, f.Key, f.CA} {
		if p != "" {
			paths = append(paths, p)
		}
	}
	w, err := watch(log, paths, f.read)
	if err != nil {
		return nil, fmt.Errorf("TLS credentials: %w", err)
	}
	return &Identity{material: w}, nil
}

func (f Files) read() (*material, error) {
	m := &material{}
	if f.CA != "" {
		data, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, err
		}
		m.authorities = x509.NewCertPool()
		if !m.authorities.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", f.CA)
		}
	}
	if f.Cert == "" {
		return m, nil
	}
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, err
	}
	key, err := readSecret(f.Key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", f.Cert, f.Key, err)
	}
	m.certificate = &pair
	return m, nil
}

// Scheme goes before the addresses that this process connects to.
func (i *Identity) Scheme() string {
	if i == nil {
		return "http"
	}
	return "https"
}

// Roles are those of the certificate that is shown.
func (i *Identity) Roles() Access {
	if i == nil {
		return 0
	}
	if c := i.material.get().certificate; c != nil {
		return rolesOf(c.Leaf)
	}
	return 0
}

// Protocols are those that servers and clients of this process speak: HTTP/2, and if asked for HTTP/1 beside it.
func (i *Identity) Protocols(http1 bool) *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(http1)
	p.SetHTTP2(i != nil)
	p.SetUnencryptedHTTP2(i == nil)
	return &p
}

// serverConfig asks every client for a certificate, but lets those without one through to the guard: they may have a
// token, or want no more than to know whether the process lives.
func (i *Identity) serverConfig() (*tls.Config, error) {
	if m := i.material.get(); m.certificate == nil || m.authorities == nil {
		return nil, fmt.Errorf("a server needs a certificate, its key and a certificate authority")
	}
	current := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		m := i.material.get()
		return &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*m.certificate},
			ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: m.authorities,
			NextProtos: []string{"h2", "http/1.1"},
			// A resumed session would keep a certificate alive that no longer counts.
			SessionTicketsDisabled: true,
		}, nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: current}, nil
}

// clientConfig is for a connection to a host that must have one of the roles.
func (i *Identity) clientConfig(host string, roles Access, protocol string) *tls.Config {
	m := i.material.get()
	c := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: host, RootCAs: m.authorities, NextProtos: []string{protocol}}
	if m.certificate != nil {
		// Shown whatever authorities the server names: its answer then says what is wrong with it.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return m.certificate, nil }
	}
	if m.authorities != nil { // the system's authorities know nothing of roles
		c.VerifyConnection = func(s tls.ConnectionState) error {
			if rolesOf(s.PeerCertificates[0])&roles == 0 {
				return fmt.Errorf("the certificate of %s does not say that it is one of the %s", host, roles)
			}
			return nil
		}
	}
	return c
}

// handshakeTime bounds connecting: the TCP connection and the handshake.
const handshakeTime = 10 * time.Second

// Dial connects for HTTP/1.1 to a process that has one of the roles.
func (i *Identity) Dial(ctx context.Context, address string, roles Access) (net.Conn, error) {
	return i.dial(ctx, new(net.Dialer).DialContext, "tcp", address, roles, "http/1.1")
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (i *Identity) dial(ctx context.Context, dial dialer, network, address string, roles Access, protocol string) (net.Conn, error) {
	if i == nil {
		return dial(ctx, network, address)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	raw, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, i.clientConfig(host, roles, protocol))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// Transport sets a transport up for HTTP/2 to processes that have one of the roles.
func (i *Identity) Transport(t *http.Transport, roles Access) *http.Transport {
	t.Protocols = i.Protocols(false)
	if i != nil {
		dial := t.DialContext
		if dial == nil {
			dial = new(net.Dialer).DialContext
		}
		t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return i.dial(ctx, dial, network, address, roles, "h2")
		}
	}
	return t
}

// Prepare sets up what every server has, and refuses a listener that it must not serve: without an identity, any but a
// loopback one, because whoever reaches the port can run code.
func (i *Identity) Prepare(s *http.Server, l net.Listener) error {
	s.Protocols = i.Protocols(true)
	s.ReadHeaderTimeout, s.IdleTimeout, s.MaxHeaderBytes = 10*time.Second, 3*time.Minute, 64<<10
	s.DisableGeneralOptionsHandler = true // even OPTIONS * goes past the guard
	if i == nil {
		if host, _, err := net.SplitHostPort(l.Addr().String()); err != nil || !loopback(host) {
			return fmt.Errorf("listen on %s: only loopback addresses are served without TLS", l.Addr())
		}
		return nil
	}
	var err error
	s.TLSConfig, err = i.serverConfig()
	return err
}

// Serve runs a server that was prepared.
func (i *Identity) Serve(s *http.Server, l net.Listener) error {
	if i == nil {
		return s.Serve(l)
	}
	return s.ServeTLS(l, "", "")
}

// loopback knows the addresses, and the one name, that only this machine reaches.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Loopback reports an address (host:port) that only this machine reaches.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopback(host)
}

// rolesOf reads the roles that a certificate names, as a URI or as an organisational unit.
func rolesOf(c *x509.Certificate) (a Access) {
	named := func(role string) bool {
		for _, u := range c.URIs {
			if u.String() == role {
				return true
			}
		}
		return slices.Contains(c.Subject.OrganizationalUnit, role)
	}
	if named(roleCoordinator) {
		a |= Coordinators
	}
	if named(roleWorker) {
		a |= Workers
	}
	if named(roleMonitor) {
		a |= Monitors
	}
	return a
}

const (
	roleCoordinator = "quern:coordinator"
	roleWorker      = "quern:worker"
	roleMonitor     = "quern:monitor"
)
