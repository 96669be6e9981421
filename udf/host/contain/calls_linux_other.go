//go:build !amd64 && !arm64

package contain

// nativeArch is what the kernel calls this processor: none that the filter knows.
const nativeArch = 0

var forks []uint32
