package planner

import (
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

// Routine is a function that is defined in SQL.
type Routine struct {
	Name      string
	Namespace string // the schema that it lies in; "" for none
	Params    []plan.Field
	Defaults  map[string]string // values, as SQL, of parameters that calls may leave out
	Returns   *plan.Schema      // one field, or with Table the columns; nil for whatever the body gives
	Table     bool
	File      string
	Line      int
	SQL       string
}

// addRoutine reads a function's body.
func (p *planning) addRoutine(r Routine) error {
	out := logical.Routine{
		Name: r.Name, Schema: r.Namespace, Params: r.Params, Returns: r.Returns,
		Text: &source.Text{File: r.File, Line: r.Line, Body: r.SQL}, Defaults: make([]sql.Expr, len(r.Params)),
	}
	var err error
	if r.Table {
		out.Query, err = sql.Parse(out.Text)
	} else {
		out.Body, err = sql.ParseExpr(out.Text)
	}
	if err != nil {
		return err
	}
	for i, f := range r.Params {
		if text := r.Defaults[f.Name]; text != "" {
			if out.Defaults[i], err = sql.ParseExpr(&source.Text{Body: text}); err != nil {
				return err
			}
		}
	}
	p.routines = append(p.routines, out)
	return nil
}
