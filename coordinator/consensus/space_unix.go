//go:build unix

package consensus

import "syscall"

// enough is how much free space is never called low, on a file system of any size.
const enough = 64 << 20

// space is how many bytes a file system has left, and whether that is less than a coordinator may soon need.
func space(dir string) (free uint64, low bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	free = s.Bavail * uint64(s.Bsize)
	return free, free < min(enough, s.Blocks*uint64(s.Bsize)/20)
}
