package logical

import (
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
	// qualified says that only t.name finds it: the keys of a USING join on the side that does not show.
	qualified bool
}

// scopeOf names the columns of a node after a table.
func scopeOf(table string, cols []Column) *scope {
	s := &scope{}
	for _, c := range cols {
		s.cols = append(s.cols, scopeColumn{Column: c, table: table})
	}
	return s
}

// find lists the columns that a name stands for. parts is one name or table and name.
func (s *scope) find(parts []sql.Ident) []scopeColumn {
	var found []scopeColumn
	name := parts[len(parts)-1].Name
	for _, c := range s.cols {
		if !strings.EqualFold(c.Name, name) {
			continue
		}
		if len(parts) == 1 && !c.qualified || len(parts) == 2 && strings.EqualFold(c.table, parts[0].Name) {
			found = append(found, c)
		}
	}
	return found
}

// of lists the columns of a table, for t.*.
func (s *scope) of(table string) []scopeColumn {
	var found []scopeColumn
	for _, c := range s.cols {
		if strings.EqualFold(c.table, table) {
			found = append(found, c)
		}
	}
	return found
}

// visible lists what * stands for.
func (s *scope) visible() []scopeColumn {
	var found []scopeColumn
	for _, c := range s.cols {
		if !c.qualified {
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
	}
	return scopeColumn{}, false, a.errorf(n.Span, "AMBIGUOUS_REFERENCE", "%q is ambiguous: it could be %s",
		nameText(n.Parts), strings.Join(texts, " or ")).WithHint("say which table: table.%s", n.Parts[len(n.Parts)-1].Name)
}

// resolvePath finds the column that a name begins with: table.column if there is one, else column. The rest of the name
// are fields of it.
func (a *analyser) resolvePath(s *scope, n *sql.Name) (col scopeColumn, fields []sql.Ident, found bool, err error) {
	parts := withoutCatalog(s, n.Parts)
	for _, length := range []int{2, 1} {
		if len(parts) < length {
			continue
		}
		col, found, err = a.resolve(s, &sql.Name{Parts: parts[:length], Span: n.Span})
		if found || err != nil {
			return col, parts[length:], found, err
		}
	}
	return scopeColumn{}, nil, false, nil
}

// withoutCatalog drops the names of the one catalog and its one schema in front of a table's.
func withoutCatalog(s *scope, parts []sql.Ident) []sql.Ident {
	for _, prefix := range [][]string{{"spark_catalog", "default"}, {"default"}} {
		if len(parts) < len(prefix)+2 || len(s.of(parts[len(prefix)].Name)) == 0 {
			continue
		}
		matches := true
		for i, p := range prefix {
			matches = matches && strings.EqualFold(parts[i].Name, p)
		}
		if matches {
			return parts[len(prefix):]
		}
	}
	return parts
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
	if len(n.Parts) > 1 && len(s.of(n.Parts[0].Name)) == 0 {
		if near := source.Nearest(n.Parts[0].Name, tables); near != "" {
			return err.WithHint("no table %q in FROM; did you mean %q?", n.Parts[0].Name, near)
		}
		return err.WithHint("no table %q in FROM", n.Parts[0].Name)
	}
	if near := source.Nearest(last, names); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	if len(names) > 0 {
		return err.WithHint("there are: %s", abbreviate(names, 12))
	}
	return err
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
