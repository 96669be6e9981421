package parquetio_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

// BenchmarkScanFlights reads two columns of 3 million rows: origin as dictionary codes, delay as numbers.
func BenchmarkScanFlights(b *testing.B) {
	path := dataFile(b, "flights-3m.parquet")
	ctx, store := context.Background(), storage.New()
	defer store.Close()
	url, err := storage.URL("/", path)
	if err != nil {
		b.Fatal(err)
	}
	info, err := store.Stat(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	scan := &plan.Scan{Columns: []plan.ScanColumn{{Name: "origin"}, {Name: "delay"}}}
	schema := plan.Schema{Fields: []plan.Field{{Name: "origin", Type: plan.String}, {Name: "delay", Type: plan.Int64}}}
	splits := []plan.Split{{URL: info.URL, Size: info.Size, ETag: info.ETag, RowGroupEnd: 11}}
	b.ReportAllocs()
	for b.Loop() {
		s, err := parquetio.OpenScan(ctx, store, scan, schema, splits, parquetio.ScanOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for {
			rec, err := s.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			rec.Release()
		}
		if s.Counts().Rows != 3_000_000 {
			b.Fatal(s.Counts())
		}
		s.Close()
	}
}
