package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/internal/traces"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// Store is where outputs are published.
type Store interface {
	// Put writes a small file, durable when it returns.
	Put(ctx context.Context, url string, data []byte) error
	Get(ctx context.Context, url string) ([]byte, error)
	// Delete and DeleteTree do not mind what is not there.
	Delete(ctx context.Context, url string) error
	DeleteTree(ctx context.Context, url string) error
	// Sweep deletes the files in a folder and below that keep does not name.
	Sweep(ctx context.Context, url string, keep func(name string) bool) (deleted int, err error)
}

var _ Store = (*storage.Store)(nil)

// Clock tells the time. Leases are measured with it, so its times must have a monotonic reading.
type Clock interface {
	Now() time.Time
	// After sends once when d has passed.
	After(d time.Duration) <-chan time.Time
}

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// WrittenOutput is an output as a run has written it.
type WrittenOutput struct {
	Output plan.Output
	URL    string   // of the folder that the files lie in
	Files  []string // their names in it
}

// Options configure a coordinator. ID, StateDir, Plan and Store are required.
type Options struct {
	ID       string
	StateDir string // log, snapshots, plans and plugins
	// Listen is host:port; a free port of loopback if empty. Listener is used instead if it is set.
	Listen   string
	Listener net.Listener
	// Alone says that there will never be other coordinators: this one leads within milliseconds.
	Alone bool
	// Advertise is host:port where other coordinators reach this one: as in Peers, or the address of the listener, if empty.
	Advertise string
	// Peers are the coordinators that begin a cluster, by id, this one included, as host:port; none is this one by itself, to
	// which others can be added. They count on an empty state directory only: after that, what the log says does.
	Peers map[string]string
	// Join are coordinators, as URLs or host:port, to be asked to add this one to their cluster.
	Join []string
	// Build names the program in answers.
	Build string
	// Identity is shown to workers, peers and callers, and Tokens are those that callers may show. Both or none: without
	// them, only a loopback address is served.
	Identity *secure.Identity
	Tokens   *secure.Tokens
	// Plan turns a request into a job. A *source.Error, or a failure of kind FailureUser, is the caller's mistake.
	Plan func(ctx context.Context, request api.SubmitRequest) (*plan.Job, error)
	// Bind finds the plugin functions that a request names and does not describe, and has their executables kept. nil: whoever submits
	// describes them all.
	Bind func(ctx context.Context, request api.SubmitRequest, keep KeepExecutable) ([]plan.Function, error)
	// PlanChecks plans what the checks of a request's job have to measure, over what its run has written: the job's last stage
	// has a report sink, whose rows are for package check. Only jobs with checks need it.
	PlanChecks func(ctx context.Context, request api.SubmitRequest, written []WrittenOutput) (*plan.Job, error)
	Store      Store
	// Lease is how long a worker may be silent: 10 s if zero. Shorter finds lost workers sooner, but takes a busy
	// machine for a lost one.
	Lease time.Duration
	// Heartbeat is how often workers report: a tenth of Lease if zero, and 200 ms at most when alone, since then it is
	// one machine and what it costs is nothing against how soon a cancelled run ends.
	Heartbeat time.Duration
	// Election is how long peers wait for a silent leader before they elect another: see consensus.Options.
	Election time.Duration
	// MaxActive is how many runs are given tasks at a time; the others wait in line. 64 if zero.
	MaxActive int
	// MaxQueued is how many runs may be under way, those in line included, and MaxPlanning how many requests may be planned
	// at a time or wait for that, before others are sent away for a while: 1000 and 64 if zero.
	MaxQueued, MaxPlanning int
	// Retain is how long runs that have ended are remembered: 30 days if zero. The newest 2000 are at most.
	Retain time.Duration
	// Volatile says that StateDir goes with the process: nothing is synced to disk.
	Volatile bool
	// Traces takes the spans of runs that end and of their stages; nil for nobody. It stays the caller's to close.
	Traces *traces.Tracer
	Log    *slog.Logger // nil is silent
	Clock  Clock        // nil is the real one
}

func (o *Options) ensureDefaults() {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
		if a, ok := o.Peers[o.ID]; ok {
			o.Listen = a
		}
	}
	if o.MaxActive == 0 {
		o.MaxActive = 64
	}
	if o.MaxQueued == 0 {
		o.MaxQueued = 1000
	}
	if o.MaxPlanning == 0 {
		o.MaxPlanning = 64
	}
	if o.Retain == 0 {
		o.Retain = 30 * 24 * time.Hour
	}
	if o.Lease == 0 {
		o.Lease = 10 * time.Second
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = o.Lease / 10
		if len(o.Peers) <= 1 && len(o.Join) == 0 {
			o.Heartbeat = min(o.Heartbeat, 200*time.Millisecond)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = realClock{}
	}
}

// address is where peers reach this coordinator.
func (o *Options) address(l net.Listener) string {
	switch {
	case o.Alone:
		return ""
	case o.Advertise != "":
		return o.Advertise
	case o.Peers[o.ID] != "":
		return o.Peers[o.ID]
	}
	return l.Addr().String()
}

func (o *Options) validate() error {
	if err := plan.ValidateID("coordinator id", o.ID); err != nil {
		return err
	}
	switch {
	case o.StateDir == "":
		return errors.New("coordinator: no state directory")
	case o.Plan == nil:
		return errors.New("coordinator: no planner")
	case o.Store == nil:
		return errors.New("coordinator: no store")
	case (o.Identity == nil) != (o.Tokens == nil):
		return errors.New("coordinator: TLS credentials and tokens go together")
	case o.Identity != nil && o.Identity.Roles()&secure.Coordinators == 0:
		return errors.New("coordinator: the certificate does not say that it is a coordinator's")
	case o.Lease < 2*o.Heartbeat:
		return fmt.Errorf("coordinator: a lease of %v is too short for a heartbeat every %v", o.Lease, o.Heartbeat)
	}
	if _, self := o.Peers[o.ID]; len(o.Peers) > 0 && !self {
		return fmt.Errorf("coordinator: the peers do not include %s itself", o.ID)
	}
	return nil
}
