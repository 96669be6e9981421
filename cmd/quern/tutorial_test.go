package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestUDFTutorial runs the commands of docs/udf-tutorial.md, makes its files, and looks for the output that it shows.
func TestUDFTutorial(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(repo, "docs", "udf-tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script, files := tutorialScript(string(text))
	if strings.Count(script, "run ") < 10 {
		t.Fatalf("the page has hardly any commands:\n%s", script)
	}
	if err := os.WriteFile(filepath.Join(dir, "tutorial.txt"), []byte(script+files), 0o600); err != nil {
		t.Fatal(err)
	}
	goEnv := goEnvironment(t)
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, goEnv...)
			env.Setenv("QUERN", repo)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"run": runShown},
	})
}

// tutorialScript makes a script of a page: each "$ command" with the lines below it, and a file of each block with a name.
func tutorialScript(page string) (script, files string) {
	var block string // the fence's language and name, while inside a block that is a file
	inside, shown := false, 0
	command := ""
	flush := func() {
		if command != "" {
			script += fmt.Sprintf("run '%s' shown-%d\n", strings.ReplaceAll(command, "'", "''"), shown)
			command = ""
		}
	}
	for line := range strings.Lines(page) {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside
			_, block, _ = strings.Cut(strings.TrimSpace(line), " ")
			if inside && block != "" {
				files += "-- " + block + " --\n"
			}
		case inside && block != "":
			files += line
		case inside:
		case strings.HasPrefix(line, "    $ "):
			flush()
			shown++
			command = strings.TrimSpace(strings.TrimPrefix(line, "    $ "))
			files += fmt.Sprintf("-- shown-%d --\n", shown)
		case strings.HasPrefix(line, "    ") && command != "":
			files += strings.TrimPrefix(line, "    ")
		default:
			flush()
		}
	}
	flush()
	return script, files
}

// runShown runs a shell command, and looks for each line that the page shows in its output: run COMMAND FILE. What is left out
// is "…".
func runShown(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("sh", "-c", args[0])
	output := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	shown := ts.ReadFile(args[1])
	if err != nil && !strings.Contains(shown, ".yaml:") {
		ts.Fatalf("%s: %v\n%s", args[0], err, output)
	}
	for line := range strings.Lines(shown) {
		rest := output
		for part := range strings.SplitSeq(strings.TrimRight(line, "\n"), "…") {
			_, after, ok := strings.Cut(rest, part)
			if !ok {
				ts.Fatalf("%s does not say %q but\n%s", args[0], line, output)
			}
			rest = after
		}
	}
}
