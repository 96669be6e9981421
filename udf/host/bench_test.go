package host

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/recycle"
)

// BenchmarkBoundary measures what it costs to hand rows to a plugin and to take as many back: a function that answers its
// argument. CPU is of both processes: nanoseconds a byte that crosses, in either direction.
func BenchmarkBoundary(b *testing.B) {
	for _, c := range []struct {
		function string
		width    int
		rows     int
	}{
		{"same_bigint", 8, 16384}, {"same_bigint", 8, 65536}, {"same_string", 20, 16384}, {"same_string", 20, 65536},
		{"same_string", 200, 16384}, {"same_string", 2000, 4096},
	} {
		b.Run(fmt.Sprintf("%s/%d/%d", c.function, c.width, c.rows), func(b *testing.B) {
			_, f, _ := open(b, built.panicky, func(o *Options) { o.Mem = recycle.New(64 << 20) }) // as a worker has it
			rec := wide(c.function, c.width, c.rows)
			defer rec.Release()
			call := func() {
				col, _, err := f.Call(b.Context(), c.function, rec)
				if err != nil {
					b.Fatal(err)
				}
				col.Release()
			}
			call()
			run := f.leased()
			before, other := ownTime(b), processorTime(run.proc)
			b.SetBytes(2 * int64(c.width) * int64(c.rows))
			b.ResetTimer()
			for b.Loop() {
				call()
			}
			bytes := float64(b.N) * 2 * float64(c.width) * float64(c.rows)
			host, plugin := ownTime(b)-before, processorTime(run.proc)-other
			b.ReportMetric(float64(host)/bytes, "host-ns/B")
			b.ReportMetric(float64(plugin)/bytes, "plugin-ns/B")
			b.ReportMetric(bytes/float64(host+plugin), "GB/CPU-s")
		})
	}
}

func ownTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// wide is rows of one column of values of a width.
func wide(function string, width, rows int) arrow.Record {
	var col arrow.Array
	if function == "same_bigint" {
		n := array.NewInt64Builder(memory.DefaultAllocator)
		for i := range rows {
			n.Append(int64(i))
		}
		col = n.NewArray()
	} else {
		s := array.NewStringBuilder(memory.DefaultAllocator)
		for range rows {
			s.Append(strings.Repeat("x", width))
		}
		col = s.NewArray()
	}
	defer col.Release()
	return array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "a", Type: col.DataType()}}, nil), []arrow.Array{col}, int64(rows))
}
