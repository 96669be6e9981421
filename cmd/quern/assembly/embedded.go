package assembly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/internal/traces"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/scan"
	"github.com/quern-engine/quern/worker"
)

// Options size an embedded cluster.
type Options struct {
	Workers int    // 0 of a cluster that is only to be looked at
	Slots   int    // tasks at once in each worker, at least 1
	Memory  int64  // bytes, for all tasks together
	State   string // folder for the log and scratch data; "" makes a temporary one
	// Snapshot looks each source up once, for all runs: see [Snapshot].
	Snapshot bool
	// Planned is run whatever is asked for; nil plans requests.
	Planned *plan.Job
	// InputCache is how many bytes of objects in blob stores are kept below State, so that runs which read the same do not fetch
	// it twice; 0 for none.
	InputCache int64
	Log        *slog.Logger // nil is silent
	// Traces takes the spans of all that runs; nil for nobody. Traceparent is the span that it is a part of; "" for none.
	Traces      *traces.Tracer
	Traceparent string

	Planner   planner.Options  // zero except in tests
	Allocator memory.Allocator // of batches; nil except in tests
	BatchRows int              // of batches; 0 except in tests
	Plain     bool             // no dictionary codes; false except in tests
}

// patience is for how long the embedded coordinator is asked again: it is in this process, so what keeps it from answering passes.
const patience = time.Minute

// Embedded is a whole cluster in this process: one coordinator with a single-voter log, and workers, speaking to each
// other over loopback as they would over a network.
type Embedded struct {
	Client *client.Client

	store    *storage.Store
	catalog  planner.Catalog
	planning planner.Options
	node     *coordinator.Coordinator
	workers  errgroup.Group
	peers    *http.Client // for results
	stop     context.CancelFunc
	cleanup  func() error
}

// StartEmbedded starts a cluster; Close it when done.
func StartEmbedded(opts Options) (*Embedded, error) {
	LimitMemory(opts.Memory)
	state, cleanup, err := stateFolder(opts.State)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	e := &Embedded{planning: opts.Planner, peers: &http.Client{Transport: shuffle.NewTransport(nil)}, store: storage.New(), stop: stop, cleanup: cleanup}
	e.catalog = scan.NewCatalog(e.store)
	if opts.Snapshot {
		e.catalog = Snapshot(e.catalog)
	}
	if err := e.start(ctx, state, opts); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Embedded) start(ctx context.Context, state string, opts Options) (err error) {
	planning := planOver(e.catalog, opts.Planner)
	if opts.Planned != nil {
		planning = func(context.Context, api.SubmitRequest) (*plan.Job, error) { return opts.Planned, nil }
	}
	e.node, err = coordinator.New(coordinator.Options{
		ID: "embedded", Alone: true, Listen: "127.0.0.1:0", StateDir: filepath.Join(state, "coordinator"), Volatile: opts.State == "",
		Plan: planning, PlanChecks: planChecksOver(e.catalog, opts.Planner), Store: e.store, Log: opts.Log, Traces: opts.Traces,
	})
	if err != nil {
		return err
	}
	if err := e.node.Start(ctx); err != nil {
		return err
	}
	if opts.InputCache > 0 { // the coordinator holds the lock on the folder now
		if err := e.store.CacheInputs(filepath.Join(state, "inputs"), opts.InputCache); err != nil {
			return err
		}
	}
	endpoint := "http://" + e.node.Addr()
	e.Client = client.New([]string{endpoint}, client.Options{Patience: patience, Unreachable: patience, Traceparent: opts.Traceparent})
	for i := range opts.Workers {
		w, err := worker.New(worker.Options{
			ID: "w" + strconv.Itoa(i+1) + "-" + strconv.Itoa(os.Getpid()), Coordinators: []string{endpoint}, Listen: "127.0.0.1:0",
			Scratch: filepath.Join(state, "scratch"), Slots: opts.Slots, Memory: opts.Memory / int64(opts.Workers), Alone: opts.Workers == 1,
			Store: e.store, Allocator: opts.Allocator, BatchRows: opts.BatchRows, Plain: opts.Plain, Log: opts.Log, Traces: opts.Traces,
		})
		if err != nil {
			return err
		}
		e.workers.Go(func() error { return w.Run(ctx) })
	}
	return nil
}

// Close stops the workers first, so that their last words find a coordinator, then the coordinator, then removes the
// temporary state.
func (e *Embedded) Close() error {
	e.peers.CloseIdleConnections()
	e.stop()
	err := e.workers.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if e.node != nil {
		err = errors.Join(err, e.node.Close())
	}
	return errors.Join(err, e.store.Close(), e.cleanup())
}

// stateFolder is the given folder, or a temporary one that cleanup removes.
func stateFolder(dir string) (path string, cleanup func() error, err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "quern-"); err != nil {
			return "", nil, fmt.Errorf("make temporary state: %w", err)
		}
		return dir, func() error { return os.RemoveAll(dir) }, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("make state folder: %w", err)
	}
	return dir, func() error { return nil }, nil
}

// LimitMemory tells the garbage collector to keep the process near its budget rather than near its live data:
// collecting seldom while there is room, and harder as the limit comes close.
func LimitMemory(budget int64) {
	debug.SetMemoryLimit(budget)
	debug.SetGCPercent(200)
}
