package verify

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The same rows in the words of both engines: every type, nested ones, NULLs.
const (
	quernRows = `SELECT id AS l, cast(id % 100 AS TINYINT) AS i8, cast(id AS SMALLINT) AS i16, cast(id * 3 AS INT) AS i, cast(id / 8 AS FLOAT) AS f, id / 3 AS g,
  id % 2 = 0 AS b, cast(id / 8 AS DECIMAL(9,3)) AS p, cast(id * 1000000007 AS DECIMAL(18,3)) AS n, cast(id AS DECIMAL(38,6)) * -1 AS w,
  CASE WHEN id % 5 <> 0 THEN concat('s', id) END AS s, cast(concat('b', id) AS BINARY) AS bin, date_add(DATE '1970-01-01', cast(id * 20 AS INT) - 5000) AS d,
  timestamp_micros(id * 1234567 - 1000000000) AS ts, cast(timestamp_micros(id * 1234567) AS TIMESTAMP_NTZ) AS tn,
  CASE WHEN id % 7 = 0 THEN NULL WHEN id % 7 = 1 THEN array() ELSE array(id, NULL, id + 1) END AS a,
  CASE WHEN id % 11 <> 0 THEN map(concat('k', id % 3), id, 'z', NULL) END AS m,
  CASE WHEN id % 13 <> 0 THEN named_struct('x', id, 'y', array(named_struct('q', concat('q', id), 'r', nullif(id % 4, 0)))) END AS st
FROM range(2000)`
	duckRows = `SELECT range AS l, cast(range % 100 AS TINYINT) AS i8, cast(range AS SMALLINT) AS i16, cast(range * 3 AS INT) AS i, cast(range / 8 AS FLOAT) AS f, range / 3 AS g,
  range % 2 = 0 AS b, cast(range / 8 AS DECIMAL(9,3)) AS p, cast(range * 1000000007 AS DECIMAL(18,3)) AS n, cast(-range AS DECIMAL(38,6)) AS w,
  CASE WHEN range % 5 <> 0 THEN 's' || range END AS s, encode('b' || range) AS bin, DATE '1970-01-01' + (cast(range * 20 AS INT) - 5000) AS d,
  make_timestamptz(range * 1234567 - 1000000000) AS ts, make_timestamp(range * 1234567) AS tn,
  CASE WHEN range % 7 = 0 THEN NULL WHEN range % 7 = 1 THEN [] ELSE [range, NULL, range + 1] END AS a,
  CASE WHEN range % 11 <> 0 THEN MAP {'k' || (range % 3): range, 'z': NULL} END AS m,
  CASE WHEN range % 13 <> 0 THEN {'x': range, 'y': [{'q': 'q' || range, 'r': nullif(range % 4, 0)}]} END AS st
FROM range(2000)`
)

// TestDuckDBReadsQuernsFiles writes all types in small row groups and pages, with Bloom filters and a declared order, and
// has DuckDB compare them with rows of its own, and look for single ones by filters and bounds.
func TestDuckDBReadsQuernsFiles(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "quern")
	command(t, repo, "go", "build", "-o", bin, "./cmd/quern")
	command(t, dir, bin, "sql", quernRows, "--format", "parquet", "--out", "rows.parquet")
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{"SET TimeZone = 'UTC'", "CREATE TABLE want AS " + duckRows} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for _, codec := range []string{"zstd", "snappy", "gzip", "lz4", "brotli", "none"} {
		job := fmt.Sprintf("name: rows\nsources: {r: rows.parquet}\noutputs:\n  - name: r\n    path: out/%s\n    compression: %s\n"+
			"    options: {rowGroupRows: 500, pageSize: 2048, bloomFilters: [l, s, bin, d, ts, n, g], sortedBy: l}\n", codec, codec)
		if err := os.WriteFile(filepath.Join(dir, "job.yaml"), []byte(job), 0o600); err != nil {
			t.Fatal(err)
		}
		command(t, dir, bin, "run", "job.yaml", "-q")
		if _, err := db.Exec(fmt.Sprintf("CREATE OR REPLACE VIEW got AS SELECT * FROM read_parquet('%s/out/%s/*/*.parquet')", dir, codec)); err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string]int64{
			"SELECT count(*) FROM got": 2000,
			"SELECT count(*) FROM (SELECT * FROM want EXCEPT ALL SELECT * FROM got)":                                    0,
			"SELECT count(*) FROM (SELECT * FROM got EXCEPT ALL SELECT * FROM want)":                                    0,
			"SELECT count(*) FROM got WHERE l = 1234":                                                                   1,
			"SELECT count(*) FROM got WHERE s = 's1234'":                                                                1,
			"SELECT count(*) FROM got WHERE s = 'none'":                                                                 0,
			"SELECT count(*) FROM got WHERE bin = encode('b77')":                                                        1,
			"SELECT count(*) FROM got WHERE d = DATE '1970-01-01'":                                                      1,
			"SELECT count(*) FROM got WHERE n = 10000000070":                                                            1,
			"SELECT count(*) FROM got WHERE w BETWEEN -9.5 AND -5":                                                      5,
			"SELECT count(*) FROM got WHERE st.x > 1990 AND a IS NOT NULL AND l % 7 <> 1":                               countStructs(),
			fmt.Sprintf("SELECT count(bloom_filter_offset) FROM parquet_metadata('%s/out/%s/*/*.parquet')", dir, codec): 4 * 7,
		} {
			if n := number(t, db, query); n != want {
				t.Errorf("%s: %s: %d, want %d", codec, query, n, want)
			}
		}
	}
}

// countStructs is how many of the last rows have a struct, and an array that is not empty.
func countStructs() (n int64) {
	for l := 1991; l < 2000; l++ {
		if l%13 != 0 && l%7 > 1 {
			n++
		}
	}
	return n
}

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
