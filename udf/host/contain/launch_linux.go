package contain

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// init is where a process finds that it is the launcher. It is here, and not in each main function, because then no binary
// that starts plugins can forget it, tests among them.
func init() {
	if len(os.Args) == 2 && os.Args[0] == launcherName {
		runtime.LockOSThread() // what is given up is given up by the thread that becomes the program
		fmt.Fprintf(os.Stderr, "%s: %v\n", launcherName, launch(os.Args[1]))
		os.Exit(125)
	}
}

// launch builds the surroundings and becomes the program. It returns only to say why it did not.
func launch(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	if err := enter(o.Groups); err != nil {
		return err
	}
	if o.Level == Namespaces {
		if err := o.enterRoot(); err != nil {
			return err
		}
	}
	if err := o.drop(); err != nil {
		return err
	}
	if o.Level == Landlock {
		if err := o.restrictFiles(); err != nil {
			return fmt.Errorf("landlock: %w", err)
		}
	}
	if err := o.limit(); err != nil {
		return err
	}
	if o.Level != Bare {
		if err := filterCalls(o.Level, o.Limits.Network); err != nil {
			return fmt.Errorf("filter system calls: %w", err)
		}
	}
	if o.Probe {
		os.Exit(0)
	}
	return o.become()
}

// drop gives up all privileges, for good: other users, capabilities, and those that executing a file could give.
func (o *order) drop() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		// Of a process without the right to, the bounding set is empty in effect: see no_new_privs.
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
	if o.Nobody {
		// Of this thread only, which is the one that goes on.
		for _, call := range [][4]uintptr{{unix.SYS_SETGROUPS, 0, 0, 0}, {unix.SYS_SETRESGID, nobody, nobody, nobody}, {unix.SYS_SETRESUID, nobody, nobody, nobody}} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				return fmt.Errorf("become nobody: %w", errno)
			}
		}
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&head, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return o.dieWithParent()
}

// dieWithParent has the kernel kill this process when the worker goes; a change of users has undone that. If the worker went
// in between, the other end of standard output is closed.
func (o *order) dieWithParent() error {
	if o.Probe {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("die with the worker: %w", err)
	}
	stdout := []unix.PollFd{{Fd: 1}}
	if _, err := unix.Poll(stdout, 0); err == nil && stdout[0].Revents&unix.POLLERR != 0 {
		return errors.New("the worker is gone")
	}
	return nil
}

// limit sets the limits of this process, which its children inherit.
func (o *order) limit() error {
	l := o.Limits
	set := map[int]uint64{
		unix.RLIMIT_DATA: uint64(l.Memory), unix.RLIMIT_CPU: uint64((l.CPU + time.Second - 1) / time.Second), unix.RLIMIT_NOFILE: l.OpenFiles,
	}
	if o.Level == Namespaces { // elsewhere the kernel counts all processes of the user together
		set[unix.RLIMIT_NPROC] = l.Processes
	}
	for which, most := range set {
		if most == 0 {
			continue
		}
		if err := lower(which, most); err != nil {
			return err
		}
	}
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// lower sets a limit, unless there is a lower one. It asks the kernel itself: Go would put the number of open files back.
func lower(which int, most uint64) error {
	var now unix.Rlimit
	if err := unix.Prlimit(0, which, nil, &now); err != nil {
		return fmt.Errorf("read limit %d: %w", which, err)
	}
	most = min(most, now.Max)
	if err := unix.Prlimit(0, which, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
		return fmt.Errorf("set limit %d to %d: %w", which, most, err)
	}
	return nil
}

// become executes the program, with its descriptors and no others.
func (o *order) become() error {
	executable := o.Keep
	first := executable
	if o.Script { // its interpreter opens it once more
		first++
	}
	if err := unix.CloseRange(uint(first), math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close descriptors: %w", err)
	}
	name, err := unix.BytePtrFromString("")
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings([]string{"plugin"})
	if err != nil {
		return err
	}
	envv, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(executable), uintptr(unsafe.Pointer(name)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	if o.Script {
		return fmt.Errorf("execute: %w: the interpreter is not there, or is in a folder that the plugin cannot enter", errno)
	}
	return fmt.Errorf("execute: %w", errno)
}
