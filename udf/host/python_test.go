package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/quern-engine/quern/plan"
)

// writeFiles makes files with texts below a new folder.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What a packed plugin does is tested in udf/python, where there is an environment for it.
func TestPythonPluginsThatCannotBePacked(t *testing.T) {
	dir := writeFiles(t, map[string]string{"plugin.py": "", "one.py": "", "both/plugin.py": "", "both/x.go": "package x", "program": "#!/bin/sh\n"})
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		interpreter = ""
	}
	for _, c := range []struct{ path, python, want string }{
		{"", "", "there is no Python interpreter " + dir + "/.venv/bin/python: make a virtual environment with\n  python3 -m venv " + dir + "/.venv\n"},
		{"one.py", "nowhere/bin/python", "there is no Python interpreter "},
		{"one.py", dir, "there is no Python interpreter " + dir + "/bin/python"},
		{"program", "/usr", "program: an interpreter was named, but it is neither a Python file nor a folder with a plugin.py"},
		{"both", "/usr", "both: an interpreter was named"},
		{"", interpreter, "has no package quern-udf: install it with\n  "},
	} {
		if c.python == "" && c.want[:3] == "has" {
			t.Log("no python3 here: what is said of an environment without quern-udf was not looked at")
			continue
		}
		_, err := Build(t.Context(), filepath.Join(dir, c.path), c.python, t.TempDir())
		failure(t, err, plan.FailureUser, c.want)
	}
}

// A script may read what looks like the environment of its interpreter, and nothing else for naming it.
func TestPythonFolders(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"installed/lib/python3.12/os.py": "", "installed/bin/python3": "",
		"venv/pyvenv.cfg": "", "venv/bin/python": "", "system/pyvenv.cfg": "home = /nowhere/bin\n",
		"secrets/key": "", "trick/pyvenv.cfg": "", "root/pyvenv.cfg": "", "other/bin/python": "",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, home := range map[string]string{"venv": "installed", "trick": "secrets", "root": ""} {
		text := "version = 3.12.1\nhome = " + at(home) + "/bin\n"
		if home == "" {
			text = "home = /bin\n"
		}
		if err := os.WriteFile(at(name+"/pyvenv.cfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for interpreter, want := range map[string][]string{
		at("venv/bin/python"):                   {at("venv"), at("installed")},
		at("installed/bin/python3"):             {at("installed")},
		at("system/bin/python"):                 {at("system")},
		at("trick/bin/python"):                  {at("trick")},
		at("root/bin/python"):                   {at("root")},
		at("other/bin/python"):                  nil,
		at("secrets/x/key"):                     nil,
		at("installed/bin/../../secrets/x/key"): nil,
		"venv/bin/python":                       nil,
		"/bin/sh":                               nil,
		"":                                      nil,
	} {
		if got := pythonFolders(interpreter); !slices.Equal(got, want) {
			t.Errorf("for %s: %v, not %v", interpreter, got, want)
		}
	}
}
