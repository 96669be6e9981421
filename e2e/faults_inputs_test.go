package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/plan"
)

// copy is the same ledger in a folder of its own, for tests that change its files. The last file is returned.
func (l *ledger) copy(t *testing.T) (other *ledger, file string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(l.job))); err != nil {
		t.Fatal(err)
	}
	return &ledger{job: filepath.Join(dir, filepath.Base(l.job)), want: l.want, sums: l.sums}, filepath.Join(dir, "rows", fmt.Sprintf("rows-%d.csv", ledgerFiles-1))
}

// otherRows writes as many bytes into a file as it has, of other rows.
func otherRows(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rows, _ := strings.Cut(string(data), "\n")
	swapped := strings.NewReplacer("1", "2", "2", "1").Replace(rows)
	if err := os.WriteFile(path, []byte(head+"\n"+swapped), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Inputs that change under a run: between planning and reading, and while they are read. It fails and names the file.
func TestF43(t *testing.T) {
	long(t)
	whole := newLedger(t, longLedger)
	changes := map[string]func(t *testing.T, path string){
		"other rows, as many bytes": otherRows,
		"longer": func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("1,1,more\n")
				f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"gone": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"another in its place": func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path+".new", data, 0o644)
			}
			if err == nil {
				otherRows(t, path+".new")
				err = os.Rename(path+".new", path)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, change := range changes {
		t.Run(name+", before it is read", func(t *testing.T) {
			l, file := whole.copy(t)
			r := ready(t, l, 1, 0)
			s := r.submit()
			eventually(t, "the run to be planned", func() bool { return r.done(s.run) == 0 })
			change(t, file)
			r.startWorkers(t, 1)
			r.refuses(s, file)
		})
		t.Run(name+", while it is read", func(t *testing.T) {
			l, file := whole.copy(t)
			r := newRig(t, l, 1)
			gate := filepath.Join(t.TempDir(), "changed")
			// Both scans read each file in a task; the second scan's last one is the last to open any.
			r.arm("w1", fmt.Sprintf("task/batch@/1/%d.=until:%s", ledgerFiles-1, gate))
			r.begin(t)
			r.startWorkers(t, 1)
			s := r.submit()
			eventually(t, "the first batch", func() bool { return contains(r.workers[0], "failpoint task/batch: until") })
			change(t, file)
			if err := os.WriteFile(gate, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			r.refuses(s, file)
		})
	}
}

// refuses waits for a run to fail for what has become of a file.
func (r *rig) refuses(s submission, file string) {
	r.Helper()
	if status := s.wait(r.T, 2*deadline); status != 1 {
		r.Errorf("status %d:\n%s%s", status, s.out, s.log)
	}
	got, _ := r.status(s.run)
	if got.Failure == nil || got.Failure.Kind != plan.FailureUser || !strings.Contains(got.Failure.Message, file) {
		r.Fatalf("the run is %s: %+v", got.State, got.Failure)
	}
	if left := names(filepath.Join(s.dir, "out")); len(left) > 0 {
		r.Errorf("left behind: %v", left)
	}
	r.Logf("%s", got.Failure.Message)
}
