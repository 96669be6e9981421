package shuffle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"sync"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

const (
	// MaxRequest bounds a request for segments.
	MaxRequest = 16 << 20
	// copyBuffer is how much is read from disk and written to the connection at a time: Go's HTTP/2 needs large writes.
	copyBuffer = 512 << 10
)

// handler serves segments. It is safe for concurrent use.
type handler struct {
	store   *Store
	buffers sync.Pool // of *[]byte, copyBuffer long
}

// Handler serves a store's segments at FetchPath. Blocks go out as they are on disk: the reader checks them.
func Handler(store *Store) http.Handler {
	h := &handler{store: store}
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
	var req fetchRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxRequest)).Decode(&req); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("read fetch request: %v", err))
		return
	}
	if err := req.validate(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	buf := h.buffers.Get().(*[]byte)
	defer h.buffers.Put(buf)
	if err := h.stream(w, req, *buf); err != nil {
		// The status is out already. Resetting the stream is how HTTP says that the rest will not come.
		panic(http.ErrAbortHandler)
	}
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
	seg, err := h.store.Open(id)
	if err == nil && (partition >= seg.Partitions() || m.Skip > len(seg.Blocks(partition))) {
		err = errors.Join(fmt.Errorf("segment %s has no partition %d with %d blocks", id, partition, m.Skip), seg.Close())
	}
	if err != nil {
		code := codeUnusable
		if errors.Is(err, fs.ErrNotExist) {
			code = codeMissing
		}
		_, err = w.Write(mark{kind: markError, code: code, task: m.Task, attempt: m.Attempt, text: err.Error()}.append(nil))
		return false, err
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	return true, sendBlocks(w, seg, partition, m, buf)
}

// sendBlocks sends the blocks that hold the wanted rows and that the reader does not have yet.
func sendBlocks(w io.Writer, seg *segment.Reader, partition int, m mapRange, buf []byte) error {
	blocks := seg.Blocks(partition)
	rows := func(block int) int64 { return int64(blocks[block].Rows) }
	first, row := find(len(blocks), rows, m.Row)
	for ; first < m.Skip; first++ {
		row += rows(first)
	}
	end, last := first, row
	for ; end < len(blocks) && last < m.end(); end++ {
		last += rows(end)
	}
	begin := mark{kind: markBegin, task: m.Task, attempt: m.Attempt, blocks: end - first, first: first, rows: row}
	if _, err := w.Write(begin.append(nil)); err != nil {
		return err
	}
	for _, ref := range blocks[first:end] {
		n, err := io.CopyBuffer(w, seg.Raw(ref), buf)
		if err == nil && n != int64(ref.Length) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	_, err := w.Write(mark{kind: markEnd, task: m.Task, attempt: m.Attempt, blocks: end, rows: last}.append(nil))
	return err
}
