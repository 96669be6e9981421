package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	calls "github.com/quern-engine/quern/api/client"
)

// pushed puts a plugin into a registry, and gives its digest.
func pushed(t *testing.T, registry, name, plugin string) string {
	t.Helper()
	out, err := exec.Command(binary(t), "udf", "push", name, plugin, "--registry", registry).CombinedOutput()
	if err != nil {
		t.Fatalf("push %s: %v\n%s", plugin, err, out)
	}
	_, digest, _ := strings.Cut(strings.TrimSpace(string(out)), "@")
	return digest
}

// A caller that has no quern of its own names functions; the coordinators bind them, once: whatever is pushed under that name
// meanwhile, and whoever leads, the run and its repetition have the plugin that was there first.
func TestCoordinatorsBindFunctions(t *testing.T) {
	dir, registry := t.TempDir(), filepath.Join(t.TempDir(), "plugins")
	first := pushed(t, registry, "panicky", pluginPath(t, "panicky"))
	c := newCluster(t, freeAddresses(t, 3))
	c.flags = []string{"--registry", registry}
	c.begin(t)
	c.startWorkers(t, 2)
	if err := os.WriteFile(filepath.Join(dir, "rows.csv"), []byte("id\n7\n13\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	request := func(run, function string) api.SubmitRequest {
		text := fmt.Sprintf(`name: bound
sources:
  rows: {path: rows.csv, format: csv, options: {header: true}, columns: {id: bigint}}
functions:
  f: %s
  unused: {plugin: panicky, export: says}
steps:
  - {name: kept, sql: "SELECT id, f(id) AS same FROM rows"}
checks:
  - rows: {min: 2}
outputs:
  - {name: kept, path: out-%s}
`, function, run)
		return api.SubmitRequest{RunID: run, Job: &api.Job{File: "bound.yaml", Dir: dir, Work: dir, Text: text}}
	}
	ctx := context.Background()
	caller := calls.New(strings.Split(c.urls(), ","), calls.Options{})
	ended := func(run string) (s api.RunStatus) {
		t.Helper()
		eventually(t, run+" to end", func() bool {
			s, _ = c.status(run)
			return s.State.Terminal()
		})
		return s
	}
	submit := func(run, function string) api.RunStatus {
		t.Helper()
		if _, err := caller.Submit(ctx, request(run, function)); err != nil {
			t.Fatal(err)
		}
		return ended(run)
	}
	used := func(run string) string {
		t.Helper()
		logs, err := caller.Logs(ctx, run, calls.LogsQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range logs.Lines {
			if l.Message == "plugin says" {
				return l.Attributes["plugin"]
			}
		}
		t.Fatalf("the plugin of %s says nothing: %+v", run, logs.Lines)
		return ""
	}

	if s := submit("says", "{plugin: panicky, export: says}"); s.State != api.RunSucceeded {
		t.Fatalf("%+v", s)
	} else if data, err := os.ReadFile(s.Outputs["kept"].Manifest); err != nil || !strings.Contains(string(data), first) {
		t.Errorf("the manifest does not name %s: %s, %v", first, data, err)
	}
	if s := submit("dies", "{plugin: panicky, export: exits_on_13}"); s.State != api.RunFailed || used("dies") != first[:12] {
		t.Fatalf("%+v", s)
	}

	changed := filepath.Join(dir, "changed")
	executable, err := os.ReadFile(filepath.Join(registry, "panicky", first))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(changed, append(executable, '\n'), 0o755); err != nil {
		t.Fatal(err)
	}
	second := pushed(t, registry, "panicky", changed)
	leader := c.waitLeader(t)
	c.coordinators[leader].kill()
	delete(c.coordinators, leader)
	c.waitLeader(t)
	if s, err := caller.Submit(ctx, request("dies", "{plugin: panicky, export: exits_on_13}")); err != nil || s.State != api.RunFailed {
		t.Errorf("what was asked for before, asked for again: %+v, %v", s, err)
	}
	if _, err := caller.Retry(ctx, "dies", api.RetryRequest{RunID: "repeated"}); err != nil {
		t.Fatal(err)
	}
	if s := ended("repeated"); s.State != api.RunFailed || used("repeated") != first[:12] {
		t.Errorf("repeated with %s: %+v", used("repeated"), s)
	}
	if submit("newer", "{plugin: panicky, export: says}"); used("newer") != second[:12] {
		t.Errorf("a new run has %s, not what was pushed last", used("newer"))
	}
	if submit("pinned", fmt.Sprintf("{plugin: panicky@%s, export: says}", first)); used("pinned") != first[:12] {
		t.Errorf("a run with NAME@SHA256 has %s", used("pinned"))
	}

	for function, want := range map[string]string{
		"{plugin: " + pluginPath(t, "panicky") + "}":        "is a path",
		"{plugin: ./panicky}":                               "bound.yaml:5:15",
		"{plugin: nobody}":                                  "no plugin nobody was pushed to",
		"{plugin: panicky@12}":                              "with all 64 digits",
		"{plugin: panicky@" + strings.Repeat("0", 64) + "}": "no plugin ",
		"{plugin: other@" + second + ", export: says}":      "no plugin ", // though they keep it
		"{plugin: panicky, export: sais}":                   `did you mean "says"?`,
		"{plugin: panicky, options: {a: 1}}":                "option",
		"{plugin: panicky, files: {a: /etc/passwd}}":        "files of functions are paths",
	} {
		_, err := caller.Submit(ctx, request("mistaken", function))
		var e *api.Error
		if !errors.As(err, &e) || e.Code != api.CodeInvalid || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %v; want %q", function, err, want)
		}
	}
}
