package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/storage"
)

// lay writes files below a folder; those in a version with a marker are as old as its name says, in hours.
func lay(t *testing.T, root string, files ...string) {
	t.Helper()
	for _, name := range files {
		name, content, _ := strings.Cut(name, "=>")
		if filepath.Base(name) == "manifest.json" {
			content = `{"format": 1, "rows": 3, "shards": [{"key": "part-00000-of-00001.0.parquet", "rows": 3}]}`
		}
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		var hours int
		if n, _ := fmt.Sscanf(filepath.Base(filepath.Dir(file)), "h%d", &hours); n == 1 {
			at := time.Now().Add(-time.Duration(hours) * time.Hour)
			if err := os.Chtimes(file, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func published(id string) []string {
	return []string{id + "/part-00000-of-00001.0.parquet", id + "/manifest.json", id + "/_SUCCESS"}
}

func find(t *testing.T, root string) []Dataset {
	t.Helper()
	store := storage.New()
	defer store.Close()
	found, err := Find(t.Context(), store, "file://"+root)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func describe(list []Dataset, root string) string {
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%s:", strings.TrimPrefix(d.URL, "file://"+root))
		for _, v := range d.Versions {
			fmt.Fprintf(&b, " %s %s", v.ID, v.State)
			if v.Latest {
				b.WriteString(" latest")
			}
			b.WriteString(",")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	lay(t, root, slices.Concat(published("a/h1"), published("a/h2"), published("b/day=2001-01-01/h5"), []string{
		"a/_LATEST=>h2\n", "a/h3/part-00000-of-00001.0.parquet", "a/h4/notes.txt", "a/h6/.part-00001-of-00002.0.parquet.tmp", "a/h8/day=1/part-00001-of-00002.0.parquet", "a/readme",
		"a/h7/manifest.json", // without a marker
	})...)
	// The file in h8 lies deeper, and is new.
	want := "/a: h8 incomplete, h1 published, h2 published latest, h3 incomplete, h4 foreign, h6 incomplete, h7 incomplete,\n/b/day=2001-01-01: h5 published,\n"
	if got := describe(find(t, root), root); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := describe(find(t, filepath.Join(root, "b")), root); got != "/b/day=2001-01-01: h5 published,\n" {
		t.Errorf("below b: %s", got)
	}
}

func TestFindNothing(t *testing.T) {
	root := t.TempDir()
	lay(t, root, append(published("d/h1"), "x/readme")...)
	store := storage.New()
	defer store.Close()
	for name, want := range map[string]string{"nowhere": "nothing is there", "x": "no dataset", "d/h1": "is one version"} {
		if _, err := Find(t.Context(), store, "file://"+filepath.Join(root, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExpired(t *testing.T) {
	now := time.Now()
	ago := func(hours int) time.Time { return now.Add(-time.Duration(hours) * time.Hour) }
	for _, test := range []struct {
		latest string
		r      Retention
		want   string
	}{
		{"h0", Retention{Keep: 1}, "h50 h30 h3"},
		{"h0", Retention{Keep: 2}, "h50 h30"},
		{"h0", Retention{Keep: 9}, ""},
		{"h30", Retention{Keep: 1}, "h50 h3"}, // h0 is the newest
		{"h0", Retention{Than: ago(24)}, "h50 h30"},
		{"h50", Retention{Than: ago(24)}, "h30"},
		{"h0", Retention{Keep: 3, Than: ago(24)}, "h50"},
		{"h0", Retention{Keep: 1, Than: ago(40)}, "h50"},
		{"h30", Retention{Than: ago(0)}, "h50 h3"}, // h0 is too young
		{"", Retention{Than: ago(24)}, "h50 h30"},
	} {
		root := t.TempDir()
		lay(t, root, slices.Concat(published("h0"), published("h3"), published("h30"), published("h50"), []string{"h60/part-00000-of-00001.0.parquet", "h70/x"})...)
		if test.latest != "" {
			lay(t, root, "_LATEST=>"+test.latest+"\n")
		}
		var got []string
		d := find(t, root)[0]
		for _, v := range d.Expired(test.r, now) {
			got = append(got, v.ID)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("latest %q, %+v: %v, want %s", test.latest, test.r, got, test.want)
		}
	}
	// Without a pointer, and with nothing newer: the newest stays.
	root := t.TempDir()
	lay(t, root, slices.Concat(published("h30"), published("h50"))...)
	d := find(t, root)[0]
	if gone := d.Expired(Retention{Than: ago(1)}, now); len(gone) != 1 || gone[0].ID != "h50" {
		t.Errorf("without a pointer: %v", gone)
	}
}

func TestRemove(t *testing.T) {
	root := t.TempDir()
	lay(t, root, slices.Concat(published("h3"), published("h5"), published("h9"), []string{"_LATEST=>h3\n"})...)
	store := storage.New()
	defer store.Close()
	d := find(t, root)[0]
	if err := d.Remove(t.Context(), store, d.Versions[2]); err != nil {
		t.Fatal(err)
	}
	lay(t, root, "_LATEST=>h5\n") // somebody turns the pointer back
	if err := d.Remove(t.Context(), store, d.Versions[1]); err == nil {
		t.Error("the latest version was removed")
	}
	if got := describe(find(t, root), root); got != ": h3 published, h5 published latest,\n" {
		t.Errorf("left: %s", got)
	}
}
