package host

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"go.uber.org/goleak"

	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/host/contain"
)

// built has the plugins of testdata, compiled once for all tests.
var built struct {
	dir                              string
	distance, panicky, hostile, liar string
	flights                          string // made by the first test that wants it
}

func TestMain(m *testing.M) {
	if level := os.Getenv(victimVariable); level != "" {
		beVictim(contain.Level(level))
	}
	os.Exit(func() int {
		adopt()
		dir, err := os.MkdirTemp("", "quern-host-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if _, err := exec.LookPath("go"); err == nil {
			built.dir = dir
			built.distance = mustBuild(dir, "distance")
			built.panicky = mustBuild(dir, "panicky")
			built.hostile = mustBuild(dir, "hostile")
			built.liar = mustBuild(dir, "liar")
		}
		code := m.Run()
		if err := goleak.Find(); err != nil && code == 0 {
			println(err.Error())
			code = 1
		}
		if left := children(); len(left) > 0 {
			println("processes are left:", strings.Join(left, ", "))
			code = 1
		}
		return code
	}())
}

func mustBuild(cache, name string) string {
	exe, err := Build(context.Background(), filepath.Join("..", "..", "testdata", "plugins", name), "", cache)
	if err != nil {
		panic(err)
	}
	return exe
}

// open makes a host and binds all functions of a plugin.
func open(t testing.TB, exe string, change func(*Options)) (*Host, *Functions, []plan.Function) {
	t.Helper()
	if exe == "" {
		t.Skip("no go command to build the test plugins with")
	}
	fns, err := Describe(t.Context(), exe)
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{CacheDir: t.TempDir(), Fetch: fetchFile(exe), Mem: recycle.Poison()}
	if change != nil {
		change(&opts)
	}
	h, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	f, err := h.Open(t.Context(), fns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(f.Close(), h.Close()); err != nil {
			t.Error(err)
		}
	})
	return h, f, fns
}

func fetchFile(path string) func(context.Context, string) (io.ReadCloser, error) {
	return func(context.Context, string) (io.ReadCloser, error) { return os.Open(path) }
}

func ints(t *testing.T, values ...any) arrow.Record {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for _, v := range values {
		if v == nil {
			b.AppendNull()
		} else {
			b.Append(int64(v.(int)))
		}
	}
	return column(t, b.NewArray())
}

func column(t *testing.T, col arrow.Array) arrow.Record {
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: col.DataType(), Nullable: true}}, nil)
	rec := array.NewRecord(schema, []arrow.Array{col}, int64(col.Len()))
	t.Cleanup(rec.Release)
	return rec
}

func strs(t *testing.T, values ...string) arrow.Record {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return column(t, b.NewArray())
}

// ask calls a function of text with one row and gives its answer.
func ask(t *testing.T, f *Functions, function string, args arrow.Record) string {
	t.Helper()
	col, _, err := f.Call(t.Context(), function, args)
	if err != nil {
		t.Fatalf("%s: %v", function, err)
	}
	defer col.Release()
	if text, ok := col.(*array.String); ok {
		return strings.Clone(text.Value(0))
	}
	return col.ValueStr(0)
}

// failure is the failure of a call, which must be of a kind and say some things.
func failure(t *testing.T, err error, kind plan.FailureKind, parts ...string) {
	t.Helper()
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != kind {
		t.Fatalf("got %v, not a failure of kind %s", err, kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q does not say %q", err, p)
		}
	}
}

// leased is a process of an attempt that has one.
func (f *Functions) leased() *running {
	for _, l := range f.leases {
		if l.run != nil {
			return l.run
		}
	}
	return nil
}

// pids are the processes that a host has.
func pids(h *Host) []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []int
	for run := range h.all {
		if run.healthy() {
			out = append(out, run.proc.pid)
		}
	}
	return out
}

// gone waits until a process group is.
func gone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
			return
		}
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(max(pid, -pid)) + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			return // a zombie whose reaper is not this process
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Errorf("process %d still exists", pid)
}

func TestDescribeAndCall(t *testing.T) {
	h, f, fns := open(t, built.distance, nil)
	if len(fns) != 1 || fns[0].Name != "distance_bucket" || fns[0].Signature() != "(bigint) → string" {
		t.Fatalf("described %+v", fns)
	}
	for range 3 {
		col, _, err := f.Call(t.Context(), "distance_bucket", ints(t, 0, 499, 500, nil, 1499, 1500))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := col.String(), `["short" "short" "medium" (null) "medium" "long"]`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		col.Release()
	}
	one := pids(h)
	if len(one) != 1 {
		t.Fatalf("processes %v", one)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, -one[0])
	_, _, err := f.Call(t.Context(), "distance_bucket", ints(t, 1))
	failure(t, err, plan.FailurePlugin, "closed")
}

