package shuffle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

// StreamCounts are what a stream has read.
type StreamCounts struct {
	Rows        int64         // handed out
	Bytes       int64         // of block frames
	RemoteBytes int64         // of these, over the network
	Waited      time.Duration // for what comes over the network
}

// Stream reads a selection of the map outputs of a stage, partition by partition, each in map order. It is not safe for
// concurrent use.
type Stream struct {
	client  *Client
	outputs api.StageOutputs
	part    api.Selection
	self    string
	local   *Store
	dec     *segment.Decoder
	sources []source // by worker; nil before the first use
	at      place
	counts  StreamCounts
	err     error // what Next ended with
}

// Fetch starts a stream. Map outputs of the worker whose address is self are read from the local store, if one is
// given. Nothing is opened before the first Next.
func (c *Client) Fetch(outputs api.StageOutputs, part api.Selection, schema plan.Schema, self string, local *Store) *Stream {
	return &Stream{
		client: c, outputs: outputs, part: part, self: self, local: local, at: place{partition: part.From},
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
			s.at = place{partition: s.at.partition + 1}
		}
		if s.at.partition >= s.part.To {
			return nil, io.EOF
		}
		loc := s.outputs.Tasks[s.at.task]
		from, to := s.part.Rows(s.at.task)
		if loc.Rows == 0 || from >= to {
			s.at = place{partition: s.at.partition, task: s.at.task + 1}
			continue
		}
		s.at.attempt, s.at.from, s.at.to = loc.Attempt, from, to
		rec, err := s.read(ctx, loc)
		if err == io.EOF {
			s.at = place{partition: s.at.partition, task: s.at.task + 1}
			continue
		}
		if err != nil {
			return nil, err
		}
		if rec.NumRows() > 0 {
			s.counts.Rows += rec.NumRows()
			return rec, nil
		}
		rec.Release()
	}
}

// read reads at the stream's place and moves it on, again if need be, a few times with pauses. io.EOF is the end of what is
// wanted of the map output.
func (s *Stream) read(ctx context.Context, loc api.TaskLocation) (arrow.Record, error) {
	src, err := s.source(loc.Worker)
	if err != nil {
		return nil, s.lost(loc, err)
	}
	damaged, hung := 0, 0
	for try := 1; ; try++ {
		rec, err := s.readOnce(ctx, src)
		if err == nil || err == io.EOF {
			return rec, err
		}
		src.reset()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("fetch shuffle data: %w", context.Cause(ctx))
		}
		var gone *lostError
		if errors.As(err, &gone) {
			return nil, s.lost(loc, err)
		}
		if errors.Is(err, segment.ErrCorrupt) {
			damaged++
			err = fmt.Errorf("network: it arrived damaged %d times, though it was sound when it left the worker: %w", damaged, err)
		}
		if timedOut(err) {
			hung++
		}
		if try >= s.client.opts.Attempts || hung > 1 {
			return nil, s.lost(loc, fmt.Errorf("%d tries: %w", try, err))
		}
		start := time.Now()
		err = s.client.pause(ctx, try)
		s.counts.Waited += time.Since(start)
		if err != nil {
			return nil, fmt.Errorf("fetch shuffle data: %w", err)
		}
	}
}

// timedOut reports that waiting was in vain, which takes too long to be tried as often as other trouble.
func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, errHung) || (errors.As(err, &network) && network.Timeout())
}

// readOnce reads one block and leaves of its rows those that are wanted.
func (s *Stream) readOnce(ctx context.Context, src source) (arrow.Record, error) {
	_, remote := src.(*remoteSource)
	start := time.Now()
	b, err := src.next(ctx, s.at)
	if remote {
		s.counts.Waited += time.Since(start)
	}
	if err != nil {
		return nil, err
	}
	rec := b.batch
	if rec != nil {
		rec.Retain()
		s.counts.Bytes += vector.Size(rec)
	} else {
		if rec, err = s.dec.Decode(b.frame); errors.Is(err, segment.ErrCorrupt) {
			// It arrived as it was written.
			return nil, &lostError{reason: fmt.Sprintf("its checksum is right, but its content is not: %v", err)}
		} else if err != nil {
			return nil, err
		}
		s.counts.Bytes += int64(b.frame.FrameSize())
		if remote {
			s.counts.RemoteBytes += int64(b.frame.FrameSize())
		}
	}
	first, rows := b.row, rec.NumRows()
	s.at.block, s.at.row = b.sequence+1, first+rows
	return s.at.within(rec, first), nil
}

// within leaves of a batch, which it takes over, the rows that are wanted.
func (at place) within(rec arrow.Record, first int64) arrow.Record {
	rows := rec.NumRows()
	from := min(max(at.from-first, 0), rows)
	to := max(min(at.to-first, rows), from)
	if from == 0 && to == rows {
		return rec
	}
	defer rec.Release()
	return vector.Slice(rec, int(from), int(to))
}

// source is the door to a worker's segments.
func (s *Stream) source(worker int) (source, error) {
	if worker < 0 || worker >= len(s.sources) {
		return nil, fmt.Errorf("worker %d of %d", worker, len(s.sources))
	}
	if s.sources[worker] == nil {
		address := s.outputs.Workers[worker]
		if s.local != nil && address == s.self {
			s.sources[worker] = &localSource{store: s.local, run: s.outputs.Run, stage: s.outputs.Stage}
		} else {
			req := fetchRequest{Run: s.outputs.Run, Stage: s.outputs.Stage, To: s.part.To, Maps: s.maps(worker)}
			s.sources[worker] = &remoteSource{
				http: s.client.http, url: s.client.opts.Scheme + "://" + address + FetchPath, request: req, idle: s.client.opts.Idle, fetched: &s.client.fetched,
			}
		}
	}
	return s.sources[worker], nil
}

// maps are the map outputs that a worker has for this stream.
func (s *Stream) maps(worker int) []mapRange {
	var out []mapRange
	for task, loc := range s.outputs.Tasks {
		from, to := s.part.Rows(task)
		if loc.Worker == worker && loc.Rows > 0 && from < to {
			out = append(out, rowsOf(task, loc.Attempt, from, to))
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
	if lacksFiles(err) {
		return plan.Failf(plan.FailureStorage, "fetch partition %d of map output %s: %w", s.at.partition, id, err)
	}
	f := plan.Failf(plan.FailureFetch, "fetch partition %d of map output %s from %s: %w", s.at.partition, id, where, err)
	f.LostStage, f.LostTask, f.LostAttempt = id.Stage, id.Task, id.Attempt
	return f
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
