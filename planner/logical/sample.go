package logical

import (
	"math"
	"math/big"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// withRowID is a scan that also gives each row's file and number in it, and these two columns.
func withRowID(s *Scan, ids *IDs) (*Scan, []Column) {
	c := *s
	added := []Column{
		ids.Column(plan.Field{Name: plan.VirtualFile, Type: plan.String}),
		ids.Column(plan.Field{Name: plan.VirtualRow, Type: plan.Int64}),
	}
	c.Cols = append(append([]Column(nil), s.Cols...), added...)
	c.Ordinals = append(append([]int(nil), s.Ordinals...), OrdinalFile, OrdinalRow)
	return &c, added
}

// sample analyses TABLESAMPLE. Which rows are in a sample follows from the rows and the seed alone.
func (a *analyser) sample(ref *sql.Sample, with *named) (relation, error) {
	in, err := a.tableRef(ref.Ref, with)
	if err != nil {
		return in, err
	}
	if ref.Kind == "rows" {
		n, err := a.rowCount(ref.Amount, "TABLESAMPLE", in.node)
		if err != nil {
			return in, err
		}
		in.node = &Limit{Input: in.node, Count: n}
		return in, nil
	}
	rate, err := a.sampleRate(ref)
	if err != nil || rate.Cmp(big.NewRat(1, 1)) == 0 {
		return in, err
	}
	seed := int64(0)
	if ref.Seed != nil {
		if seed, err = a.rowCount(ref.Seed, "REPEATABLE", in.node); err != nil {
			return in, err
		}
	}
	return a.sampled(ref, in, rate, seed)
}

// sampleRate is the share of rows to keep, from 0 to 1, as an exact number.
func (a *analyser) sampleRate(ref *sql.Sample) (*big.Rat, error) {
	rate := new(big.Rat)
	if ref.Kind == "bucket" {
		if ref.Buckets <= 0 {
			return nil, a.errorf(ref.Span, "INVALID_TABLESAMPLE_FRACTION", "there must be at least one bucket")
		}
		rate.SetFrac64(int64(ref.Bucket), int64(ref.Buckets))
	} else {
		x, err := a.expr(ref.Amount, &exprContext{scope: &scope{}, clause: "TABLESAMPLE"})
		if err != nil {
			return nil, err
		}
		v, ok := a.constant(x)
		if !ok || !v.Type.IsNumeric() || v.Value.Null {
			return nil, a.errorf(ref.Amount.Pos(), "INVALID_TABLESAMPLE_FRACTION", "the percentage must be a constant number")
		}
		percent, ok := ratOf(v)
		if !ok {
			return nil, a.errorf(ref.Amount.Pos(), "INVALID_TABLESAMPLE_FRACTION", "the percentage must be a number, not %s", v)
		}
		rate.Quo(percent, big.NewRat(100, 1))
	}
	if rate.Sign() < 0 || rate.Cmp(big.NewRat(1, 1)) > 0 {
		return nil, a.errorf(ref.Span, "INVALID_TABLESAMPLE_FRACTION", "the share of rows to keep must be from 0 to 1, and this is %s", rate.FloatString(4))
	}
	return rate, nil
}

// ratOf is the exact value of a number.
func ratOf(v *plan.Expr) (*big.Rat, bool) {
	switch v.Type.Kind {
	case plan.KindFloat32, plan.KindFloat64:
		f := v.Value.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, false
		}
		return new(big.Rat).SetFloat64(f), true
	case plan.KindDecimal:
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(v.Type.Scale)), nil)
		return new(big.Rat).SetFrac(v.Value.Decimal().BigInt(), scale), true
	}
	return new(big.Rat).SetInt64(v.Value.Int), true
}

// sampled keeps a row when the hash of what identifies it, taken as a fraction of all hashes, lies below the rate. A row
// of a table is identified by its file and number, another by its values.
func (a *analyser) sampled(ref *sql.Sample, in relation, rate *big.Rat, seed int64) (relation, error) {
	identity := in.node.Columns()
	if s, ok := in.node.(*Scan); ok {
		in.node, identity = withRowID(s, a.env.IDs)
	}
	args := []*plan.Expr{plan.StringLiteral("sample"), plan.Int64Literal(seed)}
	for _, c := range identity {
		args = append(args, c.Ref())
	}
	h, err := a.call(ref.Span, "xxhash64", args...)
	if err != nil {
		return in, err
	}
	// Hashes are signed, evenly spread over all of bigint: below the rate means below its place between the ends.
	limit := new(big.Int).Lsh(rate.Num(), 64)
	limit.Quo(limit, rate.Denom())
	limit.Sub(limit, new(big.Int).Lsh(big.NewInt(1), 63))
	keep, err := a.call(ref.Span, "<", h, plan.Int64Literal(limit.Int64()))
	if err != nil {
		return in, err
	}
	in.node = &Filter{Input: in.node, Predicate: keep}
	return in, nil
}
