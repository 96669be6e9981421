package dataset

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/scan"
)

// shard is the rows of a shard, in order.
type shard struct {
	scanner scan.Scanner
	names   []string
	groups  []int64 // rows of each row group
	batch   arrow.Record
	at      int // the next row of the batch
}

func openShard(ctx context.Context, store *storage.Store, v *Version, info api.ShardInfo) (*shard, error) {
	m := v.Manifest
	catalog := scan.NewCatalog(store)
	table, err := catalog.Table(ctx, plan.Source{Name: info.Key, Path: storage.Join(v.URL, info.Key), Format: m.FileFormat})
	if err != nil {
		return nil, err
	}
	files, err := catalog.Statistics(ctx, table, table.Files)
	if err != nil {
		return nil, err
	}
	s := &shard{}
	var schema plan.Schema
	read := &plan.Scan{Source: info.Key, Format: m.FileFormat}
	for _, c := range m.Schema {
		i := table.Schema.Index(c.Name)
		if i < 0 || slices.Contains(m.PartitionBy, c.Name) {
			continue
		}
		s.names = append(s.names, c.Name)
		schema.Fields = append(schema.Fields, table.Schema.Fields[i])
		read.Columns = append(read.Columns, plan.ScanColumn{Name: c.Name})
	}
	var splits []plan.Split
	for _, f := range files {
		splits = append(splits, plan.Split{URL: f.URL, Size: f.Size, ETag: f.ETag, RowGroupEnd: len(f.RowGroups), Rows: info.Rows, Partition: f.Partition})
		for _, g := range f.RowGroups {
			s.groups = append(s.groups, g.Rows)
		}
	}
	s.scanner, err = scan.Open(ctx, store, read, schema, splits, scan.Options{})
	return s, err
}

// next makes sure that there is a row to look at; false at the end.
func (s *shard) next(ctx context.Context) (bool, error) {
	if s.batch != nil && s.at < int(s.batch.NumRows()) {
		return true, nil
	}
	s.drop()
	rec, err := s.scanner.Next(ctx)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	s.batch, s.at = rec, 0
	return err == nil, err
}

func (s *shard) drop() {
	if s.batch != nil {
		s.batch.Release()
		s.batch = nil
	}
}

func (s *shard) close() {
	s.drop()
	_ = s.scanner.Close() // it was read from only
}

// group is the row group that a row is in.
func (s *shard) group(row int64) int {
	for i, n := range s.groups {
		if row < n {
			return i
		}
		row -= n
	}
	return len(s.groups)
}

// cell is a value that differs.
type cell struct {
	column string
	row    int64 // from 0
	a, b   string
}

// firstCell is the first value, by row and then by column, that differs in the rows that both shards have; nil if none does.
func firstCell(ctx context.Context, a, b *shard) (*cell, error) {
	for row := int64(0); ; {
		for _, s := range []*shard{a, b} {
			if more, err := s.next(ctx); err != nil || !more {
				return nil, err
			}
		}
		n := min(int(a.batch.NumRows())-a.at, int(b.batch.NumRows())-b.at)
		column, at := -1, n
		for c := range a.names {
			if i := firstRow(a.batch.Column(c), b.batch.Column(c), a.at, b.at, at); i < at {
				column, at = c, i
			}
		}
		if column >= 0 {
			return &cell{a.names[column], row + int64(at), shown(a.batch.Column(column), a.at+at), shown(b.batch.Column(column), b.at+at)}, nil
		}
		a.at, b.at, row = a.at+n, b.at+n, row+int64(n)
	}
}

// firstRow is the first of n rows, from the rows i and k on, in which two columns differ; n if none does.
func firstRow(a, b arrow.Array, i, k, n int) int {
	for r := range n {
		if a.IsNull(i+r) != b.IsNull(k+r) || vector.Format(a, i+r) != vector.Format(b, k+r) {
			return r
		}
	}
	return n
}

// shown is a value, cut where it is long.
func shown(a arrow.Array, i int) string {
	const longest = 80
	text := []rune(vector.Format(a, i))
	if len(text) > longest {
		return string(text[:longest]) + "…"
	}
	return string(text)
}
