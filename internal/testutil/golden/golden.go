// Package golden holds text files to what the code makes of them. With -rewrite, tests write the files instead; read
// the diff before you commit it.
package golden

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

var rewrite = flag.Bool("rewrite", false, "write what the code makes into the test files; read the diff before you commit it")

// Rewriting reports whether the tests write their files.
func Rewriting() bool { return *rewrite }

// Files runs a subtest for each file of a pattern. From the file's text, make makes the text that it should have.
func Files(t *testing.T, pattern string, make func(t *testing.T, text string) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			Check(t, file, make(t, string(text)))
		})
	}
}

// Check compares a file with the text that it should have.
func Check(t *testing.T, file, want string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("the code makes another text (-rewrite accepts it):\n%s", diff.Diff(file, have, "made", []byte(want)))
	}
}
