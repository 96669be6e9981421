package optimize

import (
	"testing"

	"github.com/quern-engine/quern/plan"
)

func TestPrefixRange(t *testing.T) {
	column := plan.ColumnExpr(0, plan.Field{Name: "s", Type: plan.String})
	for _, c := range []struct{ name, text, want string }{
		{"like", "abc%", "(s#0 >= 'abc') (s#0 < 'abd') "},
		{"like", "a_c", "(s#0 >= 'a') (s#0 < 'b') "},
		{"like", `a\%%`, "(s#0 >= 'a') (s#0 < 'b') "},
		{"like", "%abc", ""},
		{"like", "", ""},
		{"like", "aé%", "(s#0 >= 'aé') (s#0 < 'b') "},
		{"like", "é%", ""},
		{"startswith", "a%", "(s#0 >= 'a%') (s#0 < 'a&') "},
		{"rlike", "abc", ""},
	} {
		got := ""
		for _, e := range PrefixRange(plan.CallExpr(c.name, plan.Boolean, column, plan.StringLiteral(c.text))) {
			got += e.String() + " "
		}
		if got != c.want {
			t.Errorf("%s %q: %q, want %q", c.name, c.text, got, c.want)
		}
	}
}
