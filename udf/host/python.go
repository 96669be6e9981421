package host

import (
	"bufio"
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

// pythonEntry is the file with the functions in the folder of a Python plugin.
const pythonEntry = "plugin.py"

// isPython reports whether a plugin is a Python file, or a folder with a plugin.py and no Go package.
func isPython(path string, info os.FileInfo) bool {
	if !info.IsDir() {
		return strings.HasSuffix(path, ".py")
	}
	if packages, _ := filepath.Glob(filepath.Join(path, "*.go")); len(packages) > 0 { // the pattern is right
		return false
	}
	_, err := os.Stat(filepath.Join(path, pythonEntry))
	return err == nil
}

// pack packs a Python plugin into one executable file: its sources, the path of the interpreter, and what the
// interpreter and the packages of its environment are, which the file checks before it does anything else. The
// interpreter and the packages themselves stay where they are: a worker needs an environment with the same packages at the same path.
func pack(ctx context.Context, path, python, cacheDir string) (exe string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", plan.Failf(plan.FailureUser, "plugin: %w", err)
	}
	interpreter, err := findPython(path, python)
	if err != nil {
		return "", err
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
	cmd := exec.CommandContext(ctx, interpreter, "-I", "-B", "-m", "quern_udf", "pack", path, made)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", packFailure(ctx, path, interpreter, strings.TrimSpace(string(output)), err)
	}
	sum := sha256.Sum256([]byte(path + "\n" + interpreter))
	exe = filepath.Join(out, fmt.Sprintf("%s-%x", strings.TrimSuffix(filepath.Base(path), ".py"), sum[:4]))
	if err := os.Rename(made, exe); err != nil {
		return "", fmt.Errorf("build plugin: %w", err)
	}
	return exe, nil
}

// findPython is the interpreter of a plugin.
func findPython(path, python string) (string, error) {
	folder := path
	if strings.HasSuffix(path, ".py") {
		folder = filepath.Dir(path)
	}
	named := python
	if python == "" {
		named = filepath.Join(folder, ".venv")
	}
	named, err := filepath.Abs(named)
	if err != nil {
		return "", plan.Failf(plan.FailureUser, "plugin %s: %w", path, err)
	}
	interpreter := named
	if info, err := os.Stat(named); python == "" || (err == nil && info.IsDir()) {
		interpreter = filepath.Join(named, "bin", "python")
	}
	if info, err := os.Stat(interpreter); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		venv := filepath.Dir(filepath.Dir(interpreter))
		return "", plan.Failf(plan.FailureUser, "plugin %s: there is no Python interpreter %s: make a virtual environment with\n"+
			"  python3 -m venv %s\n  %s -m pip install quern-udf\nor name another one with python: in the job file", path, interpreter, venv, interpreter)
	}
	// By its real path, which is what a contained process can be shown. The last part stays: Python finds by it of which
	// environment it is.
	folder, err = filepath.EvalSymlinks(filepath.Dir(interpreter))
	if err != nil {
		return "", plan.Failf(plan.FailureUser, "plugin %s: %w", path, err)
	}
	return filepath.Join(folder, filepath.Base(interpreter)), nil
}

func packFailure(ctx context.Context, path, interpreter, output string, err error) error {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("build plugin %s: %w", path, context.Cause(ctx))
	case !errors.As(err, &exit):
		return plan.Failf(plan.FailureUser, "plugin %s: run %s: %w", path, interpreter, err)
	case strings.HasSuffix(output, "No module named quern_udf"):
		return plan.Failf(plan.FailureUser, "plugin %s: the environment of %s has no package quern-udf: install it with\n  %s -m pip install quern-udf",
			path, interpreter, interpreter)
	}
	return plan.Failf(plan.FailureUser, "plugin %s cannot be packed: %s", path, clip(output))
}

// pythonFolders is what a script may read for its interpreter's sake: the virtual environment that the interpreter is of,
// and the installation of Python that this was made from. Each has to look like what it is, so that a script cannot name
// any folder that it would like to read.
func pythonFolders(interpreter string) []string {
	if !filepath.IsAbs(interpreter) {
		return nil
	}
	prefix := filepath.Dir(filepath.Dir(filepath.Clean(interpreter)))
	home, ok := venvHome(prefix)
	switch {
	case ok && isInstallation(filepath.Dir(home)):
		return []string{prefix, filepath.Dir(home)}
	case ok:
		return []string{prefix}
	case isInstallation(prefix):
		return []string{prefix}
	}
	return nil
}

// venvHome is the folder with the interpreter that a virtual environment was made with.
func venvHome(prefix string) (string, bool) {
	f, err := os.Open(filepath.Join(prefix, "pyvenv.cfg"))
	if err != nil {
		return "", false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok && strings.TrimSpace(key) == "home" {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// isInstallation reports whether a folder has Python's standard library. The root folder may have, and is much more than that.
func isInstallation(prefix string) bool {
	if prefix == "/" {
		return false
	}
	found, _ := filepath.Glob(filepath.Join(prefix, "lib", "python3*", "os.py")) // the pattern is right
	return len(found) > 0
}
