package shuffle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/quern-engine/quern/shuffle/segment"
)

// remoteSource reads from another worker, with one request for all its map outputs.
type remoteSource struct {
	http    *http.Client
	url     string
	request fetchRequest  // Maps: all that the worker has, in order
	idle    time.Duration // how long nothing may come
	fetched *atomic.Int64 // bytes that came

	answer *answer // nil when there is no request
	inMap  bool    // between a map output's begin and end marks
	left   int     // blocks before its end mark
	block  int     // that comes next
	row    int64   // first of that block
	buf    []byte
}

var _ source = (*remoteSource)(nil)

func (s *remoteSource) next(ctx context.Context, at place) (block, error) {
	if s.answer == nil {
		s.answer, s.inMap = newAnswer(ctx, s.idle, s.fetched), false
	}
	a := s.answer // which reset may take from s
	defer a.attend(ctx)()
	if a.body == nil {
		if err := s.ask(a, at); err != nil {
			return block{}, a.explain(err)
		}
	}
	b, err := s.read(at)
	return b, a.explain(err)
}

// read reads what comes next in the answer.
func (s *remoteSource) read(at place) (block, error) {
	if !s.inMap {
		if err := s.begin(at); err != nil {
			return block{}, err
		}
	}
	if s.left == 0 {
		return block{}, s.end(at)
	}
	frame, buf, err := segment.ReadBlock(s.answer, s.buf)
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

// ask asks for everything from a place on.
func (s *remoteSource) ask(a *answer, at place) error {
	body, err := json.Marshal(s.request.from(at))
	if err != nil {
		return fmt.Errorf("encode fetch request: %w", err)
	}
	r, err := http.NewRequestWithContext(a.ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return &lostError{reason: err.Error()}
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(r)
	if err != nil {
		return err
	}
	a.body = resp.Body
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
	m, err := readMark(s.answer)
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
	m, err := readMark(s.answer)
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
	if s.answer != nil {
		s.answer.close()
		s.answer = nil
	}
}

// errHung says that a worker has the connection open and sends nothing.
var errHung = errors.New("nothing came")

// answer is a request and what comes back. It lives until close, beyond the calls that read from it, and ends when nothing
// comes for too long while somebody waits.
type answer struct {
	ctx     context.Context // of the request alone
	cancel  context.CancelFunc
	body    io.ReadCloser // nil before the headers have come
	idle    time.Duration
	fetched *atomic.Int64
	timer   *time.Timer // runs while somebody waits
	hung    atomic.Bool
}

func newAnswer(ctx context.Context, idle time.Duration, fetched *atomic.Int64) *answer {
	a := &answer{idle: idle, fetched: fetched}
	a.ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a.timer = time.AfterFunc(idle, func() {
		a.hung.Store(true)
		a.cancel()
	})
	return a
}

// attend is for who waits for something to come, until it calls done.
func (a *answer) attend(ctx context.Context) (done func()) {
	stop := context.AfterFunc(ctx, a.cancel)
	a.timer.Reset(a.idle)
	return func() {
		a.timer.Stop()
		stop()
	}
}

// Read reads the body.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.body.Read(p)
	if n > 0 {
		a.fetched.Add(int64(n))
		a.timer.Reset(a.idle)
	}
	return n, err
}

// explain names the reason of an error, where that is a worker that hangs.
func (a *answer) explain(err error) error {
	if err != nil && a.hung.Load() {
		return fmt.Errorf("%w for %s: %w", errHung, a.idle, err)
	}
	return err
}

func (a *answer) close() {
	a.timer.Stop()
	a.cancel()
	if a.body != nil {
		_ = a.body.Close() // the request is cancelled: nothing is left to fail
	}
}
