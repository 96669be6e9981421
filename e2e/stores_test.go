package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/storage"
)

// TestStores runs whole jobs in and out of the object stores that QUERN_STORES names, as e2e/stores.sh has it: the bytes are
// those of a run on local files.
func TestStores(t *testing.T) {
	bases := strings.Fields(os.Getenv("QUERN_STORES"))
	if len(bases) == 0 {
		t.Skip("QUERN_STORES names no object stores: see e2e/stores.sh")
	}
	local, err := filepath.Abs("../testdata/flights")
	if err != nil {
		t.Fatal(err)
	}
	want := digests(t, runBlobJob(t, local, filepath.Join(t.TempDir(), "out")))
	for _, base := range bases {
		scheme, _, _ := strings.Cut(base, ":")
		base = storage.Join(base, fmt.Sprintf("jobs-%d", os.Getpid()))
		t.Run(scheme, func(t *testing.T) {
			store := storage.New()
			defer store.Close()
			flights := storage.Join(base, "raw/flights")
			upload(t, store, local, flights)
			out := storage.Join(base, "train")
			runBlobJob(t, flights, out)
			if got := blobDigests(t, store, out); !slices.Equal(got, want) {
				t.Errorf("other bytes than on local files:\n got %v\nwant %v", got, want)
			}
			missingBlob(t, func(key string) string { return storage.Join(base, key) })
		})
	}
}