// A caller who gives up is told so, and not that the plugin is wrong.
func TestCancelledDescribeIsNotAMistake(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "silent")
	if err := os.WriteFile(exe, []byte("#!/bin/sh\nsleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Describe(ctx, exe)
	var failure *plan.Failure
	if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &failure) {
		t.Errorf("got %v", err)
	}
}

func TestUserErrorNamesTheRow(t *testing.T) {
	_, f, _ := open(t, built.distance, nil)
	_, _, err := f.Call(t.Context(), "distance_bucket", ints(t, 1, nil, -7))
	failure(t, err, plan.FailureUser, "distance_bucket", "(-7)", "a distance of -7 miles")
}

func TestEmptyBatch(t *testing.T) {
	_, f, _ := open(t, built.distance, nil)
	col, _, err := f.Call(t.Context(), "distance_bucket", ints(t))
	if err != nil {
		t.Fatal(err)
	}
	defer col.Release()
	if col.Len() != 0 {
		t.Errorf("%d rows", col.Len())
	}
}

func TestPanicLeavesTheProcessAlive(t *testing.T) {
	h, f, _ := open(t, built.panicky, nil)
	_, _, err := f.Call(t.Context(), "panics_on_13", ints(t, 12, 13))
	failure(t, err, plan.FailurePlugin, "panics_on_13", "panicked for (13): thirteen", "main.panicsOn13")
	before := pids(h)
	col, _, err := f.Call(t.Context(), "panics_on_13", ints(t, 12))
	if err != nil {
		t.Fatal(err)
	}
	col.Release()
	if after := pids(h); len(after) != 1 || after[0] != before[0] {
		t.Errorf("processes %v, then %v", before, after)
	}
}

