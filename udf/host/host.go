// Package host runs plugin processes for a worker and calls their functions. A process is user code: it may crash,
// hang, leak or lie, and none of that may touch the worker. It runs from a copy that was verified by digest, in its own
// process group, without the host's environment; every start and call has a deadline; what it sends is checked before
// it is used; and when it misbehaves its whole group is killed and the next attempt gets a fresh one.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

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
	// MaxExecutable bounds a plugin's size: 512 MiB.
	MaxExecutable int64
}

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
	if o.MaxExecutable <= 0 {
		o.MaxExecutable = 512 << 20
	}
}

// Host keeps one warm process per executable. It is safe for concurrent use.
type Host struct {
	opts Options

	mu      sync.Mutex // guards the following
	plugins map[string]*plugin
	closed  bool
}

// New makes a host. No process starts before the first call of a function.
func New(opts Options) (*Host, error) {
	opts.ensureDefaults()
	if opts.CacheDir == "" {
		return nil, errors.New("plugin host: no cache folder")
	}
	// Plugins run in a folder of their own, where a relative path to their executable would lead elsewhere.
	dir, err := filepath.Abs(opts.CacheDir)
	if err != nil {
		return nil, fmt.Errorf("plugin host: %w", err)
	}
	opts.CacheDir = dir
	return &Host{opts: opts, plugins: map[string]*plugin{}}, nil
}

// plugin is an executable. The semaphore is held by whoever starts or ends its process, or counts its calls.
type plugin struct {
	sha256 string
	sem    chan struct{} // capacity 1
	run    *running      // nil when there is no process; guarded by sem
}

// plugin finds the entry of a digest.
func (h *Host) plugin(sha256 string) (*plugin, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errors.New("plugin host: closed")
	}
	p := h.plugins[sha256]
	if p == nil {
		p = &plugin{sha256: sha256, sem: make(chan struct{}, 1)}
		h.plugins[sha256] = p
	}
	return p, nil
}

// acquire is the plugin's process, started if need be, with one more call counted on it. Release it.
func (h *Host) acquire(ctx context.Context, sha256 string) (*plugin, *running, error) {
	p, err := h.plugin(sha256)
	if err != nil {
		return nil, nil, err
	}
	select {
	case p.sem <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	defer func() { <-p.sem }()
	if p.run != nil && !p.run.healthy() {
		p.run.stop()
		p.run = nil
	}
	if p.run == nil {
		if p.run, err = h.start(ctx, sha256); err != nil {
			return nil, nil, err
		}
	}
	// Close marks the host before it waits for the semaphore: whoever started a process meanwhile ends it.
	if h.isClosed() {
		p.run.stop()
		p.run = nil
		return nil, nil, errors.New("plugin host: closed")
	}
	p.run.calls++
	return p, p.run, nil
}

func (h *Host) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// release ends a call. A process that is not to be trusted with another one is killed; so is one that still works on
// a call nobody waits for, unless others use it.
func (p *plugin) release(run *running, broken, abandoned bool) {
	p.sem <- struct{}{}
	defer func() { <-p.sem }()
	run.calls--
	if broken || (abandoned && run.calls == 0) {
		run.stop()
		if p.run == run {
			p.run = nil
		}
	}
}

// Close kills all processes, whatever they are doing, and waits for their end.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	plugins := h.plugins
	h.plugins = map[string]*plugin{}
	h.mu.Unlock()
	for _, p := range plugins {
		p.sem <- struct{}{}
		if p.run != nil {
			p.run.stop()
			p.run = nil
		}
		<-p.sem
	}
	return nil
}

// Open binds functions, by their names in SQL, for calls. It starts nothing.
func (h *Host) Open(_ context.Context, functions []plan.Function) (*Functions, error) {
	f := &Functions{host: h, byName: make(map[string]plan.Function, len(functions))}
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
