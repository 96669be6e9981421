package contain

import "golang.org/x/sys/unix"

// nativeArch is what the kernel calls this processor, forks the system calls that make processes, besides clone.
const nativeArch = unix.AUDIT_ARCH_AARCH64

var forks []uint32
