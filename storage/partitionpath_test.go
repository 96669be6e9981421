package storage_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// TestPartitionFolder names folders as Spark does, and reads them back as the values that they stand for.
func TestPartitionFolder(t *testing.T) {
	for value, want := range map[string]string{
		"2001-01-10": "c=2001-01-10", "a b é": "c=a b é", "a/b": "c=a%2Fb", "50%": "c=50%25", "x=y:z": "c=x%3Dy%3Az", "": "c=__HIVE_DEFAULT_PARTITION__",
		`"#'*?\{[]^}`: "c=%22%23%27%2A%3F%5C%7B%5B%5D%5E}", "\x00\n\x7f": "c=%00%0A%7F", "\xff": "c=%FF", "2001-01-10 06:30:00.5": "c=2001-01-10 06%3A30%3A00.5",
	} {
		got, err := storage.PartitionFolder("c", value, false)
		if got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", value, got, err, want)
			continue
		}
		store := storage.New()
		base := "file://" + t.TempDir()
		put(t, store, storage.Join(base, got, "x.parquet"), "x")
		path := strings.TrimPrefix(base, "file://")
		table, err := store.FindTable(context.Background(), plan.Source{Name: "t", Path: filepath.Join(path), Partitions: map[string]plan.Type{"c": plan.String}})
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		if v := table.Files[0].Partition[0]; v.Null != (value == "") || string(v.Bytes) != value {
			t.Errorf("%q is read back as %q", value, v.Bytes)
		}
		store.Close()
	}
	if name, err := storage.PartitionFolder("a=b", "x", true); name != "a%3Db=__HIVE_DEFAULT_PARTITION__" || err != nil {
		t.Error(name, err)
	}
	if _, err := storage.PartitionFolder("c", strings.Repeat("x", 254), false); err == nil || plan.AsFailure(err).Kind != plan.FailureUser {
		t.Errorf("a name of 256 bytes: %v", err)
	}
}

// TestFoldersOfUnderscoredColumns are data, other folders that begin so are not.
func TestFoldersOfUnderscoredColumns(t *testing.T) {
	store := storage.New()
	defer store.Close()
	base := "file://" + t.TempDir()
	put(t, store, base+"/_day=1/x.parquet", "x")
	put(t, store, base+"/_temporary/x.parquet", "x")
	found, err := store.Resolve(context.Background(), base)
	if err != nil || len(found) != 1 || !strings.HasSuffix(found[0].URL, "_day=1/x.parquet") {
		t.Errorf("%v, %v", found, err)
	}
}
