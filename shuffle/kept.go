package shuffle

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

// kept holds the finished map outputs of a worker that reads all of them itself: their batches stay as they are, since
// to encode, compress and check them costs as much as many a query's own work. What finds no room becomes a segment.
type kept struct {
	limit int64

	mu     sync.Mutex
	byName map[string]*keptOutput // by segment name; guarded by mu
	bytes  int64                  // of all batches, also of those still being written; guarded by mu
}

// keptOutput is a map output in memory. It does not change once it is in kept.
type keptOutput struct {
	parts [][]arrow.Record
	sums  []segment.RowSums // by partition
	bytes int64
}

// reserve says whether there is room for so many bytes more.
func (k *kept) reserve(bytes int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes+bytes > k.limit {
		return false
	}
	k.bytes += bytes
	return true
}

func (k *kept) put(name string, out *keptOutput) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byName[name] = out
}

// release lets go of an output that is not, or no longer, in kept.
func (k *kept) release(out *keptOutput) {
	for p, recs := range out.parts {
		for _, r := range recs {
			r.Release()
		}
		out.parts[p] = nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bytes -= out.bytes
	out.bytes = 0
}

// drop forgets the outputs whose names begin with prefix, and says whether there were any.
func (k *kept) drop(prefix string) bool {
	k.mu.Lock()
	var dropped []*keptOutput
	for name, out := range k.byName {
		if strings.HasPrefix(name, prefix) {
			delete(k.byName, name)
			dropped = append(dropped, out)
		}
	}
	k.mu.Unlock()
	for _, out := range dropped {
		k.release(out)
	}
	return len(dropped) > 0
}

// batches is a partition of an output, for the caller to release; ok is false if the output is not here.
func (k *kept) batches(name string, partition int) (recs []arrow.Record, ok bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out, ok := k.byName[name]
	if !ok {
		return nil, false, nil
	}
	if partition >= len(out.parts) {
		return nil, true, fmt.Errorf("map output %s has %d partitions", name, len(out.parts))
	}
	recs = append(recs, out.parts[partition]...)
	for _, r := range recs {
		r.Retain()
	}
	return recs, true, nil
}

// encoded is an output as a segment, for a reader that comes over the network after all.
func (k *kept) encoded(name string, id plan.AttemptID, opts segment.Options) ([]byte, bool, error) {
	k.mu.Lock()
	out, ok := k.byName[name]
	k.mu.Unlock()
	if !ok {
		return nil, false, nil
	}
	target := &bufferTarget{name: name}
	w, err := segment.NewWriter(target, func() error { return nil }, id, len(out.parts), opts)
	if err != nil {
		return nil, true, err
	}
	for p := range out.parts {
		recs, _, err := k.batches(name, p)
		for _, r := range recs {
			if err == nil {
				err = w.Write(p, r)
			}
			r.Release()
		}
		if err != nil {
			return nil, true, errors.Join(err, w.Discard())
		}
	}
	_, err = w.Commit()
	return target.Bytes(), true, err
}

// bufferTarget is a segment written to memory.
type bufferTarget struct {
	bytes.Buffer
	name string
}

var _ segment.Target = (*bufferTarget)(nil)

func (b *bufferTarget) Name() string { return b.name }
func (b *bufferTarget) Close() error { return nil }

// keptWriter writes a map output to memory, and from the moment that there is no more room for it to a segment.
type keptWriter struct {
	kept *kept
	name string
	out  *keptOutput
	late output // the segment; nil before it is needed
	open func() (output, error)
	done bool
}

var _ output = (*keptWriter)(nil)

// Write appends a batch to a partition.
func (w *keptWriter) Write(partition int, rec arrow.Record) error {
	if w.late != nil {
		return w.late.Write(partition, rec)
	}
	size := vector.Footprint(rec)
	if !w.kept.reserve(size) {
		if err := w.moveOut(); err != nil {
			return err
		}
		return w.late.Write(partition, rec)
	}
	rec.Retain()
	w.out.bytes += size
	w.out.parts[partition] = append(w.out.parts[partition], rec)
	w.out.sums[partition].Add(rec)
	return nil
}

// moveOut writes what there is to a segment.
func (w *keptWriter) moveOut() (err error) {
	if w.late, err = w.open(); err != nil {
		return err
	}
	defer w.kept.release(w.out)
	for p, recs := range w.out.parts {
		for _, r := range recs {
			if err := w.late.Write(p, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// Commit makes the output readable.
func (w *keptWriter) Commit() ([]segment.PartitionInfo, error) {
	if w.late != nil {
		return w.late.Commit()
	}
	infos := make([]segment.PartitionInfo, len(w.out.parts))
	for p, recs := range w.out.parts {
		for _, r := range recs {
			infos[p].Rows += r.NumRows()
			infos[p].Bytes += vector.Size(r)
		}
		infos[p].Checksum = w.out.sums[p].String()
	}
	w.done = true
	w.kept.put(w.name, w.out)
	return infos, nil
}

// Discard gives up the output. It does nothing after Commit.
func (w *keptWriter) Discard() error {
	switch {
	case w.late != nil:
		return w.late.Discard()
	case !w.done:
		w.done = true
		w.kept.release(w.out)
	}
	return nil
}

// batches is a partition of an attempt's output, for the caller to release; ok is false where it is not kept as batches.
func (s *Store) batches(id plan.AttemptID, partition int) (recs []arrow.Record, ok bool, err error) {
	name, err := segmentName(id)
	if err != nil || s.kept == nil {
		return nil, false, err
	}
	return s.kept.batches(name, partition)
}
