package planner

import (
	"context"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

// loadQuery analyses a query's statement; its rows are the only target.
func (p *planning) loadQuery(ctx context.Context) error {
	q := p.req.Query
	p.name = "query"
	text := &source.Text{File: q.File, Body: q.SQL}
	// The text comes first: a typing error should not wait for a look at remote files.
	tree, err := sql.Parse(text)
	if err != nil {
		return err
	}
	for _, t := range q.Tables {
		if err := p.addTable(ctx, t); err != nil {
			return err
		}
	}
	node, err := logical.Analyse(text, tree, p.environment())
	if err != nil {
		return err
	}
	for _, c := range node.Columns() {
		if c.Type.Kind == plan.KindNull {
			node = typedNulls(node, p.ids)
			break
		}
	}
	p.targets = []target{{name: "result", analysed: node}}
	return nil
}

// typedNulls gives columns of nothing but NULL the type string: files and segments have no column without a type.
func typedNulls(n logical.Node, ids *logical.IDs) logical.Node {
	var defs []logical.Definition
	for _, c := range n.Columns() {
		f, e := c.Field, c.Ref()
		if c.Type.Kind == plan.KindNull {
			f.Type = plan.String
			e = plan.NullLiteral(plan.String)
		}
		defs = append(defs, logical.Definition{Column: ids.Column(f), Expr: e})
	}
	return &logical.Project{Input: n, Defs: defs}
}
