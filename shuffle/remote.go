package shuffle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/quern-engine/quern/shuffle/segment"
)

// remoteSource reads from another worker, with one request for all its map outputs.
type remoteSource struct {
	http    *http.Client
	url     string
	request fetchRequest // Maps: all that the worker has, in order

	body   io.ReadCloser // nil when there is no stream
	cancel context.CancelFunc
	inMap  bool  // between a map output's begin and end marks
	left   int   // blocks before its end mark
	block  int   // that comes next
	row    int64 // first of that block
	buf    []byte
}

var _ source = (*remoteSource)(nil)

func (s *remoteSource) next(ctx context.Context, at place) (block, error) {
	if s.body == nil {
		if err := s.open(ctx, at); err != nil {
			return block{}, err
		}
	}
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	if !s.inMap {
		if err := s.begin(at); err != nil {
			return block{}, err
		}
	}
	if s.left == 0 {
		return block{}, s.end(at)
	}
	frame, buf, err := segment.ReadBlock(s.body, s.buf)
	s.buf = buf
	if err != nil {
		return block{}, err
	}
	if frame.Partition != at.partition || frame.Sequence != s.block {
		return block{}, fmt.Errorf("%w: block %d of partition %d came instead of block %d of partition %d",
			segment.ErrCorrupt, frame.Sequence, frame.Partition, s.block, at.partition)
	}
	b := block{sequence: s.block, row: s.row, frame: frame}
	s.left, s.block, s.row = s.left-1, s.block+1, s.row+int64(frame.Rows)
	return b, nil
}

// open asks for everything from a place on. The request lives until reset, beyond this call's context.
func (s *remoteSource) open(ctx context.Context, at place) error {
	body, err := json.Marshal(s.request.from(at))
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

// begin reads the mark before a map output's blocks, which says where they begin: at the reader's place, or before the
// first row that it wants.
func (s *remoteSource) begin(at place) error {
	m, err := readMark(s.body)
	if err != nil {
		return err
	}
	if m.task != at.task || m.attempt != at.attempt || m.kind == markEnd {
		return fmt.Errorf("%w: %s of map output %d.%d came instead of %d.%d", segment.ErrCorrupt, m.kind, m.task, m.attempt, at.task, at.attempt)
	}
	if m.kind == markError && m.code == codeBusy {
		return errors.New(m.text)
	}
	if m.kind == markError {
		return &lostError{reason: m.text}
	}
	if m.first == 0 && m.rows == 0 { // a worker of an older build does not tell: its blocks begin where it was asked to begin
		m.first, m.rows = at.block, at.row
	}
	if (at.fresh() && m.rows > at.from && m.blocks > 0) || (!at.fresh() && (m.first != at.block || m.rows != at.row)) {
		return fmt.Errorf("%w: block %d, row %d came instead of block %d, row %d", segment.ErrCorrupt, m.first, m.rows, at.block, max(at.row, at.from))
	}
	s.inMap, s.left, s.block, s.row = true, m.blocks, m.first, m.rows
	return nil
}

// end reads the mark behind a map output's blocks: without it, they may not be all.
func (s *remoteSource) end(at place) error {
	m, err := readMark(s.body)
	if err != nil {
		return err
	}
	if m.kind != markEnd || m.task != at.task || m.blocks != s.block || m.rows != s.row {
		return fmt.Errorf("%w: %d blocks, %d rows read, but the end mark says %d, %d", segment.ErrCorrupt, s.block, s.row, m.blocks, m.rows)
	}
	s.inMap = false
	if last := s.request.Maps[len(s.request.Maps)-1]; at.task == last.Task && at.partition == s.request.To-1 {
		s.reset()
	}
	return io.EOF
}

func (s *remoteSource) reset() {
	if s.body != nil {
		s.cancel()
		_ = s.body.Close() // the request is cancelled: nothing is left to fail
		s.body = nil
	}
}