func TestExitIsReportedAndRestarted(t *testing.T) {
	h, f, _ := open(t, built.panicky, nil)
	_, _, err := f.Call(t.Context(), "exits_on_13", ints(t, 13))
	failure(t, err, plan.FailurePlugin, "exits_on_13", "exit status 3", "thirteen is too much for me")
	col, _, err := f.Call(t.Context(), "exits_on_13", ints(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	col.Release()
	if n := len(pids(h)); n != 1 {
		t.Errorf("%d processes", n)
	}
}

func TestKilledProcessIsReported(t *testing.T) {
	h, f, _ := open(t, built.panicky, nil)
	col, _, err := f.Call(t.Context(), "hangs_on_13", ints(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	col.Release()
	calling := make(chan error, 1)
	go func() {
		_, _, err := f.Call(t.Context(), "hangs_on_13", ints(t, 13))
		calling <- err
	}()
	if err := syscall.Kill(pids(h)[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-calling:
		// The call may have come too late and met a fresh process: then it hangs, and the next case ends it.
		failure(t, err, plan.FailurePlugin, "died: signal: killed")
	case <-time.After(2 * time.Second):
		h.Close()
		failure(t, <-calling, plan.FailurePlugin)
	}
}

func TestHungCallIsKilled(t *testing.T) {
	h, f, _ := open(t, built.panicky, func(o *Options) { o.CallTimeout = 300 * time.Millisecond })
	_, _, err := f.Call(t.Context(), "hangs_on_13", ints(t, 13))
	failure(t, err, plan.FailurePlugin, "did not answer within 300ms")
	if n := len(pids(h)); n != 0 {
		t.Errorf("%d processes left", n)
	}
}

func TestCancelledCallKillsWhatNobodyWaitsFor(t *testing.T) {
	h, f, _ := open(t, built.panicky, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, _, err := f.Call(ctx, "hangs_on_13", ints(t, 13))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if n := len(pids(h)); n != 0 {
		t.Errorf("%d processes left", n)
	}
}

func TestHostEnvironmentIsHidden(t *testing.T) {
	t.Setenv("QUERN_TEST_SECRET", "hunter2")
	_, f, _ := open(t, built.panicky, nil)
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues([]string{"QUERN_TEST_SECRET", "QUERN_PLUGIN"}, nil)
	col, _, err := f.Call(t.Context(), "environment", column(t, b.NewArray()))
	if err != nil {
		t.Fatal(err)
	}
	defer col.Release()
	if got := col.(*array.String); got.Value(0) != "" || got.Value(1) == "" {
		t.Errorf("the plugin sees %s", col)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	_, f, _ := open(t, built.panicky, nil)
	for name, says := range map[string]string{
		"short_result":    "1 columns of 1 rows, not 1 of 2",
		"wrong_type":      "a column of int64, not string",
		"unexpected_null": "NULL for (1), from a function that never gives NULL",
	} {
		_, _, err := f.Call(t.Context(), name, ints(t, 1, 2))
		failure(t, err, plan.FailurePlugin, name, says)
	}
}

// U6: a plugin that offers the host services to call, as fast as it can, is not listened to.
func TestCallsBack(t *testing.T) {
	_, f, _ := open(t, built.liar, nil)
	if got := ask(t, f, "echo", ints(t, 7)); got != "7" {
		t.Fatalf("echo answers %s", got)
	}
	before := runtime.NumGoroutine()
	if got := ask(t, f, "floods", ints(t, 7)); got != "7" {
		t.Errorf("while it offers services, it answers %s", got)
	}
	if after := runtime.NumGoroutine(); after > before+50 {
		t.Errorf("%d goroutines, before %d", after, before)
	}
	if got := ask(t, f, "echo", ints(t, 8)); got != "8" {
		t.Errorf("after that, echo answers %s", got)
	}
}

// U3: answers that no library sends.
func TestLies(t *testing.T) {
	_, f, _ := open(t, built.liar, func(o *Options) { o.CallTimeout = 20 * time.Second })
	for name, says := range map[string]string{
		"nothing":     "result refused",
		"garbage":     "result refused: decode Arrow batch",
		"cut":         "result refused: decode Arrow batch",
		"checksum":    "checksum of the payload is wrong",
		"claims":      "result refused: decode Arrow batch",
		"oversize":    "larger than max",
		"elsewhere":   "columns in shared memory where they were given no room",
		"strange_row": "a row that is not there",
		"long_reason": "panicked for (1)",
	} {
		_, _, err := f.Call(t.Context(), name, ints(t, 1, 2))
		var failed *plan.Failure
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && len(err.Error()) > 16<<10 {
			t.Errorf("%s: a message of %d bytes", name, len(err.Error()))
		}
	}
	if got := ask(t, f, "echo", ints(t, 7)); got != "7" {
		t.Errorf("after all this, echo answers %s", got)
	}
	_, f, _ = open(t, built.hostile, nil)
	_, _, err := f.Call(t.Context(), "crooked", ints(t, 1, 2, 3))
	failure(t, err, plan.FailurePlugin, "crooked", "offsets out of order")
	_, _, err = f.Call(t.Context(), "huge", ints(t, 70))
	failure(t, err, plan.FailurePlugin, "huge", "larger than a plugin message can be")
	// U7: arguments are in memory that a plugin cannot write to.
	given := ints(t, 1, 2, 3)
	if runtime.GOOS == "linux" {
		_, _, err = f.Call(t.Context(), "scribbles", given)
		failure(t, err, plan.FailurePlugin, "scribbles", "fatal error: fault")
	}
	if got := given.Column(0).String(); got != "[1 2 3]" {
		t.Errorf("the arguments have become %s", got)
	}
	if got := ask(t, f, "floods", ints(t, 20)); got != "20" {
		t.Errorf("after a flood: %s", got)
	}
}

func TestSignatureIsPinned(t *testing.T) {
	h, _, fns := open(t, built.distance, nil)
	fns[0].Returns = plan.Int64
	f, err := h.Open(t.Context(), fns)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Call(t.Context(), "distance_bucket", ints(t, 1))
	failure(t, err, plan.FailurePlugin, "the plugin describes it as (bigint) → string", "planned with (bigint) → bigint")
}

func TestOtherExecutableIsRefused(t *testing.T) {
	_, f, fns := open(t, built.distance, func(o *Options) {
		o.Fetch = fetchFile(built.panicky)
	})
	_, _, err := f.Call(t.Context(), fns[0].Name, ints(t, 1))
	failure(t, err, plan.FailurePlugin, "its SHA-256 is", "refused")
}

func TestSwappedCopyIsReplaced(t *testing.T) {
	h, f, fns := open(t, built.distance, nil)
	path := filepath.Join(h.opts.CacheDir, "plugins", fns[0].SHA256)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	col, _, err := f.Call(t.Context(), fns[0].Name, ints(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	col.Release()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("the copy: %v, %v", info, err)
	}
}

func TestNoPlugin(t *testing.T) {
	for name, script := range map[string]string{
		"exits":     "#!/bin/sh\necho oh no >&2\nexit 4\n",
		"babbles":   "#!/bin/sh\necho hello\nexec sleep 60\n",
		"one line":  "#!/bin/sh\nhead -c 10000000 /dev/zero\nexec sleep 60\n",
		"says none": "#!/bin/sh\nexec sleep 60\n",
	} {
		t.Run(name, func(t *testing.T) {
			exe := filepath.Join(t.TempDir(), "plugin")
			if err := os.WriteFile(exe, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			sha, err := Digest(exe)
			if err != nil {
				t.Fatal(err)
			}
			h, err := New(Options{
				CacheDir: t.TempDir(), StartTimeout: 500 * time.Millisecond,
				Fetch: fetchFile(exe),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			f, err := h.Open(t.Context(), []plan.Function{{Name: "f", Export: "f", Returns: plan.Int64, SHA256: sha}})
			if err != nil {
				t.Fatal(err)
			}
			none := array.NewRecord(arrow.NewSchema(nil, nil), nil, 1)
			defer none.Release()
			_, _, err = f.Call(t.Context(), "f", none)
			failure(t, err, plan.FailurePlugin, "function f", "start plugin")
			if name == "exits" {
				failure(t, err, plan.FailurePlugin, "oh no") // a script is run
			}
			if len(err.Error()) > 16<<10 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
}

// Calls of one attempt share a process, and attempts have one each, which the next ones find warm.
func TestOneProcessAnAttempt(t *testing.T) {
	h, _, fns := open(t, built.distance, nil)
	for range 2 {
		attempts := make([]*Functions, 3)
		for i := range attempts {
			f, err := h.Open(t.Context(), fns)
			if err != nil {
				t.Fatal(err)
			}
			attempts[i] = f
		}
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				for range 10 {
					col, _, err := attempts[i%len(attempts)].Call(t.Context(), "distance_bucket", ints(t, 1, 600, 9000))
					if err != nil {
						t.Error(err)
						return
					}
					col.Release()
				}
			})
		}
		wg.Wait()
		for _, f := range attempts {
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(pids(h)); n != len(attempts) {
			t.Errorf("%d processes", n)
		}
	}
}

// Nobody keeps processes, or executables in memory, that nobody wants.
func TestIdleProcessesEnd(t *testing.T) {
	h, f, _ := open(t, built.distance, func(o *Options) { o.IdleTimeout = 50 * time.Millisecond })
	ask(t, f, "distance_bucket", ints(t, 1))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); len(pids(h)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still there")
		}
	}
}

func TestBuild(t *testing.T) {
	if built.dir == "" {
		t.Skip("no go command")
	}
	exe, err := Build(t.Context(), built.distance, "", t.TempDir())
	if err != nil || exe != built.distance {
		t.Errorf("an executable gave %s, %v", exe, err)
	}
	for name, source := range map[string]string{"syntax": "package main\nfunc main() { undefined() }\n", "not main": "package other\n"} {
		dir := t.TempDir()
		for file, text := range map[string]string{"go.mod": "module example\n", "x.go": source} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Build(t.Context(), dir, "", t.TempDir())
		want := map[string]string{"syntax": "undefined: undefined", "not main": "not a main package"}[name]
		failure(t, err, plan.FailureUser, want)
	}
	_, err = Build(t.Context(), filepath.Join(t.TempDir(), "missing"), "", t.TempDir())
	failure(t, err, plan.FailureUser, "missing")
	t.Setenv("PATH", "")
	_, err = Build(t.Context(), t.TempDir(), "", t.TempDir())
	failure(t, err, plan.FailureUser, "no go command")
}

// An unchanged plugin is not linked again; a changed one is, and what was built before stays as it was for whoever has it.
func TestBuildAgain(t *testing.T) {
	if built.dir == "" {
		t.Skip("no go command")
	}
	dir, cache := t.TempDir(), t.TempDir()
	build := func(body string) (string, os.FileInfo, string) {
		t.Helper()
		for file, text := range map[string]string{"go.mod": "module example\n", "x.go": "package main\nfunc main() {" + body + "}\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		exe, err := Build(t.Context(), dir, "", cache)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(exe)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := Digest(exe)
		if err != nil {
			t.Fatal(err)
		}
		return exe, info, digest
	}
	exe, first, digest := build("")
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.Link(exe, kept); err != nil {
		t.Fatal(err)
	}
	if _, again, same := build(""); !os.SameFile(first, again) || same != digest {
		t.Errorf("an unchanged plugin was built again: %s, before %s", same, digest)
	}
	if _, _, other := build("println()"); other == digest {
		t.Error("the change was not built")
	}
	if now, err := Digest(kept); err != nil || now != digest {
		t.Errorf("the first build has become %s, %v", now, err)
	}
	if left, err := filepath.Glob(filepath.Join(cache, "build", ".build-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var logged int
	out := tail{log: func(text string) { logged += len(text) }}
	defer func() {
		if logged < mostLogged/2 || logged > mostLogged+100 {
			t.Errorf("%d bytes in the log", logged)
		}
	}()
	for range 100 {
		if _, err := out.Write([]byte(strings.Repeat("x", 10_000))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := out.Write([]byte(" end")); err != nil {
		t.Fatal(err)
	}
	if len(out.buf) > 2*tailSize || !strings.HasSuffix(out.last(100), " end") {
		t.Errorf("%d bytes, %q", len(out.buf), out.last(10))
	}
}
