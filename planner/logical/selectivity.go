package logical

import (
	"math"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// Shares of rows that are taken to pass where nothing is known.
const (
	shareEquality = 0.1
	shareRange    = 1.0 / 3
	shareComputed = 0.1  // HAVING sum(x) > 100
	sharePrefix   = 0.05 // LIKE 'abc%'
	shareWord     = 0.02 // LIKE 'abcd%' and longer
	shareLike     = 0.1  // LIKE '%abc%'
	shareOther    = 0.5
)

// filtered is the rows that pass conditions, one after the other, taken as independent.
func (p Profile) filtered(conjuncts []*plan.Expr) Profile {
	for _, c := range conjuncts {
		share := p.Share(c)
		next := p.thinned(share)
		p.restrict(next, c, share)
		p = next
	}
	return p
}

// restrict narrows, in next, the column that a condition is about.
func (p Profile) restrict(next Profile, cond *plan.Expr, share float64) {
	name, column, constants, ok := Comparison(cond)
	if !ok {
		return
	}
	c, known := next.Columns[column.Column]
	if !known {
		return
	}
	before := p.Columns[column.Column]
	switch name {
	case "=", "<=>":
		c.Distinct, c.Domain = 1, 1
	case "in":
		c.Distinct = min(before.Distinct, float64(len(constants)))
		c.Domain = c.Distinct
	case "isnotnull":
		c.Nulls = 0
	case "<", "<=", ">", ">=":
		c.Distinct, c.Domain, c.Nulls = max(before.Distinct*share, 1), max(before.Domain*share, 1), 0
		c.narrow(name, constants[0])
	default:
		return
	}
	next.Columns[column.Column] = c
}

func (c *ColumnProfile) narrow(name string, constant *plan.Expr) {
	v, ok := number(constant.Type, constant.Value)
	if !ok || !c.Bounded {
		return
	}
	if strings.HasPrefix(name, "<") {
		c.High = max(min(c.High, v), c.Low)
	} else {
		c.Low = min(max(c.Low, v), c.High)
	}
}

// Comparison recognises a condition on one column by constants: name(column, constants…), with the column first.
func Comparison(e *plan.Expr) (name string, column *plan.Expr, constants []*plan.Expr, ok bool) {
	if e.Op != plan.OpCall || len(e.Args) == 0 {
		return "", nil, nil, false
	}
	name, args := e.Name, e.Args
	mirrored := map[string]string{"=": "=", "<=>": "<=>", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
	if other, isComparison := mirrored[name]; isComparison && args[0].IsLiteral() {
		name, args = other, []*plan.Expr{args[1], args[0]}
	}
	if args[0].Op != plan.OpColumn {
		return "", nil, nil, false
	}
	for _, a := range args[1:] {
		if !a.IsLiteral() {
			return "", nil, nil, false
		}
	}
	return name, args[0], args[1:], true
}

// Share guesses for which share of the rows a condition is true.
func (p Profile) Share(e *plan.Expr) float64 {
	if e.IsLiteral() {
		if e.IsTrue() {
			return 1
		}
		return 0
	}
	if e.Op != plan.OpCall {
		return shareOther
	}
	switch e.Name {
	case "and":
		return p.filteredShare(plan.Conjuncts(e))
	case "or":
		a, b := p.Share(e.Args[0]), p.Share(e.Args[1])
		return a + b - a*b
	case "not":
		return 1 - p.Share(e.Args[0])
	}
	return min(max(p.shareOf(e), 0), 1)
}

// filteredShare looks at conjuncts one after the other, so that two ends of a range count as one range.
func (p Profile) filteredShare(conjuncts []*plan.Expr) float64 {
	if p.Rows <= 0 {
		return 1
	}
	return p.filtered(conjuncts).Rows / p.Rows
}

func (p Profile) shareOf(e *plan.Expr) float64 {
	name, column, constants, ok := Comparison(e)
	if !ok {
		return p.shareOfExprs(e)
	}
	c, known := p.Columns[column.Column]
	notNull := 1 - c.Nulls
	switch name {
	case "isnull":
		if !known {
			return shareEquality
		}
		return c.Nulls
	case "isnotnull":
		return notNull
	case "=", "<=>":
		if !known {
			return shareEquality
		}
		return notNull * c.shareEqual(constants[0])
	case "<>":
		if !known {
			return 1 - shareEquality
		}
		return notNull * (1 - c.shareEqual(constants[0]))
	case "in":
		share := 0.0
		for _, v := range constants {
			one := shareEquality
			if known {
				one = c.shareEqual(v)
			}
			share += one
		}
		return notNull * share
	case "<", "<=", ">", ">=":
		return notNull * c.shareBelow(name, constants[0])
	case "like", "startswith":
		return notNull * shareOfPattern(name, constants[0])
	}
	return shareOther
}

// shareEqual is the share of one value, next to nothing when it lies outside the bounds.
func (c ColumnProfile) shareEqual(constant *plan.Expr) float64 {
	v, ok := number(constant.Type, constant.Value)
	if ok && c.Bounded && (v < c.Low || v > c.High) {
		return 1e-9
	}
	return 1 / max(c.Distinct, 1)
}

// shareBelow takes values to be spread evenly over their range.
func (c ColumnProfile) shareBelow(name string, constant *plan.Expr) float64 {
	v, ok := number(constant.Type, constant.Value)
	if c.Computed {
		return shareComputed
	}
	if !ok || !c.Bounded {
		return shareRange
	}
	if c.High == c.Low {
		holds := map[string]bool{"<": c.Low < v, "<=": c.Low <= v, ">": c.Low > v, ">=": c.Low >= v}[name]
		return map[bool]float64{true: 1}[holds]
	}
	below := min(max((v-c.Low)/(c.High-c.Low), 0), 1)
	if strings.HasPrefix(name, ">") {
		below = 1 - below
	}
	return max(below, 1/max(c.Distinct, 1)/2)
}

func shareOfPattern(name string, pattern *plan.Expr) float64 {
	text := string(pattern.Value.Bytes)
	switch {
	case name == "startswith":
		return shareOfPrefix(text)
	case !strings.ContainsAny(text, "%_"):
		return shareEquality
	case !strings.HasPrefix(text, "%") && !strings.HasPrefix(text, "_"):
		return shareOfPrefix(text[:strings.IndexAny(text, "%_")])
	}
	return shareLike
}

func shareOfPrefix(prefix string) float64 {
	if len(prefix) > 3 {
		return shareWord
	}
	return sharePrefix
}

// shareOfExprs guesses for comparisons that are not of a column with constants.
func (p Profile) shareOfExprs(e *plan.Expr) float64 {
	switch e.Name {
	case "=", "<=>":
		return 1 / max(p.valuesCompared(e), 1)
	case "in":
		return min(float64(len(e.Args)-1)/max(p.valuesCompared(e), 1), 1)
	case "<>":
		return 1 - shareEquality
	case "<", "<=", ">", ">=":
		return shareRange
	case "like", "startswith", "contains", "endswith", "rlike":
		return shareLike
	}
	return shareOther
}

// valuesCompared is the number of values on the side of a comparison that has more of them.
func (p Profile) valuesCompared(e *plan.Expr) float64 {
	most := 0.0
	for _, a := range e.Args[:min(len(e.Args), 2)] {
		if c, ok := p.expr(a); ok && !a.IsLiteral() {
			most = max(most, c.Distinct)
		}
	}
	if most == 0 {
		return 1 / shareEquality
	}
	return math.Max(most, 1)
}
