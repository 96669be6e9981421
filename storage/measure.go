package storage

import (
	"context"
	"errors"
	"io"
	"net/url"
	"sync/atomic"

	"github.com/quern-engine/quern/internal/metrics"
)

// operation is what a store is asked to do.
type operation int

const (
	opStat operation = iota
	opList
	opRead
	opWrite
	opDelete
	operations
)

var operationNames = [operations]string{"stat", "list", "read", "write", "delete"}

// tally counts what one kind of store was asked for.
type tally struct {
	requests, failures [operations]atomic.Int64
	read, written      atomic.Int64 // bytes
}

// countedSchemes are told apart in metrics.
var countedSchemes = [...]string{schemeFile, schemeMem, "s3", "gs", "azblob"}

// tallies are those of each scheme.
type tallies [len(countedSchemes)]tally

func (t *tallies) of(scheme string) *tally {
	for i, s := range countedSchemes {
		if s == scheme {
			return &t[i]
		}
	}
	return &t[0] // there is no other that can be opened
}

// Measure shows what a store does: a read is a range of a file, which may take several requests where the network fails.
func Measure(set *metrics.Set, s *Store) {
	each := func(show func(scheme string, t *tally)) {
		for i, scheme := range countedSchemes {
			show(scheme, &s.tallies[i])
		}
	}
	set.Family("quern_storage_requests_total", "Requests to stores, by scheme and operation.", true, []string{"scheme", "operation"}, func(emit metrics.Emit) {
		each(func(scheme string, t *tally) { emitOperations(emit, scheme, &t.requests) })
	})
	set.Family("quern_storage_errors_total", "Requests to stores that failed, those for what is not there included.", true, []string{"scheme", "operation"}, func(emit metrics.Emit) {
		each(func(scheme string, t *tally) { emitOperations(emit, scheme, &t.failures) })
	})
	set.Family("quern_storage_read_bytes_total", "Bytes read from stores.", true, []string{"scheme"}, func(emit metrics.Emit) {
		each(func(scheme string, t *tally) { emitUsed(emit, &t.read, scheme) })
	})
	set.Family("quern_storage_written_bytes_total", "Bytes written to stores.", true, []string{"scheme"}, func(emit metrics.Emit) {
		each(func(scheme string, t *tally) { emitUsed(emit, &t.written, scheme) })
	})
}

func emitOperations(emit metrics.Emit, scheme string, counts *[operations]atomic.Int64) {
	for op := range counts {
		emitUsed(emit, &counts[op], scheme, operationNames[op])
	}
}

// emitUsed leaves out what was never used, such as the schemes of other clouds.
func emitUsed(emit metrics.Emit, n *atomic.Int64, labels ...string) {
	if v := n.Load(); v > 0 {
		emit(float64(v), labels...)
	}
}

// counted is a driver that counts what it is asked for.
type counted struct {
	driver
	tally *tally
}

var _ driver = counted{}

func (t *tally) count(op operation, err error) {
	t.requests[op].Add(1)
	if err != nil && !errors.Is(err, io.EOF) {
		t.failures[op].Add(1)
	}
}

func (c counted) stat(ctx context.Context, u *url.URL) (Info, error) {
	info, err := c.driver.stat(ctx, u)
	c.tally.count(opStat, err)
	return info, err
}

func (c counted) list(ctx context.Context, u *url.URL, q search) error {
	err := c.driver.list(ctx, u, q)
	if errors.Is(err, errLong) {
		c.tally.count(opList, nil)
	} else {
		c.tally.count(opList, err)
	}
	return err
}

func (c counted) level(ctx context.Context, u *url.URL) (folders, files []string, err error) {
	folders, files, err = c.driver.level(ctx, u)
	c.tally.count(opList, err)
	return folders, files, err
}

func (c counted) readerAt(ctx context.Context, u *url.URL, size int64) (ReaderAtCloser, error) {
	r, err := c.driver.readerAt(ctx, u, size)
	if err != nil {
		c.tally.count(opRead, err)
		return nil, err
	}
	return countedReader{r, c.tally}, nil
}

func (c counted) create(ctx context.Context, u *url.URL) (upload, error) {
	w, err := c.driver.create(ctx, u)
	c.tally.count(opWrite, err)
	if err != nil {
		return nil, err
	}
	return countedUpload{w, c.tally}, nil
}

func (c counted) remove(ctx context.Context, u *url.URL) error {
	err := c.driver.remove(ctx, u)
	c.tally.count(opDelete, err)
	return err
}

func (c counted) removeTree(ctx context.Context, u *url.URL) error {
	err := c.driver.removeTree(ctx, u)
	c.tally.count(opDelete, err)
	return err
}

type countedReader struct {
	ReaderAtCloser
	tally *tally
}

func (r countedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAtCloser.ReadAt(p, off)
	r.tally.count(opRead, err)
	r.tally.read.Add(int64(n))
	return n, err
}

// uncounted is the reader that the driver made, for those who want to know of which kind it is.
func uncounted(r ReaderAtCloser) ReaderAtCloser {
	if c, ok := r.(countedReader); ok {
		return c.ReaderAtCloser
	}
	return r
}

type countedUpload struct {
	upload
	tally *tally
}

func (w countedUpload) Write(p []byte) (int, error) {
	n, err := w.upload.Write(p)
	w.tally.written.Add(int64(n))
	return n, err
}

func (w countedUpload) commit(ctx context.Context) error {
	err := w.upload.commit(ctx)
	if err != nil {
		w.tally.failures[opWrite].Add(1)
	}
	return err
}
