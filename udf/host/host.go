// Package host runs plugin processes for a worker and calls their functions. A process is user code: it may crash,
// hang, leak or lie, and none of that may touch the worker. It runs from a sealed copy, contained as package contain says;
// every start and call has a deadline; what it sends is checked before it is used; and when it misbehaves all its processes
// are killed and the next call gets a fresh one.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/host/contain"
	"github.com/quern-engine/quern/udf/udfpb"
)

// DefaultLimits are of each process. Half a day of CPU time is no measure of anything: it ends what spins by itself.
var DefaultLimits = contain.Limits{Memory: 2 << 30, CPU: 12 * time.Hour, OpenFiles: 1024, Processes: 512, Temporary: 1 << 30}

// Options are choices about plugin processes.
type Options struct {
	// CacheDir is where verified copies of executables are kept, by digest. Hosts may share it.
	CacheDir string
	// Fetch gets an executable by its hex SHA-256, when the cache lacks it.
	Fetch func(ctx context.Context, sha256 string) (io.ReadCloser, error)
	Log   *slog.Logger     // silent when nil
	Mem   memory.Allocator // memory.DefaultAllocator when nil
	// StartTimeout bounds a start: 30 s, since a cold disk may have to read some ten megabytes. CallTimeout bounds one
	// call with one batch: 5 min.
	StartTimeout time.Duration
	CallTimeout  time.Duration
	// IdleTimeout is after how long a process that nobody calls is ended: 5 min.
	IdleTimeout time.Duration
	// MaxExecutable bounds a plugin's size: 512 MiB.
	MaxExecutable int64
	// Limits are those of functions that have none of their own; DefaultLimits when zero.
	Limits contain.Limits
	// Level is how processes are contained: as well as can be when empty.
	Level contain.Level
}

// heap is for what Arrow itself makes: it takes memory for bitmaps to be cleared, which Options.Mem does not promise.
var heap = memory.NewGoAllocator()

func (o *Options) ensureDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Mem == nil {
		o.Mem = memory.DefaultAllocator
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = 30 * time.Second
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = 5 * time.Minute
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 5 * time.Minute
	}
	if o.MaxExecutable <= 0 {
		o.MaxExecutable = 512 << 20
	}
	if o.Limits == (contain.Limits{}) {
		o.Limits = DefaultLimits
	}
}

// Host keeps plugin processes: each serves one attempt at a time, and waits, warm, for the next one that wants what it has.
// Safe for concurrent use.
type Host struct {
	opts     Options
	ctx      context.Context // done once the host is closed
	close    context.CancelFunc
	starting sync.WaitGroup
	warn     sync.Once
	group    sync.Once
	groups   *contain.Groups // set by group; nil where there are none
	batches  atomic.Int64    // sent to plugins

	mu     sync.Mutex // guards the following
	closed bool
	images map[string]*image     // by SHA-256
	idle   map[kind][]*running   // last used last
	all    map[*running]struct{} // whether idle or not
	folder *folder               // nil before the first start
	sweep  *time.Timer           // nil when nothing idles

	checked map[string]string // side files whose content was looked at, by path
}

// ProtocolVersion is that of the protocol that hosts and plugins speak.
const ProtocolVersion = udfpb.ProtocolVersion

// Batches is how many batches were sent to plugins, repeated ones included.
func (h *Host) Batches() int64 { return h.batches.Load() }

// kind is what makes one process as good as another.
type kind struct {
	sha256 string
	limits contain.Limits
	files  string // paths of files that it may read, each with a line end
}

// New makes a host. No process starts before the first call of a function.
func New(opts Options) (*Host, error) {
	opts.ensureDefaults()
	if opts.CacheDir == "" {
		return nil, errors.New("plugin host: no cache folder")
	}
	h := &Host{opts: opts, images: map[string]*image{}, idle: map[kind][]*running{}, all: map[*running]struct{}{}, checked: map[string]string{}}
	h.ctx, h.close = context.WithCancel(context.Background())
	contain.SweepGroups()
	return h, nil
}

var errClosed = errors.New("plugin host: closed")

// acquire is a process of a kind that nobody else has: one that waits, or a new one. What it prints until it is released goes to
// log. Release it.
func (h *Host) acquire(ctx context.Context, k kind, log *slog.Logger) (*running, error) {
	for {
		run, err := h.waiting(k)
		if err != nil {
			return nil, err
		}
		if run == nil {
			break
		}
		if run.healthy() {
			run.tell(log)
			return run, nil
		}
		h.discard(run)
	}
	return h.begun(ctx, k, log)
}

