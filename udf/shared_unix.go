//go:build unix

package udf

import (
	"fmt"
	"os"
	"syscall"

	"github.com/quern-engine/quern/udf/udfpb"
)

// openShared maps the memory that the host shares. Where it shares none, or it cannot be had, batches come in messages.
func openShared() *sharedMemory {
	var in, out int
	if n, err := fmt.Sscanf(os.Getenv(udfpb.SharedVariable), "%d,%d", &in, &out); n != 2 || err != nil {
		return nil
	}
	args, err := mapWhole(in, syscall.PROT_READ)
	if err != nil {
		return nil
	}
	results, err := mapWhole(out, syscall.PROT_READ|syscall.PROT_WRITE)
	if err != nil {
		return nil
	}
	return &sharedMemory{args: args, results: results}
}

func mapWhole(fd, protection int) ([]byte, error) {
	var info syscall.Stat_t
	if err := syscall.Fstat(fd, &info); err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	return syscall.Mmap(fd, 0, int(info.Size), protection, syscall.MAP_SHARED)
}
