package shuffle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
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
}

// Client reads shuffle output. It is safe for concurrent use.
type Client struct {
	http *http.Client
	opts ClientOptions
}

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
	if opts.Backoff <= 0 {
		opts.Backoff = 50 * time.Millisecond
	}
	return &Client{http: c, opts: opts}
}

// StreamCounts are what a stream has read.
type StreamCounts struct {
	Rows        int64
	Bytes       int64 // of block frames
	RemoteBytes int64 // of these, over the network
}

// Stream reads one partition of all map outputs of a stage, in map order. It is not safe for concurrent use.
type Stream struct {
	client    *Client
	outputs   api.StageOutputs
	partition int
	self      string
	local     *Store
	dec       *segment.Decoder
	sources   []source // by worker; nil before the first use
	at        position
	counts    StreamCounts
	err       error // what Next ended with
}

// Fetch starts a stream. Map outputs of the worker whose address is self are read from the local store, if one is
// given. Nothing is opened before the first Next.
func (c *Client) Fetch(outputs api.StageOutputs, partition int, schema plan.Schema, self string, local *Store) *Stream {
	return &Stream{
		client: c, outputs: outputs, partition: partition, self: self, local: local,
		dec: segment.NewDecoder(c.opts.Mem, schema), sources: make([]source, len(outputs.Workers)),
	}
}

// Next is the next batch, which the caller owns; never empty. io.EOF follows the last one; errors repeat. A map output
// that cannot be read gives a plan.FailureFetch that names it.
func (s *Stream) Next(ctx context.Context) (arrow.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	rec, err := s.advance(ctx)
	if err != nil {
		s.release()
		s.err = err
		return nil, err
	}
	return rec, nil
}

// advance skips what has no rows and reads the next block.
func (s *Stream) advance(ctx context.Context) (arrow.Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.at.task >= len(s.outputs.Tasks) {
			return nil, io.EOF
		}
		loc := s.outputs.Tasks[s.at.task]
		if loc.Rows == 0 {
			s.at = position{task: s.at.task + 1}
			continue
		}
		s.at.attempt = loc.Attempt
		rec, done, err := s.read(ctx, loc)
		if err != nil {
			return nil, err
		}
		if done {
			s.at = position{task: s.at.task + 1}
			continue
		}
		s.at.block++
		s.at.rows += rec.NumRows()
		s.counts.Rows += rec.NumRows()
		if rec.NumRows() > 0 {
			return rec, nil
		}
		rec.Release()
	}
}

// read reads at the stream's position, again if need be: damage once more, other trouble a few times with pauses.
func (s *Stream) read(ctx context.Context, loc api.TaskLocation) (arrow.Record, bool, error) {
	src, err := s.source(loc.Worker)
	if err != nil {
		return nil, false, s.lost(loc, err)
	}
	damaged := false
	for try := 1; ; try++ {
		rec, done, err := s.readOnce(ctx, src)
		if err == nil {
			return rec, done, nil
		}
		src.reset()
		if ctx.Err() != nil {
			return nil, false, fmt.Errorf("fetch shuffle data: %w", context.Cause(ctx))
		}
		var gone *lostError
		corrupt := errors.Is(err, segment.ErrCorrupt)
		if errors.As(err, &gone) || (corrupt && damaged) || try >= s.client.opts.Attempts {
			return nil, false, s.lost(loc, err)
		}
		damaged = damaged || corrupt
		if err := s.client.pause(ctx, try); err != nil {
			return nil, false, fmt.Errorf("fetch shuffle data: %w", err)
		}
	}
}

func (s *Stream) readOnce(ctx context.Context, src source) (arrow.Record, bool, error) {
	b, done, err := src.next(ctx, s.at)
	if err != nil || done {
		return nil, done, err
	}
	if b.batch != nil {
		b.batch.Retain()
		s.counts.Bytes += vector.Size(b.batch)
		return b.batch, false, nil
	}
	rec, err := s.dec.Decode(b.frame)
	if err != nil {
		return nil, false, err
	}
	s.counts.Bytes += int64(b.frame.FrameSize())
	if _, remote := src.(*remoteSource); remote {
		s.counts.RemoteBytes += int64(b.frame.FrameSize())
	}
	return rec, false, nil
}

// source is the door to a worker's segments.
func (s *Stream) source(worker int) (source, error) {
	if worker < 0 || worker >= len(s.sources) {
		return nil, fmt.Errorf("worker %d of %d", worker, len(s.sources))
	}
	if s.sources[worker] == nil {
		address := s.outputs.Workers[worker]
		if s.local != nil && address == s.self {
			s.sources[worker] = &localSource{store: s.local, run: s.outputs.Run, stage: s.outputs.Stage, partition: s.partition}
		} else {
			req := fetchRequest{Run: s.outputs.Run, Stage: s.outputs.Stage, Partition: s.partition, Maps: s.maps(worker)}
			s.sources[worker] = &remoteSource{http: s.client.http, url: s.client.opts.Scheme + "://" + address + FetchPath, request: req}
		}
	}
	return s.sources[worker], nil
}

// maps are the map outputs that a worker has for this stream.
func (s *Stream) maps(worker int) []mapRange {
	var out []mapRange
	for task, loc := range s.outputs.Tasks {
		if loc.Worker == worker && loc.Rows > 0 {
			out = append(out, mapRange{Task: task, Attempt: loc.Attempt})
		}
	}
	return out
}

// lost is the failure that makes the coordinator compute a map output again.
func (s *Stream) lost(loc api.TaskLocation, err error) error {
	where := "an unknown worker"
	if loc.Worker >= 0 && loc.Worker < len(s.outputs.Workers) {
		where = s.outputs.Workers[loc.Worker]
	}
	id := plan.AttemptID{
		TaskID:  plan.TaskID{Run: s.outputs.Run, Stage: s.outputs.Stage, Task: s.at.task},
		Attempt: loc.Attempt,
	}
	f := plan.Failf(plan.FailureFetch, "fetch partition %d of map output %s from %s: %w", s.partition, id, where, err)
	f.LostStage, f.LostTask, f.LostAttempt = id.Stage, id.Task, id.Attempt
	return f
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

// Counts are what has been read so far.
func (s *Stream) Counts() StreamCounts { return s.counts }

// Close ends all requests. It may be called at any time, more than once; batches handed out stay valid.
func (s *Stream) Close() error {
	s.release()
	if s.err == nil {
		s.err = errors.New("fetch shuffle data: the stream is closed")
	}
	return nil
}

// release closes files and requests. Nothing can fail that matters to a reader.
func (s *Stream) release() {
	for i, src := range s.sources {
		if src != nil {
			src.reset()
			s.sources[i] = nil
		}
	}
}
