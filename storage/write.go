package storage

import (
	"context"

	"github.com/quern-engine/quern/plan"
)

// Writer writes a new file. Nothing is visible under its URL before Commit; a Writer that is neither committed nor
// discarded leaks. It is not safe for concurrent use.
type Writer struct {
	url  string
	up   upload
	size int64
	done bool
}

// Create begins a file. Folders are made as needed. An existing file is replaced at Commit.
func (s *Store) Create(ctx context.Context, rawURL string) (*Writer, error) {
	d, u, err := s.open(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	if len(elements(u.Path)) == 0 {
		return nil, plan.Failf(plan.FailureUser, "%s names no file", Display(rawURL))
	}
	up, err := d.create(ctx, u)
	if err != nil {
		return nil, err
	}
	return &Writer{url: rawURL, up: up}, nil
}

// Write appends to the file.
func (w *Writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, plan.Failf(plan.FailureInternal, "write %s: the file is closed", Display(w.url))
	}
	n, err := w.up.Write(p)
	w.size += int64(n)
	return n, err
}

// Size is the number of bytes written so far.
func (w *Writer) Size() int64 { return w.size }

// Commit makes the file durable, then visible. After an error the file is not there, unless the store is one that may
// lose its answer: then it may be.
func (w *Writer) Commit(ctx context.Context) error {
	if w.done {
		return plan.Failf(plan.FailureInternal, "commit %s: the file is closed", Display(w.url))
	}
	if err := ctx.Err(); err != nil {
		w.Discard()
		return err
	}
	w.done = true
	return w.up.commit(ctx)
}

// Discard drops the file. It does nothing after Commit or another Discard.
func (w *Writer) Discard() {
	if !w.done {
		w.done = true
		w.up.discard()
	}
}

// Put writes a small file whole, durably.
func (s *Store) Put(ctx context.Context, rawURL string, data []byte) error {
	w, err := s.Create(ctx, rawURL)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		w.Discard()
		return err
	}
	return w.Commit(ctx)
}
