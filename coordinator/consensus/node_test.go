package consensus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// Raft leaves some futures unanswered when it shuts down: see [Node.wait].
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/hashicorp/raft.(*deferError).Error"))
}

const deadline = 30 * time.Second

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, o Options) *Node {
	t.Helper()
	n, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// lead waits until the node leads.
func lead(ctx context.Context, t *testing.T, n *Node) {
	t.Helper()
	for {
		select {
		case leads := <-n.Leadership():
			if leads {
				if err := n.Barrier(ctx); err != nil {
					t.Fatal(err)
				}
				return
			}
		case <-ctx.Done():
			t.Fatal("no leadership")
		}
	}
}

func closeNode(t *testing.T, n *Node) {
	t.Helper()
	if err := n.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func submission(id string) state.Command {
	return state.Command{Submit: &state.SubmitRun{RunID: id, Stages: []state.Shape{{Tasks: 1, Sink: plan.SinkResult}}}}
}

func hash(t *testing.T, n *Node) (hash string) {
	t.Helper()
	n.Read(func(m *state.Machine) {
		var err error
		if hash, err = m.Hash(); err != nil {
			t.Error(err)
		}
	})
	return hash
}

func TestSingleVoterLeadsAtOnceAndRemembers(t *testing.T) {
	ctx := testContext(t)
	dir := t.TempDir()
	n := open(t, Options{ID: "c1", Dir: dir})
	lead(ctx, t, n)
	var callers sync.WaitGroup
	for i := range 50 {
		callers.Go(func() {
			r, err := n.Propose(ctx, submission(fmt.Sprintf("r%d", i)), submission("shared"))
			if err != nil || len(r) != 2 || r[0].Outcome != state.Applied {
				t.Errorf("propose: %+v, %v", r, err)
			}
		})
	}
	callers.Wait()
	if err := n.Verify(ctx); err != nil {
		t.Errorf("verify: %v", err)
	}
	before := hash(t, n)
	closeNode(t, n)
	if _, err := n.Propose(ctx, submission("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("propose to a closed node: %v", err)
	}
	n = open(t, Options{ID: "c1", Dir: dir})
	lead(ctx, t, n)
	if after := hash(t, n); after != before {
		t.Error("another state after the restart")
	}
	closeNode(t, n)
}

func TestSnapshotIsRestored(t *testing.T) {
	ctx := testContext(t)
	dir := t.TempDir()
	n := open(t, Options{ID: "c1", Dir: dir, Volatile: true})
	lead(ctx, t, n)
	if _, err := n.Propose(ctx, submission("before")); err != nil {
		t.Fatal(err)
	}
	if err := n.wait(ctx, n.raft.Snapshot()); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(ctx, submission("after")); err != nil {
		t.Fatal(err)
	}
	before := hash(t, n)
	closeNode(t, n)
	n = open(t, Options{ID: "c1", Dir: dir, Volatile: true})
	lead(ctx, t, n)
	if after := hash(t, n); after != before {
		t.Error("another state after restoring a snapshot and the log behind it")
	}
	closeNode(t, n)
}

func TestStateDirectoryIsGuarded(t *testing.T) {
	ctx := testContext(t)
	dir := t.TempDir()
	n := open(t, Options{ID: "c1", Dir: dir})
	lead(ctx, t, n)
	if _, err := Open(Options{ID: "c1", Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process uses this state directory") {
		t.Errorf("opened twice: %v", err)
	}
	closeNode(t, n)
	if _, err := Open(Options{ID: "c2", Dir: dir}); err == nil || !strings.Contains(err.Error(), "belongs to coordinator c1, not to c2") {
		t.Errorf("opened as another: %v", err)
	}
}

func TestEntryOfANewerBuildHalts(t *testing.T) {
	ctx := testContext(t)
	n := open(t, Options{ID: "c1", Dir: t.TempDir(), Volatile: true})
	lead(ctx, t, n)
	future := n.raft.Apply([]byte(`{"version":99}`), 0)
	if err := future.Error(); err != nil {
		t.Fatal(err)
	}
	if n.Failure() == nil || !strings.Contains(n.Failure().Error(), "upgrade this coordinator") {
		t.Errorf("halted: %v", n.Failure())
	}
	for range n.Leadership() { // ends when the node stops
	}
	if _, err := n.Propose(ctx, submission("r")); err == nil {
		t.Error("a halted node takes proposals")
	}
	closeNode(t, n)
}

// Raft forgets some of the requests that it holds when it shuts down; whoever waits for one must hear of it all the same.
func TestCloseAmidRequests(t *testing.T) {
	for range 100 {
		n := open(t, Options{ID: "c1", Dir: t.TempDir(), Volatile: true})
		lead(testContext(t), t, n)
		var callers sync.WaitGroup
		for _, request := range []func(context.Context) error{
			n.Verify, n.Barrier, func(ctx context.Context) error { _, err := n.Propose(ctx, submission("r")); return err },
		} {
			for range 4 {
				callers.Go(func() {
					for request(context.Background()) == nil {
					}
				})
			}
		}
		time.Sleep(time.Millisecond)
		closeNode(t, n)
		callers.Wait()
	}
}

// peers are nodes with servers on loopback.
type peers struct {
	nodes   map[string]*Node
	servers []*http.Server
	serving sync.WaitGroup
}

func newPeers(t *testing.T, n int) *peers {
	p := &peers{nodes: map[string]*Node{}}
	addresses, listeners := map[string]string{}, map[string]net.Listener{}
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("c%d", i+1)
		addresses[id], listeners[id] = l.Addr().String(), l
	}
	dir := t.TempDir()
	for id, l := range listeners {
		node := open(t, Options{ID: id, Dir: filepath.Join(dir, id), Peers: addresses, Volatile: true, Election: 250 * time.Millisecond})
		p.nodes[id] = node
		mux := http.NewServeMux()
		mux.Handle("GET "+Path, node)
		server := &http.Server{Handler: mux}
		p.servers = append(p.servers, server)
		p.serving.Go(func() { server.Serve(l) })
	}
	t.Cleanup(func() {
		for _, node := range p.nodes {
			closeNode(t, node)
		}
		for _, s := range p.servers {
			s.Close()
		}
		p.serving.Wait()
	})
	return p
}

// leader waits for a node that leads and has caught up.
func (p *peers) leader(ctx context.Context, t *testing.T) *Node {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		for _, n := range p.nodes {
			if n.IsLeader() && n.Barrier(ctx) == nil {
				return n
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("no leader")
		}
	}
}

func TestPeersAgreeOverUpgradedConnections(t *testing.T) {
	ctx := testContext(t)
	p := newPeers(t, 3)
	leader := p.leader(ctx, t)
	if _, err := leader.Propose(ctx, submission("r1")); err != nil {
		t.Fatal(err)
	}
	want := hash(t, leader)
	for id, n := range p.nodes {
		for {
			changed := n.Changed()
			if hash(t, n) == want {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatalf("%s does not catch up", id)
			}
		}
		if n != leader {
			if _, err := n.Propose(ctx, submission("r2")); !errors.Is(err, ErrNotLeader) {
				t.Errorf("%s takes proposals: %v", id, err)
			}
		}
	}
	// The leader goes; another leads and knows what it knew.
	for id, n := range p.nodes {
		if n == leader {
			closeNode(t, n)
			delete(p.nodes, id)
		}
	}
	next := p.leader(ctx, t)
	r, err := next.Propose(ctx, submission("r1"))
	if err != nil || r[0].Outcome != state.Repeated {
		t.Errorf("the new leader: %+v, %v", r, err)
	}
}

func TestUpgradeIsRefusedToOthers(t *testing.T) {
	p := newPeers(t, 3)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for _, n := range p.nodes {
		response, err := (&http.Client{Transport: transport}).Get("http://" + n.stream.address + Path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("a plain GET is answered %s", response.Status)
		}
	}
}
