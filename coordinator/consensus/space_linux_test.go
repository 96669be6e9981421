package consensus

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A lone leader whose disk is full takes nothing more and goes on leading, so that it can still be asked; with room it is
// as before, and so it is after a restart.
func TestLoneLeaderOnAFullDiskCanBeAsked(t *testing.T) {
	ctx := testContext(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	o := Options{ID: "c1", Address: "127.0.0.1:1", Dir: filepath.Join(dir, "raft")}
	n := open(t, o)
	lead(ctx, t, n)
	propose(ctx, t, n, "r1")
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<12); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(ctx, submission("r2")); !errors.Is(err, ErrNoSpace) {
		t.Errorf("a proposal on a full disk: %v", err)
	}
	if err := n.Verify(ctx); err != nil || !n.IsLeader() {
		t.Errorf("it cannot be asked any more: %v", err)
	}
	if r := n.Report(false); !r.DiskLow {
		t.Errorf("it reports %+v", r)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	propose(ctx, t, n, "r2")
	want := hash(t, n)
	closeNode(t, n)
	n = open(t, o)
	lead(ctx, t, n)
	if hash(t, n) != want {
		t.Error("another state after the restart")
	}
	closeNode(t, n)
}
