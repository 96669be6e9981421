package task

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/quern-engine/quern/plan"
)

// remedied makes a failure for lack of room or of file descriptors one of storage, which another worker may not have, and says
// what to do about it.
func (e *Env) remedied(f *plan.Failure) *plan.Failure {
	if f.Kind != plan.FailureInternal && f.Kind != plan.FailureStorage {
		return f
	}
	text := ""
	switch {
	case errors.Is(f, syscall.ENOSPC):
		text = "the disk is full: free space (or inodes) " + e.place(f)
	case errors.Is(f, syscall.EDQUOT):
		text = "the disk quota of the worker's user is used up: raise it, or free space " + e.place(f)
	case errors.Is(f, syscall.EMFILE):
		text = "the worker has as many files open as it may: raise the limit (ulimit -n, LimitNOFILE=), or lower --slots"
	case errors.Is(f, syscall.ENFILE):
		text = "the machine has as many files open as it may: raise fs.file-max"
	default:
		return f
	}
	f.Kind = plan.FailureStorage
	f.Message += "; " + text
	return f
}

// place is where room is needed. The message names the file, or the URL.
func (e *Env) place(f *plan.Failure) string {
	own := filepath.Dir(e.Scratch)
	if e.Scratch == "" || !strings.Contains(f.Message, own+string(filepath.Separator)) {
		return "there"
	}
	return fmt.Sprintf("in %s, or start the worker with a --scratch folder on a larger disk", filepath.Dir(own))
}
