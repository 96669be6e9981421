package consensus

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quern-engine/quern/coordinator/state"
)

// faulty is a disk on which writes can be made to fail, or to hang.
type faulty struct {
	backend
	mu    sync.Mutex
	fault func() error // nil: none
	asked int          // writes since there is a fault
}

func (f *faulty) set(fault func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.asked = fault, 0
}

func (f *faulty) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *faulty) meet() error {
	f.mu.Lock()
	fault := f.fault
	f.asked++
	f.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault()
}

func (f *faulty) StoreLogs(logs []*raft.Log) error {
	if err := f.meet(); err != nil {
		return err
	}
	return f.backend.StoreLogs(logs)
}

func (f *faulty) Set(key, value []byte) error {
	if err := f.meet(); err != nil {
		return err
	}
	return f.backend.Set(key, value)
}

// onFaultyDisks is a house of three whose disks can be made to fail.
func onFaultyDisks(ctx context.Context, t *testing.T) (*house, map[string]*faulty) {
	disks := map[string]*faulty{}
	h := grown(ctx, t, func(o *Options) {
		id := o.ID
		o.StoreTimeout = 500 * time.Millisecond
		calm(o)
		o.wrap = func(b backend) backend {
			disks[id] = &faulty{backend: b}
			return disks[id]
		}
	})
	h.agree(ctx)
	return h, disks
}

// calm keeps the leader in place on a busy machine.
func calm(o *Options) { o.Election = 600 * time.Millisecond }

// An fsync that fails is not tried again: the node stops, and the others go on.
func TestFailedSyncStopsTheNode(t *testing.T) {
	for _, who := range []string{"leader", "follower"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			h, disks := onFaultyDisks(ctx, t)
			leader := h.leader(ctx)
			victim := leader
			if who == "follower" {
				for _, n := range h.rooms {
					if n.Node != leader {
						victim = n.Node
						break
					}
				}
			}
			disks[victim.id].set(func() error { return syscall.EIO }) // bbolt gives it like that
			if _, err := leader.Propose(ctx, submission("r1")); err == nil && who == "leader" {
				t.Error("a leader whose disk fails says that something is recorded")
			}
			select {
			case <-victim.Failed():
			case <-ctx.Done():
				t.Fatal("the node goes on")
			}
			if err := victim.Failure(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "disk of the state directory fails") {
				t.Errorf("it says %v", err)
			}
			if n := disks[victim.id].count(); n != 1 {
				t.Errorf("%d writes were tried after the first had failed", n-1)
			}
			h.stop(victim.id)
			h.propose(ctx, "r2")
			h.agree(ctx)
		})
	}
}

// A leader whose disk hangs makes way, though its heartbeats do not need the disk; once the disk answers, it is of use.
func TestHangingDiskChangesTheLeader(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h, disks := onFaultyDisks(ctx, t)
	old := h.leader(ctx)
	release := make(chan struct{})
	disks[old.id].set(func() error { <-release; return nil })
	begun := time.Now()
	if _, err := old.Propose(ctx, submission("r1")); err == nil {
		t.Error("a leader whose disk hangs says that something is recorded")
	}
	poll(ctx, t, "another leader", func() bool {
		for id, n := range h.rooms {
			if id != old.id && n.IsLeader() && n.Barrier(ctx) == nil {
				return true
			}
		}
		return false
	})
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	h.propose(ctx, "r2")
	disks[old.id].set(nil)
	close(release)
	h.agree(ctx)
	if err := old.Failure(); err != nil {
		t.Errorf("a disk that hung for a while has ended the node: %v", err)
	}
}

// A full disk takes the leadership away and no more: with room, the node is as before.
func TestFullDiskIsOutlived(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h, disks := onFaultyDisks(ctx, t)
	old := h.leader(ctx)
	disks[old.id].set(func() error { return &fs.PathError{Op: "write", Path: "raft.db", Err: syscall.ENOSPC} })
	if _, err := old.Propose(ctx, submission("r1")); err == nil {
		t.Error("a leader without space says that something is recorded")
	}
	poll(ctx, t, "another leader", func() bool { return h.leader(ctx) != old })
	h.propose(ctx, "r2")
	disks[old.id].set(nil)
	h.agree(ctx)
	if err := old.Failure(); err != nil {
		t.Errorf("a disk that was full has ended the node: %v", err)
	}
}

// A node that is alone and whose disk is full goes on where it was when there is room.
func TestFullDiskOfALoneNodeIsOutlived(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	var disk *faulty
	n := open(t, Options{ID: "c1", Dir: t.TempDir(), Volatile: true, wrap: func(b backend) backend {
		disk = &faulty{backend: b}
		return disk
	}})
	lead(ctx, t, n)
	propose(ctx, t, n, "r1")
	disk.set(func() error { return &fs.PathError{Op: "write", Path: "raft.db", Err: syscall.ENOSPC} })
	if _, err := n.Propose(ctx, submission("r2")); err == nil {
		t.Error("a leader without space says that something is recorded")
	}
	disk.set(nil)
	poll(ctx, t, "it to take proposals again", func() bool {
		_, err := n.Propose(ctx, submission("r3"))
		return err == nil
	})
	closeNode(t, n)
}

