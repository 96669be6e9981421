package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// query is a named statement that both engines understand.
type query struct{ name, sql string }

// suite is queries over tables.
type suite struct {
	name, data string
	tables     []table
	queries    []query
}

// flights are shapes over one file of flights.
var flights = []query{
	{"group by origin", "SELECT origin, count(*), avg(delay) FROM flights GROUP BY origin"},
	{"group by route", "SELECT origin, destination, count(*), avg(delay), min(delay), max(delay) FROM flights GROUP BY origin, destination"},
	{"filter, global aggregate", "SELECT count(*), sum(distance) FROM flights WHERE delay >= 15 AND distance < 1000"},
	{"group by minute (high cardinality)", "SELECT date, count(*) FROM flights GROUP BY date"},
	{"share late by origin, sorted", "SELECT origin, avg(CASE WHEN delay >= 15 THEN 1 ELSE 0 END) AS late FROM flights GROUP BY origin ORDER BY late DESC, origin LIMIT 10"},
}

// micro are single operators over the tables of TPC-H. Outer aggregates keep the results small, so that the engine is
// timed and not the printing.
var micro = []query{
	{"aggregate: dictionary keys", "SELECT l_returnflag, l_linestatus, l_shipmode, count(*), sum(l_quantity), min(l_discount) FROM lineitem GROUP BY l_returnflag, l_linestatus, l_shipmode"},
	{"aggregate: high cardinality, one key", "SELECT count(*), max(n) FROM (SELECT l_orderkey, count(*) AS n FROM lineitem GROUP BY l_orderkey)"},
	{"aggregate: high cardinality, two keys", "SELECT count(*), max(n) FROM (SELECT l_partkey, l_suppkey, sum(l_quantity) AS n FROM lineitem GROUP BY l_partkey, l_suppkey)"},
	{"aggregate: high cardinality, string key", "SELECT count(*), max(n) FROM (SELECT l_comment, count(*) AS n FROM lineitem GROUP BY l_comment)"},
	{"aggregate: count distinct", "SELECT count(DISTINCT l_partkey), count(DISTINCT l_shipdate) FROM lineitem"},
	{"join: large to large", "SELECT count(*), sum(l_quantity) FROM lineitem JOIN orders ON l_orderkey = o_orderkey"},
	{"join: large to small", "SELECT n_name, count(*) FROM lineitem JOIN supplier ON l_suppkey = s_suppkey JOIN nation ON s_nationkey = n_nationkey GROUP BY n_name"},
	{"join: semi", "SELECT count(*) FROM orders WHERE o_orderkey IN (SELECT l_orderkey FROM lineitem WHERE l_quantity > 45)"},
	{"sort: numbers, all rows", "SELECT sum(n * l_quantity) FROM (SELECT l_quantity, row_number() OVER (ORDER BY l_extendedprice, l_orderkey, l_linenumber) % 1000 AS n FROM lineitem)"},
	{"sort: top 100", "SELECT l_orderkey, l_linenumber, l_extendedprice FROM lineitem ORDER BY l_extendedprice DESC, l_orderkey, l_linenumber LIMIT 100"},
	{"window: rank in partition", "SELECT count(*) FROM (SELECT rank() OVER (PARTITION BY l_suppkey ORDER BY l_shipdate, l_orderkey, l_linenumber) AS r FROM lineitem) WHERE r = 1"},
	{"string: like", "SELECT count(*) FROM lineitem WHERE l_comment LIKE '%furiously%express%'"},
	{"string: functions", "SELECT upper(substring(l_comment, 1, 3)) AS k, count(*), sum(length(l_comment)) FROM lineitem GROUP BY upper(substring(l_comment, 1, 3))"},
	{"scan: filter on dictionary column", "SELECT count(*), sum(l_extendedprice) FROM lineitem WHERE l_shipmode = 'AIR' AND l_returnflag = 'R'"},
}

func newSuite(name, data, only string) (*suite, error) {
	s := &suite{name: name, data: data}
	switch name {
	case "flights":
		s.tables = []table{{Name: "flights", Path: data}}
		s.queries = flights
	case "micro":
		s.queries = micro
	case "tpch":
		files, err := filepath.Glob("../testdata/tpch/queries/*.sql")
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			s.queries = append(s.queries, query{strings.TrimSuffix(filepath.Base(f), ".sql"), string(text)})
		}
	default:
		return nil, fmt.Errorf("no suite %q", name)
	}
	if name != "flights" {
		files, err := filepath.Glob(filepath.Join(data, "*.parquet"))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			s.tables = append(s.tables, table{Name: strings.TrimSuffix(filepath.Base(f), ".parquet"), Path: f})
		}
	}
	var chosen []query
	for _, q := range s.queries {
		if strings.Contains(q.name, only) {
			chosen = append(chosen, q)
		}
	}
	if s.queries = chosen; len(chosen) == 0 {
		return nil, fmt.Errorf("suite %s has no query %q", name, only)
	}
	return s, nil
}
