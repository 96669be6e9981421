// Command compare times queries over the flights file on Quern and on DuckDB, side by side in one run: warm, inside one
// process each, and as whole commands. Both get two threads. It checks that the answers agree before it times anything.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/compute/vector"
)

const threads = 2

// queries are the shapes compared; flights stands for the file on both engines.
var queries = []struct{ name, sql string }{
	{"group by origin", "SELECT origin, count(*), avg(delay) FROM flights GROUP BY origin"},
	{"group by route", "SELECT origin, destination, count(*), avg(delay), min(delay), max(delay) FROM flights GROUP BY origin, destination"},
	{"filter, global aggregate", "SELECT count(*), sum(distance) FROM flights WHERE delay >= 15 AND distance < 1000"},
	{"group by minute (high cardinality)", "SELECT date, count(*) FROM flights GROUP BY date"},
	{"share late by origin, sorted", "SELECT origin, avg(CASE WHEN delay >= 15 THEN 1 ELSE 0 END) AS late FROM flights GROUP BY origin ORDER BY late DESC, origin LIMIT 10"},
}

func main() {
	data := flag.String("data", "", "the flights Parquet file")
	quern := flag.String("quern", "", "the quern binary, for the whole-command comparison")
	runs := flag.Int("runs", 15, "timed runs of each query on each engine")
	profile := flag.String("profile", "", "write a CPU profile of Quern's side alone, running one query, to this file, and end")
	which := flag.Int("query", 1, "with -profile: which query, from 1")
	once := flag.String("duckdb", "", "run one statement on DuckDB, print its rows, and end (used by the whole-command comparison)")
	flag.Parse()
	work := func() error { return run(*data, *quern, *runs, *once) }
	if *profile != "" {
		work = func() error { return profileQuern(*data, *profile, queries[*which-1].sql, *runs) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(data, quern string, runs int, once string) error {
	if _, err := os.Stat(data); err != nil {
		fmt.Printf("skipped: the full flights file is not here (%v)\n", err)
		return nil
	}
	duck, err := openDuckDB(data)
	if err != nil {
		return err
	}
	defer duck.Close()
	if once != "" {
		rows, err := queryDuckDB(duck, once)
		fmt.Println(strings.Join(rows, "\n"))
		return err
	}
	e, err := assembly.StartEmbedded(assembly.Options{Workers: 1, Slots: threads, Memory: 4 << 30})
	if err != nil {
		return err
	}
	defer e.Close()
	runtime.GOMAXPROCS(threads)
	fmt.Printf("%d runs each, alternating; milliseconds, median (min–max); ratio = DuckDB / Quern, above 1 Quern is faster\n\n", runs)
	fmt.Println("| query, warm, in process | Quern | DuckDB | ratio |\n|---|---|---|---|")
	for _, q := range queries {
		if err := compareWarm(e, duck, data, q.name, q.sql, runs); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	if quern == "" {
		return nil
	}
	fmt.Println("\n| query, whole command | Quern | DuckDB | ratio |\n|---|---|---|---|")
	for _, q := range queries {
		if err := compareCommands(data, quern, q.name, q.sql, runs); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	return nil
}

// profileQuern runs a query over and over under the CPU profiler.
func profileQuern(data, path, text string, runs int) error {
	e, err := assembly.StartEmbedded(assembly.Options{Workers: 1, Slots: threads, Memory: 4 << 30})
	if err != nil {
		return err
	}
	defer e.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	for range runs {
		if _, err := queryQuern(e, data, text); err != nil {
			return err
		}
	}
	return nil
}

func compareWarm(e *assembly.Embedded, duck *sql.DB, data, name, text string, runs int) error {
	request := func() ([]string, error) { return queryQuern(e, data, text) }
	peer := func() ([]string, error) { return queryDuckDB(duck, text) }
	got, err := request()
	if err != nil {
		return err
	}
	want, err := peer()
	if err != nil {
		return err
	}
	if err := sameRows(got, want); err != nil {
		return err
	}
	ours, theirs, err := alternate(runs, request, peer)
	if err != nil {
		return err
	}
	report(name, ours, theirs)
	return nil
}

func compareCommands(data, quern, name, text string, runs int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := func(args ...string) func() ([]string, error) {
		return func() ([]string, error) {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Env, cmd.Stderr = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(threads)), os.Stderr
			out, err := cmd.Output()
			return strings.Split(string(out), "\n"), err
		}
	}
	ours, theirs, err := alternate(runs,
		command(quern, "sql", text, "--table", "flights="+data, "--format", "csv"),
		command(self, "-data", data, "-duckdb", text))
	if err != nil {
		return err
	}
	report(name, ours, theirs)
	return nil
}

// alternate times a and b in turn, so that both meet the same noise.
func alternate(runs int, a, b func() ([]string, error)) (as, bs []time.Duration, err error) {
	for range runs {
		for _, side := range []struct {
			f    func() ([]string, error)
			into *[]time.Duration
		}{{a, &as}, {b, &bs}} {
			runtime.GC()
			start := time.Now()
			if _, err := side.f(); err != nil {
				return nil, nil, err
			}
			*side.into = append(*side.into, time.Since(start))
		}
	}
	slices.Sort(as)
	slices.Sort(bs)
	return as, bs, nil
}

func report(name string, ours, theirs []time.Duration) {
	text := func(d []time.Duration) string {
		return fmt.Sprintf("%.1f (%.1f–%.1f)", ms(d[len(d)/2]), ms(d[0]), ms(d[len(d)-1]))
	}
	fmt.Printf("| %s | %s | %s | %.2f |\n", name, text(ours), text(theirs), ms(theirs[len(theirs)/2])/ms(ours[len(ours)/2]))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func openDuckDB(data string) (*sql.DB, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, s := range []string{
		fmt.Sprintf("SET threads = %d", threads),
		fmt.Sprintf("CREATE VIEW flights AS SELECT * FROM read_parquet('%s')", data),
	} {
		if _, err := db.Exec(s); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
	}
	return db, nil
}

func queryDuckDB(db *sql.DB, text string) ([]string, error) {
	rows, err := db.Query(text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	var out []string
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		line := make([]string, len(values))
		for i, v := range values {
			if t, ok := v.(time.Time); ok {
				v = t.Format(time.DateTime)
			}
			line[i] = fmt.Sprint(v)
		}
		out = append(out, strings.Join(line, "\t"))
	}
	return out, rows.Err()
}

var queryNumber int

func queryQuern(e *assembly.Embedded, data, text string) ([]string, error) {
	ctx := context.Background()
	queryNumber++
	id := fmt.Sprintf("q%d", queryNumber)
	_, err := e.Client.Submit(ctx, api.SubmitRequest{RunID: id, Query: &api.Query{SQL: text, Tables: []api.Table{{Name: "flights", Path: data}}}})
	if err != nil {
		return nil, err
	}
	status, err := assembly.Wait(ctx, e.Client, id, nil)
	if err != nil {
		return nil, err
	}
	if status.Failure != nil {
		return nil, status.Failure
	}
	rows := e.Rows(status)
	defer rows.Close()
	var out []string
	for {
		rec, err := rows.Next(ctx)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range int(rec.NumRows()) {
			line := make([]string, rec.NumCols())
			for c, col := range rec.Columns() {
				line[c] = vector.Format(col, i)
			}
			out = append(out, strings.Join(line, "\t"))
		}
		rec.Release()
	}
}

// sameRows compares two answers as sets of rows; numbers may differ in their text form but not beyond 1e-12.
func sameRows(a, b []string) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d rows, but %d on DuckDB", len(a), len(b))
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	for i := range a {
		x, y := strings.Split(a[i], "\t"), strings.Split(b[i], "\t")
		for c := range x {
			if x[c] == y[c] {
				continue
			}
			f, err1 := strconv.ParseFloat(x[c], 64)
			g, err2 := strconv.ParseFloat(y[c], 64)
			if err1 != nil || err2 != nil || math.Abs(f-g) > 1e-12*math.Max(math.Abs(f), 1) {
				return fmt.Errorf("row %q, but %q on DuckDB", a[i], b[i])
			}
		}
	}
	return nil
}
