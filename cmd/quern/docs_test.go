package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	quernCall  = regexp.MustCompile(`(?:^|[\s/])quern (\S.*)`)
	codeSpan   = regexp.MustCompile("`([^`]+)`")
	verb       = regexp.MustCompile(`^[a-z]+$`)
	callsApart = regexp.MustCompile(`[|;&]+`)
)

// TestCommandsInDocs looks every command of quern up that a page names: its verb, and each flag that it is given, are there. That they
// do what the page says is for the tests and scripts that run them.
func TestCommandsInDocs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range codeOf(string(text)) {
			for _, piece := range callsApart.Split(code, -1) {
				if m := quernCall.FindStringSubmatch(piece); m != nil {
					calls++
					checkCall(t, page, m[1])
				}
			}
		}
	}
	if calls < 150 {
		t.Errorf("only %d commands found", calls)
	}
}

// codeOf is what stands in code of a page: blocks line by line, and spans.
func codeOf(text string) []string {
	var list []string
	fenced := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced || strings.HasPrefix(line, "    "):
			code, _, _ := strings.Cut(line, " #")
			list = append(list, code)
		default:
			for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
				list = append(list, m[1])
			}
		}
	}
	return list
}

// checkCall looks up the words behind "quern".
func checkCall(t *testing.T, page, call string) {
	var words []string
	for _, w := range strings.Fields(call) {
		words = append(words, strings.Trim(w, "[](){}…,."))
	}
	if !verb.MatchString(words[0]) { // COMMAND, or a sentence of the program's own
		return
	}
	root := newRoot()
	root.InitDefaultCompletionCmd() // as it does when it runs
	cmd, _, err := root.Find(words)
	if err != nil || !cmd.HasParent() {
		t.Errorf("%s: quern %s: there is no such command", page, call)
		return
	}
	cmd.InitDefaultHelpFlag()
	for _, w := range words {
		name, long := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(name, "=")
		if long && name != "" && cmd.Flag(name) == nil {
			t.Errorf("%s: quern %s: %s has no flag --%s", page, call, cmd.CommandPath(), name)
		}
	}
}
