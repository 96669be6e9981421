package shuffle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
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
	own   int64        // bytes that are for nothing else
	spare func() int64 // and how many more there are at the moment; they may be asked back

	mu     sync.Mutex
	byName map[string]*keptOutput // by segment name; guarded by mu
	order  []string               // the names, oldest first, with some that are gone; guarded by mu
	bytes  int64                  // of all batches, also of those still being written; guarded by mu
	moving int64                  // of those on their way to segments; guarded by mu
}

// keptOutput is a map output in memory. It does not change once it is in kept.
type keptOutput struct {
	id    plan.AttemptID
	opts  segment.Options
	parts [][]arrow.Record
	sums  []segment.RowSums // by partition
	bytes int64
}

// reserve says whether there is room for so many bytes more.
func (k *kept) reserve(bytes int64) bool {
	limit := k.own + k.spare()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes+bytes > limit {
		return false
	}
	k.bytes += bytes
	return true
}

func (k *kept) put(name string, out *keptOutput) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byName[name] = out
	k.order = append(k.order, name)
}

// moveOut has the oldest output written if all that are not on their way take more than limit. What is written takes its
// place; remove is for what has been written when the output was dropped meanwhile. done reports that there is nothing
// more to do.
func (k *kept) moveOut(limit int64, write func(name string, out *keptOutput) error, remove func(name string) error) (done bool, err error) {
	k.mu.Lock()
	var out *keptOutput
	var name string
	for out == nil && len(k.order) > 0 && k.bytes-k.moving > limit {
		name, k.order = k.order[0], k.order[1:]
		out = k.byName[name] // nil if it is gone
	}
	if out == nil {
		k.mu.Unlock()
		return true, nil
	}
	size := out.bytes
	k.moving += size
	k.mu.Unlock()

	err = write(name, out)

	k.mu.Lock()
	k.moving -= size
	here := k.byName[name] == out
	switch {
	case here && err == nil:
		delete(k.byName, name)
	case here:
		k.order = slices.Insert(k.order, 0, name)
	}
	k.mu.Unlock()
	if !here {
		return false, remove(name)
	}
	if err == nil {
		k.release(out)
	}
	return false, err
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
	err = k.writeTo(w, name, len(out.parts))
	return target.Bytes(), true, err
}

// writeTo writes an output's batches to a segment, and commits it.
func (k *kept) writeTo(w *segment.Writer, name string, partitions int) error {
	for p := range partitions {
		recs, _, err := k.batches(name, p)
		for _, r := range recs {
			if err == nil {
				err = w.Write(p, r)
			}
			r.Release()
		}
		if err != nil {
			return errors.Join(err, w.Discard())
		}
	}
	_, err := w.Commit()
	return err
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
func (w *keptWriter) Write(partition int, rec arrow.Record, bytes int64) error {
	if w.late != nil {
		return w.late.Write(partition, rec, bytes)
	}
	if !w.kept.reserve(bytes) {
		if err := w.moveOut(); err != nil {
			return err
		}
		return w.late.Write(partition, rec, bytes)
	}
	rec.Retain()
	w.out.bytes += bytes
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
			if err := w.late.Write(p, r, 0); err != nil {
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

// GiveBack writes outputs that are kept as batches to segments, the oldest first, until the others have room in the
// store's own memory and what is spare still.
func (s *Store) GiveBack(spare int64) error {
	if s.kept == nil {
		return nil
	}
	for {
		done, err := s.kept.moveOut(s.kept.own+spare, s.writeKept, s.removeLate)
		if err != nil {
			return plan.Failf(plan.FailureStorage, "write map outputs for which there is no memory any more: %w", err)
		}
		if done {
			return nil
		}
	}
}

// writeKept makes a segment of an output that is kept as batches.
func (s *Store) writeKept(name string, out *keptOutput) error {
	w, err := s.Create(out.id, len(out.parts), out.opts)
	if err != nil {
		return err
	}
	return s.kept.writeTo(w, name, len(out.parts))
}

// removeLate removes a segment of a run that has been forgotten, and the folder that was made for it.
func (s *Store) removeLate(name string) error {
	err := s.remove(name)
	if e := s.root.Remove(path.Dir(name)); e != nil && !errors.Is(e, fs.ErrNotExist) {
		s.log.Debug("folder of a forgotten run stays", "error", e) // others are late, too
	}
	return err
}

// batches is a partition of an attempt's output, for the caller to release; ok is false where it is not kept as batches.
func (s *Store) batches(id plan.AttemptID, partition int) (recs []arrow.Record, ok bool, err error) {
	name, err := segmentName(id)
	if err != nil || s.kept == nil {
		return nil, false, err
	}
	return s.kept.batches(name, partition)
}
