package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"
)

func TestScratchIsEmptyAtStartAndGoneAtEnd(t *testing.T) {
	root := filepath.Join(t.TempDir(), "deep", "[er]*")
	s, err := openScratch(root, "w1")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "segment"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, root)
}

func TestScratchInUseIsRefused(t *testing.T) {
	root := t.TempDir()
	s, err := openScratch(root, "w1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	keep := filepath.Join(s.dir, "segment")
	if err := os.WriteFile(keep, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openScratch(root, "w1"); !errors.Is(err, errLocked) {
		t.Fatalf("second worker of that name: %v", err)
	}
	other, err := openScratch(root, "w2")
	if err != nil {
		t.Fatal(err)
	}
	if err := other.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(keep); err != nil {
		t.Fatalf("a neighbour's data: %v", err)
	}
}

// A killed worker leaves its folder and its lock file, but not its lock.
func TestScratchOfKilledWorkerIsSwept(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "killed", "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"killed.lock", "killed/run/segment", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openScratch(root, "w1")
	if err != nil {
		t.Fatal(err)
	}
	wantEntries(t, root, "notes.txt", "w1", "w1.lock")
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, root, "notes.txt")
}

// Workers that start at the same moment sweep while others lock.
func TestScratchOfManyAtOnce(t *testing.T) {
	root := t.TempDir()
	var starting errgroup.Group
	for i := range 8 {
		starting.Go(func() error {
			for range 100 {
				s, err := openScratch(root, fmt.Sprintf("w%d", i))
				if err != nil {
					return err
				}
				if err := s.close(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := starting.Wait(); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, root)
}

func wantEntries(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(want) {
		t.Fatalf("%s holds %q, want %q", dir, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s holds %q, want %q", dir, got, want)
		}
	}
}
