package task

import (
	"context"
	"io"
	"log/slog"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/host"
)

// PluginHost keeps the plugin processes of a worker warm between attempts.
type PluginHost struct {
	host *host.Host
}

var _ Plugins = (*PluginHost)(nil)

// NewPluginHost keeps executables, fetched by digest, in dir. No process is started before it is needed.
func NewPluginHost(dir string, fetch func(ctx context.Context, sha256 string) (io.ReadCloser, error), log *slog.Logger) (*PluginHost, error) {
	h, err := host.New(host.Options{CacheDir: dir, Fetch: fetch, Log: log})
	if err != nil {
		return nil, err
	}
	return &PluginHost{host: h}, nil
}

// Open makes the functions callable.
func (p *PluginHost) Open(ctx context.Context, fns []plan.Function) (Functions, error) {
	functions, err := p.host.Open(ctx, fns)
	if err != nil {
		return nil, err
	}
	return functions, nil
}

// Close ends all plugin processes.
func (p *PluginHost) Close() error { return p.host.Close() }
