package consensus

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/raft"
)

// Recover makes the node of a state directory the only member of its cluster, when the others are gone for good and with
// them every majority. Nothing runs meanwhile. abandoned must name the other voters: what they have decided without this
// node is lost, and were they to come back, they would be another cluster: this one has a new id from then on.
func Recover(o Options, abandoned []string) (err error) {
	o.ensureDefaults()
	if _, err := os.Stat(logPath(o)); err != nil {
		return fmt.Errorf("there is no coordinator's log: %w", err)
	}
	n := newNode(o)
	defer func() { err = errors.Join(err, n.release()) }()
	logger := newLogger(o.Log)
	snapshots, err := n.openDisk(o, logger)
	if err != nil {
		return err
	}
	if _, err := n.owner(o); err != nil {
		return err
	}
	// In memory, since nobody is spoken to.
	address, transport := raft.NewInmemTransport(raft.ServerAddress(o.Address))
	n.closer = transport.Close
	config := configure(o, logger)
	before, err := raft.GetConfiguration(config, (*fsm)(newNode(o)), n.vault, n.vault, snapshots, transport)
	if err != nil {
		return fmt.Errorf("read membership: %w", err)
	}
	if err := o.mayAbandon(membersOf(before), abandoned); err != nil {
		return err
	}
	// First: with the membership alone changed, a second attempt would find nothing to do. Those that are abandoned keep the
	// old id, and are refused should they come back.
	if err := n.vault.Set(keyCluster, []byte(rand.Text())); err != nil {
		return fmt.Errorf("write to %s: %w", o.Dir, err)
	}
	alone := raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(o.ID), Address: address}}}
	if err := raft.RecoverCluster(config, (*fsm)(n), n.vault, n.vault, snapshots, transport, alone); err != nil {
		return fmt.Errorf("make %s the only member: %w", o.ID, err)
	}
	return nil
}

func (o *Options) mayAbandon(members []Member, abandoned []string) error {
	self, member := find(members, o.ID)
	if !member || !self.Voter {
		return refused("coordinator %s has no vote in the cluster of this state directory (%s): it may not know what was decided", o.ID, describe(members))
	}
	var others []string
	for _, m := range voters(members) {
		if m.ID != o.ID {
			others = append(others, m.ID)
		}
	}
	abandoned = slices.Sorted(slices.Values(abandoned))
	switch {
	case len(others) == 0:
		return refused("coordinator %s is the only member already", o.ID)
	case !slices.Equal(others, abandoned):
		return refused("what %s decided without %s is lost, and they must never start again on the state directories they have; to go on, give --abandon %s",
			strings.Join(others, " and "), o.ID, strings.Join(others, ","))
	}
	return nil
}
