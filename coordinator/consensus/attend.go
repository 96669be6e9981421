package consensus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// attend looks after this node's own membership: its address, and whether it is a member still.
func (n *Node) attend(interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for removed := 0; ; {
		select {
		case <-ticker.C:
		case <-n.failed:
			return
		case <-n.stop:
			return
		}
		if n.IsLeader() {
			removed = 0
			n.correctAddress()
			continue
		}
		// Twice: what somebody says who leads may be a moment old.
		if !n.isRemoved() {
			removed = 0
		} else if removed++; removed == 2 {
			n.log.Warn("removed from the cluster")
			n.fail(fmt.Errorf("coordinator %s: %w", n.id, ErrRemoved))
			return
		}
	}
}

// correctAddress has the log say where this leader is reached now: it may have been alone under another address, or begun
// as a build that knew none.
func (n *Node) correctAddress() {
	self, ok := find(n.Members(), n.id)
	if !ok || !self.Voter || self.Address == n.address {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	n.log.Info("this coordinator has another address now", "from", self.Address, "to", n.address)
	if err := n.wait(ctx, n.raft.AddVoter(raft.ServerID(n.id), raft.ServerAddress(n.address), 0, 0)); err != nil {
		n.log.Warn("could not tell the others the new address", "error", err)
	}
}

// isRemoved asks those that lead, if this node hears of none, whether it is still a member.
func (n *Node) isRemoved() bool {
	if leader, _ := n.Leader(); leader != "" || n.raft.LastIndex() == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	others := slices.DeleteFunc(n.Members(), func(m Member) bool { return m.ID == n.id })
	for _, r := range n.AskAll(ctx, others) {
		if r == nil || r.ID != r.Leader || r.Term < n.Term() {
			continue
		}
		_, member := find(r.Members, n.id)
		return !member
	}
	return false
}
