package shuffle

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// BenchmarkManySmallPartitions reads every partition of many map outputs once, as the readers of a stage do.
func BenchmarkManySmallPartitions(b *testing.B) {
	for _, local := range []string{"remote", "local"} {
		b.Run(local, func(b *testing.B) {
			const maps, partitions = 100, 200
			c := newCluster(b, 1, maps, partitions, 2000, 20, nil)
			self := ""
			if local == "local" {
				self = c.outputs.Workers[0]
			}
			client := NewClient(c.client, ClientOptions{})
			for b.Loop() {
				for p := range partitions {
					benchRead(b, client.Fetch(c.outputs, api.Partition(p), schema, self, c.stores[0]))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/partitions, "µs/partition")
		})
	}
}

// BenchmarkLargeBlocks reads what does not compress, in blocks as large as they get.
func BenchmarkLargeBlocks(b *testing.B) {
	c := newCluster(b, 1, 0, 1, 0, 0, nil)
	id := plan.AttemptID{TaskID: plan.TaskID{Run: "run-1", Stage: 4}}
	w, err := NewWriter(c.stores[0], id, sink(1), schema, WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		ids, texts := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
		for i := range 1000 {
			var text strings.Builder
			for range 1000 {
				text.WriteByte(byte(random.IntN(128)))
			}
			ids.Append(int64(i))
			texts.Append(text.String())
		}
		if err := w.Write(b.Context(), vector.NewRecord(schema, []arrow.Array{ids.NewArray(), texts.NewArray()}, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := w.Commit(); err != nil {
		b.Fatal(err)
	}
	c.outputs.Tasks = append(c.outputs.Tasks, api.TaskLocation{Rows: 200_000})
	client := NewClient(c.client, ClientOptions{})
	for b.Loop() {
		b.SetBytes(benchRead(b, client.Fetch(c.outputs, api.Partition(0), schema, "", nil)))
	}
}

func benchRead(b *testing.B, s *Stream) int64 {
	for {
		rec, err := s.Next(b.Context())
		if err == io.EOF {
			return s.Counts().Bytes
		}
		if err != nil {
			b.Fatal(err)
		}
		rec.Release()
	}
}
