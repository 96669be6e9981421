package task

import (
	"context"
	"io"
	"log/slog"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/host"
	"github.com/quern-engine/quern/worker/operator"
)

// PluginHost keeps the plugin processes of a worker warm between attempts.
type PluginHost struct {
	host *host.Host
}

var _ Plugins = (*PluginHost)(nil)

// NewPluginHost keeps executables, fetched by digest, in dir. What functions answer is memory of mem's. No process is started before
// it is needed.
func NewPluginHost(dir string, fetch func(ctx context.Context, sha256 string) (io.ReadCloser, error), mem memory.Allocator, log *slog.Logger) (*PluginHost, error) {
	h, err := host.New(host.Options{CacheDir: dir, Fetch: fetch, Mem: mem, Log: log})
	if err != nil {
		return nil, err
	}
	return &PluginHost{host: h}, nil
}

// Batches is how many batches were sent to plugins.
func (p *PluginHost) Batches() int64 { return p.host.Batches() }

// Open makes the functions callable.
func (p *PluginHost) Open(ctx context.Context, fns []plan.Function, log *slog.Logger) (Functions, error) {
	functions, err := p.host.Open(ctx, fns)
	if err != nil {
		return nil, err
	}
	functions.LogTo(log)
	return hosted{functions}, nil
}

// hosted is functions as operators know them.
type hosted struct{ *host.Functions }

// Fold runs an aggregate function.
func (h hosted) Fold(ctx context.Context, function string, f operator.Fold) (arrow.Record, error) {
	return h.Functions.Fold(ctx, function, host.Fold(f))
}

// Table runs a table function.
func (h hosted) Table(ctx context.Context, function string, input operator.PluginInput) (operator.PluginRows, error) {
	rows, err := h.Functions.Table(ctx, function, host.Input(input))
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Read makes the rows of a task of a source function.
func (h hosted) Read(ctx context.Context, function string, task int, columns []int) (operator.PluginRows, error) {
	rows, err := h.Functions.Read(ctx, function, task, columns)
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Close ends all plugin processes.
func (p *PluginHost) Close() error { return p.host.Close() }
