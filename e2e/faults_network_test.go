package e2e

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
)

// half waits until a run has finished its first task.
func (r *rig) half(s submission) {
	r.Helper()
	eventually(r.T, "the first finished task", func() bool { return r.done(s.run) > 0 })
}

// others are the coordinators that do not lead.
func (r *rig) others(leader string) (list []string) {
	for _, a := range r.addresses {
		if a != leader {
			list = append(list, a)
		}
	}
	return list
}

// nextLeader waits for another leader than the old one, and tells how long that took.
func (r *rig) nextLeader(old string) (leader string, took time.Duration) {
	r.Helper()
	begin := time.Now()
	eventually(r.T, "another leader", func() bool {
		for _, a := range r.others(old) {
			if r.get(a, "/v1/runs", nil) == http.StatusOK {
				leader = a
				return true
			}
		}
		return false
	})
	return leader, time.Since(begin).Round(time.Millisecond)
}

// term is the raft term that a leader is in.
func (r *rig) term() uint64 {
	var c api.ClusterStatus
	r.get(r.waitLeader(r.T), "/v1/cluster", &c)
	return c.Term
}

// A leader that is cut from the other coordinators, while the workers still reach it.
func TestF06(t *testing.T) {
	long(t)
	r, n := spread(t, newLedger(t, longLedger), 3, 2)
	old := r.waitLeader(t)
	s := r.submit()
	r.half(s)
	for _, a := range r.others(old) {
		n.cut(r.id(old), r.id(a))
	}
	_, took := r.nextLeader(old)
	r.succeeds(s)
	if status := r.get(old, "/v1/runs", nil); status == http.StatusOK {
		t.Error("the leader that was cut off still answers as one")
	}
	n.mend()
	r.agree()
	t.Logf("another leader after %v; the run ended right", took)
}

// A leader that no worker can reach, while the coordinators reach each other: it hands over to one that they do reach.
func TestF07(t *testing.T) {
	long(t)
	r, n := spread(t, newLedger(t, longLedger), 3, 2)
	old := r.waitLeader(t)
	s := r.submit()
	r.half(s)
	begin := time.Now()
	for _, w := range r.workers {
		n.cut(r.id(old), w.name)
	}
	_, took := r.nextLeader(old)
	r.succeeds(s)
	ended := time.Since(begin).Round(time.Millisecond)
	n.mend()
	r.agree()
	t.Logf("another leader after %v; the run ended right after %v", took, ended)
}

// A cut in one direction: the leader hears a follower that cannot hear it.
func TestF08(t *testing.T) {
	long(t)
	r, n := spread(t, newLedger(t, shortLedger), 3, 2)
	leader := r.waitLeader(t)
	before := r.term()
	n.mute(r.id(leader), r.id(r.others(leader)[0]))
	begin := time.Now()
	for time.Since(begin) < 10*time.Second {
		r.succeeds(r.submit())
	}
	n.mend()
	r.agree()
	after := r.term()
	if after > before+2 {
		t.Errorf("the term grew from %d to %d", before, after)
	}
	t.Logf("term %d before, %d after 10 s; %d runs meanwhile", before, after, r.runs.Load())
}

// Partitions that come and go between five coordinators: other groups each time, one of which is a majority.
func TestF09(t *testing.T) {
	long(t)
	const rounds, seed = 10, 9
	r, n := spread(t, newLedger(t, shortLedger), 5, 2)
	draws := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		group := map[string]bool{}
		for _, a := range r.addresses {
			group[a] = draws.IntN(2) == 0
		}
		for i, a := range r.addresses {
			for _, b := range r.addresses[i+1:] {
				if group[a] != group[b] {
					n.cut(r.id(a), r.id(b))
				}
			}
		}
		for begin := time.Now(); time.Since(begin) < 4*time.Second; {
			r.succeeds(r.submit())
		}
		n.mend()
		r.succeeds(r.submit())
	}
	r.agree()
	r.sane()
	t.Logf("%d rounds of partitions, %d runs right", rounds, r.checked)
}

// A tenth of all packets to one worker lost.
func TestF35(t *testing.T) {
	long(t)
	r, n := spread(t, newLedger(t, shortLedger), 3, 2)
	begin := time.Now()
	r.succeeds(r.submit())
	quiet := time.Since(begin)
	n.lose("w1", 10)
	begin = time.Now()
	r.succeeds(r.submit())
	for _, p := range r.all {
		if p.isCoordinator() && contains(p, `msg="worker lost"`) {
			t.Error("a worker that loses every tenth packet was given up")
		}
	}
	t.Logf("%v without loss, %v with 10 %% of packets lost on the way to one worker", quiet.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
}

// Connections between workers and from them to coordinators that are reset at random.
func TestF36(t *testing.T) {
	long(t)
	r, n := spread(t, newLedger(t, longLedger), 3, 2)
	for _, to := range []string{"w2", "c1", "c2", "c3"} {
		n.reset("w1", to, 20) // of a thousand packets
	}
	begin := time.Now()
	for range 3 {
		r.succeeds(r.submit())
	}
	n.mend()
	r.agree()
	t.Logf("3 runs right in %v with 2 %% of the packets answered by a reset", time.Since(begin).Round(time.Millisecond))
}

// Two workers that do not reach each other, while the coordinators reach both.
func TestF38(t *testing.T) {
	long(t)
	r, n := spread(t, newLedger(t, longLedger), 3, 3)
	n.cut("w1", "w2")
	begin := time.Now()
	s := r.submit()
	select {
	case <-s.done:
	case <-time.After(2 * time.Minute):
		t.Fatal("no end after two minutes: a livelock")
	}
	r.succeeds(s)
	t.Logf("the run ended right after %v", time.Since(begin).Round(time.Millisecond))
}
