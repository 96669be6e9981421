package task

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/output"
)

// discardTimeout bounds the removal of the files of an attempt that failed.
const discardTimeout = 30 * time.Second

// shardFile is a file of a shard that is being written.
type shardFile struct {
	info   api.ShardInfo
	out    *plan.Output
	schema plan.Schema
	file   *storage.Writer
	digest *digestWriter
	writer output.Writer
	times  timeRange
}

func createShard(ctx context.Context, store *storage.Store, folder string, out *plan.Output, info api.ShardInfo) (*shardFile, error) {
	file, err := store.Create(ctx, storage.Join(folder, info.Key))
	if err != nil {
		return nil, fmt.Errorf("create shard %s: %w", info.Key, err)
	}
	s := &shardFile{info: info, out: out, schema: out.FileSchema(), file: file, digest: &digestWriter{file: file, hash: sha256.New()}}
	if s.writer, err = output.New(s.digest, out); err != nil {
		file.Discard()
		return nil, fmt.Errorf("write shard %s: %w", info.Key, err)
	}
	return s, nil
}

// write appends rows of a batch.
func (s *shardFile) write(ctx context.Context, batch arrow.Record, from, to int64) error {
	if from > 0 || to < batch.NumRows() {
		batch = batch.NewSlice(from, to)
		defer batch.Release()
	}
	if s.out.Time > 0 {
		s.times.add(batch.Column(s.out.Time - 1))
	}
	if len(s.out.PartitionBy) > 0 {
		batch = s.withoutPartitions(batch)
		defer batch.Release()
	}
	if err := s.writer.Write(ctx, batch); err != nil {
		return fmt.Errorf("write shard %s: %w", s.info.Key, err)
	}
	s.info.Rows += to - from
	return nil
}

func (s *shardFile) withoutPartitions(batch arrow.Record) arrow.Record {
	var columns []arrow.Array
	for i, c := range batch.Columns() {
		if !slices.Contains(s.out.PartitionBy, i) {
			columns = append(columns, c)
		}
	}
	return vector.NewRecord(s.schema, columns, int(batch.NumRows()))
}

// commit makes the file durable and visible.
func (s *shardFile) commit(ctx context.Context) (api.ShardInfo, error) {
	if err := s.writer.Close(); err != nil {
		s.file.Discard()
		return api.ShardInfo{}, fmt.Errorf("finish shard %s: %w", s.info.Key, err)
	}
	if err := s.file.Commit(ctx); err != nil {
		return api.ShardInfo{}, fmt.Errorf("commit shard %s: %w", s.info.Key, err)
	}
	s.info.Bytes, s.info.SHA256 = s.digest.bytes, hex.EncodeToString(s.digest.hash.Sum(nil))
	s.info.MinTime, s.info.MaxTime = s.times.texts()
	return s.info, nil
}

func (s *shardFile) discard() {
	s.writer.Discard()
	s.file.Discard()
}

// digestWriter counts and hashes what goes into a file, so that the file need not be read again.
type digestWriter struct {
	file  *storage.Writer
	hash  hash.Hash
	bytes int64
}

func (w *digestWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.hash.Write(p[:n])
	w.bytes += int64(n)
	return n, err
}

// partitionOf is the folder of a row's partition, and the values that name it.
func partitionOf(out *plan.Output, batch arrow.Record, row int) (folder string, values map[string]*string, err error) {
	values = map[string]*string{}
	for _, c := range out.PartitionBy {
		column := batch.Column(c)
		name, text, null := out.Schema.Fields[c].Name, "", vector.ValidityOf(column).IsNull(row)
		if values[name] = nil; !null {
			text = vector.Format(column, row)
			values[name] = &text
		}
		element, err := storage.PartitionFolder(name, text, null)
		if err != nil {
			return "", nil, fmt.Errorf("output %s: %w", out.Name, err)
		}
		if folder != "" {
			folder += "/"
		}
		folder += element
	}
	return folder, values, nil
}

// sameRows is how many rows from one on are equal to it in some columns, by which the batch is sorted.
func sameRows(batch arrow.Record, columns []int, from int) int {
	compare := make([]vector.Comparer, len(columns))
	for k, c := range columns {
		compare[k] = vector.NewComparer(batch.Column(c), batch.Column(c))
	}
	low, high := from+1, int(batch.NumRows()) // rows before low are equal, those from high on are not, or not there
	for low < high {
		middle := int(uint(low+high) / 2)
		if slices.ContainsFunc(compare, func(c vector.Comparer) bool { return c(from, middle) != 0 }) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low - from
}

// timeRange is the least and the greatest value of a column of times.
type timeRange struct {
	some     bool
	min, max int64
	date     bool
}

func (r *timeRange) add(arr arrow.Array) {
	valid := vector.ValidityOf(arr)
	if _, r.date = arr.(*array.Date32); r.date {
		for i, v := range vector.Int32s(arr) {
			if !valid.IsNull(i) {
				r.take(int64(v))
			}
		}
		return
	}
	for i, v := range vector.Int64s(arr) {
		if !valid.IsNull(i) {
			r.take(v)
		}
	}
}

func (r *timeRange) take(v int64) {
	if !r.some {
		r.some, r.min, r.max = true, v, v
	}
	r.min, r.max = min(r.min, v), max(r.max, v)
}

func (r *timeRange) texts() (least, greatest string) {
	switch {
	case !r.some:
		return "", ""
	case r.date:
		return vector.FormatDate(int32(r.min)), vector.FormatDate(int32(r.max))
	}
	return vector.FormatTimestamp(r.min), vector.FormatTimestamp(r.max)
}
