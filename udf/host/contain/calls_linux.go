package contain

import (
	"errors"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// never are system calls that no function needs, and that have let programs out of their cage, or into other processes.
var never = []uint32{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_FSOPEN, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_SWAPON, unix.SYS_REBOOT,
}

// Where a filter finds what it looks at.
const (
	callAt  = 0
	archAt  = 4
	firstAt = 16 // the low half of the first argument, on little-endian machines
)

// x32 marks calls of a second table of x86-64, which this filter would miss.
const x32 = 0x40000000

// filterCalls denies system calls to this process and its children.
func filterCalls(level Level, network bool) error {
	if nativeArch == 0 {
		return errors.New("not on this kind of processor")
	}
	raw, err := bpf.Assemble(filter(level, network))
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

// filter is the program: what it does not deny is allowed.
func filter(level Level, network bool) []bpf.Instruction {
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: nativeArch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		bpf.LoadAbsolute{Off: callAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32, SkipTrue: 1},
		fail(unix.ENOSYS),
	}
	deny := func(reason unix.Errno, calls ...uint32) {
		for _, c := range calls {
			prog = append(prog, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: c, SkipTrue: 1}, fail(reason))
		}
	}
	unless := func(cond bpf.JumpTest, val uint32, reason unix.Errno, call uint32) {
		prog = append(prog, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 4},
			bpf.LoadAbsolute{Off: firstAt, Size: 4}, bpf.JumpIf{Cond: cond, Val: val, SkipTrue: 1}, fail(reason), allow)
	}
	deny(unix.EPERM, never...)
	if !network {
		unless(bpf.JumpEqual, unix.AF_UNIX, unix.EACCES, unix.SYS_SOCKET) // of vsock there is one for all namespaces
	}
	if level == Landlock {
		// Nothing would end a child process with its parent.
		deny(unix.EPERM, forks...)
		deny(unix.ENOSYS, unix.SYS_CLONE3) // its flags are out of sight; libraries fall back on clone
		unless(bpf.JumpBitsSet, unix.CLONE_THREAD, unix.EPERM, unix.SYS_CLONE)
		deny(unix.EPERM, unix.SYS_SETPGID)
		if !network {
			deny(unix.EACCES, unix.SYS_CONNECT) // to what listens in files, such as a bus or a container's daemon
		}
	}
	return append(prog, allow)
}

var allow = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}

func fail(reason unix.Errno) bpf.Instruction {
	return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(reason)}
}
