package host

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// printed is the read end of a pipe that tells whether all that was written to it has been read and dealt with. It has one reader.
type printed struct {
	*os.File

	mu      sync.Mutex // held while bytes leave the pipe
	handing bool       // the reader has got some and has not come back for more; guarded by mu
}

// Read is as a file's.
func (p *printed) Read(b []byte) (n int, err error) {
	conn, err := p.File.SyscallConn()
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	p.handing = false
	p.mu.Unlock()
	var failed error
	err = conn.Read(func(fd uintptr) (done bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for {
			n, failed = syscall.Read(int(fd), b)
			if failed != syscall.EINTR {
				break
			}
		}
		p.handing = n > 0
		return failed != syscall.EAGAIN
	})
	switch err = errors.Join(err, failed); {
	case err != nil:
		return 0, err
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// settled reports that nothing is in the pipe, and that the reader waits for more.
func (p *printed) settled() bool {
	conn, err := p.File.SyscallConn()
	if err != nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	empty := true
	_ = conn.Control(func(fd uintptr) { // an error means that it is closed
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, 0)
		empty = err == nil && (n == 0 || polled[0].Revents&unix.POLLIN == 0)
	})
	return empty && !p.handing
}
