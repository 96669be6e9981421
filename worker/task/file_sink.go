package task

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/failpoint"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/output"
)

// fileSink writes one shard of an output, right below the version folder.
type fileSink struct {
	attempt plan.AttemptID
	name    string
	file    *storage.Writer
	digest  *digestWriter
	writer  output.Writer
	rows    int64
	closed  bool // no Discard needed any more
}

var _ Sink = (*fileSink)(nil)

func newFileSink(ctx context.Context, env Env, t Task, stage *plan.Stage) (*fileSink, error) {
	out, ok := t.Job.Output(stage.Sink.Output)
	if !ok {
		return nil, fmt.Errorf("stage %d writes output %q, which the plan does not have", stage.ID, stage.Sink.Output)
	}
	if t.OutputURL == "" {
		return nil, fmt.Errorf("assignment %s: no output URL", t.AttemptID)
	}
	name := plan.ShardName(t.Task, out.Shards, t.Attempt, output.Extension(out))
	file, err := env.Store.Create(ctx, storage.Join(t.OutputURL, name))
	if err != nil {
		return nil, fmt.Errorf("create shard %s: %w", name, err)
	}
	s := &fileSink{attempt: t.AttemptID, name: name, file: file, digest: &digestWriter{file: file, hash: sha256.New()}}
	if s.writer, err = output.New(s.digest, out, out.Schema); err != nil {
		file.Discard()
		return nil, fmt.Errorf("write shard %s: %w", name, err)
	}
	return s, nil
}

func (s *fileSink) Write(ctx context.Context, batch arrow.Record) error {
	if err := s.writer.Write(ctx, batch); err != nil {
		return fmt.Errorf("write shard %s: %w", s.name, err)
	}
	s.rows += batch.NumRows()
	return nil
}

func (s *fileSink) Commit(ctx context.Context) (Written, error) {
	if err := s.writer.Close(); err != nil {
		return Written{}, fmt.Errorf("finish shard %s: %w", s.name, err)
	}
	if err := s.file.Commit(ctx); err != nil {
		return Written{}, fmt.Errorf("commit shard %s: %w", s.name, err)
	}
	s.closed = true
	if err := failpoint.HitBy("task/file-written", s.attempt); err != nil {
		return Written{}, err
	}
	sum := hex.EncodeToString(s.digest.hash.Sum(nil))
	file := &api.FileInfo{Name: s.name, Rows: s.rows, Bytes: s.digest.bytes, SHA256: sum}
	return Written{File: file, Bytes: file.Bytes}, nil
}

func (s *fileSink) Discard() error {
	if !s.closed {
		s.closed = true
		s.writer.Discard()
		s.file.Discard()
	}
	return nil
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
