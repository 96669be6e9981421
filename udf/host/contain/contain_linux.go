package contain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// launcherName is by what a process knows that it is the launcher.
const launcherName = "quern-plugin-launcher"

// socketFolder is the part of a shared folder that a program with a root of its own sees. Short: see unix(7).
const socketFolder = "s"

// nobody is the user that a program of root's becomes: one without files.
const nobody = 65534

// order is what the launcher is told, as its argument.
type order struct {
	Level    Level    `json:"level"`
	Limits   Limits   `json:"limits"`
	Root     string   `json:"root"`   // an empty folder, to build the program's root on
	Shared   string   `json:"shared"` // see Spec
	ReadOnly []string `json:"readOnly,omitempty"`
	Nobody   bool     `json:"nobody"`
	// Keep is how many descriptors the program gets; the one after them is the executable's.
	Keep   int  `json:"keep"`
	Script bool `json:"script"`
	Probe  bool `json:"probe"` // end here instead of becoming the program
	// Groups are the folders of its cgroup, in each hierarchy.
	Groups []string `json:"groups,omitempty"`
}

// Prepare says how to start the program.
func (s *Spec) Prepare() (path string, args []string, attr *os.ProcAttr, err error) {
	o := order{
		Level: s.Level, Limits: s.Limits, Shared: s.Shared, ReadOnly: s.ReadOnly, Nobody: os.Geteuid() == 0,
		Keep: len(s.Files), Script: s.Executable.script,
	}
	if s.Group != nil {
		o.Groups = s.Group.dirs
	}
	if s.Level == Namespaces {
		o.Root = filepath.Join(s.Shared, "root")
		o.Shared = filepath.Join(s.Shared, socketFolder)
		if err := errors.Join(os.Mkdir(o.Root, 0o700), os.Mkdir(o.Shared, 0o700)); err != nil {
			return "", nil, nil, err
		}
	}
	return o.prepare(s.environment(), append(s.Files[:len(s.Files):len(s.Files)], s.Executable.file))
}

// Outside is a path of the program's in Shared, as it is here.
func (s *Spec) Outside(path string) string {
	if rest, ok := strings.CutPrefix(path, inside+"/"); ok && s.Level == Namespaces {
		return filepath.Join(s.Shared, socketFolder, filepath.Base(rest))
	}
	return path
}

func (o *order) prepare(env []string, files []*os.File) (path string, args []string, attr *os.ProcAttr, err error) {
	if o.Nobody {
		if err := os.Chown(o.Shared, nobody, nobody); err != nil {
			o.Nobody = false // a root without rights, of a namespace: it has no other users to become
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return "", nil, nil, err
	}
	sys := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if o.Level == Namespaces {
		o.separate(sys)
	}
	return "/proc/self/exe", []string{launcherName, string(text)}, &os.ProcAttr{Dir: "/", Env: env, Files: files, Sys: sys}, nil
}

// separate has the launcher start in namespaces of its own. In that of users it is root until it has built the rest.
func (o *order) separate(sys *syscall.SysProcAttr) {
	sys.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if !o.Limits.Network {
		sys.Cloneflags |= unix.CLONE_NEWNET
	}
	sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	if o.Nobody {
		other := syscall.SysProcIDMap{ContainerID: nobody, HostID: nobody, Size: 1}
		sys.UidMappings, sys.GidMappings = append(sys.UidMappings, other), append(sys.GidMappings, other)
		sys.GidMappingsEnableSetgroups = true
	}
}

// Here is how well a program can be contained, found out by trying, once.
var Here = sync.OnceValue(func() Capability {
	first := Try(Namespaces)
	if first == nil {
		return Capability{Level: Namespaces}
	}
	second := Try(Landlock)
	if second == nil {
		return Capability{Level: Landlock, Reason: fmt.Sprintf("no namespaces: %v", first)}
	}
	return Capability{Level: Bare, Reason: fmt.Sprintf("no namespaces: %v; no Landlock: %v", first, second)}
})

// Try says why programs cannot be contained at a level here.
func Try(level Level) error { return try(level, nil) }

// try makes a cgroup and has a launcher enter it.
func (g *Groups) try(level Level) error {
	group, err := g.New(&Limits{Memory: 256 << 20, Processes: 64, CPUs: 1000})
	if err != nil {
		return err
	}
	defer group.End()
	return try(level, group.dirs)
}

// try has a launcher do all that it does, but become a program.
func try(level Level, groups []string) error {
	dir, err := os.MkdirTemp("", "quern-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil { // the program may have another user
		return err
	}
	o := order{Level: level, Root: filepath.Join(dir, "root"), Shared: filepath.Join(dir, "socket"), Nobody: os.Geteuid() == 0, Keep: 3, Probe: true, Groups: groups}
	if err := errors.Join(os.Mkdir(o.Root, 0o700), os.Mkdir(o.Shared, 0o700)); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	path, args, attr, err := o.prepare(nil, []*os.File{null, w, w})
	if err != nil {
		return errors.Join(err, w.Close())
	}
	attr.Sys.Pdeathsig = 0 // of the thread, which may end before
	proc, err := os.StartProcess(path, args, attr)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	var said bytes.Buffer
	_ = r.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := said.ReadFrom(r); err != nil {
		_ = proc.Kill()
	}
	state, err := proc.Wait()
	if err != nil {
		return err
	}
	if !state.Success() {
		return fmt.Errorf("%s, %s", state, strings.TrimSpace(said.String()))
	}
	return nil
}
