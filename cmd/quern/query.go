package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	options  []string
	timeZone string
}

func (f *queryFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "read the statement from a file")
	cmd.Flags().StringArrayVar(&f.tables, "table", nil, "name=path, a file, folder, glob or URL of Parquet, CSV, JSON lines or Arrow; repeatable")
	cmd.Flags().StringArrayVar(&f.options, "option", nil, "table.option=value, such as t.header=true, t.format=csv or t.schema='a INT, b STRING'; repeatable")
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
	return q, f.addTables(q)
}

// addTables reads the flags about tables.
func (f *queryFlags) addTables(q *api.Query) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working folder: %w", err)
	}
	q.Dir = dir
	for _, t := range f.tables {
		name, path, ok := strings.Cut(t, "=")
		if !ok || name == "" || path == "" {
			return usageError{fmt.Errorf("--table %s: write name=path", t)}
		}
		if !strings.Contains(path, "://") && !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		q.Tables = append(q.Tables, api.Table{Name: name, Path: path})
	}
	for _, o := range f.options {
		place, value, ok := strings.Cut(o, "=")
		name, option, dotted := strings.Cut(place, ".")
		if !ok || !dotted || name == "" || option == "" {
			return usageError{fmt.Errorf("--option %s: write table.option=value", o)}
		}
		at := slices.IndexFunc(q.Tables, func(t api.Table) bool { return strings.EqualFold(t.Name, name) })
		if at < 0 {
			return usageError{fmt.Errorf("--option %s: there is no --table %s", o, name)}
		}
		setOption(&q.Tables[at], option, value)
	}
	return nil
}

// setOption sets an option of a table. Its format and its columns are no options of the format, but given like them.
func setOption(t *api.Table, option, value string) {
	switch strings.ToLower(option) {
	case "format":
		t.Format = value
	case "schema":
		t.Schema = value
	default:
		if t.Options == nil {
			t.Options = map[string]string{}
		}
		t.Options[option] = value
	}
}
