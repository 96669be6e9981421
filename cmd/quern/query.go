package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// queryFlags say which statement to run over which tables.
type queryFlags struct {
	file     string
	tables   []string
	timeZone string
}

func (f *queryFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "read the statement from a file")
	cmd.Flags().StringArrayVar(&f.tables, "table", nil, "name=path, a Parquet file, folder, glob or URL; repeatable")
	cmd.Flags().StringVar(&f.timeZone, "time-zone", "", "the session's time zone, such as Europe/Berlin (default UTC)")
}

// request reads the statement from the argument or the file.
func (f *queryFlags) request(text string) (*api.Query, error) {
	q := &api.Query{SQL: text, Session: plan.Session{TimeZone: f.timeZone}}
	if _, err := time.LoadLocation(f.timeZone); err != nil {
		return nil, usageError{fmt.Errorf("--time-zone %s: no such time zone", f.timeZone)}
	}
	switch {
	case text != "" && f.file != "":
		return nil, usageError{fmt.Errorf("give a statement or -f FILE, not both")}
	case f.file != "":
		data, err := os.ReadFile(f.file)
		if err != nil {
			return nil, usageError{fmt.Errorf("read statement: %w", err)}
		}
		q.File, q.SQL = f.file, string(data)
	case text == "":
		return nil, usageError{fmt.Errorf("give a statement, or -f FILE")}
	}
	for _, t := range f.tables {
		name, path, ok := strings.Cut(t, "=")
		if !ok || name == "" || path == "" {
			return nil, usageError{fmt.Errorf("--table %s: write name=path", t)}
		}
		if !strings.Contains(path, "://") {
			absolute, err := filepath.Abs(path)
			if err != nil {
				return nil, fmt.Errorf("find table %s: %w", name, err)
			}
			path = absolute
		}
		q.Tables = append(q.Tables, api.Table{Name: name, Path: path})
	}
	return q, nil
}
