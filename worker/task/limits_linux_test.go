package task

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/worker/internal/jobtest"
)

// smallDisk mounts a file system of some kilobytes.
func smallDisk(t *testing.T, kilobytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kilobytes)); err != nil {
		t.Skipf("a full disk needs a small file system, and mounting one failed (run as root to have it): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil { // fails if anything is open there
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// filesBelow lists the files of a folder.
func filesBelow(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// manyOrigins is some files with so many groups each that they fill a disk.
func manyOrigins(b *bench, files, groups int) (splits []plan.Split) {
	for file := range files {
		var rows []jobtest.Event
		for i := range groups {
			n := file*groups + i + 1
			rows = append(rows, jobtest.Delays(fmt.Sprintf("%x", uint64(n)*0x9e3779b97f4a7c15), int64(n)*7919)...)
		}
		splits = append(splits, b.input(fmt.Sprintf("many-%d.parquet", file), rows))
	}
	return splits
}

// TestFullDisk is FAULTS F27: where the disk is full, the attempt fails with the path and what to do, leaves nothing, and
// succeeds when there is room again.
func TestFullDisk(t *testing.T) {
	const groups = 40_000
	for _, c := range []struct {
		what   string
		stage  int
		on     func(b *bench, dir string) // puts something on the disk
		memory int64
		says   []string
	}{
		{"segments", 0, func(b *bench, dir string) {
			own := filepath.Join(dir, "w")
			store, err := shuffle.NewStore(own)
			if err != nil {
				b.t.Fatal(err)
			}
			b.t.Cleanup(func() { _ = store.Close() })
			b.env.Segments, b.env.Scratch = store, filepath.Join(own, "spill")
		}, 64 << 20, []string{"/w/shuffle/r/0-0-2.seg", "no space left on device", "--scratch folder on a larger disk"}},
		{"scratch files", 1, func(b *bench, dir string) { b.env.Scratch = filepath.Join(dir, "w", "spill") }, 4 << 20,
			[]string{"scratch disk: ", ".spill: no space left on device", "--scratch folder on a larger disk"}},
		{"an output", 1, func(b *bench, dir string) { b.dir = dir }, 64 << 20,
			[]string{"/out/r/part-00000-of-00001", "no space left on device; the disk is full: free space (or inodes) there"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			disk := smallDisk(t, 200)
			b := newBench(t)
			job := jobtest.LateByOrigin(manyOrigins(b, 1, groups), 1)
			b.env.Scratch = filepath.Join(t.TempDir(), "w", "spill")
			if c.stage == 1 {
				b.succeed(job, 0, 0)
			}
			c.on(b, disk)
			b.env.Memory = NewBudget(c.memory, 2)
			before := openFiles(t)
			f := b.fail(t.Context(), plan.FailureStorage, job, c.stage, 0)
			for _, want := range c.says {
				if !strings.Contains(f.Message, want) {
					t.Errorf("message lacks %q: %s", want, f.Message)
				}
			}
			if left := filesBelow(t, disk); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			if after := openFiles(t); after > before {
				t.Errorf("%d files open, %d before", after, before)
			}
			if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=64m"); err != nil {
				t.Fatal(err)
			}
			b.succeed(job, c.stage, 0)
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("open files cannot be counted: %v", err)
	}
	return len(entries) - 1 // the one that counts
}

// TestFilesOpen is FAULTS F28: with any number of file descriptors left an attempt succeeds, or fails with what to do, and
// leaks none.
func TestFilesOpen(t *testing.T) {
	b := newBench(t)
	const files = 10
	job := jobtest.LateByOrigin(manyOrigins(b, files, 1000), 1)
	b.env.Scratch = filepath.Join(t.TempDir(), "w", "spill")
	for task := range files {
		b.succeed(job, 0, task)
	}
	b.env.Memory = NewBudget(1<<20, 2)
	if r := b.run(t.Context(), job, 1, 0); r.Failure != nil || spilled(r.Counts) == 0 {
		t.Fatalf("it should spill: %+v, %v", r.Counts, r.Failure)
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	limit := func(n uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: was.Max}); err != nil {
			t.Fatal(err)
		}
	}
	defer limit(was.Cur)
	before := openFiles(t)
	var failed, succeeded int
	for more := 0; more < 80; more += 4 {
		limit(uint64(before + more)) // the descriptors in use are the lowest
		r := b.run(t.Context(), job, 1, 0)
		limit(was.Cur)
		switch {
		case r.Failure == nil:
			succeeded++
		case r.Failure.Kind == plan.FailureStorage && strings.Contains(r.Failure.Message, "ulimit -n"):
			failed++
		default:
			t.Errorf("%d descriptors left: %s: %s", more, r.Failure.Kind, r.Failure.Message)
		}
		if after := openFiles(t); after > before {
			t.Fatalf("%d descriptors left: %d files open, %d before", more, after, before)
		}
		if left := filesBelow(t, filepath.Dir(filepath.Dir(b.env.Scratch))); len(left) > 0 {
			t.Errorf("%d descriptors left: left behind %q", more, left)
		}
		hidden := func(file string) bool { return strings.HasPrefix(filepath.Base(file), ".") }
		if files := b.files("out"); len(files) > 2 || slices.ContainsFunc(files, hidden) { // the shard and its list
			t.Errorf("%d descriptors left: part of an output is left: %q", more, files)
		}
	}
	if failed < 2 || succeeded < 2 {
		t.Errorf("%d attempts failed, %d succeeded: the test tests nothing", failed, succeeded)
	}
}

// A disk without inodes takes no file at all.
func TestDiskWithoutInodes(t *testing.T) {
	disk := smallDisk(t, 1000)
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "nr_inodes=5"); err != nil {
		t.Skipf("the number of inodes cannot be limited here: %v", err)
	}
	own := filepath.Join(disk, "w")
	store, err := shuffle.NewStore(own)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b := newBench(t)
	job := jobtest.LateByOrigin(manyOrigins(b, 3, 10), 1)
	b.env.Segments, b.env.Scratch = store, filepath.Join(own, "spill")
	b.succeed(job, 0, 0)
	f := b.fail(t.Context(), plan.FailureStorage, job, 0, 1)
	if !strings.Contains(f.Message, "create shuffle segment "+own) || !strings.Contains(f.Message, "(or inodes) in "+disk) {
		t.Errorf("message: %s", f.Message)
	}
}
