package e2e

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
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

// TestStoresExample runs the commands of docs/storage.md against the S3 server.
func TestStoresExample(t *testing.T) {
	at := slices.IndexFunc(strings.Fields(os.Getenv("QUERN_STORES")), func(base string) bool { return strings.HasPrefix(base, "s3://lake/") })
	if at < 0 {
		t.Skip("QUERN_STORES names no bucket lake of an S3 server: see e2e/stores.sh")
	}
	base, err := url.Parse(strings.Fields(os.Getenv("QUERN_STORES"))[at])
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(base.Query().Get("endpoint"), "http://"))
	page, err := os.ReadFile("../docs/storage.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, line := range strings.Split(string(page), "\n") {
		args, isCommand := strings.CutPrefix(line, "    quern ")
		if !isCommand {
			continue
		}
		cmd := exec.Command(binary(t), strings.Fields(strings.ReplaceAll(strings.ReplaceAll(args, "7070", port), "'", ""))...)
		cmd.Dir = ".."
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, said)
		}
		ran++
	}
	if ran != 3 {
		t.Errorf("ran %d commands", ran)
	}
}
