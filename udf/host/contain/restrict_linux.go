package contain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// restrictFiles allows the program the same files that it would have in a root of its own, and its shared folder to write to.
// Kernels know more or fewer kinds of access; all that this one knows are denied elsewhere.
func (o *order) restrictFiles() error {
	if version, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); errno != 0 || version == 0 {
		return fmt.Errorf("the kernel has none: %w", errno)
	}
	rules := []landlock.Rule{landlock.RWFiles(devices...).IgnoreIfMissing(), landlock.RWDirs(o.Shared)}
	for _, path := range o.readable() {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission): // of a folder that this user may not enter
		case err != nil:
			return err
		case info.IsDir():
			rules = append(rules, landlock.RODirs(path))
		default:
			rules = append(rules, landlock.ROFiles(path))
		}
	}
	config := landlock.V11.BestEffort()
	if o.Limits.Network {
		return config.RestrictPaths(rules...)
	}
	return config.Restrict(rules...)
}
