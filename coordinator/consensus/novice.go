package consensus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// keyNovice is where a state directory that was empty not long ago says so.
var keyNovice = []byte("QuernNovice")

// novice is a node on a state directory that began empty, while it may have been a voter before: its disk was replaced,
// perhaps, and what it had promised is forgotten. Were it to vote like that, somebody could lead who does not know what
// was decided. So it does not, until it has all that a leader calls committed.
//
// Nobody can tell such a node from one that starts for the first time. It is the first time for all, and the cluster
// begins, if a majority of the peers says that it knows nothing either.
type novice struct {
	*raft.NetworkTransport
	node  *Node
	rpcs  chan raft.RPC
	quiet atomic.Bool // does not vote

	invitations chan invitation
	grown       raft.ReloadableConfig // what it goes by once it votes
}

// never is how long a novice waits before it stands for election: longer than it takes to learn what was decided. The log
// that it is sent begins with memberships of long ago. By one of them it may have been the only voter, and would elect
// itself without asking anybody.
const never = 1000 * time.Hour

// wait makes the configuration one by which the node does not stand for election, until it is grown.
func (v *novice) wait(c *raft.Config) {
	v.grown = raft.ReloadableConfig{
		TrailingLogs: c.TrailingLogs, SnapshotInterval: c.SnapshotInterval, SnapshotThreshold: c.SnapshotThreshold,
		HeartbeatTimeout: c.HeartbeatTimeout, ElectionTimeout: c.ElectionTimeout,
	}
	c.HeartbeatTimeout, c.ElectionTimeout = never, never
}

// Consumer is what raft reads requests of peers from.
func (v *novice) Consumer() <-chan raft.RPC { return v.rpcs }

var errNovice = errors.New("this coordinator does not vote: its state directory was empty, and it does not know yet what was decided")

// relay hands requests on, all but those about votes, and follows invitations.
func (v *novice) relay() {
	for {
		select {
		case rpc := <-v.NetworkTransport.Consumer():
			if v.quiet.Load() && v.refuses(rpc) {
				continue
			}
			select {
			case v.rpcs <- rpc:
			case <-v.node.down:
				rpc.Respond(nil, raft.ErrRaftShutdown)
			}
		case i := <-v.invitations:
			i.done <- v.node.cluster.take(i.cluster)
		case <-v.node.down:
			return
		}
	}
}

func (v *novice) refuses(rpc raft.RPC) bool {
	switch r := rpc.Command.(type) {
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{RPCHeader: r.RPCHeader, Term: r.Term}, errNovice)
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: r.RPCHeader, Term: r.Term}, errNovice)
	case *raft.TimeoutNowRequest:
		rpc.Respond(&raft.TimeoutNowResponse{RPCHeader: r.RPCHeader}, errNovice)
	case *raft.AppendEntriesRequest:
		if r.LeaderCommitIndex > 0 && v.node.raft.LastIndex() >= r.LeaderCommitIndex {
			v.graduate()
		}
		return false
	default:
		return false
	}
	return true
}

// graduate makes the node one like the others.
func (v *novice) graduate() {
	if err := v.node.vault.Set(keyNovice, []byte{0}); err != nil {
		return // it stays as it is, and tries again
	}
	if err := v.node.raft.ReloadConfig(v.grown); err != nil {
		v.node.fail(fmt.Errorf("coordinator %s: from now on it may lead: %w", v.node.id, err))
		return
	}
	v.quiet.Store(false)
	v.node.log.Debug("knows what was decided, and votes from now on")
}

// isNovice reads, or for an empty directory writes, whether it is one's.
func (n *Node) isNovice(o Options, existing bool) (bool, error) {
	if existing {
		value, err := n.note(o, keyNovice)
		return slices.Equal(value, []byte{1}), err
	}
	if !o.Join && len(o.Peers) < 2 {
		return false, nil
	}
	if err := n.vault.Set(keyNovice, []byte{1}); err != nil {
		return false, fmt.Errorf("write to %s: %w", o.Dir, err)
	}
	return true, nil
}

// begin starts the cluster with its peers, or finds out that it has begun without this node.
func (v *novice) begin(o Options, config raft.Configuration) {
	var peers []Member
	for id, address := range o.Peers {
		peers = append(peers, Member{ID: id, Address: address})
	}
	told, cluster := false, clusterOfPeers(o.Peers)
	for v.quiet.Load() {
		reports := v.node.askAll(context.Background(), peers, false) // it may not know yet which are of its cluster
		answers, begun := 0, false
		for _, r := range reports {
			if r == nil || r.Last == 0 && r.Cluster != "" && r.Cluster != cluster {
				continue // nobody, or one that waits to be added to another cluster
			}
			answers++
			if r.Last > 1 || r.Term > 1 {
				begun = true
				v.follow(o, r)
			}
		}
		switch {
		case begun && !told:
			told = true
			v.node.log.Warn("the state directory is empty, and the cluster is not: no vote until it has caught up; " +
				"if it was removed, or never belonged to it, start it with --join")
		case !begun && answers > len(peers)/2 && v.node.cluster.take(cluster) == nil:
			if v.node.wait(context.Background(), v.node.raft.BootstrapCluster(config)) == nil {
				v.graduate()
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-v.node.stop:
			return
		case <-v.node.failed:
			return
		}
	}
}

// follow makes the node one of the cluster that has begun without it, or with it before its disk was lost, if that has it
// for a member.
func (v *novice) follow(o Options, r *Report) {
	self, member := find(r.Members, o.ID)
	if !member || self.Address != o.Address && self.Address != o.Peers[o.ID] || v.node.cluster.ID() != "" {
		return
	}
	if err := v.node.cluster.take(named(r.Cluster)); err != nil {
		v.node.log.Warn("cannot be of the cluster of a peer", "peer", r.ID, "error", err)
	}
}
