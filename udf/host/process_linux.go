package host

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupAttr puts the child into a group of its own, and has it killed when its parent dies.
func groupAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// reap waits for the end of the process and kills what is left of its group before it is reaped: until then its id,
// which is the group's, cannot belong to anybody else.
func (p *process) reap(proc *os.Process) {
	for errors.Is(unix.Waitid(unix.P_PID, proc.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	killGroup(proc.Pid)
	p.endLocked(proc.Wait())
}

// killGroup kills a group. That there is none left is fine.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
