package secure_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/api/secure"
)

func TestTokenFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	for text, want := range map[string]string{
		"a:0123456789abcdef": "", "# who\n\n a:0123456789abcdef \nb:0123456789abcdeg\na:0123456789abcdeh\n": "",
		"":                                       "has no token",
		"# nothing\n":                            "has no token",
		"0123456789abcdef":                       ":1: write name:token",
		"a:short":                                ":1: a token has 16 characters",
		"\na:0123456789 abcdef":                  ":2: a token is letters",
		"A b:0123456789abcdef":                   ":1: the name",
		"a:0123456789abcdef\nb:0123456789abcdef": ":2: the token is that of line 1",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := secure.OpenTokens(path, nil)
		if (want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "0123456789") || strings.Contains(err.Error(), "short")) {
			t.Errorf("the message has the token: %v", err)
		}
	}
	if err := os.WriteFile(path, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if token, err := secure.ReadToken(path); err != nil || token != "0123456789abcdef" {
		t.Errorf("read %q, %v", token, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := secure.ReadToken(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that everybody may read: %v", err)
	}
}

func TestFilesThatDoNotFit(t *testing.T) {
	w := newWorld(t, true)
	a, b := w.issue("a", secure.Workers, time.Hour), w.issue("b", secure.Workers, time.Hour)
	for name, f := range map[string]secure.Files{
		"no key":         {Cert: a.Cert},
		"no certificate": {Key: a.Key},
		"other key":      {Cert: a.Cert, Key: b.Key, CA: a.CA},
		"no PEM":         {CA: a.Key},
		"missing":        {CA: filepath.Join(w.dir, "nowhere.pem")},
	} {
		if _, err := secure.Open(f, nil); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if err := os.Chmod(a.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := secure.Open(a, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that everybody may read: %v", err)
	}
	if roles := w.open(b).Roles(); roles != secure.Workers {
		t.Errorf("roles %s", roles)
	}
	// The authority is opened again, and only with its own key.
	if _, err := secure.OpenAuthority(w.dir); err != nil {
		t.Error(err)
	}
	if err := os.Rename(b.Key, filepath.Join(w.dir, "ca-key.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := secure.OpenAuthority(w.dir); err == nil {
		t.Error("an authority with another's key")
	}
}
