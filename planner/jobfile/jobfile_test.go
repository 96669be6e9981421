package jobfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/quern-engine/quern/internal/source"
)

// TestRealJobs reads the repository's own job files.
func TestRealJobs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "jobs", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no job files in testdata/jobs")
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse(filepath.Base(file), string(body))
		if err != nil {
			t.Fatal(err)
		}
		checkPlaces(t, f)
	}
}

// checkPlaces makes sure that each line of SQL is found in the file where its source.Text says.
func checkPlaces(t *testing.T, f *File) {
	t.Helper()
	lines := strings.Split(f.Text.Body, "\n")
	for _, s := range f.Steps {
		if s.SQL == nil {
			continue
		}
		for i, line := range strings.Split(s.SQL.Body, "\n") {
			if strings.TrimSpace(line) == "" {
				continue
			}
			at := s.SQL.Line + i
			if at >= len(lines) {
				t.Fatalf("step %s: no line %d", s.Name.Text, at)
			}
			runes := []rune(lines[at])
			if s.SQL.Column > len(runes) || !strings.HasPrefix(string(runes[s.SQL.Column:]), strings.TrimRight(line, " ")) {
				t.Fatalf("step %s: line %d is %q, not %q from column %d", s.Name.Text, at, lines[at], line, s.SQL.Column)
			}
		}
	}
}

// TestLimits feeds what would take much memory, time or stack.
func TestLimits(t *testing.T) {
	const job = "name: a\noutputs: [{name: s}]\nsources:\n  s: x\n"
	for name, test := range map[string]struct{ text, want string }{
		"size":     {job + strings.Repeat("#", MaxBytes), "at most 1048576 are read"},
		"flow":     {"name: " + strings.Repeat("[", 100_000), "not valid YAML"},
		"mapping":  {"name: " + strings.Repeat("{a: ", 9_000) + strings.Repeat("}", 9_000), "levels deep"},
		"sequence": {strings.Repeat("- ", 9_000) + "a", "levels deep"},
		"aliases":  {"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchors and aliases"},
		"merge":    {"<<: {name: a}\n", "a key of a job file must be text"},
		"utf-8":    {job + "  t: \"\xff\"\n", "not UTF-8"},
		"utf-16":   {"\xff\xfen\x00", "not UTF-8"},
		"control":  {job + "  t: \"a\x00b\"\n", "control character"},
		"line end": {job + "  t: \"a\u2028b\"\n", "line separator"},
		"keys":     {"name: a\n" + strings.Repeat("k: 1\n", 50_000), `"k" is there twice`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse("job.yaml", test.text); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %.300v, want %q", err, test.want)
			}
		})
	}
	if _, err := Parse("job.yaml", "\uFEFF"+strings.ReplaceAll(job, "\n", "\r\n")); err != nil {
		t.Errorf("a byte order mark and Windows line ends: %v", err)
	}
}

// FuzzParse makes sure that no text crashes the reader, and that places are inside the file.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.txt", "../../testdata/jobs/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			for _, block := range strings.Split("\n"+string(data), "\n==== ") {
				head, _, _ := strings.Cut(block, "\n----")
				_, body, _ := strings.Cut(head, "\n")
				f.Add(body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		job, err := Parse("f", text)
		if err != nil {
			checkError(t, text, err)
			return
		}
		if !utf8.ValidString(job.Name.Text) {
			t.Fatal("a name that is not UTF-8")
		}
		checkPlaces(t, job)
		given := map[string]string{}
		for _, p := range job.Params {
			given[p.Name.Text] = "1"
		}
		params, err := job.Resolve(given)
		if err != nil {
			checkError(t, text, err)
			return
		}
		for _, o := range job.Outputs {
			if _, err := params.Expand(job, o.Path); err != nil {
				checkError(t, text, err)
			}
		}
	})
}

func checkError(t *testing.T, text string, err error) {
	t.Helper()
	var e *source.Error
	if !errors.As(err, &e) || e.Message == "" || e.Line < 1 || e.Column < 1 || e.Line > 1+strings.Count(text, "\n") {
		t.Fatalf("a mistake without a place: %#v", err)
	}
}
