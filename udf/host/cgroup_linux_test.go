package host

import (
	"bytes"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/host/contain"
)

// grouped runs a test at each level that there is here, if there are cgroups.
func grouped(t *testing.T, test func(t *testing.T, level contain.Level)) {
	if built.hostile == "" {
		t.Skip("no go command")
	}
	for _, level := range []contain.Level{contain.Namespaces, contain.Landlock, contain.Bare} {
		t.Run(string(level), func(t *testing.T) {
			if err := contain.Try(level); err != nil {
				t.Skip(err)
			}
			groups, err := contain.NewGroups(level)
			if err != nil {
				t.Skipf("no cgroups for plugins: %v", err)
			}
			if err := groups.Close(); err != nil {
				t.Fatal(err)
			}
			test(t, level)
		})
	}
}

func limitedTo(level contain.Level, limits contain.Limits) func(*Options) {
	return func(o *Options) { o.Level, o.Limits = level, limits }
}

// F46: memory that limits of one process do not count is counted; the message says that it was that, and no crash.
func TestGroupLimitsMemory(t *testing.T) {
	grouped(t, func(t *testing.T, level contain.Level) {
		limits := DefaultLimits
		limits.Memory, limits.Temporary = 768<<20, 0 // the launcher is this program, which takes much with the race detector
		_, f, _ := open(t, built.hostile, limitedTo(level, limits))
		if got := ask(t, f, "shares", ints(t, 20)); got != "20" {
			t.Errorf("20 MiB: %s", got)
		}
		_, _, err := f.Call(t.Context(), "shares", ints(t, 1200))
		failure(t, err, plan.FailurePlugin, "shares", "died: signal: killed, out of memory: its processes took more than the 832 MiB")
		if _, _, err := f.Call(t.Context(), "forks", ints(t, 1)); err != nil { // another process has another cgroup
			t.Error(err)
		}
	})
}

// F46: a fork bomb, at levels where the kernel's limit of one process is none.
func TestGroupLimitsProcesses(t *testing.T) {
	grouped(t, func(t *testing.T, level contain.Level) {
		if level == contain.Landlock {
			t.Skip("no processes at all")
		}
		limits := DefaultLimits
		limits.Processes = 100
		_, f, _ := open(t, built.hostile, limitedTo(level, limits))
		if n, _ := strconv.Atoi(ask(t, f, "forks", ints(t, 1000))); n == 0 || n >= 100 {
			t.Errorf("%d processes started of 100 allowed", n)
		}
	})
}

func TestGroupLimitsProcessors(t *testing.T) {
	grouped(t, func(t *testing.T, level contain.Level) {
		h, f, fns := open(t, built.hostile, at(level))
		for i := range fns {
			fns[i].CPUs = 200
		}
		limited, err := h.Open(t.Context(), fns)
		if err != nil {
			t.Fatal(err)
		}
		defer limited.Close()
		ask(t, f, "burns", ints(t, 0))
		begin := time.Now()
		ask(t, limited, "burns", ints(t, 1))
		if took := time.Since(begin); took < 3*time.Second {
			t.Errorf("a second of processor time at a fifth of a processor took %v", took)
		}
	})
}

// U5: what has left the process group goes with the process, whatever there is else to hold it.
func TestGroupEndsChildren(t *testing.T) {
	grouped(t, func(t *testing.T, level contain.Level) {
		if level != contain.Bare {
			t.Skip("they cannot leave")
		}
		h, f, _ := open(t, built.hostile, at(level))
		if got := ask(t, f, "forks", ints(t, 10)); got != "10" {
			t.Fatalf("%s processes started", got)
		}
		folders := h.groups.Folders()
		if len(folders) == 0 {
			t.Fatal("the host has no cgroups")
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if left := children(); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		for _, path := range folders {
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("%s is left", path)
			}
		}
	})
}

// A worker that was killed leaves cgroups, at some levels with processes in them, which the next one ends.
func TestKilledWorkersGroupsAreSwept(t *testing.T) {
	grouped(t, func(t *testing.T, level contain.Level) {
		ownTemporaryFolder(t)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		other, err := contain.NewGroups(level) // of a worker that lives
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		before := contain.GroupFolders() // others may come and go, of other tests
		var during []string
		killVictim(t, level, func() { during = contain.GroupFolders() })
		of := slices.DeleteFunc(during, func(path string) bool { return slices.Contains(before, path) })
		if len(of) == 0 {
			t.Error("the worker had no cgroups")
		}
		h, err := New(Options{CacheDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if left := children(); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
		for _, path := range of {
			if abandoned(path) {
				t.Errorf("%s is left", path)
			}
		}
		for _, path := range before {
			if abandoned(path) {
				t.Errorf("%s was left before", path)
			}
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// abandoned reports that a worker's folder is there and the worker is not.
func abandoned(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// The log says what there is.
func TestLogTellsOfGroups(t *testing.T) {
	var log bytes.Buffer
	h, f, _ := open(t, built.distance, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	ask(t, f, "distance_bucket", ints(t, 1))
	if h.groups == nil && !strings.Contains(log.String(), "plugins have no cgroups") || h.groups != nil && !strings.Contains(log.String(), "cgroups=v") {
		t.Error(log.String())
	}
}
