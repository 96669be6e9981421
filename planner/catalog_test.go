package planner

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
)

// textCatalog is a catalog written as text:
//
//	table flights
//	  column delay bigint null
//	  partition day date
//	  file day=2001-01-01 groups=2 rows=8000 bytes=900000 delay=-60..900
//
// rows and bytes are per row group.
type textCatalog struct {
	tables map[string]*plan.Table
	asked  map[string][]string // URLs whose statistics were asked for
}

var _ Catalog = (*textCatalog)(nil)

func (c *textCatalog) Table(_ context.Context, src plan.Source) (*plan.Table, error) {
	t, ok := c.tables[src.Name]
	if !ok {
		return nil, plan.Failf(plan.FailureUser, "%s does not exist", src.Path)
	}
	out := *t
	out.Source = src
	out.Files = nil
	for _, f := range t.Files {
		f.RowGroups = nil
		out.Files = append(out.Files, f)
	}
	return &out, nil
}

func (c *textCatalog) Unfold(context.Context, *plan.Table, []plan.File) (*plan.Table, error) {
	return nil, plan.Failf(plan.FailureInternal, "its tables have files")
}

func (c *textCatalog) Statistics(_ context.Context, table *plan.Table, files []plan.File) ([]plan.File, error) {
	var out []plan.File
	for _, f := range files {
		c.asked[table.Source.Name] = append(c.asked[table.Source.Name], f.URL)
		for _, known := range c.tables[table.Source.Name].Files {
			if known.URL == f.URL {
				out = append(out, known)
			}
		}
	}
	return out, nil
}

func (c *textCatalog) CheckOutput(out plan.Output) error {
	for name := range out.Options {
		return &plan.OptionError{Option: name, Known: []string{"pageSize"}, Failure: plan.Failf(plan.FailureUser, "option %s: there is none", name)}
	}
	return nil
}

func (c *textCatalog) sources() []plan.Source {
	var out []plan.Source
	for _, name := range sortedKeys(c.tables) {
		out = append(out, plan.Source{Name: name, Path: "/data/" + name, Format: "parquet"})
	}
	return out
}

func parseCatalog(t testing.TB, text string) *textCatalog {
	t.Helper()
	c := &textCatalog{tables: map[string]*plan.Table{}, asked: map[string][]string{}}
	var table *plan.Table
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		switch words[0] {
		case "table":
			table = &plan.Table{Source: plan.Source{Name: words[1]}}
			c.tables[words[1]] = table
		case "column", "partition":
			f := plan.Field{Name: words[1], Type: parseType(t, words[2]), Nullable: len(words) > 3 && words[3] == "null"}
			table.Schema.Fields = append(table.Schema.Fields, f)
			if words[0] == "partition" {
				table.Partitions = append(table.Partitions, f)
			}
		case "unsupported":
			table.Source.Path, table.Unsupported = "/data/"+table.Source.Name, map[string]string{words[1]: words[2]}
		case "file":
			table.Files = append(table.Files, parseFile(t, table, words[1:]))
		default:
			t.Fatalf("catalog: %q", line)
		}
	}
	return c
}

func parseType(t testing.TB, name string) plan.Type {
	t.Helper()
	var precision, scale int32
	if n, _ := fmt.Sscanf(name, "decimal(%d,%d)", &precision, &scale); n == 2 {
		return plan.Decimal(precision, scale)
	}
	typ, ok := plan.ParseTypeName(name)
	if !ok {
		t.Fatalf("catalog: type %q", name)
	}
	return typ
}

func parseFile(t testing.TB, table *plan.Table, words []string) plan.File {
	t.Helper()
	f := plan.File{
		URL: fmt.Sprintf("file:///data/%s/%d.parquet", table.Source.Name, len(table.Files)), ETag: "e",
		Partition: make([]plan.Literal, len(table.Partitions)),
	}
	group := plan.RowGroup{Columns: make([]plan.ColumnStats, len(table.Schema.Fields)-len(table.Partitions))}
	groups := 1
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "groups":
			groups = int(n)
		case "rows":
			group.Rows = n
		case "bytes":
			group.Bytes = n
		default:
			setStatistic(t, table, &f, &group, name, value)
		}
	}
	for i := range group.Columns { // an equal share each
		group.Columns[i].Bytes = group.Bytes / int64(len(group.Columns))
	}
	for range groups {
		f.RowGroups = append(f.RowGroups, group)
		f.Size += group.Bytes
	}
	return f
}

func setStatistic(t testing.TB, table *plan.Table, f *plan.File, group *plan.RowGroup, name, value string) {
	t.Helper()
	i := table.Schema.Index(name)
	if i < 0 {
		t.Fatalf("catalog: no column %q", name)
	}
	typ := table.Schema.Fields[i].Type
	if first := len(table.Schema.Fields) - len(table.Partitions); i >= first {
		f.Partition[i-first] = parseLiteral(t, value, typ)
		return
	}
	low, high, _ := strings.Cut(value, "..")
	group.Columns[i] = plan.ColumnStats{
		HasBounds: true, Min: parseLiteral(t, low, typ), Max: parseLiteral(t, high, typ), NullCount: -1,
	}
}

func parseLiteral(t testing.TB, text string, typ plan.Type) plan.Literal {
	t.Helper()
	if text == "NULL" {
		return plan.Literal{Null: true}
	}
	e, err := compute.Fold(compute.Cast(plan.StringLiteral(text), typ), plan.Session{})
	if err != nil {
		t.Fatalf("catalog: %v", err)
	}
	return e.Value
}
