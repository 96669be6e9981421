package shuffle

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// ClientOptions are choices about fetching. The zero value is good.
type ClientOptions struct {
	Mem    memory.Allocator // memory.DefaultAllocator when nil
	Scheme string           // before the workers' addresses; "http" when empty
	// Attempts is how often one block is tried before its map output counts as lost: 5. With Backoff, 50 ms, doubled
	// and jittered after each failure, that takes under a second: a worker that is gone should be noticed soon, and a
	// lost map output costs one task, not the job.
	Attempts int
	Backoff  time.Duration
	// Idle is how long a worker may send nothing while a reader waits: 10 s, as long as a lease. It is tried once more after
	// that. Longer, and a reader whose source stands still would hold the slot that the source's work waits for.
	Idle time.Duration
}

// Client reads shuffle output. It is safe for concurrent use.
type Client struct {
	http *http.Client
	opts ClientOptions

	fetched atomic.Int64 // bytes that came over the network
}

// Fetched is how many bytes came from other workers.
func (c *Client) Fetched() int64 { return c.fetched.Load() }

// NewClient makes a client; its transport should come from NewTransport.
func NewClient(c *http.Client, opts ClientOptions) *Client {
	if opts.Mem == nil {
		opts.Mem = memory.DefaultAllocator
	}
	if opts.Scheme == "" {
		opts.Scheme = "http"
	}
	if opts.Attempts <= 0 {
		opts.Attempts = 5
	}
	if opts.Idle <= 0 {
		opts.Idle = 10 * time.Second
	}
	if opts.Backoff <= 0 {
		opts.Backoff = 50 * time.Millisecond
	}
	return &Client{http: c, opts: opts}
}

// pause waits after the n-th failure: twice as long each time, and each worker for a time of its own.
func (c *Client) pause(ctx context.Context, n int) error {
	d := c.opts.Backoff << min(n-1, 10)
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
