package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/stats"
	"github.com/quern-engine/quern/internal/failpoint"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/output"
	"github.com/quern-engine/quern/worker/operator"
)

// maxFiles is how many files a task may write: their names are in memory until it ends, and nobody wants more.
const maxFiles = 100_000

// fileSink writes the files of one shard of an output below the version folder, one after the other: with partitions, the
// rows come sorted by these. What it has written it says in a list beside the files.
type fileSink struct {
	store  *storage.Store
	task   Task
	out    *plan.Output
	list   api.FileList
	rows   int64
	bytes  int64
	closed bool // no Discard needed any more

	stats  *stats.Collector
	memory operator.Memory
	held   int64 // taken for stats

	file      *shardFile // nil between files
	number    int        // of the file among those of its partition
	folder    string     // of the partition, below the version folder; "" without
	partition map[string]*string
}

var _ Sink = (*fileSink)(nil)

func newFileSink(env Env, memory operator.Memory, t Task, stage *plan.Stage) (*fileSink, error) {
	out, ok := t.Job.Output(stage.Sink.Output)
	if !ok {
		return nil, fmt.Errorf("stage %d writes output %q, which the plan does not have", stage.ID, stage.Sink.Output)
	}
	if t.OutputURL == "" {
		return nil, fmt.Errorf("assignment %s: no output URL", t.AttemptID)
	}
	s := &fileSink{store: env.Store, task: t, out: out, stats: stats.NewCollector(out.Schema), memory: memory}
	s.held = s.stats.Bytes()
	memory.Take(s.held)
	return s, nil
}

func (s *fileSink) Write(ctx context.Context, batch arrow.Record) error {
	s.stats.Add(batch)
	for from := int64(0); from < batch.NumRows(); {
		n := batch.NumRows() - from
		if len(s.out.PartitionBy) > 0 {
			rows, err := s.enter(ctx, batch, from)
			if err != nil {
				return err
			}
			n = rows
		}
		if s.file == nil {
			if err := s.begin(ctx); err != nil {
				return err
			}
		}
		if s.out.RowsPerFile > 0 {
			n = min(n, s.out.RowsPerFile-s.file.info.Rows)
		}
		if err := s.file.write(ctx, batch, from, from+n); err != nil {
			return err
		}
		if from += n; s.file.info.Rows == s.out.RowsPerFile {
			if err := s.finish(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter makes the partition of a row the current one, and says how many of the batch's rows from there on are in it.
func (s *fileSink) enter(ctx context.Context, batch arrow.Record, from int64) (rows int64, err error) {
	folder, values, err := partitionOf(s.out, batch, int(from))
	if err != nil {
		return 0, err
	}
	if folder != s.folder {
		if err := s.finish(ctx); err != nil {
			return 0, err
		}
		s.folder, s.partition, s.number = folder, values, 0
	}
	return int64(sameRows(batch, s.out.PartitionBy, int(from))), nil
}

// begin opens the next file.
func (s *fileSink) begin(ctx context.Context) (err error) {
	if len(s.list.Files) == maxFiles {
		return plan.Failf(plan.FailureUser, "output %s: task %d of stage %d has written %d files and has more rows; use fewer partitions or more rows a file",
			s.out.Name, s.task.Task, s.task.Stage, maxFiles)
	}
	extension := output.Extension(s.out)
	name := plan.ShardName(s.task.Task, s.out.Shards, s.task.Attempt, extension)
	if s.out.RowsPerFile > 0 {
		name = plan.FileName(s.task.Task, s.out.Shards, s.number, s.task.Attempt, extension)
	}
	if s.folder != "" {
		name = s.folder + "/" + name
	}
	s.number++
	s.file, err = createShard(ctx, s.store, s.task.OutputURL, s.out, api.ShardInfo{Key: name, Partition: s.partition})
	return err
}

// finish completes the file that is open, if one is. It counts when the attempt does.
func (s *fileSink) finish(ctx context.Context) error {
	if s.file == nil {
		return nil
	}
	info, err := s.file.commit(ctx)
	if err != nil {
		return err
	}
	s.file = nil
	s.list.Files = append(s.list.Files, info)
	s.rows += info.Rows
	s.bytes += info.Bytes
	return nil
}

func (s *fileSink) Commit(ctx context.Context) (Written, error) {
	if s.file == nil && len(s.list.Files) == 0 && len(s.out.PartitionBy) == 0 { // a shard without rows is a file all the same
		if err := s.begin(ctx); err != nil {
			return Written{}, err
		}
	}
	if err := s.finish(ctx); err != nil {
		return Written{}, err
	}
	columns, err := json.Marshal(s.stats.Columns())
	if err != nil {
		return Written{}, fmt.Errorf("encode statistics: %w", err)
	}
	s.list.Columns = columns
	content, err := json.Marshal(s.list)
	if err != nil {
		return Written{}, fmt.Errorf("encode the list of files: %w", err)
	}
	name := api.ListName(s.task.Task, s.out.Shards, s.task.Attempt)
	if err := s.store.Put(ctx, storage.Join(s.task.OutputURL, name), content); err != nil {
		return Written{}, fmt.Errorf("write the list of files: %w", err)
	}
	s.closed = true
	s.memory.Take(-s.held)
	if err := failpoint.HitBy("task/file-written", s.task.AttemptID); err != nil {
		return Written{}, err
	}
	file := &api.FileInfo{Name: name, Rows: s.rows, Bytes: s.bytes, SHA256: plan.Digest(content)}
	return Written{File: file, Files: int64(len(s.list.Files)), Bytes: s.bytes}, nil
}

// Discard removes the files written so far as well. What cannot be removed is named by no manifest, and swept when the run
// is published.
func (s *fileSink) Discard() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.memory.Take(-s.held)
	if s.file != nil {
		s.file.discard()
	}
	ctx, cancel := context.WithTimeout(context.Background(), discardTimeout)
	defer cancel()
	var errs []error
	for _, f := range s.list.Files {
		if err := s.store.Delete(ctx, storage.Join(s.task.OutputURL, f.Key)); err != nil {
			errs = append(errs, fmt.Errorf("remove %s: %w", f.Key, err))
		}
	}
	return errors.Join(errs...)
}
