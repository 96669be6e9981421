package operator_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// tallier gets what tallies tell, as text: for each stratum its key, rows, counted conditions and sums.
type tallier func(text string)

func (f tallier) Tally(_ *plan.Node, strata []plan.Stratum, merged bool) {
	count := plan.NewTallyCount(0, strata, merged)
	var parts []string
	for _, s := range count.Strata {
		key := "all "
		for _, k := range s.Key {
			if key = "NULL "; k != nil {
				key = *k + " "
			}
		}
		parts = append(parts, fmt.Sprint(key, s.Rows, s.Where, s.Sums[0].Value()))
	}
	f(strings.Join(parts, ", ") + map[bool]string{true: " merged"}[count.Merged])
}

func TestTally(t *testing.T) {
	const texts, numbers = "k string, kept boolean, w double", "k int, kept boolean, w double"
	rows := []string{"x|true|0.1", "y|false|0.0", "x|true|0.1", "NULL|NULL|NULL", "x|false|NaN", "y|true|4.0"}
	var many []string
	for i := range plan.MostStrata + 10 {
		many = append(many, fmt.Sprintf("k%d|true|1.0", i))
	}
	for _, c := range []struct {
		name    string
		columns string
		by      []int
		rows    []string
		want    string
	}{
		{"one", texts, nil, rows, "all 6 [3] 4.2"},
		{"strata", texts, []int{0}, rows, "NULL 1 [0] 0, x 3 [2] 0.2, y 2 [1] 4"},
		{"nothing", texts, nil, nil, "all 0 [0] 0"},
		{"no strata", texts, []int{0}, nil, ""},
		{"too many", texts, []int{0}, many, fmt.Sprintf("all %d [%d] %d merged", len(many), len(many), len(many))},
		{"numbers", numbers, []int{0}, []string{"1|true|0.1", "0|false|0.0", "1|true|0.1", "1|NULL|NULL", "0|false|NaN", "1|true|4.0"}, "0 2 [0] 0, 1 4 [3] 4.2"},
		{"numbers of all kinds", numbers, []int{0}, []string{"7|true|0.1", "300|false|0.0", "7|true|0.1", "NULL|true|NULL", "-1|false|NaN", "-1|true|4.0"},
			"NULL 1 [1] 0, -1 2 [1] 4, 300 1 [0] 0, 7 2 [2] 0.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := map[string]bool{}
			node := &plan.Node{Op: plan.NodeTally, Tally: &plan.Tally{Number: 1, By: c.by, Where: []int{1}, Sums: []int{2}}}
			run := optest.Run
			if len(c.rows) > plan.MostStrata {
				run = func(t optest.TB, c optest.Case) { optest.RunIn(t, c, 2) } // all rows in one batch: many small ones take long
			}
			run(t, optest.Case{
				Inputs: []optest.Table{{Schema: c.columns, Rows: c.rows}}, Want: c.rows, Ordered: true,
				Build: func(env operator.Env, inputs []operator.Operator) (operator.Operator, error) {
					env.Tallies = tallier(func(text string) { told[text] = true })
					return operator.NewTally(env, inputs[0], node), nil
				},
			})
			if len(told) != 1 || !told[c.want] {
				t.Errorf("told %v, want %s", told, c.want)
			}
		})
	}
}
