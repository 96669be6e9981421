package shuffle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

// position is a place in what a stream reads: a block of a map output.
type position struct {
	task, attempt int
	block         int
	rows          int64 // of this map output so far
}

// source reads blocks from one worker. Positions only grow, but for a repeat after reset.
type source interface {
	// next reads the block at a position, valid until the next call, or reports that the map output ends there.
	next(ctx context.Context, at position) (b block, done bool, err error)
	// reset forgets all state, so that the following next starts afresh.
	reset()
}

// block is a frame, or a batch that its source holds.
type block struct {
	frame segment.Block
	batch arrow.Record // nil: there is a frame
}

// lostError says that a map output is not there to be read, however often one tries.
type lostError struct{ reason string }

func (e *lostError) Error() string { return e.reason }

// localSource reads segments of this process's own store.
type localSource struct {
	store     *Store
	run       string
	stage     int
	partition int
	seg       *segment.Reader // of map output task; nil when none is open
	batches   []arrow.Record  // of map output task, where the store keeps them
	opened    bool
	task      int
	buf       []byte
}

var _ source = (*localSource)(nil)

func (s *localSource) next(_ context.Context, at position) (block, bool, error) {
	if !s.opened || s.task != at.task {
		if err := s.open(at); err != nil {
			return block{}, false, err
		}
	}
	if at.block == s.blocks() {
		s.reset()
		return block{}, true, nil
	}
	if s.seg == nil {
		return block{batch: s.batches[at.block]}, false, nil
	}
	b, buf, err := s.seg.ReadBlock(s.partition, at.block, s.buf)
	s.buf = buf
	return block{frame: b}, false, err
}

func (s *localSource) blocks() int {
	if s.seg == nil {
		return len(s.batches)
	}
	return len(s.seg.Blocks(s.partition))
}

func (s *localSource) open(at position) error {
	s.reset()
	id := plan.AttemptID{TaskID: plan.TaskID{Run: s.run, Stage: s.stage, Task: at.task}, Attempt: at.attempt}
	batches, ok, err := s.store.batches(id, s.partition)
	if err != nil {
		return &lostError{reason: err.Error()}
	}
	if ok {
		s.batches, s.opened, s.task = batches, true, at.task
		return nil
	}
	seg, err := s.store.Open(id)
	if err != nil {
		return &lostError{reason: err.Error()}
	}
	if s.partition >= seg.Partitions() {
		return errors.Join(&lostError{reason: fmt.Sprintf("segment %s has %d partitions", id, seg.Partitions())}, seg.Close())
	}
	s.seg, s.opened, s.task = seg, true, at.task
	return nil
}

func (s *localSource) reset() {
	if s.seg != nil {
		// Closing a file that was only read cannot lose anything.
		_ = s.seg.Close()
		s.seg = nil
	}
	for _, r := range s.batches {
		r.Release()
	}
	s.batches, s.opened = nil, false
}

// remoteSource reads from another worker, with one request for all its map outputs.
type remoteSource struct {
	http    *http.Client
	url     string
	request fetchRequest // Maps: all that the worker has, in order

	body   io.ReadCloser // nil when there is no stream
	cancel context.CancelFunc
	inMap  bool // between a map output's begin and end marks
	left   int  // blocks before its end mark
	buf    []byte
}

var _ source = (*remoteSource)(nil)

func (s *remoteSource) next(ctx context.Context, at position) (block, bool, error) {
	if s.body == nil {
		if err := s.open(ctx, at); err != nil {
			return block{}, false, err
		}
	}
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	if !s.inMap {
		if err := s.begin(at); err != nil {
			return block{}, false, err
		}
	}
	if s.left == 0 {
		return block{}, true, s.end(at)
	}
	b, buf, err := segment.ReadBlock(s.body, s.buf)
	s.buf = buf
	if err != nil {
		return block{}, false, err
	}
	if b.Partition != s.request.Partition || b.Sequence != at.block {
		return block{}, false, fmt.Errorf("%w: block %d of partition %d came instead of block %d of partition %d",
			segment.ErrCorrupt, b.Sequence, b.Partition, at.block, s.request.Partition)
	}
	s.left--
	return block{frame: b}, false, nil
}

// open asks for everything from a position on. The request lives until reset, beyond this call's context.
func (s *remoteSource) open(ctx context.Context, at position) error {
	req := s.request
	req.Maps = nil
	for _, m := range s.request.Maps {
		if m.Task >= at.task {
			req.Maps = append(req.Maps, m)
		}
	}
	req.Maps[0].Skip = at.block
	body, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode fetch request: %w", err)
	}
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	r, err := http.NewRequestWithContext(lasting, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		cancel()
		return &lostError{reason: err.Error()}
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(r)
	if err != nil {
		cancel()
		return err
	}
	s.body, s.cancel, s.inMap = resp.Body, cancel, false
	if resp.StatusCode != http.StatusOK {
		return s.refused(resp)
	}
	return nil
}

// refused is the error for an answer that is not a stream. The server's faults may pass, the client's do not.
func (s *remoteSource) refused(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxMarkText))
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("%s: %s", resp.Status, bytes.TrimSpace(text))
	if resp.StatusCode >= 500 {
		return errors.New(reason)
	}
	return &lostError{reason: reason}
}

func (s *remoteSource) begin(at position) error {
	m, err := readMark(s.body)
	if err != nil {
		return err
	}
	if m.task != at.task || m.attempt != at.attempt || m.kind == markEnd {
		return fmt.Errorf("%w: %s of map output %d.%d came instead of %d.%d", segment.ErrCorrupt, m.kind, m.task, m.attempt, at.task, at.attempt)
	}
	if m.kind == markError {
		return &lostError{reason: m.text}
	}
	s.inMap, s.left = true, m.blocks
	return nil
}

// end reads the mark behind a map output: without it, the blocks may not be all.
func (s *remoteSource) end(at position) error {
	m, err := readMark(s.body)
	if err != nil {
		return err
	}
	if m.kind != markEnd || m.task != at.task || m.blocks != at.block || m.rows != at.rows {
		return fmt.Errorf("%w: %d blocks, %d rows read, but the end mark says %d, %d", segment.ErrCorrupt, at.block, at.rows, m.blocks, m.rows)
	}
	s.inMap = false
	if last := s.request.Maps[len(s.request.Maps)-1]; at.task == last.Task {
		s.reset()
	}
	return nil
}

func (s *remoteSource) reset() {
	if s.body != nil {
		s.cancel()
		_ = s.body.Close() // the request is cancelled: nothing is left to fail
		s.body = nil
	}
}
