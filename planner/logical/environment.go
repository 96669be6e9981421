package logical

import (
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// Relation is something that FROM can name: a table, the plan of an earlier step, or a view; exactly one of Table, Plan
// and View is set. One that lies in a schema is found behind the schema's name, or alone while the schema is the current one; all
// others can be named from everywhere.
type Relation struct {
	Name   string
	Schema string // "" for none
	Table  *plan.Table
	Plan   Node
	// View makes the plan of a view when something names it.
	View func() (Node, error)
	// LooksAhead is how far behind the time of a row the events lie that its labels may count, in microseconds; 0 without labels.
	LooksAhead int64
}

// Source is the name by which scans of a table are known.
func (r Relation) Source() string {
	if r.Schema == "" {
		return r.Name
	}
	return r.Schema + "." + r.Name
}

// Environment is what names mean while a query is analysed.
type Environment struct {
	Relations []Relation
	Params    []Param
	Functions []plan.Function // plugin functions
	Routines  []Routine       // functions that are defined in SQL
	Variables []plan.Constant
	IDs       *IDs
	// Schema is where names of tables are looked up that have no schema before them; "" is the schema default.
	Schema  string
	Session plan.Session
}

// Param is a job parameter as a typed constant.
type Param struct {
	Name  string
	Value *plan.Expr
}

// The one catalog, and the schema that is there from the beginning.
const (
	catalogName   = "spark_catalog"
	defaultSchema = "default"
)

// place is where names of tables are looked up that have no schema before them: the catalog or the schema.
func (a *analyser) place(e *sql.Call) (*plan.Expr, error) {
	name := lower(e.Name.Name)
	if err := a.plainCall(e, name); err != nil {
		return nil, err
	}
	if len(e.Args) > 0 {
		return nil, a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "%s takes no arguments", name)
	}
	if name == "current_catalog" {
		return plan.StringLiteral(catalogName), nil
	}
	return plan.StringLiteral(a.env.schema()), nil
}

func (e *Environment) schema() string {
	if e.Schema == "" {
		return defaultSchema
	}
	return e.Schema
}

// Has reports whether a schema has a table or view.
func (e *Environment) Has(schema, name string) bool {
	_, ok := e.within(schema, name)
	return ok
}

// find looks a table, view or step up by its name, of up to three parts, letter case ignored.
func (e *Environment) find(parts []string) (Relation, bool) {
	if len(parts) == 3 && strings.EqualFold(parts[0], catalogName) {
		parts = parts[1:]
	}
	switch len(parts) {
	case 1:
		if r, ok := e.within("", parts[0]); ok {
			return r, true
		}
		return e.within(e.schema(), parts[0])
	case 2:
		r, ok := e.within(parts[0], parts[1])
		if !ok && strings.EqualFold(parts[0], defaultSchema) { // tables that the caller named count among them
			r, ok = e.within("", parts[1])
			ok = ok && r.View == nil
		}
		return r, ok
	}
	return Relation{}, false
}

// Relation finds a table or step that lies in no schema.
func (e *Environment) Relation(name string) (Relation, bool) { return e.within("", name) }

func (e *Environment) within(schema, name string) (Relation, bool) {
	for _, r := range e.Relations {
		if strings.EqualFold(r.Name, name) && strings.EqualFold(r.Schema, schema) {
			return r, true
		}
	}
	return Relation{}, false
}

func (e *Environment) param(name string) (*plan.Expr, bool) {
	for _, p := range e.Params {
		if p.Name == name {
			return p.Value, true
		}
	}
	return nil, false
}

func (e *Environment) function(name string) (plan.Function, bool) {
	for _, f := range e.Functions {
		if strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return plan.Function{}, false
}

// ScanTable is a scan of all columns and files of a table.
func ScanTable(name string, t *plan.Table, ids *IDs) *Scan {
	s := &Scan{Source: name, Table: t}
	for i, f := range t.Schema.Fields {
		s.Cols = append(s.Cols, ids.Column(f))
		s.Ordinals = append(s.Ordinals, i)
	}
	for _, f := range t.Files {
		s.Files = append(s.Files, FileScan{File: f, Folder: t.Folders != nil})
	}
	return s
}
