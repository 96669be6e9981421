package coordinator

import (
	"bytes"
	"net"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/plan"
)

// join starts a coordinator that asks c1 to be added.
func (c *cluster) join(id string) {
	c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	c.tune = func(o *Options) { o.Peers, o.Join = nil, []string{c.peers["c1"]} }
	c.peers[id] = l.Addr().String()
	c.start(id, l)
}

// A run that began while one coordinator was alone ends, without a task run twice, after that one has died.
func TestGrowingAmidARun(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	data := bytes.Repeat([]byte("plugin"), 100_000)
	digest := plan.Digest(data)
	if err := c.nodes["c1"].blobs.put(digest, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	url, _ := outputURL(t)
	r := jobRequest("r1", url)
	r.Functions = []plan.Function{{Name: "f", SHA256: digest}}
	submit(ctx, t, c.client(), r)
	for _, id := range []string{"c2", "c3"} {
		c.join(id)
		if err := c.client().AddMember(ctx, id, c.peers[id]); err != nil {
			t.Fatal(err)
		}
		for _, needed := range append(c.nodes[id].neededBlobs(), digest) {
			if !c.nodes[id].blobs.has(needed) {
				t.Errorf("%s votes without blob %s", id, needed)
			}
		}
	}
	hold := make(chan struct{})
	w := startWorker(c, "w1", 2, holding(1, hold)) // knows all three
	eventually(t, "the second stage", func() bool { return len(w.attempts()) == 4 })
	if _, err := c.client().Transfer(ctx, "c1"); err != nil { // on a busy machine, another may lead by now
		t.Fatal(err)
	}
	status, err := c.client().Cluster(ctx)
	if err != nil || status.Leader == "" || len(status.Members) != 3 || status.Cluster == "" || status.Cluster != c.nodes["c3"].node.Cluster() {
		t.Fatalf("cluster: %+v, %v", status, err)
	}
	for _, m := range status.Members {
		if !m.Answers || !m.Voter || m.DiskFree == 0 || m.EntryVersion == 0 || m.Address != c.peers[m.ID] {
			t.Errorf("member %+v", m)
		}
	}
	c.kill("c1")
	close(hold)
	s := waitState(ctx, t, c.client(), "r1")
	if s.State != api.RunSucceeded {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	if got := w.attempts(); len(got) != 4 {
		t.Errorf("tasks were run again: %v", got)
	}
	want, index := c.hash(c.leader())
	for id := range c.nodes {
		eventually(t, id+" to have the same state", func() bool {
			got, at := c.hash(id)
			return at >= index && got == want
		})
	}
	// One that is dead is removed, and the two that are left say so.
	if err := c.client().RemoveMember(ctx, "c1", false); err != nil {
		t.Fatal(err)
	}
	if status, err = c.client().Cluster(ctx); err != nil || len(status.Members) != 2 {
		t.Errorf("cluster: %+v, %v", status, err)
	}
	if err := c.client().RemoveMember(ctx, "c1", false); err != nil {
		t.Errorf("removed again: %v", err)
	}
}

func TestMembersAreChecked(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	other := newCluster(t, 1, nil)
	other.leader()
	cl := c.client()
	for _, bad := range []struct {
		id, address string
		code        api.Code
	}{
		{"c2", other.peers["c1"], api.CodeConflict},
		{"c1", other.peers["c1"], api.CodeConflict},
		{"../x", other.peers["c1"], api.CodeInvalid},
		{"c2", "nowhere", api.CodeInvalid},
	} {
		if err := cl.AddMember(ctx, bad.id, bad.address); !isCode(err, bad.code) {
			t.Errorf("add %s=%s: %v", bad.id, bad.address, err)
		}
	}
	if _, err := cl.Transfer(ctx, "c9"); !isCode(err, api.CodeConflict) {
		t.Errorf("transfer: %v", err)
	}
	if leader, err := cl.Transfer(ctx, "c1"); err != nil || leader != "c1" {
		t.Errorf("transfer to the leader: %q, %v", leader, err)
	}
	if err := cl.RemoveMember(ctx, "c1", true); !isCode(err, api.CodeConflict) {
		t.Errorf("remove the only one: %v", err)
	}
}

// A coordinator that is at the address of somebody's dead peer keeps no plans for that one's cluster.
func TestBlobsStayInTheCluster(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	a, b := newCluster(t, 1, nil).nodes["c1"], newCluster(t, 1, nil).nodes["c1"]
	data := []byte("plugin")
	digest := plan.Digest(data)
	if err := a.blobs.put(digest, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := a.blobs.copy(ctx, a.address, digest); err != nil {
		t.Errorf("copied within the cluster: %v", err)
	}
	if err := a.blobs.copy(ctx, b.address, digest); err == nil || b.blobs.has(digest) {
		t.Errorf("copied to another cluster: %v", err)
	}
	if err := b.blobs.fetch(ctx, a.address, digest); err == nil || b.blobs.has(digest) {
		t.Errorf("fetched from another cluster: %v", err)
	}
}

func TestJoiningWithCredentials(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	keys := newCredentials(t)
	c := newCluster(t, 1, keys.secured)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.tune = func(o *Options) {
		keys.secured(o)
		o.Peers, o.Join = nil, []string{"https://" + c.peers["c1"]}
	}
	c.peers["c2"] = l.Addr().String()
	c.start("c2", l)
	eventually(t, "c2 to vote", func() bool { return ctx.Err() == nil && !c.nodes["c1"].node.Alone() })
	eventually(t, "c2 to know the leader", func() bool { return c.nodes["c2"].leaderAddress() == c.peers["c1"] })
}

// A caller that was told of one coordinator only finds the others when that one is gone.
func TestCallersLearnOfMembers(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	one := client.New([]string{c.peers["c1"]}, client.Options{Patience: deadline, Unreachable: deadline})
	defer one.Close()
	for _, id := range []string{"c2", "c3"} {
		c.join(id)
		if err := one.AddMember(ctx, id, c.peers[id]); err != nil {
			t.Fatal(err)
		}
	}
	submit(ctx, t, one, queryRequest("q", "select 1"))
	c.kill("c1")
	if s, err := one.Status(ctx, "q", 0, 0); err != nil || s.RunID != "q" {
		t.Errorf("status without the coordinator that was named: %+v, %v", s, err)
	}
}
