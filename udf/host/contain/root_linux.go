package contain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// systemFolders and systemFiles are what a program may read of the system: programs, libraries, time zones and certificates,
// and not what is of this machine, such as keys. What does not exist is left out.
var (
	systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}
	systemFiles   = []string{
		"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/mime.types", "/etc/passwd",
		"/etc/group", "/etc/pki", "/etc/ssl", "/etc/nsswitch.conf", "/etc/protocols", "/etc/services",
	}
	networkFiles = []string{"/etc/hosts", "/etc/resolv.conf"}
	devices      = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}
)

// readable is all that may be read.
func (o *order) readable() []string {
	all := append(append(append([]string{}, systemFolders...), systemFiles...), o.ReadOnly...)
	if o.Limits.Network {
		all = append(all, networkFiles...)
	}
	return all
}

// enterRoot builds a root folder in memory and makes it this process's.
func (o *order) enterRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("detach mounts: %w", err)
	}
	if err := unix.Mount("quern", o.Root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=1m"); err != nil {
		return fmt.Errorf("mount a root: %w", err)
	}
	// First, lest they hide what may be read below them.
	if err := o.mounts(); err != nil {
		return err
	}
	for _, path := range o.readable() {
		if err := o.bind(path, path, true); err != nil {
			return err
		}
	}
	for _, path := range devices {
		if err := o.bind(path, path, false); err != nil {
			return err
		}
	}
	// Interpreters of scripts open the descriptor that they are given.
	if err := os.Symlink("/proc/self/fd", filepath.Join(o.Root, "/dev/fd")); err != nil {
		return err
	}
	if err := o.bind(o.Shared, inside, false); err != nil {
		return err
	}
	if err := unix.Chdir(o.Root); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("make the root read-only: %w", err)
	}
	return unix.Chdir("/")
}

// mounts adds the file systems that are the program's own.
func (o *order) mounts() error {
	size := "mode=1777"
	if o.Limits.Temporary > 0 {
		size += fmt.Sprintf(",size=%d", o.Limits.Temporary)
	}
	for _, path := range []string{temporary, "/dev/shm"} {
		at := filepath.Join(o.Root, path)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("quern", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, size); err != nil {
			return fmt.Errorf("mount %s: %w", path, err)
		}
	}
	at := filepath.Join(o.Root, "proc")
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	// Some containers do not allow it. Most programs can do without.
	if err := unix.Mount("proc", at, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// bind shows a file or folder in the new root. A symbolic link becomes one; what does not exist is left out.
func (o *order) bind(path, as string, readOnly bool) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("show %s: %w", path, err)
	}
	at := filepath.Join(o.Root, as)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return o.link(path, at)
	case info.IsDir():
		err = os.MkdirAll(at, 0o755)
	default:
		err = os.WriteFile(at, nil, 0o600)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(path, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("show %s: %w", path, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if readOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("protect %s: %w", path, err)
	}
	return nil
}

func (o *order) link(path, at string) error {
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	return os.Symlink(target, at)
}
