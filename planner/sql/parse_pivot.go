package sql

import (
	"strconv"

	"github.com/quern-engine/quern/internal/source"
)

// sample reads TABLESAMPLE (…) [REPEATABLE (seed)]; nil when there is none.
func (p *parser) sample(start source.Span) *Sample {
	if !p.peek().is("TABLESAMPLE") || !p.peekAt(1).isOp("(") {
		return nil
	}
	t := p.advance()
	p.advance()
	s := &Sample{}
	if p.peek().isOp(")") {
		p.fail(t.span, "_LEGACY_ERROR_TEMP_0014", "TABLESAMPLE needs an amount: (10 PERCENT), (5 ROWS) or (BUCKET 1 OUT OF 10)")
	}
	if p.peek().is("BUCKET") && p.peekAt(1).kind == tokenNumber {
		p.sampleBucket(s)
	} else {
		p.sampleAmount(s)
	}
	p.expectOp(")", " at the end of TABLESAMPLE")
	if p.peek().is("REPEATABLE") && p.peekAt(1).isOp("(") {
		p.advance()
		p.advance()
		seed := p.peek()
		if seed.kind != tokenNumber && seed.kind != tokenParam {
			p.failExpected("a whole number as the seed")
		}
		s.Seed = p.value(precedenceCompare)
		p.expectOp(")", " behind the seed")
	}
	s.Span = p.spanFrom(start)
	return s
}

// sampleAmount reads 10 PERCENT or 5 ROWS.
func (p *parser) sampleAmount(s *Sample) {
	start := p.peek().span
	s.Amount = p.expr()
	switch {
	case p.accept("PERCENT"):
		s.Kind = "percent"
		p.checkFraction(s.Amount)
	case p.accept("ROWS"):
		s.Kind = "rows"
	case p.peek().isOp(")"):
		p.unsupported(p.spanFrom(start), "TABLESAMPLE takes PERCENT, ROWS or BUCKET; bytes are not supported")
	default:
		p.failExpected("PERCENT or ROWS behind the amount of TABLESAMPLE")
	}
}

// checkFraction refuses a percentage outside of 0 to 100.
func (p *parser) checkFraction(e Expr) {
	l, ok := e.(*Literal)
	if !ok {
		return
	}
	if v, err := strconv.ParseFloat(l.Text, 64); err == nil && (v < 0 || v > 100) {
		p.fail(l.Span, "_LEGACY_ERROR_TEMP_0064", "a percentage is between 0 and 100")
	}
}

// sampleBucket reads BUCKET 3 OUT OF 10.
func (p *parser) sampleBucket(s *Sample) {
	s.Kind = "bucket"
	p.advance()
	s.Bucket = p.wholeNumber()
	p.expect("OUT", " OF the number of buckets")
	p.expect("OF", " and the number of buckets")
	s.Buckets = p.wholeNumber()
	if t := p.peek(); t.is("ON") {
		p.unsupported(t.span, "TABLESAMPLE (BUCKET … ON …) is not supported")
	}
}

// wholeNumber reads a whole number without sign or suffix.
func (p *parser) wholeNumber() int {
	t := p.peek()
	v, err := strconv.Atoi(t.text)
	if t.kind != tokenNumber || t.number != "integer" || t.upper != "" || err != nil {
		p.failExpected("a whole number")
		return 0
	}
	p.advance()
	return v
}

// withSample is ref, sampled if there is a sample.
func withSample(s *Sample, ref TableRef, span source.Span) TableRef {
	if s == nil {
		return ref
	}
	s.Ref, s.Span = ref, span
	return s
}

// startsPivot reports PIVOT ( and UNPIVOT.
func (p *parser) startsPivot() bool {
	return p.peek().isOneOf("PIVOT", "UNPIVOT") && p.startsClause()
}

// pivots reads a PIVOT or UNPIVOT behind ref.
func (p *parser) pivots(ref TableRef, start source.Span) TableRef {
	if p.peek().is("PIVOT") {
		return p.pivot(ref, start)
	}
	return p.unpivot(ref, start)
}

// pivot reads PIVOT (aggregates FOR column IN (values)).
func (p *parser) pivot(ref TableRef, start source.Span) TableRef {
	v := &Pivot{Ref: ref}
	p.advance()
	p.expectOp("(", "")
	v.Aggregates = p.selectItems()
	p.expect("FOR", " behind the aggregates of PIVOT")
	if p.acceptOp("(") {
		for _, id := range p.idents("the name of a column") {
			v.Columns = append(v.Columns, &Name{Parts: []Ident{id}, Span: id.Span})
		}
	} else {
		id := p.wholeIdent("the name of a column")
		v.Columns = []Expr{&Name{Parts: []Ident{id}, Span: id.Span}}
	}
	p.expect("IN", " behind the column of PIVOT")
	p.expectOp("(", " before the values of PIVOT")
	for {
		v.Values = append(v.Values, p.pivotValue())
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp(")", " or a comma")
	p.expectOp(")", " at the end of PIVOT")
	v.Alias = p.pivotAlias()
	v.Span = p.spanFrom(start)
	return v
}

// pivotAlias reads the name of what a pivot makes.
func (p *parser) pivotAlias() *Ident {
	alias := p.alias()
	if t := p.peek(); alias != nil && t.isOp("(") {
		p.unsupported(t.span, "PIVOT and UNPIVOT name their columns themselves")
	}
	return alias
}

func (p *parser) pivotValue() PivotValue {
	start := p.peek().span
	v := PivotValue{}
	e := p.expr()
	if row, ok := e.(*Row); ok {
		v.Items = row.Items
	} else {
		v.Items = []Expr{e}
	}
	v.Alias = p.alias()
	v.Span = p.spanFrom(start)
	return v
}

// unpivot reads UNPIVOT [INCLUDE|EXCLUDE NULLS] (value FOR name IN (columns)).
func (p *parser) unpivot(ref TableRef, start source.Span) TableRef {
	u := &Unpivot{Ref: ref}
	p.advance()
	if t := p.peek(); t.isOneOf("INCLUDE", "EXCLUDE") {
		p.advance()
		p.expect("NULLS", " after "+t.upper)
		u.IncludeNulls = t.upper == "INCLUDE"
	}
	p.expectOp("(", " after UNPIVOT")
	several := p.acceptOp("(")
	if several {
		u.Values = p.idents("the name of a value column")
	} else {
		u.Values = []Ident{p.ident("the name of the value column")}
	}
	p.expect("FOR", " behind the value column of UNPIVOT")
	u.Name = p.ident("the name of the name column")
	p.expect("IN", " behind the name column of UNPIVOT")
	p.expectOp("(", " before the columns of UNPIVOT")
	for {
		u.Columns = append(u.Columns, p.unpivotColumn(several))
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp(")", " or a comma")
	p.expectOp(")", " at the end of UNPIVOT")
	u.Alias = p.pivotAlias()
	u.Span = p.spanFrom(start)
	return u
}

// unpivotColumn reads a [AS alias] or, of several value columns, (a, b) [AS alias].
func (p *parser) unpivotColumn(several bool) UnpivotColumn {
	var c UnpivotColumn
	if !several {
		c.Names = []*Name{p.name()}
		c.Alias = p.alias()
		return c
	}
	p.expectOp("(", " before a set of columns")
	for {
		c.Names = append(c.Names, p.name())
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp(")", " or a comma")
	c.Alias = p.alias()
	return c
}
