package coordinator

import (
	"net"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
)

// TestDeadWorkerIsNoticed breaks the connections of workers, of which one listens no more, and has another take the place of
// a third. The lease is too long to help.
func TestDeadWorkerIsNoticed(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, func(o *Options) { o.Lease = time.Hour })
	node := c.nodes[c.leader()].node
	known := func(id string) (is bool) {
		node.Read(func(m *state.Machine) { is = m.Known(id) })
		return is
	}
	register := func(id, address string) (hangUp func()) {
		cl := c.client()
		if _, err := cl.Register(testContext(t), api.RegisterRequest{WorkerID: id, Address: address, Slots: 1, Memory: 1}); err != nil {
			t.Fatal(err)
		}
		return cl.Close
	}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	dead, living := listen(), listen()
	leaveDead, leaveLiving := register("dead", dead.Addr().String()), register("living", living.Addr().String())
	dead.Close()
	eventually(t, "the dead worker to be given up", func() bool {
		leaveLiving() // a connection is closed only once its last answer has been read to the end
		leaveDead()
		return !known("dead")
	})
	if !known("living") {
		t.Error("a worker was given up for a broken connection")
	}
	register("successor", living.Addr().String())
	if known("living") || !known("successor") {
		t.Errorf("two workers at one address: %t, %t", known("living"), known("successor"))
	}
}
