//go:build failpoint

package failpoint

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestHits(t *testing.T) {
	p := newArmament("a=error:no; b=2*error;c=0*pause:1ns")
	var took string
	for range 3 {
		for _, name := range []string{"a", "b", "c", "d"} {
			if _, ok := p.hit(name); ok {
				took += name
			}
		}
	}
	if took != "acbcc" {
		t.Errorf("took %s", took)
	}
}

func TestTake(t *testing.T) {
	if err := (action{verb: "error", text: "no"}).take("x"); err == nil || err.Error() != "no" {
		t.Error(err)
	}
	if err := (action{verb: "error"}).take("x"); err == nil || err.Error() != "failpoint x" {
		t.Error(err)
	}
	if err := (action{verb: "pause", pause: time.Nanosecond}).take("x"); err != nil {
		t.Error(err)
	}
}

func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "armed")
	p := newArmament("@" + file)
	for _, step := range []struct {
		text string
		want bool
	}{{"", false}, {"a=error", true}, {"a=error", false}, {"b=error", false}, {"a=error", true}} {
		if err := os.WriteFile(file, []byte(step.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, ok := p.hit("a"); ok != step.want {
			t.Errorf("%q: %t", step.text, ok)
		}
	}
	os.Remove(file)
	if _, ok := p.hit("a"); ok {
		t.Error("armed by a file that is not there")
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{"a", "a=", "a=kil", "a=x*kill", "a=-1*kill", "a=pause:soon"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
