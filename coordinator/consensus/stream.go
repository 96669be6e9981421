package consensus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// Path is where a node's handler must be served.
	Path = "/v1/raft"

	protocol = "quern-raft"

	// versionHeader tells the other side, with an upgrade and with its answer, which version of entries this one reads.
	versionHeader = "Quern-Entry-Version"
)

// stream carries raft's connections over the HTTP port: a listener whose connections come from a handler.
type stream struct {
	address  string
	version  int
	cluster  *clusterID
	dial     func(ctx context.Context, address string) (net.Conn, error)
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once

	mu       sync.Mutex
	conns    map[*trackedConn]struct{} // all that are open, both ways
	versions map[string]int            // of entries, by the address of those that were last connected to
	open     sync.WaitGroup
}

var _ raft.StreamLayer = (*stream)(nil)

func newStream(address string, version int, cluster *clusterID, dial func(ctx context.Context, address string) (net.Conn, error)) *stream {
	return &stream{
		address: address, version: version, cluster: cluster, dial: dial, incoming: make(chan net.Conn), closed: make(chan struct{}),
		conns: map[*trackedConn]struct{}{}, versions: map[string]int{},
	}
}

// ServeHTTP answers an upgrade and hands the connection to Accept, if the caller is of the same cluster.
func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != protocol {
		w.Header().Set("Upgrade", protocol)
		http.Error(w, "this path is for coordinators", http.StatusUpgradeRequired)
		return
	}
	if err := s.cluster.compare(clusterOf(r.Header)); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "cannot upgrade this connection: use HTTP/1.1", http.StatusHTTPVersionNotSupported)
		return
	}
	fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\n%s\r\n", s.headers())
	if err := errors.Join(buffered.Flush(), conn.SetDeadline(time.Time{})); err != nil {
		conn.Close()
		return
	}
	tracked := s.track(conn, buffered.Reader)
	select {
	case s.incoming <- tracked:
	case <-s.closed:
		tracked.Close()
	case <-r.Context().Done():
		tracked.Close()
	}
}

// Accept waits for a peer to connect.
func (s *stream) Accept() (net.Conn, error) {
	select {
	case c := <-s.incoming:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Addr is the address that peers know this node by.
func (s *stream) Addr() net.Addr { return address(s.address) }

// Dial connects to a peer.
func (s *stream) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	if string(to) == s.address {
		return s.loop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := s.dial(ctx, string(to))
	if err != nil {
		return nil, fmt.Errorf("dial coordinator %s: %w", to, err)
	}
	reader, err := s.upgrade(conn, string(to), timeout)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to coordinator %s: %w", to, err)
	}
	select {
	case <-s.closed:
		conn.Close()
		return nil, net.ErrClosed
	default:
		return s.track(conn, reader), nil
	}
}

// loop connects the node to itself: see standAtOnce. Its server need not run for that.
func (s *stream) loop() (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case s.incoming <- s.track(far, bufio.NewReader(far)):
		return s.track(near, bufio.NewReader(near)), nil
	case <-s.closed:
		return nil, errors.Join(net.ErrClosed, near.Close(), far.Close())
	}
}

// headers are those of an upgrade, and of the answer to one.
func (s *stream) headers() string {
	return fmt.Sprintf("Connection: Upgrade\r\nUpgrade: %s\r\n%s: %d\r\n%s: %s\r\n", protocol, versionHeader, s.version, ClusterHeader, s.cluster.ID())
}

func (s *stream) upgrade(conn net.Conn, host string, timeout time.Duration) (*bufio.Reader, error) {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", Path, host, s.headers()); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, misfit(response)
	}
	if err := s.cluster.compare(clusterOf(response.Header)); err != nil {
		return nil, err
	}
	version, err := strconv.Atoi(response.Header.Get(versionHeader))
	if err != nil {
		version = oldestEntries // a build that does not say
	}
	s.mu.Lock()
	s.versions[host] = version
	s.mu.Unlock()
	return reader, conn.SetDeadline(time.Time{})
}

// Close stops accepting and cuts every connection: raft's handlers would otherwise read on until the peer goes away.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	s.mu.Lock()
	var open []*trackedConn
	for c := range s.conns {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	return nil
}

// wait returns when every connection is closed.
func (s *stream) wait() { s.open.Wait() }

func (s *stream) track(conn net.Conn, reader *bufio.Reader) *trackedConn {
	c := &trackedConn{Conn: conn, reader: reader, stream: s}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.open.Add(1)
	s.mu.Unlock()
	select {
	case <-s.closed: // Close may have looked before this one was there
		c.Close()
	default:
	}
	return c
}

// trackedConn is a connection that the stream can cut, and that first gives out what was read along with the upgrade.
type trackedConn struct {
	net.Conn
	reader *bufio.Reader
	stream *stream
	once   sync.Once
	err    error
}

// Read reads.
func (c *trackedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// Close closes, once.
func (c *trackedConn) Close() error {
	c.once.Do(func() {
		c.err = c.Conn.Close()
		c.stream.mu.Lock()
		delete(c.stream.conns, c)
		c.stream.mu.Unlock()
		c.stream.open.Done()
	})
	return c.err
}

// address is a host:port as a net.Addr.
type address string

// Network is "tcp".
func (a address) Network() string { return "tcp" }

// String is the address.
func (a address) String() string { return string(a) }
