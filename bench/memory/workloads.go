package main

import "fmt"

// input is a table made by a query over range().
type input struct{ name, sql string }

// workload is a query with the one row that it must give, or a check of the Parquet file that it writes.
type workload struct {
	name   string
	inputs []input
	sql    string
	want   string
	file   func(path string) error
}

// Rows of the inputs at 100 percent. A row of wide is 84 bytes in memory: two bigint, 64 characters, and where they end.
const (
	groups   = 50_000_000
	wideRows = 48_000_000 // 4.0 GB in memory
	joinRows = 24_000_000 // 2.0 GB in memory
)

// shuffled is a number below n that is another one for each id below n: the factor is a prime that does not divide n.
func shuffled(factor, n int64) string { return fmt.Sprintf("(id * %d) %% %d", factor, n) }

func workloads(percent int64) []workload {
	g, n, j := groups*percent/100, wideRows*percent/100, joinRows*percent/100
	const p, q = 7368787, 15485863
	twice := input{"twice", fmt.Sprintf("SELECT %s AS k, id AS v FROM range(%d)", shuffled(p, g), 2*g)}
	wide := input{"wide", fmt.Sprintf("SELECT %s AS k, id AS v, sha2(CAST(id AS STRING), 256) AS s FROM range(%d)", shuffled(p, n), n)}
	side := func(name string, factor int64) input {
		k := shuffled(factor, j)
		return input{name, fmt.Sprintf("SELECT %s AS k, id AS v, sha2(CAST(%s AS STRING), 256) AS s FROM range(%d)", k, k, j)}
	}
	sum := func(n int64) int64 { return n / 2 * (n - 1) } // of the numbers below an even n
	return []workload{
		{
			name: "group by, 100 M rows into 50 M groups", inputs: []input{twice},
			sql:  "SELECT count(*), sum(c), sum(s), min(c), max(c) FROM (SELECT k, count(*) c, sum(v) s FROM twice GROUP BY k)",
			want: fmt.Sprintf("%d,%d,%d,2,2", g, 2*g, sum(2*g)),
		},
		{
			name: "sort of 4 GB into a Parquet file", inputs: []input{wide}, sql: "SELECT * FROM wide ORDER BY k",
			file: func(path string) error { return checkSorted(path, n, p) },
		},
		{
			name: "sort of 4 GB into a table", inputs: []input{wide},
			sql:  "CREATE TABLE sorted USING parquet AS SELECT * FROM wide ORDER BY k; SELECT count(*), sum(k), sum(v), sum(length(s)) FROM sorted",
			want: fmt.Sprintf("%d,%d,%d,%d", n, sum(n), sum(n), 64*n),
		},
		{
			name: "join of 2 GB and 2 GB", inputs: []input{side("l", p), side("r", q)},
			sql:  "SELECT count(*), count_if(l.s <> r.s), sum(l.v), sum(r.v), sum(length(l.s) + length(r.s)) FROM l JOIN r ON l.k = r.k",
			want: fmt.Sprintf("%d,0,%d,%d,%d", j, sum(j), sum(j), 128*j),
		},
		{
			name: "window over one partition of 4 GB", inputs: []input{wide},
			// In order of k the row's number is k + 1 and the sum so far k (k + 1) / 2.
			sql: "SELECT count(*), count_if(rn <> k + 1), count_if(so_far <> k * (k + 1) DIV 2), count_if(before <> k - 1), sum(length(s)) FROM (" +
				"SELECT k, s, row_number() OVER (ORDER BY k) rn, sum(k) OVER (ORDER BY k) so_far, lag(k) OVER (ORDER BY k) before FROM wide)",
			want: fmt.Sprintf("%d,0,0,0,%d", n, 64*n),
		},
	}
}
