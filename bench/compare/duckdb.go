package main

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// openDuckDB has each table as a view over its files.
func openDuckDB(tables []table) (*sql.DB, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	statements := []string{fmt.Sprintf("SET threads = %d", threads)}
	for _, t := range tables {
		statements = append(statements, fmt.Sprintf("CREATE VIEW %s AS SELECT * FROM read_parquet('%s')", t.Name, t.Path))
	}
	for _, s := range statements {
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
			line[i] = duckText(v)
		}
		out = append(out, strings.Join(line, "\t"))
	}
	return out, rows.Err()
}

// duckText is a value as Quern prints it.
func duckText(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case time.Time:
		return strings.TrimSuffix(v.Format(time.DateTime), " 00:00:00")
	case duckdb.Decimal:
		return v.String()
	}
	return fmt.Sprint(v)
}
