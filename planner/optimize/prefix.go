package optimize

import (
	"strings"

	"github.com/quern-engine/quern/plan"
)

// PrefixRange is the comparisons that follow from a condition that a column begins with a text: from LIKE 'abc%' that
// it lies from 'abc' up to 'abd'. They are weaker than the condition, but bounds of files can answer them. nil when
// nothing follows.
func PrefixRange(p *plan.Expr) []*plan.Expr {
	if p.Op != plan.OpCall || len(p.Args) != 2 || p.Args[0].Op != plan.OpColumn || p.Args[0].Type.Kind != plan.KindString {
		return nil
	}
	text := p.Args[1]
	if !text.IsLiteral() || text.Value.Null || text.Type.Kind != plan.KindString {
		return nil
	}
	prefix := string(text.Value.Bytes)
	switch p.Name {
	case "startswith":
	case "like":
		if i := strings.IndexAny(prefix, `%_\`); i >= 0 {
			prefix = prefix[:i]
		}
	default:
		return nil
	}
	// The text after the last plain character would be hard to name; a shorter prefix is right as well.
	end := strings.LastIndexFunc(prefix, func(r rune) bool { return r < 0x7f }) + 1
	if end == 0 {
		return nil
	}
	column := p.Args[0]
	next := prefix[:end-1] + string(prefix[end-1]+1)
	return []*plan.Expr{compareText(column, ">=", prefix), compareText(column, "<", next)}
}

func compareText(column *plan.Expr, name, text string) *plan.Expr {
	args := []*plan.Expr{column, plan.StringLiteral(text)}
	return &plan.Expr{Op: plan.OpCall, Name: name, Type: plan.Boolean, Nullable: column.Nullable, Args: args}
}
