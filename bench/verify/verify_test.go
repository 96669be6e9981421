// Package verify compares what the main job wrote with what DuckDB computes from the same SQL on the same files.
package verify

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"gopkg.in/yaml.v3"
)

const ds = "2001-01-10"

// jobFile is the part of a job file that this comparison needs.
type jobFile struct {
	Steps []struct{ Name, SQL string }
}

func TestMainJobEqualsDuckDB(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	shards := runJob(t, repo)
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		// Spark counts days of the week from Sunday = 1, DuckDB from Sunday = 0: the one word that means another thing.
		"CREATE MACRO dayofweek(d) AS (isodow(d) % 7 + 1)",
		// What testdata/plugins/distance does.
		"CREATE MACRO distance_bucket(miles) AS CASE WHEN miles < 500 THEN 'short' WHEN miles < 1500 THEN 'medium' ELSE 'long' END",
		fmt.Sprintf("CREATE TABLE flights AS SELECT * FROM read_parquet('%s/testdata/flights/*/*.parquet', hive_partitioning = true)", repo),
		fmt.Sprintf("CREATE TABLE got AS SELECT * FROM read_parquet('%s')", shards),
		"CREATE TABLE want AS " + expected(t, repo),
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for what, query := range map[string]string{
		"rows that Quern lacks":      "SELECT count(*) FROM (SELECT * FROM want EXCEPT ALL SELECT * FROM got)",
		"rows that only Quern has":   "SELECT count(*) FROM (SELECT * FROM got EXCEPT ALL SELECT * FROM want)",
		"difference of row counts":   "SELECT (SELECT count(*) FROM want) - (SELECT count(*) FROM got)",
		"columns under another name": "SELECT count(*) FROM (SELECT column_name FROM (DESCRIBE want) EXCEPT SELECT column_name FROM (DESCRIBE got))",
	} {
		if n := number(t, db, query); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
	if n := number(t, db, "SELECT count(*) FROM want"); n != 16_663 {
		t.Errorf("DuckDB made %d rows, want 16663", n)
	}
}

// runJob runs the job embedded and returns a pattern for its shards.
func runJob(t *testing.T, repo string) string {
	dir := t.TempDir()
	bin := filepath.Join(dir, "quern")
	build := exec.Command("go", "build", "-o", bin, "./cmd/quern")
	build.Dir = repo
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build quern: %v\n%s", err, out)
	}
	run := exec.Command(bin, "run", filepath.Join(repo, "testdata/jobs/flight_delay.yaml"), "-p", "ds="+ds, "-q", "-o", "json")
	run.Dir, run.Stderr = dir, os.Stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("quern run: %v", err)
	}
	var result struct {
		Outputs map[string]struct {
			VersionPath string `json:"version_path"`
		}
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("quern run printed %s: %v", out, err)
	}
	return result.Outputs["examples"].VersionPath + "/*.parquet"
}

// expected is the job's own SQL as one statement: its steps as common table expressions.
func expected(t *testing.T, repo string) string {
	data, err := os.ReadFile(filepath.Join(repo, "testdata/jobs/flight_delay.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var job jobFile
	if err := yaml.Unmarshal(data, &job); err != nil {
		t.Fatal(err)
	}
	var with []string
	for _, s := range job.Steps {
		with = append(with, fmt.Sprintf("%s AS (%s)", s.Name, s.SQL))
	}
	last := job.Steps[len(job.Steps)-1].Name
	text := "WITH " + strings.Join(with, ", ") + " SELECT * FROM " + last
	return strings.ReplaceAll(text, "${ds}", "DATE '"+ds+"'")
}

func number(t *testing.T, db *sql.DB, query string) (n int64) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
