package worker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/traces"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// Options say who a worker works for and with what. Coordinators, Scratch and Store are required.
type Options struct {
	// Coordinators are the endpoints (http://host:port) of some or all coordinators; whoever leads is found from them.
	Coordinators []string
	// Scratch is a folder for shuffle segments and plugin executables. The worker uses a folder of its own in it, so
	// several may share one; nothing in it outlives the worker.
	Scratch string
	// Store reads inputs and writes outputs. It stays the caller's to close.
	Store *storage.Store

	// ID names the worker's process; default [NewID]. A restarted worker must be another one, because its segments are
	// gone.
	ID string
	// Listen is host:port to serve segments on; default a free port of 127.0.0.1. Listener, when set, is used instead.
	Listen   string
	Listener net.Listener
	// Advertise is host:port where the others reach the segments; default Listen, with the port that it has got.
	Advertise string
	// Identity is shown to coordinators and other workers; without one, only a loopback address is served.
	Identity *secure.Identity
	// Slots is how many attempts run at once; default 1.
	Slots int
	// Memory is what the worker may use, in bytes; default 1 GiB. The slots may hold a part of it together; see shareMemory.
	Memory int64
	// InputCache is how many bytes of objects in blob stores are kept in the scratch folder, so that tasks and runs which read the
	// same do not fetch it twice; 0 for none. The worker must be the store's only one then.
	InputCache int64
	// Alone says that no other worker will ask for this one's outputs: it keeps some of the memory for them, as they are,
	// beside what the slots may hold.
	Alone bool
	// Allocator is where batches live; default one that uses freed buffers again. Tests hand in a stricter one.
	Allocator memory.Allocator
	// BatchRows is the size of batches; 0 is a good one. Plain keeps scans from handing out dictionary codes. Both exist
	// for tests: results do not depend on them.
	BatchRows int
	Plain     bool
	// LeaseWait is how long one request for work may wait for it; default 5 s. Longer saves nothing but requests;
	// shorter would notice sooner that a leader has vanished without closing its connections.
	LeaseWait time.Duration
	// Build names the program in metrics.
	Build string
	// Traces takes the spans of attempts; nil for nobody. It stays the caller's to close.
	Traces *traces.Tracer
	// Log is told what happens; nil means silence.
	Log *slog.Logger

	leaderless time.Duration // see defaultLeaderless; tests have less patience
}

// recycledPerSlot bounds the freed buffers that a worker keeps for each slot: the columns of a sort of some hundred thousand
// rows, some dozens of batches, or the pages of a wide scan. They are beyond the tasks' shares, and so a sixteenth of them
// at most.
const recycledPerSlot = 64 << 20

// NewID makes a name for a worker's process.
func NewID() string { return "w-" + strings.ToLower(rand.Text()[:16]) }

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.ID == "" {
		o.ID = NewID()
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Slots == 0 {
		o.Slots = 1
	}
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	if o.Allocator == nil {
		o.Allocator = recycle.New(min(int64(o.Slots)*recycledPerSlot, o.Memory/16))
	}
	if o.LeaseWait == 0 {
		o.LeaseWait = 5 * time.Second
	}
	if o.leaderless == 0 {
		o.leaderless = defaultLeaderless
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Validate refuses options that cannot work.
func (o *Options) Validate() error {
	switch {
	case len(o.Coordinators) == 0:
		return errors.New("worker: no coordinator given")
	case o.Scratch == "":
		return errors.New("worker: no scratch folder given")
	case o.Store == nil:
		return errors.New("worker: no store given")
	case o.Identity != nil && o.Identity.Roles()&secure.Workers == 0:
		return errors.New("worker: the certificate does not say that it is a worker's")
	case o.Slots < 1:
		return fmt.Errorf("worker: %d slots", o.Slots)
	case o.Memory < 1:
		return fmt.Errorf("worker: %d bytes of memory", o.Memory)
	}
	return plan.ValidateID("worker id", o.ID)
}