// fresh is a process that has done nothing yet. Release it.
func (h *Host) fresh(ctx context.Context, k kind, log *slog.Logger) (*running, error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, errClosed
	}
	h.starting.Add(1)
	h.mu.Unlock()
	return h.begun(ctx, k, log)
}

// begun goes on with a start that Close waits for.
func (h *Host) begun(ctx context.Context, k kind, log *slog.Logger) (*running, error) {
	defer h.starting.Done()
	run, err := h.start(ctx, k, log)
	if err != nil && h.ctx.Err() != nil {
		return nil, errClosed
	}
	return run, err
}

// waiting takes an idle process, if there is one; if not, a start has begun, which Close waits for.
func (h *Host) waiting(k kind) (*running, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed
	}
	if idle := h.idle[k]; len(idle) > 0 {
		run := idle[len(idle)-1]
		h.idle[k] = idle[:len(idle)-1]
		return run, nil
	}
	h.starting.Add(1)
	return nil, nil
}

// release gives a process back. One that is not fit for another call is killed.
func (h *Host) release(run *running) {
	run.proc.settle() // what it has printed so far is the caller's
	run.tell(h.opts.Log)
	h.mu.Lock()
	keep := !run.unfit.Load() && !h.closed && run.healthy() && !run.worn()
	if keep {
		run.since = time.Now()
		h.idle[run.kind] = append(h.idle[run.kind], run)
		if h.sweep == nil {
			h.sweep = time.AfterFunc(h.opts.IdleTimeout, h.endIdle)
		}
	}
	h.mu.Unlock()
	if !keep {
		h.discard(run)
	}
}

// discard ends a process that nobody is given any more.
func (h *Host) discard(run *running) {
	run.stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, run)
}

// endIdle ends the processes that nobody has wanted for long, and forgets the executables that no process runs.
func (h *Host) endIdle() {
	h.mu.Lock()
	var old []*running
	left := false
	for k, runs := range h.idle {
		keep := runs[:0]
		for _, run := range runs {
			if time.Since(run.since) >= h.opts.IdleTimeout {
				old = append(old, run)
			} else {
				keep = append(keep, run)
			}
		}
		if h.idle[k] = keep; len(keep) == 0 {
			delete(h.idle, k)
		}
		left = left || len(keep) > 0
	}
	for sha := range h.images {
		if !h.runsLocked(sha) {
			delete(h.images, sha) // its file closes when nobody refers to it: a start may have got it just now
		}
	}
	if h.sweep = nil; left && !h.closed {
		h.sweep = time.AfterFunc(h.opts.IdleTimeout/2, h.endIdle)
	}
	h.mu.Unlock()
	for _, run := range old {
		h.discard(run)
	}
}

// runsLocked reports whether a process runs an executable. REQUIRES: h.mu is held.
func (h *Host) runsLocked(sha string) bool {
	for run := range h.all {
		if run.kind.sha256 == sha {
			return true
		}
	}
	return false
}

// Close kills all processes, whatever they are doing, and waits for their end.
func (h *Host) Close() error {
	h.close()
	h.mu.Lock()
	h.closed = true
	if h.sweep != nil {
		h.sweep.Stop()
	}
	h.mu.Unlock()
	h.starting.Wait()
	h.mu.Lock()
	all, images, folder, groups := h.all, h.images, h.folder, h.groups
	h.all, h.images, h.folder, h.groups, h.idle = map[*running]struct{}{}, nil, nil, nil, nil
	h.mu.Unlock()
	var ends sync.WaitGroup
	for run := range all {
		ends.Go(run.stop)
	}
	ends.Wait()
	var errs []error
	for _, i := range images {
		errs = append(errs, i.close())
	}
	return errors.Join(append(errs, folder.remove(), groups.Close())...)
}

// Open binds functions, by their names in SQL, for the calls of one attempt. It starts nothing.
func (h *Host) Open(_ context.Context, functions []plan.Function) (*Functions, error) {
	f := &Functions{host: h, byName: make(map[string]plan.Function, len(functions)), leases: map[kind]*lease{}}
	f.LogTo(h.opts.Log)
	for _, fn := range functions {
		if !validDigest(fn.SHA256) {
			return nil, plan.Failf(plan.FailureInternal, "plugin function %s: %q is no SHA-256", fn.Name, fn.SHA256)
		}
		if _, dup := f.byName[fn.Name]; dup {
			return nil, plan.Failf(plan.FailureInternal, "plugin function %s is bound twice", fn.Name)
		}
		f.byName[fn.Name] = fn
	}
	return f, nil
}

func label(fn plan.Function) string {
	return fmt.Sprintf("function %s of plugin %.12s", fn.Name, fn.SHA256)
}
