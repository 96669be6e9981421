package shuffle

import (
	"net"
	"net/http"
	"time"

	"github.com/quern-engine/quern/api/secure"
)

// maxReadFrame is the largest HTTP/2 frame that a process reads. Go's default of 16 KiB costs a third of the
// throughput on loopback. The receive windows are left at the transport's defaults, 4 MiB a stream and 1 GiB a
// connection: streams are read in map order, so most of them stand still with full windows, and their sum
// (maxStreams × 4 MiB) has to stay below the connection's window or the one being read would wait for the others.
const (
	maxReadFrame = 1 << 20
	maxStreams   = 200
)

// A peer that says nothing for pingAfter, and does not answer a ping for as long, is gone.
const pingAfter = 15 * time.Second

// dialPatience is how long a connection may take: two SYNs may be lost.
const dialPatience = 5 * time.Second

// http2Config is shared by servers and clients.
func http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams: maxStreams,
		MaxReadFrameSize:     maxReadFrame,
		SendPingTimeout:      pingAfter,
		PingTimeout:          pingAfter,
	}
}

// ConfigureServer sets HTTP/2 up as readers of segments need it, with TLS or without.
func ConfigureServer(s *http.Server) { s.HTTP2 = http2Config() }

// NewTransport is a client transport for workers' servers set up by ConfigureServer: HTTP/2 only, one connection an
// address. Close its idle connections when done.
func NewTransport(identity *secure.Identity) *http.Transport {
	return identity.Transport(&http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialPatience}).DialContext,
		HTTP2:                 http2Config(),
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       90 * time.Second,
	}, secure.Workers)
}
