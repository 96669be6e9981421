package consensus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// house is nodes that come and go, each with a server on loopback.
type house struct {
	t     *testing.T
	dir   string
	tune  func(*Options)
	rooms map[string]*room
}

type room struct {
	*Node
	server *http.Server
	served chan struct{}
}

func newHouse(t *testing.T, tune func(*Options)) *house {
	h := &house{t: t, dir: t.TempDir(), tune: tune, rooms: map[string]*room{}}
	t.Cleanup(func() {
		for id := range h.rooms {
			h.stop(id)
		}
	})
	return h
}

// options are those of a node that listens on l; it begins a cluster of its own unless they are changed.
func (h *house) options(id string, l net.Listener) Options {
	o := Options{ID: id, Dir: filepath.Join(h.dir, id), Address: l.Addr().String(), Volatile: true, Election: 300 * time.Millisecond}
	if h.tune != nil {
		h.tune(&o)
	}
	return o
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (h *house) begin(id string, join bool) *Node {
	h.t.Helper()
	l := listen(h.t)
	o := h.options(id, l)
	o.Join = join
	return h.serve(o, l)
}

func (h *house) serve(o Options, l net.Listener) *Node {
	h.t.Helper()
	n := open(h.t, o)
	mux := http.NewServeMux()
	mux.Handle("GET "+Path, n)
	r := &room{Node: n, server: &http.Server{Handler: mux}, served: make(chan struct{})}
	go func() { defer close(r.served); r.server.Serve(l) }()
	h.rooms[o.ID] = r
	return n
}

func (h *house) stop(id string) {
	h.t.Helper()
	r := h.rooms[id]
	delete(h.rooms, id)
	closeNode(h.t, r.Node)
	r.server.Close()
	<-r.served
}

// leader waits for one that leads and has caught up.
func (h *house) leader(ctx context.Context) *Node {
	h.t.Helper()
	var leader *Node
	poll(ctx, h.t, "a leader", func() bool {
		for _, n := range h.rooms {
			if n.IsLeader() && n.Barrier(ctx) == nil {
				leader = n.Node
				return true
			}
		}
		return false
	})
	return leader
}

func poll(ctx context.Context, t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func atOnce(context.Context, Member) error { return nil }

// answer is what the leader says, or the next one if it no longer leads: the machine may be busy.
func (h *house) answer(ctx context.Context, do func(*Node) error) error {
	h.t.Helper()
	for {
		if err := do(h.leader(ctx)); !errors.Is(err, ErrNotLeader) && !errors.Is(err, ErrUnknownOutcome) {
			return err
		}
	}
}

// led has the leader do something.
func (h *house) led(ctx context.Context, what string, do func(*Node) error) {
	h.t.Helper()
	if err := h.answer(ctx, do); err != nil {
		h.t.Fatalf("%s: %v", what, err)
	}
}

func (h *house) remove(ctx context.Context, id string) error {
	h.t.Helper()
	return h.answer(ctx, func(leader *Node) error { return leader.RemoveMember(ctx, id, false) })
}

func (h *house) add(ctx context.Context, id string) {
	h.t.Helper()
	h.led(ctx, "add "+id, func(leader *Node) error {
		voter, err := leader.AddMember(ctx, id, h.rooms[id].address, atOnce)
		if err == nil && !voter {
			err = errors.New("it has no vote")
		}
		return err
	})
}

func (h *house) propose(ctx context.Context, id string) {
	h.t.Helper()
	h.led(ctx, "propose "+id, func(leader *Node) error {
		_, err := leader.Propose(ctx, submission(id))
		return err
	})
}

// transfer makes a node the leader, if it is not.
func (h *house) transfer(ctx context.Context, id string) {
	h.t.Helper()
	h.led(ctx, "transfer to "+id, func(leader *Node) error { return leader.Transfer(ctx, id) })
	poll(ctx, h.t, id+" to lead", h.rooms[id].IsLeader)
}

// grown is a house of three that began with one.
func grown(ctx context.Context, t *testing.T, tune func(*Options)) *house {
	h := newHouse(t, tune)
	lead(ctx, t, h.begin("c1", false))
	for _, id := range []string{"c2", "c3"} {
		h.begin(id, true)
		h.add(ctx, id)
	}
	return h
}

// agree waits until all nodes have the state of the leader.
func (h *house) agree(ctx context.Context) {
	h.t.Helper()
	want := hash(h.t, h.leader(ctx))
	for id, n := range h.rooms {
		poll(ctx, h.t, id+" to have the leader's state", func() bool { return hash(h.t, n.Node) == want })
	}
}

func propose(ctx context.Context, t *testing.T, n *Node, id string) {
	t.Helper()
	if _, err := n.Propose(ctx, submission(id)); err != nil {
		t.Fatalf("propose %s: %v", id, err)
	}
}

func TestOneGrowsToThree(t *testing.T) {
	ctx := testContext(t)
	h := newHouse(t, nil)
	c1 := h.begin("c1", false)
	lead(ctx, t, c1)
	if !c1.Alone() {
		t.Error("a lone coordinator does not know that it is alone")
	}
	for i := range 50 {
		propose(ctx, t, c1, fmt.Sprintf("before-%d", i))
	}
	// The log goes with a snapshot, so the others begin with that.
	tuning := c1.raft.ReloadableConfig()
	tuning.TrailingLogs = 1
	if err := errors.Join(c1.raft.ReloadConfig(tuning), c1.wait(ctx, c1.raft.Snapshot())); err != nil {
		t.Fatal(err)
	}
	if first, err := c1.vault.FirstIndex(); first < 40 || err != nil {
		t.Fatalf("the log begins at %d (%v)", first, err)
	}
	for _, id := range []string{"c2", "c3"} {
		n := h.begin(id, true)
		if n.Report(false).Last != 0 || len(n.Members()) != 0 {
			t.Errorf("%s knows something before it has joined", id)
		}
		h.add(ctx, id)
		h.add(ctx, id) // again is no mistake
		propose(ctx, t, c1, "with-"+id)
	}
	h.agree(ctx)
	for id, n := range h.rooms {
		if m := voters(n.Members()); len(m) != 3 || n.Alone() {
			t.Errorf("%s knows the voters %v", id, m)
		}
	}
	// Three can do without one, whichever.
	h.stop("c1")
	h.propose(ctx, "after")
	h.agree(ctx)
}

func TestMembershipOutlivesARestart(t *testing.T) {
	ctx := testContext(t)
	h := grown(ctx, t, nil)
	address := h.rooms["c2"].address
	h.stop("c2")
	h.propose(ctx, "meanwhile")
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	o := h.options("c2", l)
	o.Peers = map[string]string{"c2": address, "c9": "127.0.0.1:9"} // of long ago
	h.serve(o, l)
	h.agree(ctx)
}

func TestAMemberMoves(t *testing.T) {
	ctx := testContext(t)
	h := grown(ctx, t, nil)
	h.leader(ctx) // whoever it is
	id := "c2"
	if h.leader(ctx).id == id {
		id = "c3"
	}
	h.stop(id)
	l := listen(t)
	h.serve(h.options(id, l), l)
	h.add(ctx, id)
	h.propose(ctx, "moved")
	h.agree(ctx)
}

func TestALoneCoordinatorMoves(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := newHouse(t, nil)
	// The first start is as it was before coordinators had addresses: the log says that it is reached at its id.
	dir := filepath.Join(h.dir, "c1")
	old := open(t, Options{ID: "c1", Dir: dir, Volatile: true})
	lead(ctx, t, old)
	propose(ctx, t, old, "r1")
	closeNode(t, old)
	for range 2 {
		c1 := h.begin("c1", false)
		lead(ctx, t, c1)
		poll(ctx, t, "its address to be right", func() bool { return c1.Members()[0].Address == c1.address })
		h.stop("c1")
	}
	lead(ctx, t, h.begin("c1", false))
	h.begin("c2", true)
	h.add(ctx, "c2")
	h.agree(ctx)
}

func wantRefusal(t *testing.T, err error, text string) {
	t.Helper()
	var refusal RefusedError
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v does not say %q", err, text)
	}
}

func TestMistakenChangesAreRefused(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := grown(ctx, t, nil)
	other := newHouse(t, nil).begin("other", false)
	lead(ctx, t, other)
	for _, c := range []struct{ id, address, why string }{
		{"c4", h.rooms["c2"].address, "is the address of coordinator c2"},
		{"c4", other.address, "is other, not c4"},
		{"other", other.address, "has a state of its own"},
		{"c4", "127.0.0.1:1", "refused"},
		{"c2", other.address, "is other, not c2"},
	} {
		wantRefusal(t, h.answer(ctx, func(leader *Node) error {
			_, err := leader.AddMember(ctx, c.id, c.address, atOnce)
			return err
		}), c.why)
	}
	if err := h.remove(ctx, "c9"); err != nil {
		t.Errorf("remove nobody: %v", err)
	}
	wantRefusal(t, other.RemoveMember(ctx, "other", true), "only coordinator")
	wantRefusal(t, other.Transfer(ctx, ""), "only one")
	wantRefusal(t, h.answer(ctx, func(leader *Node) error { return leader.Transfer(ctx, "c9") }), "no vote")
	// With one of three gone, the two that are left need each other.
	h.stop("c3")
	wantRefusal(t, h.remove(ctx, "c2"), "c3 does not")
	if err := h.remove(ctx, "c3"); err != nil {
		t.Errorf("remove the dead one: %v", err)
	}
	if err := h.remove(ctx, "c2"); err != nil {
		t.Errorf("go back to one: %v", err)
	}
	propose(ctx, t, h.rooms["c1"].Node, "alone again")
}

func (h *house) wantRemoved(ctx context.Context, id string) {
	h.t.Helper()
	select {
	case <-h.rooms[id].Failed():
	case <-ctx.Done():
		h.t.Fatalf("%s goes on", id)
	}
	if err := h.rooms[id].Failure(); !errors.Is(err, ErrRemoved) {
		h.t.Errorf("%s stopped: %v", id, err)
	}
	for range h.rooms[id].Leadership() { // ends when it has stopped
	}
}

func TestARemovedNodeStops(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := grown(ctx, t, nil)
	leader := h.rooms["c1"].Node
	term := leader.Term()
	if err := leader.RemoveMember(ctx, "c3", false); err != nil {
		t.Fatal(err)
	}
	h.wantRemoved(ctx, "c3")
	// One that was down meanwhile learns of it when it comes back, and disturbs nobody.
	h.stop("c3")
	h.begin("c4", true)
	h.add(ctx, "c4")
	h.stop("c2")
	if err := leader.RemoveMember(ctx, "c2", false); err != nil {
		t.Fatal(err)
	}
	h.begin("c2", false)
	h.wantRemoved(ctx, "c2")
	propose(ctx, t, leader, "undisturbed")
	if got := leader.Term(); got != term {
		t.Errorf("the term went from %d to %d", term, got)
	}
}

func TestTheLeaderGoes(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := grown(ctx, t, nil)
	old := h.leader(ctx)
	if err := old.RemoveMember(ctx, old.id, false); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("the leader removes itself: %v", err)
	}
	next := h.leader(ctx)
	if next == old {
		t.Fatal("it leads still")
	}
	if err := h.remove(ctx, old.id); err != nil {
		t.Fatal(err)
	}
	<-old.Failed()
	h.propose(ctx, "without it")
	for id := range h.rooms {
		if id != old.id {
			h.transfer(ctx, id)
		}
	}
}
