package logical

import "github.com/quern-engine/quern/plan"

// joinProfile guesses what a join puts out.
func joinProfile(n *Join, left, right Profile) Profile {
	keys, rest := n.Keys()
	matches := left.Rows * right.Rows / KeyDomain(keys, left, right)
	both := Profile{Rows: matches, Columns: left.copied()}
	for id, c := range right.Columns {
		both.Columns[id] = c
	}
	both = both.afterKeys(keys)
	if rest != nil {
		both = both.filtered(plan.Conjuncts(rest))
	}
	switch n.Type {
	case plan.JoinLeftSemi:
		return left.thinned(PartnerShare(keys, rest, left, right))
	case plan.JoinLeftAnti:
		return left.thinned(max(1-PartnerShare(keys, rest, left, right), shareEquality))
	case plan.JoinMark:
		return Profile{Rows: left.Rows, Source: left.Source, Columns: left.copied()}
	case plan.JoinSingle:
		both.Rows = left.Rows
	case plan.JoinLeft:
		both.Rows = max(both.Rows, left.Rows)
	case plan.JoinFull:
		both.Rows = max(both.Rows, left.Rows, right.Rows)
	}
	return both
}

// afterKeys gives both columns of an equality as many values as the one with fewer.
func (p Profile) afterKeys(keys []JoinKey) Profile {
	for _, k := range keys {
		if k.Left.Op != plan.OpColumn || k.Right.Op != plan.OpColumn {
			continue
		}
		l, okLeft := p.Columns[k.Left.Column]
		r, okRight := p.Columns[k.Right.Column]
		if !okLeft || !okRight {
			continue
		}
		l.Distinct = min(l.Distinct, r.Distinct)
		r.Distinct = l.Distinct
		p.Columns[k.Left.Column], p.Columns[k.Right.Column] = l, r
	}
	return p
}

// KeyDomain guesses how many values the keys of a join have together: one pair of rows in so many matches.
func KeyDomain(keys []JoinKey, left, right Profile) float64 {
	largest, leftAll, rightAll := 1.0, 1.0, 1.0
	for _, k := range keys {
		l, r := left.key(k.Left), right.key(k.Right)
		d := PairDomain(l, r)
		largest = max(largest, d)
		leftAll, rightAll = min(leftAll*min(l.Domain, d), mostRows), min(rightAll*min(r.Domain, d), mostRows)
	}
	if len(keys) < 2 {
		return largest
	}
	// Several keys are seldom independent: there are no more combinations than rows on the side with fewer.
	return max(largest, min(leftAll, rightAll, max(left.Source, 1), max(right.Source, 1)))
}

// key is the profile of a join key; one that is not known has as many values as there are rows, but is no key.
func (p Profile) key(e *plan.Expr) ColumnProfile {
	if c, ok := p.expr(e); ok {
		return c
	}
	rows := max(p.Rows, 1)
	return ColumnProfile{Distinct: rows, Domain: rows}
}

// PairDomain guesses from how many values the columns of an equality draw. A column that has each value once knows best,
// as far as the other one stays within its bounds.
func PairDomain(l, r ColumnProfile) float64 {
	switch {
	case l.Key == r.Key:
		return max(l.Domain, r.Domain, 1)
	case l.Key:
		return max(l.Domain/r.shareWithin(l), 1)
	}
	return max(r.Domain/l.shareWithin(r), 1)
}

// shareWithin is the share of a column's range that lies within that of another.
func (c ColumnProfile) shareWithin(o ColumnProfile) float64 {
	if !c.Bounded || !o.Bounded || c.High <= c.Low {
		return 1
	}
	return max((min(c.High, o.High)-max(c.Low, o.Low))/(c.High-c.Low), 1/max(c.Distinct, 1))
}

// PartnerShare guesses which share of the left rows has a partner on the right.
func PartnerShare(keys []JoinKey, rest *plan.Expr, left, right Profile) float64 {
	share := 1.0
	for _, k := range keys {
		l, r := left.key(k.Left), right.key(k.Right)
		share = min(share, min(r.Distinct/PairDomain(l, r), 1))
	}
	if rest != nil {
		share *= shareOther
	}
	return share
}

// Joined guesses what a join puts out whose inputs have the given profiles.
func (e *Estimator) Joined(n *Join, left, right Profile) Profile {
	p := joinProfile(n, left, right)
	p.settle()
	return p
}
