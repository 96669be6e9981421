package contain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// workerGroup is the name of the cgroup of version 2 that a worker is in itself, beside those of its programs: there, only cgroups
// without processes may limit the ones below them. With DelegateSubgroup=, systemd makes it.
const workerGroup = "quern-worker"

// place is a cgroup that this process is in, in one hierarchy.
type place struct {
	dir         string
	unified     bool // version 2
	controllers []string
}

// wanted are the controllers that limits need, cpu only if there is one.
var wanted = []string{"memory", "pids", "cpu"}

// places are the cgroups of this process, as far as their folders are to be seen.
func places() []place {
	cgroups, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return parsePlaces(string(cgroups), string(mounts), func(dir string) []string {
		text, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		return strings.Fields(string(text))
	})
}

// parsePlaces reads what the kernel says in /proc; available tells the controllers of a cgroup of version 2.
func parsePlaces(cgroups, mounts string, available func(dir string) []string) (all []place) {
	for line := range strings.Lines(cgroups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)   // number:controllers:path
		if len(parts) != 3 || strings.HasPrefix(parts[2], "/..") { // the latter is outside of what a container sees
			continue
		}
		p := place{unified: parts[1] == ""}
		if !p.unified {
			p.controllers = only(strings.Split(parts[1], ","))
		}
		if p.dir = mounted(mounts, p, parts[2]); p.dir == "" {
			continue
		}
		if p.unified {
			p.controllers = only(available(p.dir))
		}
		if len(p.controllers) > 0 || p.unified {
			all = append(all, p)
		}
	}
	return all
}

// only leaves those controllers that limits need.
func only(controllers []string) []string {
	return slices.DeleteFunc(slices.Clone(controllers), func(c string) bool { return !slices.Contains(wanted, c) })
}

// mounted is where a cgroup's folder is, or "".
func mounted(mounts string, p place, path string) string {
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ") // see proc_pid_mountinfo(5)
		own, kind := strings.Fields(before), strings.Fields(after)
		if len(own) < 5 || len(kind) < 3 {
			continue
		}
		if p.unified && kind[0] != "cgroup2" || !p.unified && (kind[0] != "cgroup" || !has(kind[2], p.controllers)) {
			continue
		}
		root, at := unescape(own[3]), unescape(own[4])
		if rest, err := filepath.Rel(root, path); err == nil && rest != ".." && !strings.HasPrefix(rest, "../") {
			return filepath.Join(at, rest)
		}
	}
	return ""
}

// has reports that a hierarchy, by its mount's options, is that of these controllers.
func has(options string, controllers []string) bool {
	list := strings.Split(options, ",")
	return len(controllers) > 0 && !slices.ContainsFunc(controllers, func(c string) bool { return !slices.Contains(list, c) })
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// choose is where cgroups are to be made: version 2 if it has what limits need, or the hierarchies of version 1 that have.
func choose(all []place) ([]place, error) {
	var old []place
	var have []string
	for _, p := range all {
		if p.unified && slices.Contains(p.controllers, "memory") && slices.Contains(p.controllers, "pids") {
			at, err := delegated(p)
			return []place{at}, err
		}
		if !p.unified {
			old, have = append(old, p), append(have, p.controllers...)
		}
	}
	if slices.Contains(have, "memory") && slices.Contains(have, "pids") {
		return old, nil
	}
	return nil, errors.New("the worker's cgroup has no controllers of memory and processes, or is not mounted")
}

// delegated is the cgroup of version 2 below which this process may make others. It has to be empty of processes: if this one is
// alone in it, it moves to one below.
func delegated(p place) (place, error) {
	if filepath.Base(p.dir) == workerGroup {
		p.dir = filepath.Dir(p.dir)
		return p, enable(p.dir, p.controllers)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "cgroup.type")); err != nil {
		return p, errors.New("the worker is in the root of all cgroups")
	}
	if in := processes(p.dir); len(in) != 1 || in[0] != os.Getpid() {
		return p, fmt.Errorf("the worker is not alone in its cgroup %s: there are %d processes", p.dir, len(in))
	}
	own := filepath.Join(p.dir, workerGroup)
	if err := os.Mkdir(own, 0o755); err != nil {
		return p, fmt.Errorf("the worker's cgroup is not delegated to it: %w", err)
	}
	err := enter([]string{own})
	if err == nil {
		if err = enable(p.dir, p.controllers); err == nil {
			return p, nil
		}
		err = errors.Join(err, enter([]string{p.dir}))
	}
	return p, errors.Join(err, os.Remove(own))
}

// enable has a cgroup of version 2 limit those below it.
func enable(dir string, controllers []string) error {
	for _, c := range controllers {
		if err := write(filepath.Join(dir, "cgroup.subtree_control"), "+"+c); err != nil {
			return fmt.Errorf("limit %s below cgroup %s: %w", c, dir, err)
		}
	}
	return nil
}
