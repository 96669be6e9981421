package assembly

import (
	"slices"

	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

// showFunctions lists the functions that there are: built-in ones, those that the script has made, or both.
func (e execution) showFunctions(st *sql.Command) Result {
	var names []string
	if st.Scope != "USER" {
		names = logical.FunctionNames()
	}
	if st.Scope != "SYSTEM" {
		for _, r := range e.base.Routines {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return listed("function", matching(st, slices.Compact(names)))
}

// describeFunction is what is known of a function.
func (e execution) describeFunction(st *sql.Command) (Result, error) {
	name := st.Name[len(st.Name)-1].Name
	if lines, ok := logical.DescribeFunction(name, st.Extended); ok {
		return listed("function_desc", lines), nil
	}
	i := e.routine(name)
	if i < 0 {
		return Result{}, e.errorf("UNRESOLVED_ROUTINE", "no function %q", name)
	}
	r := e.base.Routines[i]
	return listed("function_desc", []string{"Function: " + r.Name, "Usage: " + r.Name + "(" + r.Params + ")"}), nil
}
