package host

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"golang.org/x/sys/unix"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/host/contain"
)

// adopt makes this process the parent of all that its children leave behind, so that children finds it.
func adopt() {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
}

// children are the processes whose parent is this one, after those that have ended were seen off.
func children() []string {
	self := strconv.Itoa(os.Getpid())
	var left []string
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		left = nil
		stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
		for _, path := range stats {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // it has ended meanwhile
			}
			_, fields, _ := strings.Cut(string(text), ") ")
			if f := strings.Fields(fields); len(f) > 1 && f[1] == self {
				left = append(left, string(text))
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// levels runs a test at each level that there is here.
func levels(t *testing.T, test func(t *testing.T, level contain.Level)) {
	for _, level := range []contain.Level{contain.Namespaces, contain.Landlock} {
		t.Run(string(level), func(t *testing.T) {
			if err := contain.Try(level); err != nil {
				t.Skip(err)
			}
			test(t, level)
		})
	}
}

func at(level contain.Level) func(*Options) { return func(o *Options) { o.Level = level } }

// U4: files of this machine, of other jobs and of the worker, and its processes.
func TestSeesNothingOfTheMachine(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(secret, []byte("hunter2"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(secret), 0o755); err != nil {
		t.Fatal(err)
	}
	own := strconv.Itoa(os.Getpid())
	levels(t, func(t *testing.T, level contain.Level) {
		h, f, fns := open(t, built.hostile, at(level))
		sealed := filepath.Join(h.opts.CacheDir, "plugins", fns[0].SHA256)
		for _, path := range []string{
			secret, filepath.Dir(secret), "/root", "/home", "/etc/hostname", "/etc/shadow", "/etc", "/var", "/proc/" + own + "/environ",
			"/proc/" + own + "/root", "/sys/kernel", "/proc/1/root/root", sealed, h.opts.CacheDir, os.TempDir(), "/dev/sda", "/dev/vda", "/dev/mem",
		} {
			got := ask(t, f, "reads", strs(t, path))
			if path == "/etc" || path == os.TempDir() || path == "/etc/" {
				if strings.Contains(got, "hostname") || strings.Contains(got, "quern") {
					t.Errorf("%s: %q", path, got)
				}
				continue
			}
			if !strings.HasPrefix(got, "no: ") && got != "" && !strings.HasPrefix(path, "/proc/1/root") {
				t.Errorf("%s can be read: %q", path, got)
			}
		}
		for _, path := range []string{secret, "/etc/passwd", "/usr/x", "/x", "/dev/x", sealed} {
			if got := ask(t, f, "writes", strs(t, path)); !strings.HasPrefix(got, "no: ") {
				t.Errorf("%s can be written", path)
			}
		}
		for _, path := range []string{"/usr", "/dev/null", "/dev/urandom"} {
			if got := ask(t, f, "reads", strs(t, path)); strings.HasPrefix(got, "no: ") && path != "/dev/null" {
				t.Errorf("%s cannot be read: %s", path, got)
			}
		}
		if got := ask(t, f, "fills", ints(t, 3<<20)); got != strconv.Itoa(3<<20) {
			t.Errorf("the temporary folder takes %s bytes", got)
		}
		if got := ask(t, f, "descriptors", ints(t, 1000)); got != "0 1 2" {
			t.Errorf("descriptors %s", got)
		}
		identity := ask(t, f, "identity", ints(t, 1))
		if level == contain.Namespaces && (strings.Count(identity, "0000000000000000") != 5 || !strings.Contains(identity, "NoNewPrivs:\t1")) {
			t.Errorf("it has kept privileges:\n%s", identity)
		}
	})
}

// U4: networks.
func TestReachesNothing(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	file := filepath.Join(t.TempDir(), "socket")
	unixSocket, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	defer unixSocket.Close()
	abstract, err := net.Listen("unix", "@quern-test-"+strconv.Itoa(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	if err := os.Chmod(file, 0o777); err != nil {
		t.Fatal(err)
	}
	targets := [][2]string{
		{"tcp", tcp.Addr().String()}, {"udp", "127.0.0.1:53"}, {"tcp", "169.254.169.254:80"}, {"tcp", "[::1]:80"},
		{"unix", file}, {"unix", abstract.Addr().String()}, {"ip4:icmp", "127.0.0.1"},
	}
	levels(t, func(t *testing.T, level contain.Level) {
		_, f, _ := open(t, built.hostile, at(level))
		for _, target := range targets {
			if got := ask(t, f, "dials", texts(t, target[0], target[1])); !strings.HasPrefix(got, "no: ") {
				t.Errorf("%v can be reached", target)
			}
		}
		_, f, _ = open(t, built.hostile, func(o *Options) {
			o.Level, o.Limits = level, DefaultLimits
			o.Limits.Network = true
		})
		if got := ask(t, f, "dials", texts(t, "tcp", tcp.Addr().String())); got != "" {
			t.Errorf("with network: true, %s", got)
		}
	})
}

// texts is a row of two texts.
func texts(t *testing.T, a, b string) arrow.Record {
	one, two := strs(t, a), strs(t, b)
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}, {Name: "b", Type: arrow.BinaryTypes.String}}, nil)
	rec := array.NewRecord(schema, []arrow.Array{one.Column(0), two.Column(0)}, 1)
	t.Cleanup(rec.Release)
	return rec
}

// U5: signals and ptrace, to the worker and to other processes.
func TestTouchesNoProcess(t *testing.T) {
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	levels(t, func(t *testing.T, level contain.Level) {
		_, f, _ := open(t, built.hostile, at(level))
		for _, pid := range []int{other.Process.Pid, os.Getpid(), os.Getppid()} {
			for _, function := range []string{"signals", "traces"} {
				if level == contain.Landlock && function == "signals" && os.Geteuid() != 0 && !scopesSignals() {
					continue
				}
				if got := ask(t, f, function, ints(t, pid)); !strings.HasPrefix(got, "no: ") {
					t.Errorf("%s of %d worked", function, pid)
				}
			}
		}
	})
}

// scopesSignals reports whether Landlock keeps signals in, which it does since Linux 6.12.
func scopesSignals() bool {
	version, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0 && version >= 6
}

func TestLimits(t *testing.T) {
	limit := func(level contain.Level, change func(*contain.Limits)) *Functions {
		_, f, _ := open(t, built.hostile, func(o *Options) {
			o.Level, o.Limits = level, DefaultLimits
			change(&o.Limits)
		})
		return f
	}
	levels(t, func(t *testing.T, level contain.Level) {
		// F46: a leak ends the process, not the machine.
		f := limit(level, func(l *contain.Limits) { l.Memory = 256 << 20 })
		if got := ask(t, f, "leaks", ints(t, 50)); got != "50" {
			t.Errorf("50 MiB of 256: %s", got)
		}
		_, _, err := f.Call(t.Context(), "leaks", ints(t, 1000))
		failure(t, err, plan.FailurePlugin, "leaks", "died", "out of memory")
		f = limit(level, func(l *contain.Limits) { l.CPU = time.Second })
		_, _, err = f.Call(t.Context(), "burns", ints(t, 20))
		failure(t, err, plan.FailurePlugin, "burns", "died")
		f = limit(level, func(l *contain.Limits) { l.OpenFiles = 50 })
		if n, _ := strconv.Atoi(ask(t, f, "opens", ints(t, 1000))); n < 20 || n > 50 {
			t.Errorf("%d files of 50", n)
		}
	})
	t.Run("processes and temporary files", func(t *testing.T) {
		if err := contain.Try(contain.Namespaces); err != nil {
			t.Skip(err)
		}
		f := limit(contain.Namespaces, func(l *contain.Limits) { l.Processes, l.Temporary = 100, 2<<20 })
		if n, _ := strconv.Atoi(ask(t, f, "fills", ints(t, 10<<20))); n < 1<<20 || n > 2<<20 {
			t.Errorf("%d bytes in a folder of 2 MiB", n)
		}
		// F46: a fork bomb. Each process has some threads, which count.
		if n, _ := strconv.Atoi(ask(t, f, "forks", ints(t, 1000))); n == 0 || n >= 100 {
			t.Errorf("%d processes started of 100 allowed", n)
		}
	})
}

// F46, U5: children in sessions of their own, which ignore SIGTERM and hold on to standard output, go with the process.
func TestChildrenGoToo(t *testing.T) {
	if err := contain.Try(contain.Namespaces); err != nil {
		t.Skip(err)
	}
	h, f, _ := open(t, built.hostile, at(contain.Namespaces))
	if got := ask(t, f, "forks", ints(t, 10)); got != "10" {
		t.Fatalf("%s processes started", got)
	}
	space := namespace(pids(h)[0])
	if n := len(inNamespace(space)); n < 11 {
		t.Fatalf("%d processes", n)
	}
	begin := time.Now()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if left := inNamespace(space); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	t.Logf("the end of 11 processes took %v", time.Since(begin))
}

func TestNoChildrenWithoutNamespaces(t *testing.T) {
	if err := contain.Try(contain.Landlock); err != nil {
		t.Skip(err)
	}
	_, f, _ := open(t, built.hostile, at(contain.Landlock))
	if got := ask(t, f, "forks", ints(t, 1)); got != "0" {
		t.Errorf("%s processes started, which nothing would end", got)
	}
}

func namespace(pid int) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)) // "" has no processes
	return name
}

