package consensus

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/quern-engine/quern/plan"
)

const (
	// ClusterHeader tells the other side, with a request and with the answer to an upgrade, which cluster this one is of.
	ClusterHeader = "Quern-Cluster"

	// inviteHeader names the node that a leader asks to be of its cluster, beside ClusterHeader.
	inviteHeader = "Quern-Invites"

	// unnamed is the cluster of logs that began before clusters had ids, and of builds that do not say.
	unnamed = "unnamed"
)

// keyCluster is where a state directory says which cluster it is of.
var keyCluster = []byte("QuernCluster")

// clusterID is which cluster a node is of: empty while it is of none. It is given once. Addresses are given to others
// when a process ends, and what is reached at one may be of another cluster: its log and its votes must never count here.
type clusterID struct {
	node  string
	vault *vault

	mu sync.Mutex // held while it is given
	id atomic.Pointer[string]
}

// ID is the cluster's.
func (c *clusterID) ID() string {
	if id := c.id.Load(); id != nil {
		return *id
	}
	return ""
}

// take makes the node one of a cluster, for good.
func (c *clusterID) take(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if mine := c.ID(); mine != "" {
		return c.compare(id)
	}
	if err := plan.ValidateID("cluster id", id); err != nil {
		return err
	}
	if err := c.vault.Set(keyCluster, []byte(id)); err != nil {
		return fmt.Errorf("write which cluster this is: %w", err)
	}
	c.id.Store(&id)
	return nil
}

// compare refuses whoever is of another cluster, or all if this node is of none.
func (c *clusterID) compare(theirs string) error {
	switch mine := c.ID(); mine {
	case theirs:
		return nil
	case "":
		return fmt.Errorf("coordinator %s is of no cluster yet: it waits to be added, or for its peers", c.node)
	default:
		return fmt.Errorf("coordinator %s is of cluster %s, not of %s", c.node, mine, theirs)
	}
}

// clusterOf is what a request or an answer says.
func clusterOf(h http.Header) string { return named(h.Get(ClusterHeader)) }

func named(cluster string) string {
	if cluster == "" {
		return unnamed
	}
	return cluster
}

// clusterOfPeers is the id of a cluster that begins with several: each of them comes to the same.
func clusterOfPeers(peers map[string]string) string {
	var members []Member
	for id, address := range peers {
		members = append(members, Member{ID: id, Address: address})
	}
	sum := sha256.Sum256([]byte(describe(inOrder(members))))
	return base32.StdEncoding.EncodeToString(sum[:])[:26] // as long as rand.Text, and as good against accidents
}

// Cluster is the id of the cluster that this node is of; empty if it waits to be of one, or is alone for good.
func (n *Node) Cluster() string { return n.cluster.ID() }

// loadCluster reads which cluster the state directory is of.
func (n *Node) loadCluster(o Options, existing bool) error {
	n.cluster = &clusterID{node: o.ID, vault: n.vault}
	value, err := n.note(o, keyCluster)
	if err != nil {
		return err
	}
	id := string(value)
	if id == "" && existing && !o.alone() {
		id = unnamed
	}
	if id != "" {
		n.cluster.id.Store(&id)
	}
	return nil
}

// nameCluster gives an id to the cluster of a node that is the only member, be it new or of before clusters had ids:
// there is nobody who would have to know.
func (n *Node) nameCluster() error {
	members := n.Members()
	if n.stream == nil || n.novice != nil || len(members) != 1 || members[0].ID != n.id {
		return nil
	}
	if id := n.cluster.ID(); id != "" && id != unnamed {
		return nil
	}
	n.cluster.id.Store(nil) // no connection has counted on it yet
	return n.cluster.take(rand.Text())
}

// isOurs says whether a report comes from a node of this cluster.
func (n *Node) isOurs(r Report) bool { return named(r.Cluster) == n.cluster.ID() }

// ours leaves out what nodes of other clusters say.
func (n *Node) ours(reports []*Report) []*Report {
	for i, r := range reports {
		if r != nil && r.ID != n.id && !n.isOurs(*r) {
			reports[i] = nil
		}
	}
	return reports
}

// invitation asks a node that is of no cluster to be of one.
type invitation struct {
	cluster string
	done    chan error // buffered
}

// accept follows an invitation. A node that is of a cluster already stays with it.
func (n *Node) accept(ctx context.Context, h http.Header) error {
	if id := h.Get(inviteHeader); id != n.id {
		return fmt.Errorf("this is coordinator %s, not %s", n.id, id)
	}
	i := invitation{cluster: clusterOf(h), done: make(chan error, 1)}
	if n.cluster.ID() != "" {
		if err := n.cluster.compare(i.cluster); err != nil {
			return fmt.Errorf("%w: start it on an empty state directory, with --join", err)
		}
		return nil
	}
	// Not here: writing ends goroutines when the disk fails, and waits while it hangs.
	select {
	case n.novice.invitations <- i:
	case <-ctx.Done():
		return ctx.Err()
	case <-n.down:
		return ErrClosed
	}
	select {
	case err := <-i.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-n.down:
		return ErrClosed
	}
}

// invite has the node at an address be of this cluster, if it is of none: until then it takes nothing from anybody.
func (n *Node) invite(ctx context.Context, id, address string, r Report) error {
	if r.Cluster == n.cluster.ID() {
		return nil
	}
	r, err := n.request(ctx, address, false, http.Header{inviteHeader: {id}})
	if err != nil {
		return err
	}
	if !n.isOurs(r) {
		return refused("coordinator %s does not say which cluster it is of, and this one is %s: it needs a newer build", id, n.cluster.ID())
	}
	return nil
}

// misfit says how a node has answered that did not do what it was asked to.
func misfit(response *http.Response) error {
	if response.StatusCode == http.StatusConflict {
		if text, err := io.ReadAll(io.LimitReader(response.Body, 1<<10)); err == nil && len(text) > 0 {
			return fmt.Errorf("it refuses: %s", strings.TrimSpace(string(text)))
		}
	}
	return fmt.Errorf("it answers %s: is it one of this cluster, and of this version?", response.Status)
}
