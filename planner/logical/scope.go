package logical

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/planner/sql"
)

// scope is the columns that expressions can name, in the order in which * lists them.
type scope struct{ cols []scopeColumn }

// scopeColumn is a column with the names it goes by.
type scopeColumn struct {
	Column
	table string // alias or name of the table; "" for none
	// schema is where a table without an alias lies, so that schema.table.name finds the column too; "" of all others.
	schema string
	// qualified says that only t.name finds it: the keys of a USING join on the side that does not show.
	qualified bool
	// hidden says that * does not list it: windows of time.
	hidden bool
}

// scopeOf names the columns of a node after a table.
func scopeOf(table string, cols []Column) *scope {
	s := &scope{}
	for _, c := range cols {
		s.cols = append(s.cols, scopeColumn{Column: c, table: table})
	}
	return s
}

// inSchema says in which schema the table of all columns lies.
func (s *scope) inSchema(schema string) *scope {
	for i := range s.cols {
		s.cols[i].schema = schema
	}
	return s
}

// isOf reports whether a qualifier means the column's table: t, schema.t or spark_catalog.schema.t.
func (c scopeColumn) isOf(qualifier []sql.Ident) bool {
	full := []string{catalogName, c.schema, c.table}
	if c.schema == "" {
		full = full[2:]
	}
	if c.table == "" || len(qualifier) == 0 || len(qualifier) > len(full) {
		return false
	}
	for i, q := range qualifier {
		if !strings.EqualFold(q.Name, full[len(full)-len(qualifier)+i]) {
			return false
		}
	}
	return true
}

// fullName is the column's name behind all that can stand before it.
func (c scopeColumn) fullName() []string {
	switch {
	case c.table == "":
		return []string{c.Name}
	case c.schema == "":
		return []string{c.table, c.Name}
	}
	return []string{catalogName, c.schema, c.table, c.Name}
}

// find lists the columns that a name stands for: the column's own behind, perhaps, its table's.
func (s *scope) find(parts []sql.Ident) []scopeColumn {
	var found []scopeColumn
	last := len(parts) - 1
	for _, c := range s.cols {
		if !strings.EqualFold(c.Name, parts[last].Name) {
			continue
		}
		if last == 0 && !c.qualified || c.isOf(parts[:last]) {
			found = append(found, c)
		}
	}
	return found
}

// of lists the columns of a table, for t.*.
func (s *scope) of(qualifier []sql.Ident) []scopeColumn {
	var found []scopeColumn
	for _, c := range s.cols {
		if c.isOf(qualifier) {
			found = append(found, c)
		}
	}
	return found
}

// visible lists what * stands for.
func (s *scope) visible() []scopeColumn {
	var found []scopeColumn
	for _, c := range s.cols {
		if !c.qualified && !c.hidden {
			found = append(found, c)
		}
	}
	return found
}

// update takes over types and nullability from a node that now produces the columns.
func (s *scope) update(cols []Column) {
	byID := map[int]Column{}
	for _, c := range cols {
		byID[c.ID] = c
	}
	for i, c := range s.cols {
		if now, ok := byID[c.ID]; ok {
			now.Name = c.Name
			s.cols[i].Column = now
		}
	}
}

// resolve finds the one column that a name stands for. found is false when there is none.
func (a *analyser) resolve(s *scope, n *sql.Name) (col scopeColumn, found bool, err error) {
	candidates := s.find(n.Parts)
	switch {
	case len(candidates) == 1:
		return candidates[0], true, nil
	case len(candidates) == 0:
		return scopeColumn{}, false, nil
	}
	texts := make([]string, len(candidates))
	for i, c := range candidates {
		texts[i] = "`" + strings.TrimPrefix(c.table+"`.`"+c.Name, "`.`") + "`"
		if i > 0 && texts[i] == texts[0] {
			texts[0] = "`" + strings.Join(candidates[0].fullName(), "`.`") + "`"
			texts[i] = "`" + strings.Join(c.fullName(), "`.`") + "`"
		}
	}
	return scopeColumn{}, false, a.errorf(n.Span, "AMBIGUOUS_REFERENCE", "%q is ambiguous: it could be %s",
		nameText(n.Parts), strings.Join(texts, " or ")).WithHint("say which table: table.%s", n.Parts[len(n.Parts)-1].Name)
}

// resolvePath finds the column that a name begins with: behind as much of a table's name as there is. The rest of the
// name are fields of it.
func (a *analyser) resolvePath(s *scope, n *sql.Name) (col scopeColumn, fields []sql.Ident, found bool, err error) {
	for length := min(len(n.Parts), 4); length > 0; length-- {
		col, found, err = a.resolve(s, &sql.Name{Parts: n.Parts[:length], Span: n.Span})
		if found || err != nil {
			return col, n.Parts[length:], found, err
		}
	}
	return scopeColumn{}, nil, false, nil
}

// unresolved is the error for a name that nothing has.
func (a *analyser) unresolved(s *scope, n *sql.Name, more []string) *source.Error {
	class := "UNRESOLVED_COLUMN.WITH_SUGGESTION"
	if len(s.cols)+len(more) == 0 {
		class = "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION"
	}
	err := a.errorf(n.Span, class, "no column %q here", nameText(n.Parts))
	names := append([]string(nil), more...)
	tables := []string{}
	for _, c := range s.cols {
		if len(n.Parts) == 1 || strings.EqualFold(c.table, n.Parts[0].Name) {
			names = append(names, c.Name)
		}
		tables = append(tables, c.table)
	}
	last := n.Parts[len(n.Parts)-1].Name
	if len(n.Parts) > 1 && len(s.of(n.Parts[:1])) == 0 {
		if near := source.Nearest(n.Parts[0].Name, tables); near != "" {
			return err.WithHint("no table %q in FROM; did you mean %q?", n.Parts[0].Name, near)
		}
		return err.WithHint("no table %q in FROM", n.Parts[0].Name)
	}
	if hint := a.unreadable(last); hint != "" {
		return err.WithHint("%s", hint)
	}
	if near := source.Nearest(last, names); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	if len(names) > 0 {
		return err.WithHint("there are: %s", abbreviate(names, 12))
	}
	return err
}

// unreadable is the hint about a column that the files of a table have, but with a type that cannot be read.
func (a *analyser) unreadable(column string) string {
	for _, r := range a.env.Relations {
		if r.Table == nil {
			continue
		}
		for name, typ := range r.Table.Unsupported {
			if strings.EqualFold(name, column) {
				return fmt.Sprintf("%s has the type %s in the files of %s, which is not supported", name, typ, r.Table.Source.Path)
			}
		}
	}
	return ""
}

func nameText(parts []sql.Ident) string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.Name
	}
	return strings.Join(names, ".")
}

// abbreviate lists the first few distinct names.
func abbreviate(names []string, limit int) string {
	var out []string
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] || n == "" {
			continue
		}
		seen[n] = true
		if len(out) == limit {
			return strings.Join(out, ", ") + ", …"
		}
		out = append(out, n)
	}
	return strings.Join(out, ", ")
}

// rename gives columns new names, for t(a, b) and WITH t(a, b).
func (a *analyser) rename(cols []Column, names []sql.Ident, span source.Span) ([]Column, error) {
	if len(names) == 0 {
		return cols, nil
	}
	if len(names) != len(cols) {
		return nil, a.errorf(span, "ASSIGNMENT_ARITY_MISMATCH", "%d column names for %d columns", len(names), len(cols))
	}
	out := make([]Column, len(cols))
	for i, c := range cols {
		c.Name = names[i].Name
		out[i] = c
	}
	return out, nil
}
