package consensus

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quern-engine/quern/coordinator/state"
)

// Options configure a node. ID and Dir are required.
type Options struct {
	ID  string
	Dir string
	// Address is where peers reach this node's HTTP server, host:port. Empty, and not among Peers: nobody ever does, and the
	// node is alone for good.
	Address string
	// Peers are the voters that an empty directory begins with, by id, this node included; none is this node alone. What
	// is in the log counts from then on.
	Peers map[string]string
	// Join has an empty directory begin with nothing: a leader elsewhere makes the node a member.
	Join bool
	// Volatile is for a state directory that is thrown away with the process: nothing is synced to disk.
	Volatile bool
	// Election is how long a silent leader is waited for, times one to two: 750 ms if zero. So a dead leader is noticed
	// after 0.75 to 1.5 s, and there is another within 3 s even if the first vote is split. Shorter, and a busy machine
	// would change leaders for nothing. A node without an address ignores it.
	Election time.Duration
	// StoreTimeout is how long the log store may take before the node gives up leadership: 10 s if zero, which is
	// longer than a slow disk and shorter than the patience of those who wait.
	StoreTimeout time.Duration
	// Dial opens connections to peers; a plain TCP dialer if nil.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Build names the program, for those who ask.
	Build string
	// EntryVersion is the newest version of log entries that this node reads and writes: the state machine's if zero, and
	// another in tests only.
	EntryVersion int
	Log          *slog.Logger // nil is silent

	wrap func(backend) backend // of tests: between the node and its disk
}

// backend is what keeps the log and raft's few values.
type backend interface {
	raft.LogStore
	raft.StableStore
}

func (o *Options) ensureDefaults() {
	if o.Address == "" {
		o.Address = o.Peers[o.ID]
	}
	if o.Election == 0 {
		o.Election = 750 * time.Millisecond
	}
	if o.StoreTimeout == 0 {
		o.StoreTimeout = 10 * time.Second
	}
	if o.EntryVersion == 0 {
		o.EntryVersion = state.EntryVersion
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.wrap == nil {
		o.wrap = func(b backend) backend { return b }
	}
}

func (o *Options) validate() error {
	_, self := o.Peers[o.ID]
	switch {
	case o.Address == "" && (o.Join || len(o.Peers) > 0):
		return errors.New("a coordinator that has peers needs an address where they reach it")
	case o.Join && len(o.Peers) > 0:
		return errors.New("a coordinator either begins with its peers or joins them")
	case len(o.Peers) > 0 && !self:
		return errors.New("the peers do not include this coordinator, " + o.ID)
	}
	return nil
}

// alone says that no other node will ever be spoken to.
func (o *Options) alone() bool { return o.Address == "" }
