//go:build unix && !linux

package contain

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Here is how well a program can be contained.
func Here() Capability { return Capability{Level: Bare, Reason: "this system is not Linux"} }

// Try says why programs cannot be contained at a level here.
func Try(level Level) error {
	if level == Bare {
		return nil
	}
	return errors.New("this system is not Linux")
}

// Executable is a program's file.
type Executable struct{ path string }

// Close has nothing to give up.
func (e *Executable) Close() error { return nil }

// Interpreter is for containment, of which there is none here.
func (e *Executable) Interpreter() string { return "" }

// Seal fixes a file's bytes, which have been checked. There is no way to do so here: the file's mode has to do.
func Seal(path string) (*Executable, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil {
		return nil, "", fmt.Errorf("read %s: %w", path, err)
	}
	return &Executable{path: path}, hex.EncodeToString(digest.Sum(nil)), nil
}

// Prepare says how to start the program.
func (s *Spec) Prepare() (path string, args []string, attr *os.ProcAttr, err error) {
	return s.Executable.path, []string{s.Executable.path}, &os.ProcAttr{
		Dir: "/", Env: s.environment(), Files: s.Files, Sys: &syscall.SysProcAttr{Setpgid: true},
	}, nil
}

// Outside is a path of the program's in Shared, as it is here.
func (s *Spec) Outside(path string) string { return path }
