package logical

import (
	"strings"

	"github.com/quern-engine/quern/plan"
)

// Relation is something that FROM can name: a table or the plan of an earlier step; exactly one of Table and Plan is
// set.
type Relation struct {
	Name  string
	Table *plan.Table
	Plan  Node
}

// Environment is what names mean while a query is analysed.
type Environment struct {
	Relations []Relation
	Params    []Param
	Functions []plan.Function // plugin functions
	IDs       *IDs
	Session   plan.Session
}

// Param is a job parameter as a typed constant.
type Param struct {
	Name  string
	Value *plan.Expr
}

// Relation finds a table or step by name, letter case ignored.
func (e *Environment) Relation(name string) (Relation, bool) {
	for _, r := range e.Relations {
		if strings.EqualFold(r.Name, name) {
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
		s.Files = append(s.Files, FileScan{File: f})
	}
	return s
}
