package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ledger is a job whose answer is known from its input: every row has an id that no other row has, and all of them must
// come out once.
type ledger struct {
	job  string
	want string   // count, sum, xor and number of different ids, as CSV
	sums []string // digests of the shards that a quiet run has written
}

// Sizes of a ledger: the rows of ordinary ones, of those whose runs have to last a little, and of those that last several seconds.
const (
	ledgerFiles = 6
	shortLedger = 15_000
	longLedger  = 120_000
	hugeLedger  = 300_000
	// halfTimeLedger is for TestHalfTime: about ten seconds.
	halfTimeLedger = 600_000
)

// ledgerJob joins the rows with what is known of their bucket, through two shuffles and a sort, and writes them in shards.
const ledgerJob = `name: ledger
sources:
  rows: {path: rows, format: csv, options: {header: true}, columns: {id: bigint, bucket: int, payload: string}}
steps:
  - name: buckets
    sql: SELECT bucket, count(*) AS n, min(id) AS low FROM rows GROUP BY bucket
  - name: kept
    sql: |
      SELECT r.id, r.bucket, r.payload, b.n, b.low, row_number() OVER (PARTITION BY r.bucket ORDER BY r.id) AS place
      FROM rows r JOIN buckets b ON r.bucket = b.bucket
outputs:
  - {name: kept, shards: 4, shard_by: [id], compression: zstd}
`

// newLedger writes a ledger with so many rows a file, and runs it once where nothing breaks.
func newLedger(t *testing.T, rows int) *ledger {
	t.Helper()
	dir := t.TempDir()
	l := &ledger{job: filepath.Join(dir, "ledger.yaml")}
	if err := os.WriteFile(l.job, []byte(ledgerJob), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "rows"), 0o755); err != nil {
		t.Fatal(err)
	}
	var sum, xor uint64
	next := uint64(0)
	for i := range ledgerFiles {
		var text strings.Builder
		text.WriteString("id,bucket,payload\n")
		for range rows {
			next++
			id := next * 2654435761 % (1 << 40) // odd factor, power of two: no id comes twice
			sum, xor = sum+id, xor^id
			fmt.Fprintf(&text, "%d,%d,%x\n", id, id%1009, id*0x9E3779B97F4A7C15)
		}
		if err := os.WriteFile(filepath.Join(dir, "rows", fmt.Sprintf("rows-%d.csv", i)), []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l.want = fmt.Sprintf("%d,%d,%d,%d", next, sum, xor, next)
	r := quern(t, t.TempDir(), "run", l.job, "-q", "-o", "json")
	l.sums = digests(t, r.Outputs["kept"])
	l.conserved(t, r)
	return l
}

// conserved checks that the ids that came out are those that went in, with no regard to how they are stored.
func (l *ledger) conserved(t *testing.T, r result) {
	t.Helper()
	table := "t=" + filepath.Join(r.Outputs["kept"].VersionPath, "*.parquet")
	out, err := exec.Command(binary(t), "sql", "SELECT count(*), sum(id), bit_xor(id), count(DISTINCT id) FROM t", "--table", table, "--format", "csv").Output()
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Fields(string(out)); len(lines) == 0 || lines[len(lines)-1] != l.want {
		t.Errorf("count, sum, xor and number of ids are %q, not %s", out, l.want)
	}
}

// checked adds checks to the job.
func (l *ledger) checked(t *testing.T, checks string) {
	t.Helper()
	if err := os.WriteFile(l.job, []byte(ledgerJob+"checks:\n"+checks), 0o644); err != nil {
		t.Fatal(err)
	}
}
