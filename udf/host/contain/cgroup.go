package contain

import "fmt"

// Joint is the memory that all processes of a program may have together where it has a cgroup: what one may have, and, since these
// are memory too, its temporary files and what it shares with the worker. 0 is no limit.
func (l *Limits) Joint() int64 {
	if l.Memory == 0 {
		return 0
	}
	return l.Memory + l.Temporary + sharedMemory
}

// sharedMemory is for answers in memory that the worker shares with the program: it is charged to who writes there first.
const sharedMemory = 64 << 20

// outOfMemory says how a program ended of whose cgroup the kernel has killed a process.
func outOfMemory(most int64) string {
	return fmt.Sprintf(", out of memory: its processes took more than the %d MiB that they may have together", most>>20)
}
