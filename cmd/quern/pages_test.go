package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pageRules say how the commands of a page are run: see testdata/pages.txt.
type pageRules struct {
	page      string
	long      bool
	elsewhere string
	rules     []*pageRule
}

// pageRule is one line of the rules; a rule that is never used is an error.
type pageRule struct {
	verb, what, then string
	used             bool
}

// TestPages runs every command of quern that stands in a block of a page, and looks for the tables that the page shows.
func TestPages(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not there")
	}
	rules := readPageRules(t)
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(pages, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(filepath.ToSlash(path), "../../")
		commands := commandsOf(string(text))
		r := rules[name]
		delete(rules, name)
		switch {
		case len(commands) == 0 && r != nil:
			t.Errorf("testdata/pages.txt has %s, which has no commands", name)
		case len(commands) == 0:
		case r == nil:
			t.Errorf("%s has commands, and testdata/pages.txt does not say how to run them", name)
		case r.elsewhere != "":
			t.Logf("%s: %s", name, r.elsewhere)
		case r.long && os.Getenv("QUERN_DOCS") == "":
			t.Logf("%s is run by make docs", name)
		default:
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				runPage(t, r, string(text), commands)
			})
		}
	}
	for name := range rules {
		t.Errorf("testdata/pages.txt has %s, which is not there", name)
	}
}

func readPageRules(t *testing.T) map[string]*pageRules {
	t.Helper()
	text, err := os.ReadFile("testdata/pages.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*pageRules{}
	var page *pageRules
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		what, then, _ := strings.Cut(line, " :: ")
		verb, what, _ := strings.Cut(what, " ")
		switch verb {
		case "", "#":
		case "page":
			name, long := strings.CutSuffix(what, " long")
			page = &pageRules{page: name, long: long}
			all[name] = page
		case "elsewhere":
			page.elsewhere = then
		case "at", "swap", "file", "status", "skip", "skip-block":
			page.rules = append(page.rules, &pageRule{verb: verb, what: what, then: then})
		default:
			t.Fatalf("testdata/pages.txt: %q", line)
		}
	}
	return all
}

// pageCommand is a command of a page, and the lines of tables that are shown below it.
type pageCommand struct {
	text  string
	shown []string
	block int
}

var (
	shellLine  = regexp.MustCompile(`^(quern|bin/quern|go|make|export|for|source|[A-Z]+=\S*) ?`)
	quernBlock = regexp.MustCompile(`(^|[\s/(])quern( |$)`)
)

// commandsOf are the commands of blocks of shell, fenced or indented, that have one of quern.
func commandsOf(page string) (commands []pageCommand) {
	var block []string
	fence, blocks := "", 0
	end := func(shell bool) {
		if list := shellOf(block, shell); slices.ContainsFunc(list, func(c pageCommand) bool { return quernBlock.MatchString(c.text) }) {
			for i := range list {
				list[i].block = blocks
			}
			commands = append(commands, list...)
		}
		blocks++
		block = nil
	}
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		indented, is := strings.CutPrefix(line, "    ")
		switch {
		case strings.HasPrefix(line, "```") && fence == "":
			end(false)
			fence = line
		case strings.HasPrefix(line, "```"):
			if fence != "```sh" && fence != "```console" {
				block = nil
			}
			end(true)
			fence = ""
		case fence != "":
			block = append(block, line)
		case is || line == "":
			block = append(block, indented)
		default:
			end(false)
		}
	}
	end(false)
	return commands
}

