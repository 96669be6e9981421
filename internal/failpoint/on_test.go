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
			if _, ok := p.hit(name, nil); ok {
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

type name string

func (n name) String() string { return string(n) }

func TestWho(t *testing.T) {
	p := newArmament("a@/1/0.=2*error")
	for i, step := range []struct {
		who  name
		want bool
	}{{"r/1/0.0", false}, {"r/1/1.0", false}, {"r/0/0.0", false}, {"r/1/0.1", true}, {"r/1/0.2", false}} {
		if _, ok := p.hit("a", step.who); ok != step.want {
			t.Errorf("hit %d by %s: %t", i, step.who, ok)
		}
	}
	if _, ok := newArmament("a@r=error").hit("a", nil); ok {
		t.Error("the hit of nobody counted")
	}
}

func TestUntil(t *testing.T) {
	file := filepath.Join(t.TempDir(), "go")
	returned := make(chan error)
	go func() { returned <- (action{verb: "until", text: file}).take("x") }()
	select {
	case <-returned:
		t.Fatal("it did not wait for the file")
	case <-time.After(20 * time.Millisecond):
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := <-returned; err != nil {
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
		if _, ok := p.hit("a", nil); ok != step.want {
			t.Errorf("%q: %t", step.text, ok)
		}
	}
	os.Remove(file)
	if _, ok := p.hit("a", nil); ok {
		t.Error("armed by a file that is not there")
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{"a", "a=", "a=kil", "a=x*kill", "a=-1*kill", "a=pause:soon", "a=until:"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
