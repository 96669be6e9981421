package host

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// printed is the read end of a pipe that tells whether what was written to it by some time has been read and dealt with. It has one
// reader.
type printed struct {
	*os.File

	mu    sync.Mutex // held while bytes leave the pipe; guards the following
	read  int64      // bytes that the reader has got
	dealt int64      // of those, bytes that it had when it last came back for more
	ended bool       // it will not come back
}

// Read is as a file's.
func (p *printed) Read(b []byte) (n int, err error) {
	conn, err := p.File.SyscallConn()
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	p.dealt = p.read
	p.mu.Unlock()
	defer func() {
		if err != nil {
			p.mu.Lock()
			p.ended = true
			p.mu.Unlock()
		}
	}()
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
		p.read += int64(max(n, 0))
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

// written is how many bytes have been written so far.
func (p *printed) written() int64 {
	conn, err := p.File.SyscallConn()
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := 0
	if err == nil {
		_ = conn.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), bytesWaiting) }) // closed, it has none
	}
	return p.read + int64(waiting)
}

// settled reports that so many bytes have been dealt with, or no more will be.
func (p *printed) settled(written int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended || p.dealt >= written
}