// shellOf finds the commands in a block. In one that is indented, other lines are what they print.
func shellOf(block []string, all bool) (commands []pageCommand) {
	more := false
	for _, line := range block {
		switch {
		case more:
			commands[len(commands)-1].text += "\n" + line
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case all || shellLine.MatchString(strings.TrimPrefix(line, "$ ")):
			commands = append(commands, pageCommand{text: strings.TrimPrefix(line, "$ ")})
		case len(commands) > 0 && strings.ContainsAny(line[:min(len(line), 3)], "│┌├└"):
			last := &commands[len(commands)-1]
			last.shown = append(last.shown, line)
		}
		more = strings.HasSuffix(line, `\`) && len(commands) > 0
	}
	return commands
}

// pagePrelude is what rules may use.
const pagePrelude = `set -euo pipefail
servers=0
serve() { # COMMAND that listens: in the background, from when it does
  servers=$((servers + 1))
  local log=$WORK/.serve-$servers
  "$@" >"$log" 2>&1 &
  for _ in $(seq 600); do
    if grep -q 'listens on' "$log"; then return 0; fi
    kill -0 $! || break
    sleep 0.1
  done
  cat "$log"
  return 1
}
stop() { # all that runs in the background
  kill -KILL $(jobs -p) 2>/dev/null || true
  wait 2>/dev/null || true
}
voters() { # N: until so many coordinators vote
  for _ in $(seq 600); do
    if [ "$(quern cluster status --coordinator http://127.0.0.1:7071 -o json | grep -c '"voter": true')" = "$1" ]; then return 0; fi
    sleep 0.1
  done
  return 1
}
trap stop EXIT
`

const pageMark = "@@@ "

// script is what bash runs: the commands, each with what has to come before it, behind a line with its number.
func (r *pageRules) script(t *testing.T, commands []pageCommand) string {
	text := pagePrelude
	skipped := -1 // the block
	for i, c := range commands {
		if i == 0 || commands[i-1].block != c.block {
			if rule := r.find("skip-block", c.text); rule != nil {
				skipped = c.block
				t.Logf("not run: the block of %s: %s", c.text, rule.then)
			}
		}
		if c.block == skipped {
			continue
		}
		if rule := r.find("skip", c.text); rule != nil {
			t.Logf("not run: %s: %s", c.text, rule.then)
			continue
		}
		for _, rule := range r.rules {
			if rule.verb == "at" && !rule.used && rule.matches(c.text) {
				text += rule.then + "\n"
				rule.used = true
			}
		}
		text += fmt.Sprintf("echo '%s%d'\n%s\n", pageMark, i, inBash(c.text, r.find("status", c.text)))
	}
	for _, rule := range r.rules {
		if rule.verb == "swap" {
			rule.used = strings.Contains(text, rule.what)
			text = strings.ReplaceAll(text, rule.what, rule.then)
		}
	}
	for _, port := range []string{"127.0.0.1:707", "127.0.0.1:708"} {
		text = strings.ReplaceAll(text, port, "127.0.0.1:"+freeDecade(t))
	}
	return text
}

func (r *pageRule) matches(command string) bool {
	if all, ends := strings.CutSuffix(r.what, "$"); ends {
		return command == all
	}
	return r.what == "^" || strings.HasPrefix(command, r.what)
}

// find is the rule of a verb that is about a command; nil for none.
func (r *pageRules) find(verb, command string) *pageRule {
	for _, rule := range r.rules {
		if rule.verb == verb && rule.matches(command) {
			rule.used = true
			return rule
		}
	}
	return nil
}

var serves = regexp.MustCompile(`^quern (coordinator|worker) `)

// inBash is a command as bash is to run it: what serves is left in the background.
func inBash(command string, status *pageRule) string {
	switch {
	case status != nil:
		return "status=0\n" + command + " || status=$?\n[ $status = " + status.then + " ]"
	case serves.MatchString(command):
		return "serve " + command
	}
	return command
}

// freeDecade is the number of a port without its last digit, such that nobody listens at those with another one.
func freeDecade(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		decade := strconv.Itoa(l.Addr().(*net.TCPAddr).Port / 10)
		free := true
		for digit := range 10 {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%s%d", decade, digit))
			if free = free && err == nil; err == nil {
				l.Close()
			}
		}
		if free {
			return decade
		}
	}
	t.Fatal("no ten ports in a row are free")
	return ""
}

func runPage(t *testing.T, r *pageRules, page string, commands []pageCommand) {
	dir := t.TempDir()
	for _, rule := range r.rules {
		if rule.verb == "file" {
			rule.used = writeBlock(t, page, rule.what, filepath.Join(dir, rule.then))
		}
	}
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", r.script(t, commands))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "REPO="+repo, "WORK="+dir, "HOME="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, ".config"))
	cmd.Env = append(cmd.Env, goEnvironment(t)...)
	output, err := cmd.CombinedOutput()
	parts := strings.Split(string(output), pageMark)
	if err != nil {
		t.Fatalf("%v:\n%s", err, name(parts[len(parts)-1], commands))
	}
	for _, part := range parts[1:] {
		number, printed, _ := strings.Cut(part, "\n")
		i, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commands[i].shown {
			if !strings.Contains(printed, line) {
				t.Errorf("%s does not print\n%s\nbut\n%s", commands[i].text, line, printed)
				break
			}
		}
	}
	for _, rule := range r.rules {
		if !rule.used {
			t.Errorf("testdata/pages.txt: nothing on %s is %s %s", r.page, rule.verb, rule.what)
		}
	}
}

// name puts the command before what it printed.
func name(part string, commands []pageCommand) string {
	number, printed, _ := strings.Cut(part, "\n")
	if i, err := strconv.Atoi(number); err == nil {
		return "$ " + commands[i].text + "\n" + printed
	}
	return part
}

// writeBlock writes the N-th block of a language to a file: "LANG N".
func writeBlock(t *testing.T, page, which, path string) bool {
	t.Helper()
	lang, number, _ := strings.Cut(which, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(page, "\n```"+lang+"\n")
	if n >= len(blocks) {
		return false
	}
	text, _, _ := strings.Cut(blocks[n], "\n```")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return true
}
