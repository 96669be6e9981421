package host

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapShared makes the memory. Neither side can change its size under the other, and the process cannot write to what the host
// writes: that is sealed before it has it.
func mapShared(size int) (s *shared, err error) {
	s = &shared{}
	defer func() {
		if err != nil {
			s.unmap()
		}
	}()
	const fixed = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if s.args, err = s.region(size, unix.PROT_READ|unix.PROT_WRITE, fixed|unix.F_SEAL_FUTURE_WRITE); err != nil {
		return nil, err
	}
	s.results, err = s.region(size, unix.PROT_READ, fixed)
	return s, err
}

func (s *shared) region(size, protection, seals int) ([]byte, error) {
	fd, err := unix.MemfdCreate("quern-batches", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "quern-batches")
	s.files = append(s.files, f)
	if err := f.Truncate(int64(size)); err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	memory, err := unix.Mmap(fd, 0, size, protection, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(fmt.Errorf("seal shared memory: %w", err), unix.Munmap(memory))
	}
	return memory, nil
}

func (s *shared) unmap() {
	for _, memory := range [][]byte{s.args, s.results} {
		if memory != nil {
			_ = unix.Munmap(memory) // it was mapped
		}
	}
	s.closeFiles()
}