// inNamespace are the processes of a namespace.
func inNamespace(name string) []string {
	var found []string
	links, _ := filepath.Glob("/proc/[0-9]*/ns/pid") // the pattern is right
	for _, link := range links {
		if got, err := os.Readlink(link); err == nil && got == name {
			found = append(found, link)
		}
	}
	return found
}

// victimVariable has this test binary be a worker that is killed.
const victimVariable = "QUERN_TEST_VICTIM"

// beVictim starts a plugin, as a worker, tells how many processes it runs, and waits for its end.
func beVictim(level contain.Level) {
	ctx := context.Background()
	exe := os.Getenv(victimVariable + "_PLUGIN")
	h, err := New(Options{CacheDir: os.Getenv(victimVariable + "_CACHE"), Level: level, Fetch: fetchFile(exe)})
	if err != nil {
		panic(err)
	}
	fns, err := Describe(ctx, exe)
	if err != nil {
		panic(err)
	}
	f, err := h.Open(ctx, fns)
	if err != nil {
		panic(err)
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.Append(5)
	col := b.NewArray()
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "a", Type: col.DataType()}}, nil), []arrow.Array{col}, 1)
	if _, _, err := f.Call(ctx, "forks", rec); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	select {}
}

// ownTemporaryFolder makes a new one the process's, with a short path.
func ownTemporaryFolder(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "q")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
}

