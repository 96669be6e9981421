package consensus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// aLog is the log file of a node that was alone, with entries of one page, of several, and deleted ones, and the hash of
// the state that it leads to.
func aLog(t *testing.T) (content []byte, want string) {
	ctx := testContext(t)
	dir := t.TempDir()
	n := open(t, Options{ID: "c1", Dir: dir, Volatile: true})
	lead(ctx, t, n)
	for i := range 60 {
		name := fmt.Sprintf("r%d", i)
		if i%20 == 7 {
			name += strings.Repeat("x", 9000)
		}
		if _, err := n.Propose(ctx, submission(name)); err != nil {
			t.Fatal(err)
		}
	}
	want = hash(t, n)
	closeNode(t, n)
	content, err := os.ReadFile(filepath.Join(dir, "raft.db"))
	if err != nil {
		t.Fatal(err)
	}
	return content, want
}

// reopened starts a node on what has become of a log file. It must be as before, or say why it is not.
func reopened(ctx context.Context, t *testing.T, content []byte, want, what string) (refused bool) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "raft.db"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := Open(Options{ID: "c1", Dir: dir, Volatile: true})
	if err != nil {
		var damage *DamageError
		if !errors.As(err, &damage) || damage.ID != "c1" || !strings.HasPrefix(damage.Path, dir) {
			t.Errorf("%s: %v", what, err)
		}
		return true
	}
	lead(ctx, t, n)
	if got := hash(t, n); got != want {
		t.Errorf("%s: it starts with another state", what)
	}
	closeNode(t, n)
	return false
}

// A bit that has changed anywhere in the log, where it matters, is noticed; nothing panics, and nothing is lost in silence.
func TestFlippedBitsAreNoticed(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	content, want := aLog(t)
	if reopened(ctx, t, content, want, "as it was") {
		t.Fatal("a whole log is refused")
	}
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	flip := func(at int) {
		damaged := bytes.Clone(content)
		damaged[at] ^= 1 << random.IntN(8)
		if reopened(ctx, t, damaged, want, fmt.Sprintf("byte %d of page %d flipped", at%4096, at/4096)) {
			refused++
		}
	}
	for page := 0; page < len(content); page += 4096 {
		if bytes.Count(content[page:page+4096], []byte{0}) == 4096 {
			continue // spare
		}
		for range 2 {
			flip(page + random.IntN(boltHead+boltElement))
			flip(page + random.IntN(4096))
		}
	}
	if refused == 0 {
		t.Error("nothing was noticed")
	}
	t.Logf("%d refused", refused)
}

// Whatever is done to the head of a page, bbolt is not asked to open what would bring the process down: see vetFile.
func TestFlippedPageHeadsDoNotPanic(t *testing.T) {
	t.Parallel()
	content, _ := aLog(t)
	path := filepath.Join(t.TempDir(), "raft.db")
	for page := 0; page < len(content); page += 4096 {
		if bytes.Count(content[page:page+4096], []byte{0}) == 4096 {
			continue
		}
		for at := page + 8; at < page+boltHead; at++ {
			for _, bit := range []int{0, 1, 2, 7} {
				damaged := bytes.Clone(content)
				damaged[at] ^= 1 << bit
				if err := os.WriteFile(path, damaged, 0o600); err != nil {
					t.Fatal(err)
				}
				if bolt, err := openBolt(path, Options{ID: "c1", Volatile: true}); err == nil {
					bolt.Close()
				}
			}
		}
	}
}

// A log that ends early is refused, wherever it was cut.
func TestCutLogIsRefused(t *testing.T) {
	ctx := testContext(t)
	content, want := aLog(t)
	for cut := 1024; cut < len(content); cut += 1024 + 4096*3 {
		reopened(ctx, t, content[:cut], want, fmt.Sprintf("cut to %d bytes", cut))
	}
	last := len(bytes.TrimRight(content, "\x00"))
	for _, cut := range []int{last - 1, last - 4096} {
		if !reopened(ctx, t, content[:cut], want, fmt.Sprintf("cut to %d bytes", cut)) {
			t.Errorf("a log cut from %d to %d bytes of use is taken", last, cut)
		}
	}
	scrubbed := bytes.Clone(content)
	clear(scrubbed[last-4096 : last])
	reopened(ctx, t, scrubbed, want, "the last 4 KiB in use are zeros")
}

// A log file that has gone while there are snapshots is not begun again: raft would not know its term and vote.
func TestSnapshotsWithoutTheirLogAreRefused(t *testing.T) {
	ctx := testContext(t)
	dir := t.TempDir()
	n := open(t, Options{ID: "c1", Dir: dir, Volatile: true})
	lead(ctx, t, n)
	propose(ctx, t, n, "r")
	if err := n.wait(ctx, n.raft.Snapshot()); err != nil {
		t.Fatal(err)
	}
	closeNode(t, n)
	for _, lose := range []func(string) error{func(p string) error { return os.Truncate(p, 0) }, os.Remove} {
		if err := lose(filepath.Join(dir, "raft.db")); err != nil {
			t.Fatal(err)
		}
		var damage *DamageError
		if _, err := Open(Options{ID: "c1", Dir: dir, Volatile: true}); !errors.As(err, &damage) {
			t.Errorf("a state directory without a log: %v", err)
		}
	}
}
