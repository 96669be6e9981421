package task

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/internal/jobtest"
)

// events are rows of two origins, sorted by them.
func events(n int) (rows []jobtest.Event) {
	for _, origin := range []string{"JFK", "SFO"} {
		for i := range n {
			rows = append(rows, jobtest.Delays(origin, int64(i+1))...)
		}
	}
	return rows
}

// laidOut is a job that copies events into one shard, laid out in files in some way.
func (b *bench) laidOut(rows []jobtest.Event, layout func(*plan.Output)) *plan.Job {
	job := scanTo(b.input("a.parquet", rows), func(scan *plan.Node) *plan.Node { return scan })
	layout(&job.Outputs[0])
	return job
}

func keysOf(shards []api.ShardInfo) (keys []string) {
	for _, s := range shards {
		keys = append(keys, fmt.Sprintf("%s %d", s.Key, s.Rows))
	}
	return keys
}

// TestRowsPerFile cuts a shard into files of a number of rows, whatever the batches are.
func TestRowsPerFile(t *testing.T) {
	for _, batch := range []int{1, 3, 16384} {
		b := newBench(t)
		b.env.BatchRows = batch
		job := b.laidOut(events(5), func(o *plan.Output) { o.RowsPerFile = 4 })
		r := b.succeed(job, 0, 0)
		shards := b.written(r)
		want := []string{
			"part-00000-of-00001-00000.2.zstd.parquet 4", "part-00000-of-00001-00001.2.zstd.parquet 4", "part-00000-of-00001-00002.2.zstd.parquet 2",
		}
		if got := keysOf(shards); !slices.Equal(got, want) {
			t.Errorf("batches of %d: %q, want %q", batch, got, want)
		}
		if rows := b.shardRows(job, r); len(rows) != 10 || !strings.HasPrefix(rows[0], "JFK 1") || !strings.HasPrefix(rows[9], "SFO 5") {
			t.Errorf("batches of %d: %q", batch, rows)
		}
		if r.Counts.FilesOut != 3 || r.File.Rows != 10 || r.File.Bytes != r.Counts.BytesOut {
			t.Errorf("reported %+v, %+v", r.File, r.Counts)
		}
	}
}

// TestPartitions has a folder for each value, without the column in the files.
func TestPartitions(t *testing.T) {
	for _, batch := range []int{1, 3, 16384} {
		b := newBench(t)
		b.env.BatchRows = batch
		job := b.laidOut(events(5), func(o *plan.Output) { o.PartitionBy, o.RowsPerFile = []int{0}, 4 })
		r := b.succeed(job, 0, 0)
		shards := b.written(r)
		origin := job.Outputs[0].Schema.Fields[0].Name
		want := []string{
			origin + "=JFK/part-00000-of-00001-00000.2.zstd.parquet 4", origin + "=JFK/part-00000-of-00001-00001.2.zstd.parquet 1",
			origin + "=SFO/part-00000-of-00001-00000.2.zstd.parquet 4", origin + "=SFO/part-00000-of-00001-00001.2.zstd.parquet 1",
		}
		if got := keysOf(shards); !slices.Equal(got, want) {
			t.Fatalf("batches of %d: %q, want %q", batch, got, want)
		}
		if v := shards[3].Partition[origin]; v == nil || *v != "SFO" {
			t.Errorf("partition %v", shards[3].Partition)
		}
		for _, row := range b.shardRows(job, r) {
			if strings.Contains(row, "SFO") || strings.Contains(row, "JFK") {
				t.Errorf("a file has the partition column: %s", row)
			}
		}
	}
}

// TestPartitionsOfNoRows are no files: there is no folder to put one into.
func TestPartitionsOfNoRows(t *testing.T) {
	b := newBench(t)
	job := b.laidOut(events(1), func(o *plan.Output) { o.PartitionBy = []int{0} })
	root := job.Stages[0].Root
	job.Stages[0].Root = &plan.Node{Op: plan.NodeLimit, Schema: root.Schema, Inputs: []*plan.Node{root}, Limit: &plan.Limit{}}
	r := b.succeed(job, 0, 0)
	if shards := b.written(r); len(shards) != 0 || r.Counts.FilesOut != 0 {
		t.Errorf("%+v, %+v", shards, r.Counts)
	}
}

// TestFilesOfAFailedAttemptAreRemoved fails in the second of three files.
func TestFilesOfAFailedAttemptAreRemoved(t *testing.T) {
	b := newBench(t)
	b.env.BatchRows = 1
	long := strings.Repeat("x", 300) // no folder has so long a name
	rows := slices.Concat(jobtest.Delays("JFK", 1, 2), jobtest.Delays(long, 3))
	job := b.laidOut(rows, func(o *plan.Output) { o.PartitionBy = []int{0} })
	f := b.fail(t.Context(), plan.FailureUser, job, 0, 0)
	if !strings.Contains(f.Message, "whose name has") {
		t.Error(f.Message)
	}
	if left := b.files("out"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestTimeRange has times, dates and NULLs.
func TestTimeRange(t *testing.T) {
	values := []plan.Literal{{Null: true}, {Int: 3}, {Int: -2}, {Null: true}, {Int: 1}}
	for _, c := range []struct {
		typ  plan.Type
		rows []plan.Literal
		want string
	}{
		{plan.Timestamp, values, "1969-12-31 23:59:59.999998 1970-01-01 00:00:00.000003"},
		{plan.Date, values, "1969-12-30 1970-01-04"},
		{plan.Date, values[:1], " "},
	} {
		var r timeRange
		for _, v := range c.rows {
			r.add(columns.Build(memory.DefaultAllocator, c.typ, []plan.Literal{v}))
		}
		if least, greatest := r.texts(); least+" "+greatest != c.want {
			t.Errorf("%s: %s to %s, want %s", c.typ, least, greatest, c.want)
		}
	}
}
