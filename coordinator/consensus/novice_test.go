package consensus

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// call has a stranger who says that he is of the cluster talk to a node.
func call(t *testing.T, cluster string, talk func(*raft.NetworkTransport) error) error {
	t.Helper()
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	caller := &clusterID{node: "x"}
	caller.id.Store(&cluster)
	s := newStream("nowhere", oldestEntries, caller, dial)
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: s, MaxPool: 1, Timeout: 5 * time.Second})
	defer s.wait()
	defer transport.CloseStreams()
	defer transport.Close()
	return talk(transport)
}

var stranger = raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("x"), Addr: []byte("x")}

// askVote asks a node for its vote in a term that has long passed: it says no, or that it does not vote.
func askVote(t *testing.T, cluster, address string) error {
	t.Helper()
	response := raft.RequestVoteResponse{}
	err := call(t, cluster, func(transport *raft.NetworkTransport) error {
		return transport.RequestVote("x", raft.ServerAddress(address), &raft.RequestVoteRequest{RPCHeader: stranger}, &response)
	})
	if err == nil && response.Granted {
		t.Error("a vote was given")
	}
	return err
}

// A voter that has lost its disk has no vote until it knows again what was decided.
func TestALostDiskDoesNotVote(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := newHouse(t, nil)
	listeners, peers := map[string]net.Listener{}, map[string]string{}
	for _, id := range []string{"c1", "c2", "c3"} {
		listeners[id] = listen(t)
		peers[id] = listeners[id].Addr().String()
	}
	start := func(id string, l net.Listener) {
		o := h.options(id, l)
		o.Peers = peers
		h.serve(o, l)
	}
	for id, l := range listeners {
		start(id, l)
	}
	cluster := clusterOfPeers(peers)
	h.propose(ctx, "r1")
	h.agree(ctx)
	for id := range peers {
		poll(ctx, t, id+" to vote", func() bool { return askVote(t, cluster, peers[id]) == nil })
	}
	for id := range peers {
		h.stop(id)
	}
	if err := os.RemoveAll(h.options("c2", listeners["c2"]).Dir); err != nil {
		t.Fatal(err)
	}
	again := func(id string) {
		l, err := net.Listen("tcp", peers[id])
		if err != nil {
			t.Fatal(err)
		}
		start(id, l)
	}
	again("c2")
	again("c3")
	for range 2 { // a restart does not change it
		poll(ctx, t, "c2 to know of which cluster it is", func() bool { return h.rooms["c2"].Cluster() == cluster })
		if err := askVote(t, cluster, peers["c2"]); err == nil || !strings.Contains(err.Error(), errNovice.Error()) {
			t.Errorf("a coordinator that has forgotten everything votes: %v", err)
		}
		h.stop("c2")
		again("c2")
	}
	again("c1")
	h.propose(ctx, "r2")
	h.agree(ctx)
	poll(ctx, t, "c2 to vote again", func() bool { return askVote(t, cluster, peers["c2"]) == nil })
}

// The one who founded a cluster and lost its disk is sent the log from its beginning, where it was the only voter. It must
// not lead by that, however long the next entries take.
func TestAFounderDoesNotLeadByItsOldMembership(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := newHouse(t, func(o *Options) { o.Election = 20 * time.Millisecond })
	founder := h.begin("c1", true)
	if err := founder.cluster.take("theirs"); err != nil {
		t.Fatal(err)
	}
	alone := raft.Configuration{Servers: []raft.Server{{ID: "c1", Address: raft.ServerAddress(founder.address)}}}
	send := func(logs []*raft.Log, prev, committed uint64) {
		t.Helper()
		request := raft.AppendEntriesRequest{
			RPCHeader: stranger, Term: 1, PrevLogEntry: prev, PrevLogTerm: min(prev, 1), Entries: logs, LeaderCommitIndex: committed,
		}
		response := raft.AppendEntriesResponse{}
		err := call(t, "theirs", func(transport *raft.NetworkTransport) error {
			return transport.AppendEntries("c1", raft.ServerAddress(founder.address), &request, &response)
		})
		if err != nil || !response.Success {
			t.Fatalf("entries were not taken: %+v, %v", response, err)
		}
	}
	send([]*raft.Log{{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(alone)}}, 0, 2)
	poll(ctx, t, "the membership", founder.Alone)
	patience := time.After(500 * time.Millisecond) // 25 elections
	poll(ctx, t, "nothing to happen", func() bool {
		if founder.IsLeader() {
			t.Fatal("it leads by a membership of long ago")
		}
		select {
		case <-patience:
			return true
		default:
			return false
		}
	})
	send([]*raft.Log{{Index: 2, Term: 1, Type: raft.LogNoop}}, 1, 2) // all that was decided
	send(nil, 2, 2)                                                  // and it sees that it has that
	poll(ctx, t, "it to lead, as the only voter", founder.IsLeader)
}
