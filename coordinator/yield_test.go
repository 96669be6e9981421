package coordinator

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestDeafLeaderYields has a worker that reaches one of the followers only.
func TestDeafLeaderYields(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, func(o *Options) { o.Lease = time.Second })
	old := c.leader()
	var heard string
	for id := range c.nodes {
		if id != old {
			heard = id
		}
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	worker := &http.Client{Transport: transport}
	eventually(t, "the one that the worker reaches to lead", func() bool {
		response, err := worker.Post("http://"+c.peers[heard]+"/v1/workers/heartbeat", "application/json", strings.NewReader(`{"worker_id":"w1"}`))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return c.nodes[heard].term.Load() != nil
	})
}
