package sql

import (
	"reflect"
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// Recursion is a query of WITH RECURSIVE that reads its own rows: an anchor, and a step that is run on the rows of the
// run before until there are none.
type Recursion struct {
	Name    Ident
	Columns []Ident
	Span    source.Span // the whole definition, from its name to the parenthesis behind it
	// Anchor and Step are where the parts are, and Body both.
	Anchor, Step, Body source.Span
	MaxLevel           int // of MAX RECURSION LEVEL; 0 where not written
	// With is the word WITH of the outermost clause whose definitions Visible the parts see.
	With    source.Span
	Visible []source.Span
}

// Recursions lists the recursive queries of a statement, inner ones before those around them, and each behind those that
// it can name. Mistakes are of type *source.Error.
func Recursions(text *source.Text, part source.Span) ([]Recursion, error) {
	if !strings.Contains(strings.ToUpper(text.Body[part.Start:part.End]), "RECURSIVE") {
		return nil, nil
	}
	p, err := newParser(text, part)
	if err != nil {
		return nil, err
	}
	p.statement()
	if p.err != nil {
		return nil, p.err
	}
	return p.recursions, nil
}

// definitions are the queries of a WITH clause that have been read.
type definitions struct {
	with  source.Span
	spans []source.Span
}

// recursion notes a query that reads itself.
func (p *parser) recursion(c *CTE, span source.Span, maxLevel int) {
	if p.err != nil || references(c.Query, c.Name.Name) == 0 {
		return
	}
	c.Recursive = true
	union, ok := unwrap(c.Query).(*SetOperation)
	switch {
	case !ok || union.Op != "union", references(union.Left, c.Name.Name) > 0:
		p.fail(c.Name.Span, "INVALID_RECURSIVE_CTE", "a recursive query is an anchor, UNION ALL and a step that reads %s", c.Name.Name)
		return
	case !union.All:
		p.fail(c.Name.Span, "UNION_NOT_SUPPORTED_IN_RECURSIVE_CTE", "a recursive query needs UNION ALL")
		return
	case !p.wellPlaced(union.Right, c.Name.Name):
		p.fail(c.Name.Span, "INVALID_RECURSIVE_REFERENCE.PLACE", "%s cannot be read here: not in subqueries of expressions, nor where rows need not match, are sorted or counted", c.Name.Name)
		return
	}
	r := Recursion{Name: c.Name, Columns: c.Columns, Span: span, MaxLevel: maxLevel, Anchor: bodySpan(union.Left), Step: bodySpan(union.Right), Body: c.Query.Span}
	for _, d := range p.visible {
		if len(d.spans) > 0 && len(r.Visible) == 0 {
			r.With = d.with
		}
		r.Visible = append(r.Visible, d.spans...)
	}
	p.recursions = append(p.recursions, r)
}

// unwrap is a query's body without parentheses around it; a query with clauses of its own stays one.
func unwrap(e SetExpr) SetExpr {
	for {
		q, ok := e.(*Query)
		if !ok || withinQuery(q) == SetExpr(q) {
			return e
		}
		e = q.Body
	}
}

func bodySpan(e SetExpr) source.Span {
	switch e := e.(type) {
	case *Select:
		return e.Span
	case *SetOperation:
		return e.Span
	case *ValuesClause:
		return e.Span
	case *Query:
		return e.Span
	}
	return source.Span{}
}

// wellPlaced reports that a step reads its query only in FROM, where every row counts.
func (p *parser) wellPlaced(e SetExpr, name string) bool {
	s, ok := unwrap(e).(*Select)
	return ok && !hasWindows(s) && inFrom(s.From, name) == references(s, name)
}

// inFrom counts the references in FROM that a recursion can follow.
func inFrom(refs []TableRef, name string) int {
	n := 0
	for _, ref := range refs {
		switch ref := ref.(type) {
		case *TableName:
			n += references(ref, name)
		case *Aliased:
			n += inFrom([]TableRef{ref.Ref}, name)
		case *Subquery:
			if s, ok := unwrap(ref.Query).(*Select); ok && len(s.GroupBy) == 0 && !s.GroupAll {
				n += inFrom(s.From, name)
			}
		case *Join:
			if ref.Type == "inner" || ref.Type == "cross" || ref.Type == "left" || ref.Type == "left_semi" || ref.Type == "left_anti" {
				n += inFrom([]TableRef{ref.Left}, name)
			}
			if ref.Type == "inner" || ref.Type == "cross" || ref.Type == "right" {
				n += inFrom([]TableRef{ref.Right}, name)
			}
		}
	}
	return n
}

// references counts the places of a tree that name a table.
func references(tree any, name string) int {
	n := 0
	visit(reflect.ValueOf(tree), func(x any) {
		if t, ok := x.(*TableName); ok && len(t.Parts) == 1 && strings.EqualFold(t.Parts[0].Name, name) {
			n++
		}
	})
	return n
}

func hasWindows(tree any) bool {
	found := false
	visit(reflect.ValueOf(tree), func(x any) {
		if c, ok := x.(*Call); ok && c.Over != nil {
			found = true
		}
	})
	return found
}

// IsPlain reports a query whose first rows are the first of the one table that it reads, which LIMIT then bounds:
// SELECT of columns and operators FROM name, without more.
func IsPlain(q *Query) (table string, ok bool) {
	s, isSelect := q.Body.(*Select)
	if !isSelect || len(s.From) != 1 || s.Where != nil || s.Distinct || s.GroupBy != nil || s.GroupAll || s.Having != nil || s.Qualify != nil ||
		s.LateralViews != nil || q.OrderBy != nil || q.SortBy != nil || q.Limit == nil {
		return "", false
	}
	name, isName := s.From[0].(*TableName)
	if !isName || len(name.Parts) != 1 {
		return "", false
	}
	ok = true
	visit(reflect.ValueOf(s.Items), func(x any) {
		switch x.(type) {
		case *Call, *ScalarSubquery, *Exists, *In:
			ok = false
		}
	})
	return name.Parts[0].Name, ok
}

// visit calls f for each pointer of a tree.
func visit(v reflect.Value, f func(x any)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			f(v.Interface())
			visit(v.Elem(), f)
		}
	case reflect.Interface:
		if !v.IsNil() {
			visit(v.Elem(), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			visit(v.Field(i), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), f)
		}
	}
}
