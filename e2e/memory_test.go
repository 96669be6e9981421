package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestLittleMemory: processes with a small budget go to scratch files, give the rows of those with a large one, and leave
// nothing on disk.
func TestLittleMemory(t *testing.T) {
	const rows = "(SELECT id * 7919 % 150000 AS k, id AS v, CAST(id AS STRING) AS s FROM range(300000))"
	for name, query := range map[string]string{
		"group by": "SELECT k, count(*), sum(v), max(s) FROM " + rows + " GROUP BY k",
		"sort":     "SELECT * FROM " + rows + " ORDER BY k, v",
		"join":     "SELECT l.k, l.v, r.s FROM " + rows + " l LEFT JOIN " + rows + " r ON l.v = r.v + 1",
		"window":   "SELECT *, sum(v) OVER (ORDER BY k, v) FROM " + rows,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := command(t, "explain", "--analyze", "--sql", query, "--memory", "16MiB")
			if !strings.Contains(plan, "spilled") {
				t.Errorf("nothing was spilled:\n%s", plan)
			}
			little := command(t, "sql", query, "--format", "csv", "--memory", "16MiB")
			if ample := command(t, "sql", query, "--format", "csv", "--memory", "2GiB"); little != ample {
				t.Errorf("%d bytes of rows with little memory, others (%d bytes) with enough", len(little), len(ample))
			}
		})
	}
}

// command is what the binary prints, run with a temporary folder that must be empty in the end.
func command(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	var out, stderr bytes.Buffer
	cmd := exec.Command(binary(t), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "TMPDIR="+dir), &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("quern %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("quern %s left %v in its temporary folder (%v)", args[0], left, err)
	}
	return out.String()
}
