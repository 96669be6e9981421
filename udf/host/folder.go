package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// folderPattern is of the folders in which hosts have the sockets of their processes.
const folderPattern = "quern-plugins-*"

// folder is where a host has the sockets of its processes, each in a folder of its own. A lock says that it is in use:
// what a killed worker left behind is removed by the next one on the machine.
type folder struct {
	path string
	lock *os.File
}

// temporaryFolder is where the folders are. The path of a socket has 107 bytes at most, which deep folders do not leave.
func temporaryFolder() string {
	const most = 40
	if dir := os.TempDir(); len(dir) <= most {
		return dir
	}
	return "/tmp"
}

func newFolder() (*folder, error) {
	removeAbandoned()
	path, err := os.MkdirTemp(temporaryFolder(), folderPattern)
	if err != nil {
		return nil, fmt.Errorf("folder for plugins: %w", err)
	}
	// Processes have users of their own, and each its folder in this one.
	if err := os.Chmod(path, 0o711); err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	lock, err := os.Create(filepath.Join(path, "lock"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	f := &folder{path: path, lock: lock}
	if _, err := tryLock(lock); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	return f, nil
}

// removeAbandoned removes the folders of hosts that are no more, as far as this user may.
func removeAbandoned() {
	paths, _ := filepath.Glob(filepath.Join(temporaryFolder(), folderPattern)) // the pattern is right
	for _, path := range paths {
		lock, err := os.Open(filepath.Join(path, "lock"))
		if err != nil {
			continue // just being made, or somebody else's
		}
		if free, err := tryLock(lock); free && err == nil {
			_ = os.RemoveAll(path) // the next one tries again
		}
		lock.Close()
	}
}

func (f *folder) remove() error {
	if f == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(f.path), f.lock.Close())
}

// sockets is the folder, made by the first start.
func (h *Host) sockets() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.folder == nil {
		f, err := newFolder()
		if err != nil {
			return "", err
		}
		h.folder = f
	}
	return h.folder.path, nil
}
