package contain

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// groupsPrefix begins the names of the folders in which workers have the cgroups of their programs.
const groupsPrefix = "quern-plugins-"

// Groups makes cgroups for a worker's programs, each in a folder of its own below one of the worker's. That one is locked as
// long as the worker lives: what a killed one leaves behind is for the next one to remove.
type Groups struct {
	unified bool // version 2
	parents []*parent
	made    atomic.Uint64
}

// parent is the worker's folder in a hierarchy: version 2 has one of those, version 1 one for each controller.
type parent struct {
	dir         string
	controllers []string
	lock        *os.File
}

// GroupFolders are the folders of workers in the places where this one makes its own.
func GroupFolders() (found []string) {
	for _, p := range places() {
		dirs := []string{p.dir}
		if filepath.Base(p.dir) == workerGroup {
			dirs = append(dirs, filepath.Dir(p.dir))
		}
		for _, dir := range dirs {
			found = append(found, foldersIn(dir)...)
		}
	}
	return found
}

func foldersIn(dir string) []string {
	here, _ := filepath.Glob(filepath.Join(dir, groupsPrefix+"*")) // the pattern is right
	return here
}

// SweepGroups ends and removes what killed workers have left beside this one.
func SweepGroups() { sweep(GroupFolders()) }

func sweep(folders []string) {
	for _, path := range folders {
		if lock, err := lockFolder(path); err == nil && lock != nil {
			_ = (&parent{dir: path, lock: lock}).close() // the next one tries again
		}
	}
}

// NewGroups finds where cgroups can be made, and tries one with a program at a level. The error says why there are none.
func NewGroups(level Level) (*Groups, error) {
	chosen, err := choose(places())
	if err != nil {
		return nil, err
	}
	g, err := makeGroups(chosen)
	if err != nil {
		return nil, err
	}
	if err := g.try(level); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// makeGroups makes the worker's folders.
func makeGroups(chosen []place) (*Groups, error) {
	g := &Groups{unified: chosen[0].unified}
	for _, at := range chosen {
		p, err := newParent(at)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		g.parents = append(g.parents, p)
	}
	return g, nil
}

// newParent makes a folder and locks it. Somebody who sweeps may take it for an abandoned one just before that.
func newParent(at place) (*parent, error) {
	for {
		dir, err := os.MkdirTemp(at.dir, groupsPrefix)
		if err != nil {
			return nil, fmt.Errorf("make a cgroup: %w", err)
		}
		lock, err := lockFolder(dir)
		if err != nil {
			return nil, errors.Join(err, os.Remove(dir))
		}
		if lock == nil {
			continue
		}
		p := &parent{dir: dir, controllers: at.controllers, lock: lock}
		if !at.unified {
			return p, nil
		}
		if err := enable(dir, at.controllers); err != nil {
			return nil, errors.Join(err, p.close())
		}
		return p, nil
	}
}

// lockFolder locks a cgroup's folder; nil if somebody else has done so, or it is gone.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock cgroup: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		if _, err = os.Stat(dir); err == nil {
			return f, nil
		}
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock cgroup %s: %w", dir, err)
}

// close ends what is in the folder, and removes it.
func (p *parent) close() error {
	left, err := os.ReadDir(p.dir)
	for _, e := range left {
		if e.IsDir() {
			err = errors.Join(err, endFolder(filepath.Join(p.dir, e.Name())))
		}
	}
	return errors.Join(err, os.Remove(p.dir), p.lock.Close())
}

// Folders are the worker's folders.
func (g *Groups) Folders() (dirs []string) {
	if g == nil {
		return nil
	}
	for _, p := range g.parents {
		dirs = append(dirs, p.dir)
	}
	return dirs
}

