//go:build unix && !linux

package host

import (
	"os"
	"syscall"
	"time"
)

// reap waits for the end of the process, then kills what is left of its group. There is no portable way to do it in
// the safe order, so a group's id could in theory have been taken over meanwhile.
func (p *process) reap(proc *os.Process) {
	state, err := proc.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	killGroup(proc.Pid)
	p.endLocked(state, err)
}

// bytesWaiting asks how many bytes are in a pipe: FIONREAD.
const bytesWaiting = 0x4004667f

// killGroup kills a group. That there is none left is fine.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// processorTime is not known here.
func processorTime(*process) time.Duration { return 0 }
