package shuffle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

const (
	// MaxRequest bounds a request for segments.
	MaxRequest = 16 << 20
	// copyBuffer is how much is read from disk and written to the connection at a time: Go's HTTP/2 needs large writes.
	copyBuffer = 512 << 10
	// patience is how long a reader may take nothing, or keep its request to itself. A stream may stand still while its reader
	// reads others first; if it does for longer it is cut off, and taken up again when its turn comes: a handler that
	// waits for somebody who never comes back would be there for ever.
	patience = 30 * time.Second
)

// handler serves segments. It is safe for concurrent use.
type handler struct {
	store    *Store
	patience time.Duration
	buffers  sync.Pool // of *[]byte, copyBuffer long
}

// Handler serves a store's segments at FetchPath.
func Handler(store *Store) http.Handler {
	h := &handler{store: store, patience: patience}
	h.buffers.New = func() any {
		b := make([]byte, copyBuffer)
		return &b
	}
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "POST here, not "+r.Method)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(h.patience)) // where a server has no deadlines, that is its choice
	var req fetchRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxRequest)).Decode(&req); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("read fetch request: %v", err))
		return
	}
	_ = control.SetReadDeadline(time.Time{})
	if err := req.validate(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }() // the connection may serve others
	buf := h.buffers.Get().(*[]byte)
	defer h.buffers.Put(buf)
	if err := h.stream(patientWriter{w, control, h.patience, &h.store.served}, req, *buf); err != nil {
		// The status is out already. Resetting the stream is how HTTP says that the rest will not come.
		panic(http.ErrAbortHandler)
	}
}

// patientWriter gives up when nothing could be written for some time.
type patientWriter struct {
	w        io.Writer
	control  *http.ResponseController
	patience time.Duration
	sent     *atomic.Int64 // bytes
}

func (p patientWriter) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.patience))
	n, err := p.w.Write(b)
	p.sent.Add(int64(n))
	return n, err
}

// stream sends what was asked for, up to the first map output that cannot be sent.
func (h *handler) stream(w io.Writer, req fetchRequest, buf []byte) error {
	from, to := req.partitions()
	for p := from; p < to; p++ {
		maps := req.Maps
		if p == from {
			maps = maps[req.Start:]
		}
		for i, m := range maps {
			if p > from || i > 0 {
				m.Skip = 0
			}
			if more, err := h.send(w, req, p, m, buf); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Nobody is left to tell if this fails.
	_ = json.NewEncoder(w).Encode(api.Errorf(api.CodeInvalid, "%s", message))
}

// send sends one map output, or why it cannot; in the latter case more is false. An error is about the connection, or
// a disk that fails in the middle.
func (h *handler) send(w io.Writer, req fetchRequest, partition int, m mapRange, buf []byte) (more bool, err error) {
	id := plan.AttemptID{TaskID: plan.TaskID{Run: req.Run, Stage: req.Stage, Task: m.Task}, Attempt: m.Attempt}
	seg, err := h.store.openSound(id)
	if err == nil {
		defer func() { err = errors.Join(err, seg.Close()) }()
		if partition >= seg.Partitions() || m.Skip > len(seg.Blocks(partition)) {
			err = fmt.Errorf("segment %s has no partition %d with %d blocks", id, partition, m.Skip)
		}
	}
	if err != nil {
		_, err = w.Write(mark{kind: markError, code: codeOf(err), task: m.Task, attempt: m.Attempt, text: err.Error()}.append(nil))
		return false, err
	}
	return true, h.sendBlocks(w, seg, partition, m, buf)
}

// span is the blocks first ≤ block < end of a partition, whose rows are row ≤ … < last.
type span struct {
	first, end int
	row, last  int64
}

// spanOf is the blocks that hold the wanted rows and that the reader does not have yet.
func spanOf(blocks []segment.BlockRef, m mapRange) (s span) {
	rows := func(block int) int64 { return int64(blocks[block].Rows) }
	s.first, s.row = find(len(blocks), rows, m.Row)
	for ; s.first < m.Skip; s.first++ {
		s.row += rows(s.first)
	}
	for s.end, s.last = s.first, s.row; s.end < len(blocks) && s.last < m.end(); s.end++ {
		s.last += rows(s.end)
	}
	return s
}

// sendBlocks sends blocks as they are on disk, checked on their way: a damaged one never arrives whole, and the reader, who asks
// again, is told why.
func (h *handler) sendBlocks(w io.Writer, seg *segment.Reader, partition int, m mapRange, buf []byte) error {
	s := spanOf(seg.Blocks(partition), m)
	begin := mark{kind: markBegin, task: m.Task, attempt: m.Attempt, blocks: s.end - s.first, first: s.first, rows: s.row}
	if _, err := w.Write(begin.append(nil)); err != nil {
		return err
	}
	for block := s.first; block < s.end; block++ {
		err := seg.Copy(w, partition, block, buf)
		if errors.Is(err, segment.ErrCorrupt) {
			err = errors.Join(err, h.store.check(seg, partition, block))
		}
		if err != nil {
			return err
		}
	}
	_, err := w.Write(mark{kind: markEnd, task: m.Task, attempt: m.Attempt, blocks: s.end, rows: s.last}.append(nil))
	return err
}
