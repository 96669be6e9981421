package consensus

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
)

// listenAt takes the port that a node had which was stopped.
func listenAt(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wantRefused checks that raft's connection from a node to an address is refused, and why.
func wantRefused(t *testing.T, from *Node, address, why string) {
	t.Helper()
	conn, err := from.stream.Dial(raft.ServerAddress(address), time.Second)
	if err == nil {
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("the connection from %s of cluster %s: %v, and not %q", from.id, from.Cluster(), err, why)
	}
}

// stray is a cluster that has lost its c3, and goes on replicating to the address where that was.
func stray(ctx context.Context, t *testing.T) (h *house, address string) {
	h = grown(ctx, t, nil)
	address = h.rooms["c3"].address
	h.stop("c3")
	for range 20 { // the longer log of the two
		h.propose(ctx, "stray")
	}
	return h, address
}

func (h *house) hashes(ctx context.Context) map[string]string {
	h.agree(ctx)
	all := map[string]string{}
	for id, n := range h.rooms {
		all[id] = hash(h.t, n.Node)
	}
	return all
}

// A leader whose member is gone reaches another cluster's at its address: one that has just been started to join, one that
// is a member, and one that comes back without its disk.
func TestALeaderOfAnotherClusterIsRefused(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	strangers, address := stray(ctx, t)
	enemy := strangers.leader(ctx)
	h := newHouse(t, nil)
	l := listenAt(t, address)
	o := h.options("c3", l)
	o.Join = true
	c3 := h.serve(o, l)
	wantRefused(t, enemy, address, "coordinator c3 is of no cluster yet")
	strangers.propose(ctx, "more")
	if r := c3.Report(false); r.Last != 0 || r.Cluster != "" || c3.Term() != 0 {
		t.Errorf("a node that waits to be added has heard a stranger: %+v", r)
	}
	lead(ctx, t, h.begin("c1", false))
	h.begin("c2", true)
	h.add(ctx, "c2")
	h.add(ctx, "c3")
	h.propose(ctx, "ours")
	before := h.hashes(ctx)
	wantRefused(t, enemy, address, "is of cluster "+c3.Cluster()+", not of "+enemy.Cluster())
	wantRefused(t, h.leader(ctx), enemy.address, "is of cluster "+enemy.Cluster())
	for _, r := range enemy.AskAll(ctx, enemy.Members()) {
		if r != nil && r.Cluster != enemy.Cluster() {
			t.Errorf("%s is taken for its own by another cluster", r.ID)
		}
	}
	strangers.propose(ctx, "and more")
	if after := h.hashes(ctx); after["c3"] != before["c3"] || h.rooms["c3"].Failure() != nil {
		t.Error("a member has heard a stranger")
	}
	// Its disk is lost. The way back is --join at the address that it had.
	h.stop("c3")
	if err := os.RemoveAll(o.Dir); err != nil {
		t.Fatal(err)
	}
	l = listenAt(t, address)
	c3 = h.serve(o, l)
	wantRefused(t, enemy, address, "of no cluster yet")
	h.add(ctx, "c3")
	h.agree(ctx)
	if c3.Cluster() != h.leader(ctx).Cluster() {
		t.Errorf("c3 has come back to cluster %q", c3.Cluster())
	}
}

// A peer that has lost its disk finds its cluster by itself, and no other.
func TestAWipedPeerFindsItsCluster(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	strangers, address := stray(ctx, t)
	enemy := strangers.leader(ctx)
	h := newHouse(t, nil)
	listeners := map[string]net.Listener{"c1": listen(t), "c2": listen(t), "c3": listenAt(t, address)}
	peers := map[string]string{}
	for id, l := range listeners {
		peers[id] = l.Addr().String()
	}
	start := func(id string, l net.Listener) {
		o := h.options(id, l)
		o.Peers = peers
		h.serve(o, l)
	}
	for id, l := range listeners {
		start(id, l)
	}
	h.propose(ctx, "ours")
	h.agree(ctx)
	cluster := clusterOfPeers(peers)
	for _, id := range []string{"c1", "c2", "c3"} {
		if got := h.rooms[id].Cluster(); got != cluster {
			t.Errorf("%s is of cluster %q, not %q", id, got, cluster)
		}
	}
	dir := h.rooms["c3"].dir
	for _, id := range []string{"c1", "c2", "c3"} {
		h.stop(id)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	start("c3", listenAt(t, address))
	wantRefused(t, enemy, address, "of no cluster yet") // nobody is there to tell
	start("c1", listenAt(t, peers["c1"]))
	start("c2", listenAt(t, peers["c2"]))
	h.agree(ctx)
	if got := h.rooms["c3"].Cluster(); got != cluster {
		t.Errorf("c3 has come back to cluster %q, not %q", got, cluster)
	}
	wantRefused(t, enemy, address, "is of cluster "+cluster)
}

// A node that was invited to one cluster is not added to another.
func TestANodeIsOfOneCluster(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h, other := newHouse(t, nil), newHouse(t, nil)
	c1, c2 := h.begin("c1", false), h.begin("c2", true)
	lead(ctx, t, c1)
	first := other.begin("c1", false)
	lead(ctx, t, first)
	if c1.Cluster() == first.Cluster() {
		t.Fatalf("two clusters are %s", c1.Cluster())
	}
	if _, err := first.request(ctx, c2.address, false, http.Header{inviteHeader: {"c9"}}); err == nil || !strings.Contains(err.Error(), "this is coordinator c2, not c9") {
		t.Errorf("an invitation for another: %v", err)
	}
	r, err := c2.Ask(ctx, c2.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.invite(ctx, "c2", c2.address, r); err != nil {
		t.Fatal(err)
	}
	_, err = c1.AddMember(ctx, "c2", c2.address, atOnce)
	wantRefusal(t, err, "coordinator c2 is of cluster "+first.Cluster()+", not of "+c1.Cluster()+": start it on an empty state directory, with --join")
	// It keeps to that when it is started again, and so do those that have begun.
	for _, id := range []string{"c1", "c2"} {
		want, address := h.rooms[id].Cluster(), h.rooms[id].address
		h.stop(id)
		l := listenAt(t, address)
		o := h.options(id, l)
		o.Join = id == "c2"
		if got := h.serve(o, l).Cluster(); got != want {
			t.Errorf("%s is of cluster %q now, and was of %q", id, got, want)
		}
	}
}

// Those that were abandoned go on where they left off, without the one that was recovered.
func TestTheAbandonedAreRefused(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := grown(ctx, t, nil)
	h.agree(ctx)
	c1 := h.rooms["c1"]
	address, before, o := c1.address, c1.Cluster(), Options{ID: "c1", Dir: c1.dir, Address: "c1", Volatile: true}
	h.stop("c1")
	if err := Recover(o, []string{"c2", "c3"}); err != nil {
		t.Fatal(err)
	}
	recovered := newHouse(t, nil)
	recovered.dir = h.dir
	l := listenAt(t, address)
	alone := recovered.serve(recovered.options("c1", l), l)
	lead(ctx, t, alone)
	if after := alone.Cluster(); after == before || after == "" || after == unnamed {
		t.Errorf("the cluster was %q and is %q", before, after)
	}
	propose(ctx, t, alone, "recovered")
	want, term := hash(t, alone), alone.Term()
	abandoned := h.leader(ctx)
	wantRefused(t, abandoned, address, "is of cluster "+alone.Cluster())
	for range 20 {
		h.propose(ctx, "abandoned")
	}
	wantRefused(t, abandoned, address, "is of cluster "+alone.Cluster())
	if hash(t, alone) != want || alone.Term() != term || alone.Failure() != nil {
		t.Errorf("the recovered one has heard those that were abandoned: %v", alone.Failure())
	}
}

// forget makes a state directory one of before clusters had ids.
func forget(t *testing.T, dir string) {
	t.Helper()
	db, err := bbolt.Open(logPath(Options{Dir: dir}), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	deleted := db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("conf"))
		if b.Get(keyCluster) == nil {
			return errors.New("it says of no cluster")
		}
		return b.Delete(keyCluster)
	})
	if err := errors.Join(deleted, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// oldListener and oldConn leave out of what a node says that which a build of before clusters had ids does not.
type oldListener struct{ net.Listener }

func (l oldListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return oldConn{c}, err
}

type oldConn struct{ net.Conn }

var (
	clusterLine  = regexp.MustCompile(ClusterHeader + `: [^\r]*\r\n`)
	clusterField = regexp.MustCompile(`"cluster":"[^"]*",`)
)

func (c oldConn) Write(p []byte) (int, error) {
	said := clusterLine.ReplaceAll(p, nil)
	said = clusterField.ReplaceAllFunc(said, func(b []byte) []byte { return bytes.Repeat([]byte(" "), len(b)) })
	_, err := c.Conn.Write(said)
	return len(p), err
}

// Coordinators of before clusters had ids are upgraded one by one, and those that are new and those that are old get along.
func TestUpgradingToClusterIDs(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	old := map[string]bool{}
	h := newHouse(t, func(o *Options) {
		if old[o.ID] {
			o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
				return oldConn{c}, err
			}
		}
	})
	addresses := map[string]string{}
	start := func(id string, l net.Listener, join bool) *Node {
		addresses[id] = l.Addr().String()
		if old[id] {
			l = oldListener{l}
		}
		o := h.options(id, l)
		o.Join = join
		return h.serve(o, l)
	}
	lead(ctx, t, start("c1", listen(t), false))
	for _, id := range []string{"c2", "c3"} {
		start(id, listen(t), true)
		h.add(ctx, id)
	}
	for id := range addresses {
		dir := h.rooms[id].dir
		h.stop(id)
		forget(t, dir)
		old[id] = id != "c1" // two of the three are to be upgraded yet
	}
	again := func(id string) {
		n := start(id, listenAt(t, addresses[id]), false)
		if n.Cluster() != unnamed {
			t.Errorf("%s is of cluster %q", id, n.Cluster())
		}
	}
	for id := range addresses {
		again(id)
	}
	for _, id := range []string{"c2", "c3"} {
		for lead := range addresses { // whoever leads, all hear
			h.transfer(ctx, lead)
			h.propose(ctx, "led by "+lead)
			h.agree(ctx)
		}
		h.stop(id)
		old[id] = false
		again(id)
	}
	// One more joins, of the build of before; a cluster that has a name must not take it.
	old["c4"] = true
	start("c4", listen(t), true)
	h.add(ctx, "c4")
	h.agree(ctx)
	other := newHouse(t, nil)
	c1 := other.begin("c1", false)
	lead(ctx, t, c1)
	old["c5"] = true
	start("c5", listen(t), true)
	_, err := c1.AddMember(ctx, "c5", addresses["c5"], atOnce)
	wantRefusal(t, err, "does not say which cluster it is of")
}

// A directory without an id that is alone gets one when it is reached by others; one that never is has none.
func TestALoneCoordinatorIsNamed(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := newHouse(t, nil)
	l := listen(t)
	o := h.options("c1", l)
	embedded := open(t, Options{ID: "c1", Dir: o.Dir, Volatile: true})
	lead(ctx, t, embedded)
	if got := embedded.Cluster(); got != "" {
		t.Errorf("an embedded node is of cluster %q", got)
	}
	closeNode(t, embedded)
	c1 := h.serve(o, l)
	lead(ctx, t, c1)
	cluster := c1.Cluster()
	if cluster == "" || cluster == unnamed {
		t.Errorf("the cluster is %q", cluster)
	}
	c2 := h.begin("c2", true)
	h.add(ctx, "c2")
	if c2.Cluster() != cluster {
		t.Errorf("c2 is of cluster %q, not %q", c2.Cluster(), cluster)
	}
}
