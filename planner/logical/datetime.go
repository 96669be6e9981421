package logical

import (
	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// extract is EXTRACT(field FROM x): date_part with the field as a string.
func (a *analyser) extract(e *sql.Extract, ctx *exprContext) (*plan.Expr, error) {
	x, err := a.expr(e.X, ctx)
	if err != nil {
		return nil, err
	}
	out, err := compute.Call("date_part", plan.StringLiteral(e.Field.Name), x)
	if err != nil {
		return nil, a.typeError(e.Span, err)
	}
	return out, nil
}
