package host

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/udf/host/contain"
)

// A Python plugin finds its interpreter and its packages at each level, a numerical library among them, and nothing of its own sources.
func TestPythonIsContained(t *testing.T) {
	venv := filepath.Join("..", "python", ".venv")
	if _, err := os.Stat(venv); err != nil {
		t.Skip("no environment: udf/python/run makes it")
	}
	dir := writeFiles(t, map[string]string{"plugin.py": `
import sklearn.linear_model
from quern_udf import scalar

@scalar
def fitted(x: int) -> float:
    model = sklearn.linear_model.LinearRegression().fit([[0], [1], [2]], [1, 3, 5])
    return round(float(model.predict([[x]])[0]), 6)

@scalar
def reads(path: str) -> str:
    try:
        return open(path).read()
    except OSError as e:
        return f"no: {e}"
`})
	exe, err := Build(t.Context(), dir, venv, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	levels(t, func(t *testing.T, level contain.Level) {
		if level == contain.Landlock && !reachable(t, exe) {
			t.Skip("the interpreter is in a folder that only root may enter")
		}
		_, f, _ := open(t, exe, at(level))
		if got := ask(t, f, "fitted", ints(t, 10)); got != "21" {
			t.Errorf("the model gives %s", got)
		}
		for _, path := range []string{filepath.Join(dir, "plugin.py"), exe, "/etc/hostname"} {
			if got := ask(t, f, "reads", strs(t, path)); !strings.HasPrefix(got, "no: ") {
				t.Errorf("%s can be read: %q", path, got)
			}
		}
	})
}

// reachable reports whether any user may enter the folders that a script's interpreter is in.
func reachable(t *testing.T, exe string) bool {
	t.Helper()
	text, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(text, []byte(" "))
	path, err := filepath.EvalSymlinks(strings.TrimPrefix(string(line), "#!"))
	if err != nil {
		t.Fatal(err)
	}
	for path != "/" {
		path = filepath.Dir(path)
		if info, err := os.Stat(path); err != nil || info.Mode()&0o001 == 0 {
			return false
		}
	}
	return true
}