// Entries are written in the version that the oldest build among the members reads.
func TestEntriesAreOfTheOldestVersion(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	const next = state.EntryVersion + 1
	newer := func(o *Options) {
		calm(o)
		if o.ID != "c3" {
			o.EntryVersion = next
		}
	}
	h := newHouse(t, newer)
	lead(ctx, t, h.begin("c1", false))
	if v := h.leader(ctx).EntryVersion(); v != next {
		t.Errorf("alone, the leader writes version %d", v)
	}
	h.begin("c2", true)
	h.add(ctx, "c2")
	if v := h.leader(ctx).EntryVersion(); v != next {
		t.Errorf("among equals, the leader writes version %d", v)
	}
	// An older build would have to read what is there already.
	h.begin("c3", true)
	if _, err := h.leader(ctx).AddMember(ctx, "c3", h.rooms["c3"].address, atOnce); err == nil || !strings.Contains(err.Error(), "needs a newer build") {
		t.Errorf("an older build is added: %v", err)
	}
}

// A snapshot with a flipped byte is made up for by an older one and the log; without those, the node does not start.
func TestDamagedSnapshot(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir := t.TempDir()
	o := Options{ID: "c1", Dir: dir, Volatile: true}
	n := open(t, o)
	lead(ctx, t, n)
	for _, id := range []string{"r1", "r2"} {
		propose(ctx, t, n, id)
		if err := n.wait(ctx, n.raft.Snapshot()); err != nil {
			t.Fatal(err)
		}
	}
	want := hash(t, n)
	closeNode(t, n)
	states, err := filepath.Glob(filepath.Join(dir, "snapshots", "*", "state.bin"))
	if err != nil || len(states) != 2 {
		t.Fatalf("snapshots %v, %v", states, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "snapshots", "1-9-9.tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	flip := func(path string) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip(states[1]) // names are in order of the index
	n = open(t, o)
	lead(ctx, t, n)
	if hash(t, n) != want {
		t.Error("another state from the older snapshot and the log")
	}
	// The log behind the older one goes, as it does when there is much of it.
	first, err := n.vault.FirstIndex()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.vault.DeleteRange(first, first+3); err != nil {
		t.Fatal(err)
	}
	closeNode(t, n)
	if left, _ := filepath.Glob(filepath.Join(dir, "snapshots", "*.tmp")); len(left) > 0 {
		t.Errorf("unfinished snapshots are left: %v", left)
	}
	flip(states[0])
	var damage *DamageError
	if _, err := Open(o); !errors.As(err, &damage) || !strings.Contains(err.Error(), "snapshots can be read up to index 0") {
		t.Errorf("a directory without a usable snapshot: %v", err)
	}
}

// Several callers who add the same node, as it does itself with --join and somebody does by hand, do not get in each
// other's way.
func TestAddedByManyAtOnce(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := newHouse(t, calm)
	lead(ctx, t, h.begin("c1", false))
	h.begin("c2", true)
	leader := h.leader(ctx)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			if voter, err := leader.AddMember(ctx, "c2", h.rooms["c2"].address, atOnce); err != nil || !voter {
				t.Errorf("add: %v, %v", voter, err)
			}
		})
	}
	callers.Wait()
	h.agree(ctx)
}

// Those who have grown together know the same, and say so.
func TestMembersTellTheHashOfTheirState(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := grown(ctx, t, calm)
	leader := h.leader(ctx)
	propose(ctx, t, leader, "r1")
	h.agree(ctx)
	want := hash(t, leader)
	for i, r := range leader.AskHashes(ctx, leader.Members()) {
		if r == nil || r.State != want || r.Applied != leader.applyIndex() {
			t.Errorf("member %d reports %+v", i, r)
		}
	}
}

// What was applied is never taken back, whatever a leader says: it would be one of another cluster.
func TestAppliedEntriesAreNotTakenBack(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := open(t, Options{ID: "c1", Dir: t.TempDir(), Volatile: true})
	lead(ctx, t, n)
	propose(ctx, t, n, "r1")
	applied := n.applyIndex()
	var foreign sync.WaitGroup
	foreign.Go(func() { // it ends there
		t.Errorf("entry %d was deleted: %v", applied, n.vault.DeleteRange(applied, applied))
	})
	foreign.Wait()
	if err := n.Failure(); err == nil || !strings.Contains(err.Error(), "another log") {
		t.Errorf("the node goes on: %v", err)
	}
	closeNode(t, n)
}
