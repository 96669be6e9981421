package host

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

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

// bytesWaiting asks how many bytes are in a pipe: FIONREAD.
const bytesWaiting = unix.TIOCINQ

// killGroup kills a process and its group: in its own namespace everything ends with it. That there is none left is fine.
func killGroup(pid int) {
	_ = syscall.Kill(pid, syscall.SIGKILL)
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

// processorTime is what the process has used so far; zero when it has ended.
func processorTime(p *process) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 || p.reaped {
		return 0
	}
	var used unix.Timespec
	clock := int32(^p.pid<<3 | 2) // the kernel's name for the clock of another process
	if err := unix.ClockGettime(clock, &used); err != nil {
		return 0
	}
	return time.Duration(used.Nano())
}
