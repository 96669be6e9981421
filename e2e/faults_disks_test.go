package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// disk mounts a small disk of its own.
func disk(t *testing.T, dir, options string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
}

// fill writes a file until nothing more goes onto the disk.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	return func() { os.Remove(path) }
}

// The disk of the leader's state is full.
func TestF13(t *testing.T) {
	long(t)
	r := newRig(t, newLedger(t, shortLedger), 3)
	for _, a := range r.addresses {
		disk(t, filepath.Join(r.state, r.id(a)), "size=256m")
	}
	r.begin(t)
	r.startWorkers(t, 2)
	r.succeeds(r.submit())
	old := r.waitLeader(t)
	free := fill(t, filepath.Join(r.state, r.id(old)))
	begin := time.Now()
	s := r.submit()
	r.succeeds(s)
	t.Logf("a run submitted with the leader's disk full ended right after %v; led by %s before, %s now",
		time.Since(begin).Round(time.Millisecond), r.id(old), r.id(r.waitLeader(t)))
	free()
	r.heal()
	r.succeeds(r.submit())
	r.agree()
}

// A worker whose scratch disk is full, one that has no inodes left, and one that may open few files; the other one does
// the work.
func TestF27(t *testing.T) { poorWorker(t, "size=300k", nil) }

// TestF28 is explained at TestF27.
func TestF28(t *testing.T) {
	poorWorker(t, "nr_inodes=6", nil)
	poorWorker(t, "size=64m", []string{"prlimit", "--nofile=24"})
}

func poorWorker(t *testing.T, options string, before []string) {
	t.Helper()
	long(t)
	r := ready(t, newLedger(t, longLedger), 1, 1)
	dir := filepath.Join(t.TempDir(), "scratch")
	disk(t, dir, options)
	r.before = func(string) []string { return before }
	r.workers = append(r.workers, r.startWorker(t, "w9", "127.0.0.1:0", "--scratch", dir, "--memory", "64MiB"))
	s := r.submit()
	r.succeeds(s)
	t.Logf("%s %v: the run ended right; %d attempts failed", options, before, r.failures(s.run))
}

// damage flips a bit of each large file below a folder, such as the segments of workers, and returns how many those were.
func damage(dir string, where int64) (flipped int) {
	for _, path := range segments(dir) {
		if flipBitOf(path, where) == nil {
			flipped++
		}
	}
	return flipped
}

// segments lists the files of map outputs below a folder.
func segments(dir string) (list []string) {
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.Contains(path, ".seg") {
			return nil // an error is that it has gone meanwhile
		}
		if info, err := e.Info(); err == nil && info.Size() > 1000 {
			list = append(list, path)
		}
		return nil
	})
	return list
}

func flipBitOf(path string, where int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var b [1]byte
	at := (info.Size()/2 + where&0xffff) % info.Size()
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], at)
	return err
}

// Bytes of map outputs that change on disk, between writing and reading.
func TestF31(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, longLedger), 1, 2)
	s := r.submit()
	eventually(t, "map outputs that are files", func() bool { return len(segments(r.scratch)) >= 2 || !s.alive() })
	for _, w := range r.workers {
		w.signal(syscall.SIGSTOP)
	}
	flipped := damage(r.scratch, 0)
	r.goOn()
	r.succeeds(s)
	t.Logf("a bit in each of %d files; the run ended right", flipped)
	if flipped == 0 {
		t.Error("there was no file to damage: this showed nothing")
	}
}

// An output that cannot be written to: the run fails with the reason, and publishes nothing.
func TestF42(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, shortLedger), 1, 1)
	disk(t, filepath.Join(t.TempDir(), "unused"), "size=1m") // to know that mounting works
	s := submission{run: "read-only", dir: t.TempDir()}
	disk(t, filepath.Join(s.dir, "out"), "size=1m,ro")
	s.process = r.resubmit(s)
	if status := s.wait(t, deadline); status != 1 {
		t.Errorf("status %d: %s", status, s.log)
	}
	got, _ := r.status(s.run)
	if got.Failure == nil {
		t.Fatalf("the run is %s", got.State)
	}
	t.Logf("%s: %s", got.Failure.Kind, got.Failure.Message)
	if left := names(filepath.Join(s.dir, "out")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A follower, then the leader, killed between writing a snapshot and giving it its name: the one before counts.
func TestF16(t *testing.T) {
	long(t)
	const often = "consensus/snapshot-often=0*error"
	for _, leads := range []bool{false, true} {
		r := newRig(t, newLedger(t, shortLedger), 3)
		r.armCoordinators(often)
		r.begin(t)
		r.startWorkers(t, 2)
		r.succeeds(r.submit())
		victim := r.waitLeader(t)
		if !leads {
			victim = r.others(victim)[0]
		}
		r.arm(r.id(victim), often+";consensus/snapshot-written=kill")
		s := r.submit()
		dead := r.died()
		if dead.name != r.id(victim) || !contains(dead, "failpoint consensus/snapshot-written: kill") {
			t.Fatalf("%s has ended, but not with a snapshot half made", dead.name)
		}
		r.heal()
		r.succeeds(s)
		r.agree()
		t.Logf("leader: %t; killed with a snapshot half made, it has the same state as the others again", leads)
	}
}