// killVictim has a worker start a plugin with children, looks around, and kills it. The thread is locked.
func killVictim(t *testing.T, level contain.Level, look func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+string(level), victimVariable+"_PLUGIN="+built.hostile, victimVariable+"_CACHE="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 6)
	if _, err := out.Read(ready); err != nil {
		t.Fatal(err)
	}
	look()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
}

// F46: SIGKILL of the worker leaves no process, and what it leaves of files the next one removes.
func TestKilledWorkerLeavesNothing(t *testing.T) {
	if built.hostile == "" {
		t.Skip("no go command")
	}
	ownTemporaryFolder(t)
	levels(t, func(t *testing.T, level contain.Level) {
		// Linux kills children when the thread that started them goes; this one must not go before.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		killVictim(t, level, func() {})
		if left := children(); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
	})
	f, err := newFolder()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.remove(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), folderPattern)); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// A host leaves no files either.
func TestClosedHostLeavesNoFiles(t *testing.T) {
	ownTemporaryFolder(t)
	h, f, _ := open(t, built.distance, nil)
	ask(t, f, "distance_bucket", ints(t, 1))
	sockets, err := filepath.Glob(filepath.Join(os.TempDir(), folderPattern, "plugin*"))
	if err != nil || len(sockets) != 0 {
		t.Errorf("a connected process's folder is still there: %v, %v", sockets, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "quern*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// U1: the bytes that run are those that were checked, though the file changes afterwards.
func TestExecutableIsFixed(t *testing.T) {
	h, f, fns := open(t, built.distance, nil)
	ask(t, f, "distance_bucket", ints(t, 1))
	path := filepath.Join(h.opts.CacheDir, "plugins", fns[0].SHA256)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 9\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	other, err := h.Open(t.Context(), fns)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ask(t, other, "distance_bucket", ints(t, 1))
	if n := len(pids(h)); n != 2 {
		t.Errorf("%d processes", n)
	}
}
