package planner

import (
	"context"
	"errors"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// addFiles makes relations of the files that a query reads by their paths, such as csv.`path`.
func (p *planning) addFiles(ctx context.Context, text *source.Text, tree *sql.Query) error {
	dir := ""
	if p.req.Query != nil {
		dir = p.req.Query.Dir
	}
	for _, name := range tree.Files {
		format, path := strings.ToLower(name.Parts[0].Name), name.Parts[1].Name
		if p.environment().Has(format, path) || dir == "" {
			continue
		}
		err := p.addTable(ctx, plan.Source{Name: path, Namespace: format, Path: absolute(dir, path), Format: format})
		var f *plan.Failure
		if errors.As(err, &f) && f.Kind == plan.FailureUser {
			return text.Errorf(name.Span, "", "%s", f.Message)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
