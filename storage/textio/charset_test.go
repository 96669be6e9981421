package textio

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/quern-engine/quern/storage"
)

// TestCharsets reads a text in every encoding that Java, and so Spark, gives these names.
func TestCharsets(t *testing.T) {
	for name, data := range map[string]string{
		"utf-8": "\xef\xbb\xbfa\n\u00e9\n", "US-ASCII": "a\n\u00e9\n", "ISO-8859-1": "a\n\xe9\n",
		"UTF-16": "\x00a\x00\n\x00\xe9\x00\n", "utf-16": "\xff\xfea\x00\n\x00\xe9\x00\n\x00",
		"UTF-16BE": "\x00a\x00\n\x00\xe9\x00\n", "UTF-16LE": "\xff\xfea\x00\n\x00\xe9\x00\n\x00",
		"UTF-32": "\xff\xfe\x00\x00a\x00\x00\x00\n\x00\x00\x00\xe9\x00\x00\x00\n\x00\x00\x00",
	} {
		o, err := parseOptions("csv", map[string]string{"encoding": name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path := filepath.Join(t.TempDir(), "x.csv")
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		store := storage.New()
		r, err := openRecords(context.Background(), store, o, "file://"+path, int64(len(data)), 0, 1<<62)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"a", "\u00e9"} {
			if rec, _, err := r.next(); err != nil || string(rec) != want {
				t.Errorf("%s: %q, %v, want %q", name, rec, err, want)
			}
		}
		r.close()
		store.Close()
	}
	if _, err := parseOptions("json", map[string]string{"charset": "EBCDIC"}); err == nil {
		t.Error("EBCDIC is accepted")
	}
}