// Close ends all processes in cgroups of these, and removes them.
func (g *Groups) Close() error {
	if g == nil {
		return nil
	}
	var errs []error
	for _, p := range g.parents {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

// String is for the log.
func (g *Groups) String() string {
	switch {
	case g == nil:
		return "none"
	case g.unified:
		return "v2"
	}
	return "v1"
}

// Group is a cgroup of a program, which enters it before it becomes the program.
type Group struct {
	unified bool
	dirs    []string
	most    int64 // bytes of memory; 0: no limit
}

// New makes a cgroup with limits; nil where there are none.
func (g *Groups) New(l *Limits) (*Group, error) {
	if g == nil {
		return nil, nil
	}
	group := &Group{unified: g.unified, most: l.Joint()}
	name := strconv.FormatUint(g.made.Add(1), 10)
	for _, p := range g.parents {
		dir := filepath.Join(p.dir, name)
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			group.dirs = append(group.dirs, dir)
			err = limitFolder(dir, g.unified, p.controllers, l)
		}
		if err != nil {
			group.End()
			return nil, fmt.Errorf("make a cgroup: %w", err)
		}
	}
	return group, nil
}

// period is the one of cpu.max, in microseconds: the kernel's own.
const period = 100000

// limitFolder writes the limits down.
func limitFolder(dir string, unified bool, controllers []string, l *Limits) error {
	quota := fmt.Sprint(l.CPUs * period / 1000)
	type setting struct {
		controller, file, value string
		optional                bool // of kernels that were built or started otherwise
	}
	settings := []setting{
		{"memory", "memory.limit_in_bytes", fmt.Sprint(l.Joint()), false},
		{"memory", "memory.memsw.limit_in_bytes", fmt.Sprint(l.Joint()), true},
		{"pids", "pids.max", fmt.Sprint(l.Processes), false},
		{"cpu", "cpu.cfs_period_us", fmt.Sprint(period), false},
		{"cpu", "cpu.cfs_quota_us", quota, false},
	}
	if unified {
		settings = []setting{
			{"memory", "memory.max", fmt.Sprint(l.Joint()), false},
			{"memory", "memory.swap.max", "0", true},
			{"memory", "memory.oom.group", "1", true}, // half a program is no use
			{"pids", "pids.max", fmt.Sprint(l.Processes), false},
			{"cpu", "cpu.max", fmt.Sprintf("%s %d", quota, period), false},
		}
	}
	limited := map[string]bool{"memory": l.Joint() > 0, "pids": l.Processes > 0, "cpu": l.CPUs > 0}
	for _, c := range controllers {
		for _, s := range settings {
			if s.controller != c || !limited[c] {
				continue
			}
			if err := write(filepath.Join(dir, s.file), s.value); err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
	}
	return nil
}

// enter moves this process into a cgroup, and with it all that it will start.
func enter(dirs []string) error {
	for _, dir := range dirs {
		if err := write(filepath.Join(dir, "cgroup.procs"), "0"); err != nil {
			return fmt.Errorf("enter cgroup: %w", err)
		}
	}
	return nil
}

// End kills all that is in the cgroup and removes it. It tells how the program ended, if that was for want of memory.
func (g *Group) End() (how string) {
	if g == nil {
		return ""
	}
	for _, dir := range g.dirs {
		if killedForMemory(dir, g.unified) {
			how = outOfMemory(g.most)
		}
		_ = endFolder(dir) // what is left is tried again when the worker ends, and when the next one starts
	}
	return how
}

// killedForMemory reports whether the kernel has killed a process of the cgroup for its memory.
func killedForMemory(dir string, unified bool) bool {
	name := "memory.oom_control"
	if unified {
		name = "memory.events"
	}
	text, _ := os.ReadFile(filepath.Join(dir, name)) // other hierarchies have none
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return n != "0"
		}
	}
	return false
}

// endTime is how long the end of processes that were killed is waited for.
const endTime = 500 * time.Millisecond

// endFolder kills the processes of a cgroup until there are none, and removes it.
func endFolder(dir string) error {
	_ = write(filepath.Join(dir, "pids.max"), "0") // other hierarchies have none
	for end := time.Now().Add(endTime); ; time.Sleep(time.Millisecond) {
		killFolder(dir)
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}
}

// killFolder kills what is in a cgroup now: all at once where the kernel can.
func killFolder(dir string) {
	if write(filepath.Join(dir, "cgroup.kill"), "1") == nil {
		return
	}
	for _, pid := range processes(dir) {
		if pid > 0 && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// processes are those in a cgroup; 0 is one that this one cannot see.
func processes(dir string) (pids []int) {
	f, err := os.Open(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		pid, _ := strconv.Atoi(lines.Text()) // the kernel writes numbers
		pids = append(pids, pid)
	}
	return pids
}

// write writes to a file of the kernel's, which is there or not.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
