// Command compare times queries on Quern and on DuckDB, side by side in one run: warm, inside one process each, and as
// whole commands. Both get two threads. It checks that the answers agree before it times anything.
package main

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/quern-engine/quern/cmd/quern/assembly"
)

const threads = 2

// options are the command line.
type options struct {
	suite, data string
	quern       string
	runs        int
	memory      int64
	only        string
	profile     string
	once        string
}

func main() {
	var o options
	flag.StringVar(&o.suite, "suite", "flights", "flights, tpch or micro")
	flag.StringVar(&o.data, "data", "", "the flights Parquet file; for tpch and micro the folder with the tables")
	flag.StringVar(&o.quern, "quern", "", "the quern binary, for the whole-command comparison")
	flag.IntVar(&o.runs, "runs", 15, "timed runs of each query on each engine")
	memory := flag.String("memory", "4GiB", "memory for each engine")
	flag.StringVar(&o.only, "only", "", "run only the queries whose name contains this")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of Quern's side alone, running the first query chosen, to this file, and end")
	flag.StringVar(&o.once, "duckdb", "", "run one statement on DuckDB, print its rows, and end (used by the whole-command comparison)")
	flag.Parse()
	size, err := humanize.ParseBytes(*memory)
	o.memory = int64(size)
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	var err error
	if o.data, err = filepath.Abs(o.data); err != nil {
		return err
	}
	if _, err := os.Stat(o.data); err != nil {
		fmt.Printf("skipped: the data is not here (%v)\n", err)
		return nil
	}
	s, err := newSuite(o.suite, o.data, o.only)
	if err != nil {
		return err
	}
	if o.profile != "" {
		return profileQuern(s.tables, o.profile, s.queries[0].sql, o.runs)
	}
	duck, err := openDuckDB(s.tables)
	if err != nil {
		return err
	}
	defer duck.Close()
	if o.once != "" {
		rows, err := queryDuckDB(duck, o.once)
		fmt.Println(strings.Join(rows, "\n"))
		return err
	}
	assembly.LimitMemory(o.memory) // as the quern command does
	e, err := assembly.StartEmbedded(assembly.Options{Workers: 1, Slots: threads, Memory: o.memory})
	if err != nil {
		return err
	}
	defer e.Close()
	runtime.GOMAXPROCS(threads)
	fmt.Printf("%d runs each, alternating; milliseconds, median (min–max); ratio = DuckDB / Quern, above 1 Quern is faster\n\n", o.runs)
	if err := compareAll(e, duck, s, o.runs); err != nil {
		return err
	}
	if o.quern == "" {
		return nil
	}
	fmt.Printf("\n"+header, "whole command")
	for _, q := range s.queries {
		if err := compareCommands(s, o.quern, q, o.runs); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	return nil
}

// compareAll goes on after a query that fails on one of the engines, and says so in its row and at the end.
func compareAll(e *assembly.Embedded, duck *sql.DB, s *suite, runs int) error {
	fmt.Printf(header, "warm, in process")
	var ours, theirs timing
	var failed []string
	for _, q := range s.queries {
		a, b, err := compareWarm(e, duck, s, q, runs)
		if err != nil {
			line, _, _ := strings.Cut(err.Error(), "\n")
			fmt.Printf("| %s | failed: %s | | | | | |\n", q.name, line)
			failed = append(failed, q.name)
			continue
		}
		ours = timing{ours.wall + a.wall, ours.processor + a.processor}
		theirs = timing{theirs.wall + b.wall, theirs.processor + b.processor}
	}
	report("total of medians", timings{ours}, timings{theirs})
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// compareWarm checks that both engines give the same rows, then times them; it returns the medians.
func compareWarm(e *assembly.Embedded, duck *sql.DB, s *suite, q query, runs int) (ours, theirs timing, err error) {
	request := func() ([]string, error) { return queryQuern(e, s.tables, q.sql) }
	peer := func() ([]string, error) { return queryDuckDB(duck, q.sql) }
	got, err := request()
	if err != nil {
		return ours, theirs, err
	}
	want, err := peer()
	if err != nil {
		return ours, theirs, fmt.Errorf("duckdb: %w", err)
	}
	if err := sameRows(got, want); err != nil {
		return ours, theirs, err
	}
	a, b, err := alternate(runs, request, peer)
	if err != nil {
		return ours, theirs, err
	}
	report(q.name, a, b)
	return a.median(), b.median(), nil
}

func compareCommands(s *suite, quern string, q query, runs int) error {
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
	args := []string{quern, "sql", q.sql, "--format", "csv"}
	for _, t := range s.tables {
		args = append(args, "--table", t.Name+"="+t.Path)
	}
	ours, theirs, err := alternate(runs, command(args...), command(self, "-suite", s.name, "-data", s.data, "-duckdb", q.sql))
	if err != nil {
		return err
	}
	report(q.name, ours, theirs)
	return nil
}
