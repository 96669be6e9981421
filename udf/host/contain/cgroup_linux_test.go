package contain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// aloneVariable has this test binary be a worker that is alone in a cgroup of version 2.
const aloneVariable = "QUERN_TEST_ALONE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(aloneVariable); dir != "" {
		if err := beAlone(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestParsePlaces(t *testing.T) {
	v2 := func(string) []string { return []string{"cpuset", "cpu", "io", "memory", "pids"} }
	for name, c := range map[string]struct {
		cgroups, mounts string
		want            []place
	}{
		"systemd": {
			"0::/system.slice/quern-worker.service/quern-worker\n",
			"25 30 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
			[]place{{"/sys/fs/cgroup/system.slice/quern-worker.service/quern-worker", true, []string{"cpu", "memory", "pids"}}},
		},
		"version 1": {
			"9:name=systemd:/\n8:pids:/\n4:memory:/jobs/a b\n2:cpu,cpuacct:/\n0::/\n",
			"1 0 0:1 / / rw - ext4 /dev/a rw\n" +
				"40 33 0:37 / /sys/fs/cgroup/cpu,cpuacct rw shared:4 - cgroup cgroup rw,cpu,cpuacct\n" +
				"41 33 0:38 /jobs /sys/fs/cgroup/my\\040memory rw - cgroup cgroup rw,memory\n" +
				"42 33 0:39 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
			[]place{
				{"/sys/fs/cgroup/pids", false, []string{"pids"}},
				{"/sys/fs/cgroup/my memory/a b", false, []string{"memory"}},
				{"/sys/fs/cgroup/cpu,cpuacct", false, []string{"cpu"}},
			},
		},
		"out of sight": {
			"4:memory:/elsewhere\n0::/../other\n",
			"25 30 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n41 33 0:38 /jobs /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			nil,
		},
		"none": {"", "", nil},
	} {
		if got := parsePlaces(c.cgroups, c.mounts, v2); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %v\nwant %v", name, got, c.want)
		}
	}
}

func TestChooseNamesWhatIsMissing(t *testing.T) {
	for name, all := range map[string][]place{
		"controllers": {{dir: "/nowhere", unified: true, controllers: []string{"cpu"}}, {dir: "/nowhere", controllers: []string{"memory"}}},
		"root":        {{dir: t.TempDir(), unified: true, controllers: wanted}},
	} {
		if _, err := choose(all); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, not what it says of the %s", err, name)
		}
	}
}

// unified is this process's cgroup of version 2, for a test that makes others below it.
func unified(t *testing.T) place {
	for _, p := range places() {
		if p.unified && unix.Access(p.dir, unix.W_OK) == nil {
			return p
		}
	}
	t.Skip("no cgroup of version 2 that this user may write to")
	return place{}
}

// All that is in a cgroup of version 2 ends with it, though it has left the process group. What was made by a worker that is no more
// is swept away, and that of another one is not.
func TestUnifiedGroups(t *testing.T) {
	at := unified(t)
	at.dir = filepath.Join(at.dir, fmt.Sprintf("quern-test-%d", os.Getpid()))
	if err := os.Mkdir(at.dir, 0o755); err != nil {
		t.Skip(err)
	}
	defer os.Remove(at.dir)
	at.controllers = nil // which the kernel has bound elsewhere, perhaps
	for _, end := range []func(g *Groups, one *Group){
		func(_ *Groups, one *Group) { one.End() },
		func(g *Groups, _ *Group) { g.Close() },
		func(g *Groups, _ *Group) {
			for _, p := range g.parents {
				p.lock.Close() // as the kernel does when a process ends
			}
			sweep(foldersIn(at.dir))
		},
	} {
		g, err := makeGroups([]place{at})
		if err != nil {
			t.Fatal(err)
		}
		one, err := g.New(&Limits{Memory: 1 << 30, Processes: 10})
		if err != nil {
			t.Fatal(err)
		}
		sleeper := startIn(t, one.dirs[0])
		sweep(foldersIn(at.dir))
		if left := processes(one.dirs[0]); len(left) != 2 {
			t.Errorf("processes %v, not two", left)
		}
		end(g, one)
		if state, _ := sleeper.Process.Wait(); state.String() != "signal: killed" {
			t.Errorf("it ended otherwise: %s", state)
		}
		if _, err := os.Stat(one.dirs[0]); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the cgroup is still there: %v", err)
		}
		g.Close() // removed already, in one case
		if left, _ := filepath.Glob(filepath.Join(at.dir, groupsPrefix+"*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

// startIn starts a shell in a cgroup, and a child of it in a session of its own.
func startIn(t *testing.T, dir string) *exec.Cmd {
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	cmd := exec.Command("sh", "-c", "setsid sleep 600 & echo ready; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// A worker that is alone in a cgroup of version 2 moves to one below and makes those of its programs beside that. The controllers of
// memory and processes may be bound to version 1 here, so that any other one has to stand for them.
func TestAloneInUnifiedGroup(t *testing.T) {
	at := unified(t)
	text, _ := os.ReadFile(filepath.Join(at.dir, "cgroup.controllers"))
	if len(strings.Fields(string(text))) == 0 {
		t.Skip("version 2 has no controllers here")
	}
	controller := strings.Fields(string(text))[0]
	if err := enable(at.dir, []string{controller}); err != nil {
		t.Skip(err)
	}
	defer write(filepath.Join(at.dir, "cgroup.subtree_control"), "-"+controller)
	dir := filepath.Join(at.dir, fmt.Sprintf("quern-test-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip(err)
	}
	defer os.Remove(dir)
	defer os.Remove(filepath.Join(dir, workerGroup))
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), aloneVariable+"="+dir, aloneVariable+"_CONTROLLER="+controller)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// beAlone is the worker.
func beAlone(dir string) error {
	controllers := []string{os.Getenv(aloneVariable + "_CONTROLLER")}
	for range 2 { // the second time, it has moved
		own := place{dir: dir, unified: true, controllers: controllers}
		for _, p := range places() {
			if p.unified {
				own.dir = p.dir
			}
		}
		at, err := delegated(own)
		if err != nil {
			return err
		}
		if at.dir != dir {
			return fmt.Errorf("cgroups go to %s", at.dir)
		}
		if in := processes(filepath.Join(dir, workerGroup)); len(in) != 1 || in[0] != os.Getpid() {
			return fmt.Errorf("in the worker's cgroup are %v", in)
		}
		g, err := makeGroups([]place{at})
		if err != nil {
			return err
		}
		if err := g.try(Bare); err != nil {
			return err
		}
		if err := g.Close(); err != nil {
			return err
		}
	}
	return nil
}
