// Package jobtest makes the small inputs and plans that the tests of worker and of worker/task run.
package jobtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

// Event is a row of the input: a delay of nil is NULL.
type Event struct {
	Origin string
	Delay  *int64
}

var (
	origin = plan.Field{Name: "origin", Type: plan.String}
	delay  = plan.Field{Name: "delay", Type: plan.Int64, Nullable: true}
)

// Events is the schema of the input.
func Events() plan.Schema { return plan.Schema{Fields: []plan.Field{origin, delay}} }

// Delays makes rows of one origin.
func Delays(origin string, delays ...int64) []Event {
	var out []Event
	for _, d := range delays {
		out = append(out, Event{origin, &d})
	}
	return out
}

// WriteEvents writes rows to a Parquet file and returns the split that is the whole of it.
func WriteEvents(t testing.TB, store *storage.Store, url string, rows []Event) plan.Split {
	t.Helper()
	ctx := context.Background()
	file, err := store.Create(ctx, url)
	check(t, err)
	w, err := parquetio.NewWriter(file, Events(), parquetio.WriterOptions{})
	check(t, err)
	rec := record(rows)
	defer rec.Release()
	check(t, w.Write(ctx, rec))
	check(t, w.Close())
	check(t, file.Commit(ctx))
	info, err := store.Stat(ctx, url)
	check(t, err)
	return plan.Split{URL: url, Size: info.Size, ETag: info.ETag, RowGroupEnd: 1, Rows: int64(len(rows))}
}

func record(rows []Event) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, Events().Arrow())
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.StringBuilder).Append(r.Origin)
		if r.Delay == nil {
			b.Field(1).AppendNull()
			continue
		}
		b.Field(1).(*array.Int64Builder).Append(*r.Delay)
	}
	return b.NewRecord()
}

// ScanNode reads the events.
func ScanNode() *plan.Node {
	return &plan.Node{Op: plan.NodeScan, Schema: Events(), Scan: &plan.Scan{
		Source: "events", Format: "parquet", Columns: []plan.ScanColumn{{Name: "origin"}, {Name: "delay"}},
	}}
}

// LateNode keeps the events with a delay above zero.
func LateNode(in *plan.Node) *plan.Node {
	predicate := plan.CallExpr(">", plan.Boolean, plan.ColumnExpr(1, delay), plan.Int64Literal(0))
	return &plan.Node{Op: plan.NodeFilter, Schema: in.Schema, Inputs: []*plan.Node{in}, Filter: &plan.Filter{Predicate: predicate}}
}

// ReadNode reads a stage's output.
func ReadNode(stage int, schema plan.Schema) *plan.Node {
	return &plan.Node{Op: plan.NodeShuffleRead, Schema: schema, ShuffleRead: &plan.ShuffleRead{Stage: stage}}
}

func aggregate(mode plan.AggregateMode, in *plan.Node) *plan.Node {
	aggs := []plan.Agg{
		{Func: "count", Type: plan.Int64},
		{Func: "sum", Args: []int{1}, ArgTypes: []plan.Type{plan.Int64}, Type: plan.Int64},
	}
	fields := []plan.Field{origin}
	if mode == plan.AggregatePartial {
		for i, a := range aggs {
			fields = append(fields, agg.StateFields(a, i)...)
		}
	} else {
		fields = append(fields, plan.Field{Name: "flights", Type: plan.Int64}, plan.Field{Name: "total", Type: plan.Int64, Nullable: true})
	}
	return &plan.Node{
		Op: plan.NodeAggregate, Schema: plan.Schema{Fields: fields}, Inputs: []*plan.Node{in},
		Aggregate: &plan.Aggregate{Mode: mode, Keys: []int{0}, Aggs: aggs},
	}
}

// LateByOrigin is SELECT origin, count(*) AS flights, sum(delay) AS total FROM events WHERE delay > 0 GROUP BY origin,
// written as Parquet in so many shards: scan, filter and partial aggregation; shuffle; final aggregation and file.
func LateByOrigin(splits []plan.Split, shards int) *plan.Job {
	partial := aggregate(plan.AggregatePartial, LateNode(ScanNode()))
	final := aggregate(plan.AggregateFinal, ReadNode(0, partial.Schema))
	first := &plan.Stage{
		ID: 0, Root: partial, Tasks: len(splits),
		Sink: plan.Sink{Kind: plan.SinkShuffle, Partitions: shards, Keys: []int{0}, Hash: plan.HashExchange},
	}
	for _, s := range splits {
		first.Splits = append(first.Splits, []plan.Split{s})
	}
	return &plan.Job{
		Version: plan.JobVersion, Name: "late", Stages: []*plan.Stage{first, FileStage(1, final, shards)},
		Outputs: []plan.Output{OutputOf(1, final.Schema, shards)},
	}
}

// FileStage writes the output named "late", one shard a task.
func FileStage(id int, root *plan.Node, tasks int) *plan.Stage {
	s := &plan.Stage{ID: id, Root: root, Tasks: tasks, Sink: plan.Sink{Kind: plan.SinkFile, Output: "late"}}
	root.Walk(func(n *plan.Node) {
		if n.Op == plan.NodeShuffleRead {
			s.Inputs = append(s.Inputs, n.ShuffleRead.Stage)
		}
	})
	return s
}

// OutputOf is the output named "late", made by a stage.
func OutputOf(stage int, schema plan.Schema, shards int) plan.Output {
	return plan.Output{Name: "late", Format: "parquet", Compression: "zstd", Schema: schema, Shards: shards, Stage: stage}
}

// ReadRows reads a Parquet file back and returns its rows as text, sorted.
func ReadRows(t testing.TB, store *storage.Store, url string, schema plan.Schema) []string {
	t.Helper()
	ctx := context.Background()
	catalog := parquetio.NewCatalog(store)
	table, err := catalog.Table(ctx, plan.Source{Name: "out", Path: url, Format: "parquet"})
	check(t, err)
	files, err := catalog.Statistics(ctx, table, table.Files)
	check(t, err)
	scan := &plan.Scan{Source: "out", Format: "parquet"}
	for _, f := range schema.Fields {
		scan.Columns = append(scan.Columns, plan.ScanColumn{Name: f.Name})
	}
	split := plan.Split{URL: url, Size: files[0].Size, ETag: files[0].ETag, RowGroupEnd: len(files[0].RowGroups)}
	s, err := parquetio.OpenScan(ctx, store, scan, schema, []plan.Split{split}, parquetio.ScanOptions{})
	check(t, err)
	defer s.Close()
	var out []string
	for {
		rec, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			sort.Strings(out)
			return out
		}
		check(t, err)
		for i := range int(rec.NumRows()) {
			var cells []string
			for _, c := range rec.Columns() {
				cells = append(cells, vector.Format(c, i))
			}
			out = append(out, strings.Join(cells, " "))
		}
		rec.Release()
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("jobtest: %w", err))
	}
}

// Written is the shards that an attempt with a file sink says it has written below a folder.
func Written(t testing.TB, store *storage.Store, folderURL string, r api.Report) []api.ShardInfo {
	t.Helper()
	if r.File == nil || !api.IsList(r.File.Name) {
		t.Fatalf("jobtest: the report names no list: %+v", r.File)
	}
	content, err := store.Get(context.Background(), storage.Join(folderURL, r.File.Name))
	if err != nil {
		t.Fatalf("jobtest: %v", err)
	}
	var list api.FileList
	if err := json.Unmarshal(content, &list); err != nil || plan.Digest(content) != r.File.SHA256 {
		t.Fatalf("jobtest: the list %s is not what was reported: %v", content, err)
	}
	return list.Files
}
