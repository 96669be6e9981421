package assembly

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/planner/sql"
)

const (
	catalogName   = "spark_catalog"
	defaultSchema = "default"
	globalSchema  = "global_temp"
)

// objectName is where a table or view lies. Temporary views, and tables that the command line names, lie in no schema.
type objectName struct{ schema, name string }

func (n objectName) key() string { return strings.ToLower(n.schema + "." + n.name) }

func (n objectName) isView(v api.View) bool {
	return strings.EqualFold(v.Name, n.name) && strings.EqualFold(v.Namespace, n.schema)
}

func (n objectName) isTable(t api.Table) bool {
	return strings.EqualFold(t.Name, n.name) && strings.EqualFold(t.Namespace, n.schema)
}

// quoted is the name as SQL.
func (n objectName) quoted() string {
	if n.schema == "" {
		return quoted(n.name)
	}
	return quoted(n.schema) + "." + quoted(n.name)
}

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// schema is the current one.
func (s *Session) schema() string {
	if s.base.Namespace == "" {
		return defaultSchema
	}
	return s.base.Namespace
}

// object is where the object of a name lies, in the current schema if the name has none.
func (e execution) object(parts []sql.Ident) (objectName, error) {
	name := objectName{e.schema(), parts[len(parts)-1].Name}
	if len(parts) > 1 {
		var err error
		if name.schema, err = e.knownSchema(parts[:len(parts)-1]); err != nil {
			return name, err
		}
	}
	return name, nil
}

// knownSchema is a schema that exists, as it was named when it was made.
func (e execution) knownSchema(parts []sql.Ident) (string, error) {
	if len(parts) == 2 && strings.EqualFold(parts[0].Name, catalogName) {
		parts = parts[1:]
	}
	known := append([]string{defaultSchema, globalSchema}, e.schemas...)
	if i := slices.IndexFunc(known, func(s string) bool { return strings.EqualFold(s, parts[0].Name) }); i >= 0 && len(parts) == 1 {
		return known[i], nil
	}
	err := e.text.Errorf(parts[0].Span, "SCHEMA_NOT_FOUND", "no schema %q", parts[0].Name)
	return "", err.WithHint("there are: %s", strings.Join(append([]string{defaultSchema}, e.schemas...), ", "))
}

func (e execution) exists(name objectName) bool { return e.view(name) >= 0 || e.table(name) >= 0 }

func (e execution) view(name objectName) int { return slices.IndexFunc(e.base.Views, name.isView) }

func (e execution) table(name objectName) int { return slices.IndexFunc(e.base.Tables, name.isTable) }

func (s *Session) forget(name objectName) {
	s.base.Views = slices.DeleteFunc(slices.Clone(s.base.Views), name.isView)
	s.base.Tables = slices.DeleteFunc(slices.Clone(s.base.Tables), name.isTable)
	delete(s.defaults, name.key())
	delete(s.fileViews, name.key())
	delete(s.writers, name.key())
}
