package consensus

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/failpoint"
)

// Open starts a node on its state directory. One with an address talks to its peers once [Node.ServeHTTP] is reachable
// there.
func Open(o Options) (*Node, error) {
	o.ensureDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("create state directory: %w", err)
	}
	n := newNode(o)
	if err := n.open(o); err != nil {
		return nil, errors.Join(err, n.release())
	}
	n.loops.Go(n.propose)
	n.loops.Go(n.watch)
	if n.stream != nil {
		n.loops.Go(func() { n.attend(2 * o.Election) })
	}
	return n, nil
}

func newNode(o Options) *Node {
	return &Node{
		id: o.ID, address: o.Address, dir: o.Dir, build: o.Build, reads: o.EntryVersion,
		log: o.Log, machine: state.New(), changed: make(chan struct{}),
		proposals: make(chan *proposal), leadership: make(chan bool, 1),
		failed: make(chan struct{}), stop: make(chan struct{}), down: make(chan struct{}),
	}
}

func (n *Node) open(o Options) error {
	logger := newLogger(o.Log)
	snapshots, err := n.openDisk(o, logger)
	if err != nil {
		return err
	}
	owner, err := n.owner(o)
	if err != nil {
		return err
	}
	existing, err := raft.HasExistingState(n.vault, n.vault, snapshots)
	if err != nil {
		return fmt.Errorf("read state in %s: %w", o.Dir, err)
	}
	if err := n.loadCluster(o, existing); err != nil {
		return err
	}
	learns, err := n.isNovice(o, existing)
	if err != nil {
		return err
	}
	transport := n.transport(o, learns, logger)
	config := configure(o, logger)
	if n.novice != nil {
		n.novice.wait(config)
	}
	first := raft.Configuration{Servers: o.servers()}
	if !existing && !learns {
		if err := raft.BootstrapCluster(config, n.vault, n.vault, snapshots, transport, first); err != nil {
			return fmt.Errorf("begin cluster: %w", err)
		}
	}
	if err := n.startRaft(config, snapshots, transport); err != nil {
		return err
	}
	if err := n.checkMembers(o, owner); err != nil {
		return err
	}
	if n.novice != nil {
		n.loops.Go(n.novice.relay)
		if !o.Join {
			// Every node begins with the same membership, so it does not matter which of them is first.
			n.loops.Go(func() { n.novice.begin(o, first) })
		}
	} else if n.Alone() {
		n.standAtOnce(transport, config)
	}
	return nil
}

// startRaft starts raft on a goroutine of its own, since it panics about what it cannot read, and since the vault ends
// goroutines: see there.
func (n *Node) startRaft(config *raft.Config, snapshots raft.SnapshotStore, transport raft.Transport) error {
	err := errors.New("start raft: the state directory failed")
	n.vault.live.Store(true)
	var starting sync.WaitGroup
	starting.Go(func() {
		problem := recovered(func() (err error) {
			if n.raft, err = raft.NewRaft(config, (*fsm)(n), n.vault, n.vault, snapshots, transport); err != nil {
				return err
			}
			return n.nameCluster()
		})
		if err = nil; problem != nil {
			err = fmt.Errorf("start raft: %w", problem)
		}
	})
	starting.Wait()
	return errors.Join(err, n.Failure())
}

// checkMembers refuses a directory of before directories said whose they are, if it is somebody else's. Other peers than
// at the first start are no mistake: membership has changed, and is in the log.
func (n *Node) checkMembers(o Options, owner string) error {
	members := n.Members()
	if owner == "" {
		if _, self := find(members, n.id); !self && len(members) > 0 {
			return fmt.Errorf("state directory %s belongs to a cluster of %s, not to %s; start with the same id, or with an empty directory",
				o.Dir, describe(members), n.id)
		}
		if err := n.vault.Set(keyNode, []byte(n.id)); err != nil {
			return fmt.Errorf("write to %s: %w", o.Dir, err)
		}
	}
	if _, self := find(members, n.id); n.stream == nil && (!self || len(members) != 1) {
		return fmt.Errorf("state directory %s belongs to a cluster of %s: it needs 'quern coordinator'", o.Dir, describe(members))
	}
	for _, m := range members {
		if address, ok := o.Peers[m.ID]; n.stream != nil && len(o.Peers) > 0 && (!ok || address != m.Address) {
			n.log.Info("the peers given are those of the first start only; the members have changed since", "members", describe(members))
			break
		}
	}
	return nil
}

// standAtOnce makes the only voter elect itself now. Raft would first wait for another leader to speak, which takes longer
// than a small query; it still does if this fails.
func (n *Node) standAtOnce(transport raft.Transport, config *raft.Config) {
	self := transport.LocalAddr()
	request := &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{
		ProtocolVersion: config.ProtocolVersion, ID: []byte(config.LocalID), Addr: transport.EncodePeer(config.LocalID, self),
	}}
	if alone, ok := transport.(*raft.InmemTransport); ok {
		alone.Connect(self, alone)
		defer alone.Disconnect(self)
	}
	_ = transport.TimeoutNow(config.LocalID, self, request, &raft.TimeoutNowResponse{})
}

// transport connects to the peers, or to nobody.
func (n *Node) transport(o Options, learns bool, logger *logger) raft.Transport {
	if o.alone() {
		// A fixed address, because the real one may be another at each start.
		_, t := raft.NewInmemTransport(raft.ServerAddress(o.ID))
		n.closer = t.Close
		return t
	}
	n.stream = newStream(o.Address, o.EntryVersion, n.cluster, o.Dial)
	t := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: n.stream, MaxPool: 3, Timeout: 10 * time.Second, Logger: logger,
		// Not pipelined. Where a follower answers with a later term, raft's pipeline stops reading answers without closing
		// itself: the sender then waits for a place in it for ever, and shutting raft down for the sender. Little is lost, as
		// propose has one batch of entries under way at a time.
		MaxRPCsInFlight: 1,
	})
	n.closer = func() error {
		err := t.Close()
		t.CloseStreams()
		return err
	}
	if learns {
		n.novice = &novice{NetworkTransport: t, node: n, rpcs: make(chan raft.RPC), invitations: make(chan invitation)}
		n.novice.quiet.Store(true)
		return n.novice
	}
	return t
}

// servers are the voters that a cluster begins with.
func (o *Options) servers() []raft.Server {
	peers := o.Peers
	if len(peers) == 0 {
		peers = map[string]string{o.ID: o.Address}
		if o.alone() {
			peers[o.ID] = o.ID
		}
	}
	var servers []raft.Server
	for _, id := range slices.Sorted(maps.Keys(peers)) {
		servers = append(servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(peers[id])})
	}
	return servers
}

func configure(o Options, logger *logger) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(o.ID)
	c.Logger = logger
	c.SnapshotThreshold = 8192
	c.SnapshotInterval = 30 * time.Second
	c.TrailingLogs = 4096
	c.ShutdownOnRemove = false                            // see attend
	if failpoint.Hit("consensus/snapshot-often") != nil { // so that a test need not write thousands of entries
		c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 8, 100*time.Millisecond, 8
	}
	if o.alone() {
		// Nobody to hear from: the shortest that raft allows.
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 5*time.Millisecond, 5*time.Millisecond, 5*time.Millisecond
		c.CommitTimeout = time.Millisecond
		return c
	}
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = o.Election, o.Election, o.Election*2/3
	c.CommitTimeout = 25 * time.Millisecond
	return c
}
