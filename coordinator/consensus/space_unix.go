//go:build unix

package consensus

import "syscall"

// enough is how much free space is never called low, on a file system of any size.
const enough = 64 << 20

// space is how many bytes a file system has left, and whether that is less than a coordinator may soon need (low), or less
// than one more log entry may take (none).
func space(dir string) (free uint64, low, none bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false, false
	}
	free = s.Bavail * uint64(s.Bsize)
	limit := min(enough, s.Blocks*uint64(s.Bsize)/20)
	return free, free < limit, free < limit/8
}
