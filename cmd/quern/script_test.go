package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/quern-engine/quern/internal/testutil/promtext"
)

// The scripts run this package's own main as the command quern.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"quern": main})
}

func TestScripts(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	goEnv := goEnvironment(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, goEnv...)
			env.Setenv("REPO", repo)
			env.Setenv("FLIGHTS", filepath.Join(repo, "testdata", "flights"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":    checkStatus,
			"corrupt":   truncateFile,
			"ports":     freePorts,
			"scrape":    scrape,
			"collector": startCollector,
			"spans":     showSpans,
		},
	})
}

// goEnvironment lets scripts build plugins: the go command's caches, and a folder for ours.
func goEnvironment(t *testing.T) []string {
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS").Output()
	if err != nil {
		t.Fatalf("go env: %v", err)
	}
	values := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	var env []string
	for i, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS"} {
		if i < len(values) {
			env = append(env, name+"="+values[i])
		}
	}
	return append(env, "XDG_CACHE_HOME="+t.TempDir(), "CGO_ENABLED=0")
}

// checkStatus runs a command and compares its exit status: status 2 quern run …
func checkStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command …")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		got = strconv.Itoa(exit.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("%s ended with status %s, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// freePorts names addresses of loopback that nobody listens on: ports A B …
func freePorts(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close()
		ts.Setenv(name, l.Addr().String())
	}
}

// scrape writes a process's metrics to a file, once they are there and match a pattern, and holds them to Prometheus' conventions:
// scrape ADDRESS FILE PATTERN
func scrape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: scrape ADDRESS FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	var text string
	for deadline := time.Now().Add(time.Minute); !pattern.MatchString(text); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("no line of the metrics of %s matches %s:\n%s", args[0], args[2], text)
		}
		response, err := http.Get("http://" + args[0] + "/metrics")
		if err != nil {
			continue
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		ts.Check(err)
		text = string(body)
	}
	problems, err := promtext.Lint(text)
	ts.Check(err)
	if len(problems) > 0 {
		ts.Fatalf("the metrics of %s: %s", args[0], strings.Join(problems, "; "))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// truncateFile cuts a file to half its length: corrupt FILE
func truncateFile(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()/2))
}
