package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
)

// versionBinary is a build of the same source under another version.
func versionBinary(t *testing.T, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "quern-"+version)
	if out, err := exec.Command("go", "build", "-ldflags", "-X main.version="+version, "-o", path, "../cmd/quern").CombinedOutput(); err != nil {
		t.Fatalf("build version %s: %v\n%s", version, err, out)
	}
	return path
}

// A cluster that goes from one version to another and back, one process at a time, while runs go on.
func TestF18(t *testing.T) {
	long(t)
	builds := map[string]string{"1.0.0": versionBinary(t, "1.0.0"), "1.1.0": versionBinary(t, "1.1.0")}
	version := "1.0.0"
	r := newRig(t, newLedger(t, shortLedger), 3)
	r.command = func(_ string, args ...string) *exec.Cmd { return exec.Command(builds[version], args...) }
	r.begin(t)
	r.startWorkers(t, 2)
	begin, runs := time.Now(), r.stream()
	for _, version = range []string{"1.1.0", "1.0.0"} {
		for _, a := range r.addresses {
			r.ends(r.coordinators[a], 3*coordinatorEnds)
			r.startCoordinator(t, a)
			r.settled(version, a)
			runs.goesOn(t)
		}
		for _, w := range slices.Clone(r.workers) {
			r.startWorkers(t, 1)
			r.ends(w, workerEnds)
			r.workers = slices.DeleteFunc(r.workers, func(p *process) bool { return p == w })
			runs.goesOn(t)
		}
	}
	list, took := runs.end(), time.Since(begin).Round(time.Millisecond)
	for _, s := range list {
		r.succeeds(s)
		if n := r.failures(s.run); n > 0 {
			t.Errorf("%d attempts of run %s failed", n, s.run)
		}
	}
	r.agree()
	r.sane()
	t.Logf("%d runs right in the %v in which all went from 1.0.0 to 1.1.0 and back", len(list), took)
}

// ends has a process end in good order.
func (r *rig) ends(p *process, soon time.Duration) {
	r.Helper()
	p.signal(syscall.SIGTERM)
	if status := p.wait(r.T, soon); status != 0 {
		r.Errorf("%s ended with status %d after SIGTERM:\n%s", p.name, status, p.log)
	}
}

// settled waits until the coordinator at an address is of a version, and all of them know the same.
func (r *rig) settled(version, address string) {
	r.Helper()
	eventually(r.T, "coordinator "+r.id(address)+" to be back", func() bool {
		var c api.ClusterStatus
		if r.get(r.waitLeader(r.T), "/v1/cluster", &c) != http.StatusOK || len(c.Members) != len(r.addresses) {
			return false
		}
		return !slices.ContainsFunc(c.Members, func(m api.MemberStatus) bool {
			return !m.Answers || m.ID == r.id(address) && (!strings.HasPrefix(m.Build, version) || m.Lag > 20)
		})
	})
}
