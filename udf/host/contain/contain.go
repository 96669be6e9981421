// Package contain starts a program that nobody vouches for, with as little of the machine in its reach as the kernel lets an
// ordinary process arrange.
//
// The program is executed from a sealed copy in memory, so that what was checked is what runs. Between fork and exec this
// very binary runs once more, as the launcher: it builds the program's surroundings from inside, gives up every
// privilege, and becomes the program. What it can do depends on the kernel and on who runs the worker; Here tells, once
// for a process, by trying:
//
//   - Namespaces: users, mounts, processes, network, IPC. The program sees the system's folders read-only, a temporary
//     folder in memory, its own processes, and no network. All its processes end with the first.
//   - Landlock: where namespaces are not allowed. The same files by Landlock rules; no sockets but the one to the worker,
//     and no child processes, by a system call filter.
//   - Bare: on kernels and systems with neither. A process group, and limits where the system has them.
//
// Limits of memory, CPU time, open files and processes are the kernel's (rlimits) at each level. Where this process may make
// cgroups, with the controllers of memory and processes, each program has one besides: its processes are then limited
// together, and end together.
package contain

import (
	"fmt"
	"os"
	"time"
)

// Level is how well a program can be contained here.
type Level string

// Levels, best first.
const (
	Namespaces Level = "namespaces"
	Landlock   Level = "landlock"
	Bare       Level = "bare"
)

// Limits bound what a program takes. Zero means no limit, but for Network.
type Limits struct {
	Memory    int64         `json:"memory,omitempty"`    // bytes of private memory, for each of its processes
	CPU       time.Duration `json:"cpu,omitempty"`       // of processor time, for each of its processes; in whole seconds
	OpenFiles uint64        `json:"openFiles,omitempty"` // for each of its processes
	Processes uint64        `json:"processes,omitempty"` // and threads; kept in namespaces and cgroups only
	Temporary int64         `json:"temporary,omitempty"` // bytes in its temporary folder; kept in namespaces only
	CPUs      int64         `json:"cpus,omitempty"`      // thousandths of a processor, for all of its processes together; kept in cgroups only
	Network   bool          `json:"network,omitempty"`   // it may use the machine's network
}

// Spec is a program to start.
type Spec struct {
	Level Level
	Limits
	Executable *Executable
	Env        []string
	// Shared is a folder that the program may write to, for its socket. Inside tells by what path it knows it.
	Shared string
	// Group is a cgroup for the program alone; nil for none.
	Group *Group
	// ReadOnly are files and folders that the program may read, by the same paths, besides the system's.
	ReadOnly []string
	// Files are standard input, output and error, then what it inherits as 3, 4, …
	Files []*os.File
}

// inside is the folder for the socket where the program has a root of its own, temporary the one for its own files.
const (
	inside    = "/run/quern"
	temporary = "/tmp"
)

// Inside is the path by which the program knows Shared.
func (s *Spec) Inside() string {
	if s.Level == Namespaces {
		return inside
	}
	return s.Shared
}

// environment is the program's: what it was given, and what programs expect there to be.
func (s *Spec) environment() []string {
	home := s.Shared
	if s.Level == Namespaces {
		home = temporary
	}
	return append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8", "TZ=UTC"}, s.Env...)
}

// Capability is what Here has found.
type Capability struct {
	Level  Level
	Reason string // why not a better one
}

// String is for the log.
func (c Capability) String() string {
	if c.Reason == "" {
		return string(c.Level)
	}
	return fmt.Sprintf("%s (%s)", c.Level, c.Reason)
}
