package contain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Executable is a program in memory, sealed: its bytes cannot change any more.
type Executable struct {
	file        *os.File
	script      bool // an interpreter opens it again
	interpreter string
}

// Close gives it up. Processes that run it go on.
func (e *Executable) Close() error { return e.file.Close() }

// Interpreter is what a script's first line names, empty for other programs.
func (e *Executable) Interpreter() string { return e.interpreter }

// Seal copies a program into memory that nobody can change any more, and tells the copy's SHA-256: whoever compares it knows
// what will run, whatever happens to the file afterwards.
func Seal(path string) (e *Executable, sum string, err error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer src.Close()
	file, err := memory("quern-plugin")
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	digest := sha256.New()
	if _, err := io.Copy(io.MultiWriter(file, digest), src); err != nil {
		return nil, "", fmt.Errorf("copy %s: %w", path, err)
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, "", fmt.Errorf("seal the copy of %s: %w", path, err)
	}
	head := make([]byte, 256) // as much as the kernel reads of a script's first line
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", fmt.Errorf("read the copy of %s: %w", path, err)
	}
	e = &Executable{file: file}
	if line, script := bytes.CutPrefix(head[:n], []byte("#!")); script {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		e.script = true
		if words := strings.Fields(string(line)); len(words) > 0 {
			e.interpreter = words[0]
		}
	}
	return e, hex.EncodeToString(digest.Sum(nil)), nil
}

// memory is an executable file in memory. Kernels before 6.3 make no other, and do not know the flag.
func memory(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
