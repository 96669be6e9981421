package consensus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// network lets tests cut what nodes say to each other, one way.
type network struct {
	mu    sync.Mutex
	cut   map[[2]string]bool       // by the id of who dials, and the address dialled
	conns map[[2]string][]net.Conn // open or closed
}

func newNetwork() *network {
	return &network{cut: map[[2]string]bool{}, conns: map[[2]string][]net.Conn{}}
}

var errCut = errors.New("the network is cut")

// tune has a node dial through the network.
func (w *network) tune(o *Options) {
	id := o.ID
	o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		way := [2]string{id, address}
		if w.cut[way] {
			return nil, errors.Join(errCut, conn.Close())
		}
		w.conns[way] = append(w.conns[way], conn)
		return conn, nil
	}
}

func (w *network) set(cut bool, from *Node, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	way := [2]string{from.id, to}
	w.cut[way] = cut
	for _, c := range w.conns[way] {
		c.Close()
	}
	w.conns[way] = nil
}

// A follower that no longer hears the leader, while it can reach everybody, does not drive the term up: it asks whether
// it would be elected, and the others have a leader. These two are patient, so that they lose each other on no machine,
// however busy; the follower is not, so that it tries often.
func TestOneWayCutDoesNotDriveTheTermUp(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	w := newNetwork()
	h := grown(ctx, t, func(o *Options) {
		w.tune(o)
		o.Election = deadline
		if o.ID == "c3" {
			o.Election = 50 * time.Millisecond
		}
	})
	h.agree(ctx)
	leader, deaf := h.rooms["c1"].Node, h.rooms["c3"].Node
	if !leader.IsLeader() {
		t.Fatal("c1, which has waited for nobody, does not lead")
	}
	term := leader.Term()
	w.set(true, leader, deaf.address)
	poll(ctx, t, "the follower to miss its leader", func() bool { l, _ := deaf.Leader(); return l == "" })
	tries := elections(leader)
	for i := range 5 {
		propose(ctx, t, leader, fmt.Sprintf("r%d", i))
		select {
		case <-tries:
		case <-ctx.Done():
			t.Fatalf("the follower tried %d times", i)
		}
	}
	w.set(false, leader, deaf.address)
	h.agree(ctx)
	if got := h.leader(ctx); got != leader || got.Term() != term {
		t.Errorf("after the cut %s leads in term %d, before it was %s in term %d", got.id, got.Term(), leader.id, term)
	}
}

// elections tells of each attempt to be elected that a node hears of.
func elections(n *Node) <-chan raft.Observation {
	tries := make(chan raft.Observation, 1)
	n.raft.RegisterObserver(raft.NewObserver(tries, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.RequestPreVoteRequest, raft.RequestVoteRequest:
			return true
		}
		return false
	}))
	return tries
}

// A leader that nobody hears any more does not answer as one.
func TestACutLeaderDoesNotAnswer(t *testing.T) {
	ctx := testContext(t)
	w := newNetwork()
	h := grown(ctx, t, w.tune)
	old := h.leader(ctx)
	for id, n := range h.rooms {
		if id != old.id {
			w.set(true, old, n.address)
			w.set(true, n.Node, old.address)
		}
	}
	poll(ctx, t, "the old leader to notice", func() bool { return old.Verify(ctx) != nil })
	poll(ctx, t, "another leader", func() bool {
		for _, n := range h.rooms {
			if n.Node != old && n.IsLeader() {
				return n.Verify(ctx) == nil
			}
		}
		return false
	})
}

// Builds of two versions get along: what is written, all can read. One that cannot, stops.
func TestTwoVersions(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	versions := map[string]int{"c1": 2, "c2": 2, "c3": 1}
	h := newHouse(t, func(o *Options) { o.EntryVersion = versions[o.ID] })
	listeners, peers := map[string]net.Listener{}, map[string]string{}
	for id := range versions {
		listeners[id] = listen(t)
		peers[id] = listeners[id].Addr().String()
	}
	start := func(id string) {
		o := h.options(id, listeners[id])
		o.Peers = peers
		h.serve(o, listeners[id])
	}
	for id := range versions {
		start(id)
	}
	again := func(id string, version int) {
		h.stop(id)
		var err error
		if listeners[id], err = net.Listen("tcp", peers[id]); err != nil {
			t.Fatal(err)
		}
		versions[id] = version
		start(id)
	}
	if leader := h.leader(ctx); leader.EntryVersion() != 1 {
		t.Errorf("entries of version %d are written, and c3 reads version 1", leader.EntryVersion())
	}
	h.propose(ctx, "r1")
	h.agree(ctx)
	again("c3", 2)
	poll(ctx, t, "entries of the new version", func() bool { return h.leader(ctx).EntryVersion() == 2 })
	h.propose(ctx, "r2")
	h.agree(ctx)
	again("c2", 1)
	select {
	case <-h.rooms["c2"].Failed():
	case <-ctx.Done():
		t.Fatal("an old build goes on")
	}
	if err := h.rooms["c2"].Failure(); !strings.Contains(err.Error(), "upgrade this coordinator") {
		t.Errorf("an old build stops: %v", err)
	}
	h.propose(ctx, "r3")
}
