package datagen

import (
	"context"
	"fmt"
	"testing"

	"github.com/quern-engine/quern/storage"
)

// BenchmarkEvents makes a million impressions, with what follows from them, on one core.
func BenchmarkEvents(b *testing.B) {
	store := storage.New()
	defer store.Close()
	o := tiny("mem://bench")
	o.Impressions, o.Days, o.Files, o.Parallel = 1_000_000, 1, 1, 1
	for i := 0; b.Loop(); i++ {
		o.Out = fmt.Sprintf("mem://bench/%d", i)
		if _, err := Events(context.Background(), store, o); err != nil {
			b.Fatal(err)
		}
		if err := store.DeleteTree(context.Background(), o.Out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(o.Impressions)/b.Elapsed().Seconds(), "impressions/s")
}
