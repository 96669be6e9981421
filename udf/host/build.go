package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// Build makes a plugin's executable from what a job names: a folder with a Go package is compiled into cacheDir, a Python file
// or a folder with a plugin.py is packed there, an executable file is taken as it is. python is the interpreter or virtual
// environment of Python sources, when empty the .venv beside them. Builds are reproducible, so the same source gives the same digest.
func Build(ctx context.Context, path, python, cacheDir string) (exe string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", plan.Failf(plan.FailureUser, "plugin: %w", err)
	}
	if isPython(path, info) {
		return pack(ctx, path, python, cacheDir)
	}
	if python != "" {
		return "", plan.Failf(plan.FailureUser, "plugin %s: an interpreter was named, but it is neither a Python file nor a folder with a %s", path, pythonEntry)
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return "", plan.Failf(plan.FailureUser, "plugin %s: neither an executable file, nor a Python file, nor the folder of a Go package", path)
		}
		return path, nil
	}
	return compile(ctx, path, cacheDir)
}

func compile(ctx context.Context, dir, cacheDir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", plan.Failf(plan.FailureUser, "plugin: %w", err)
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", plan.Failf(plan.FailureUser, "plugin %s is a Go package, but there is no go command here to build it: "+
			"install Go, or name an executable", dir)
	}
	out := filepath.Join(cacheDir, "build")
	if err := os.MkdirAll(out, 0o700); err != nil {
		return "", fmt.Errorf("build plugin: %w", err)
	}
	tmp, err := os.MkdirTemp(out, ".build-")
	if err != nil {
		return "", fmt.Errorf("build plugin: %w", err)
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, "plugin")
	sum := sha256.Sum256([]byte(dir))
	exe := filepath.Join(out, fmt.Sprintf("%s-%x", filepath.Base(dir), sum[:4]))
	// The go command leaves an executable alone that it finds up to date, and links, for more than a second, one that it
	// does not find. It replaces a stale one rather than write into it, so the last build may share its file with this. Where that
	// cannot be, or there was none, it links.
	_ = os.Link(exe, made)
	cmd := exec.CommandContext(ctx, tool, "build", "-trimpath", "-buildvcs=false", "-o", made, ".")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", buildFailure(ctx, dir, output, err)
	}
	// go build writes an archive, not a program, for a package that is not main.
	if info, err := os.Stat(made); err != nil || info.Mode()&0o111 == 0 {
		return "", plan.Failf(plan.FailureUser, "plugin %s: not a main package", dir)
	}
	if err := os.Rename(made, exe); err != nil {
		return "", fmt.Errorf("build plugin: %w", err)
	}
	return exe, nil
}

func buildFailure(ctx context.Context, dir string, output []byte, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("build plugin %s: %w", dir, context.Cause(ctx))
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("build plugin %s: %w", dir, err)
	}
	return plan.Failf(plan.FailureUser, "plugin %s does not compile:\n%s", dir, clip(strings.TrimSpace(string(bytes.TrimSpace(output)))))
}
