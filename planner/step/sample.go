package step

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var sampleKind = &Kind{
	Name:    "sample",
	Summary: "Keeps a part of the rows, and says with which probability each was kept.",
	Fields: []Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows"},
		{Name: "key", Type: "list of columns", Doc: "what identifies a row: whether it is kept follows from these; default: all columns that can be compared"},
		{Name: "keep", Type: "condition", Doc: "rows that are kept in any case, such as `label = 1`"},
		{Name: "rate", Type: "number", Doc: "the share of the other rows that is kept, 0 to 1"},
		{Name: "rates", Type: "list of `{where, rate}`", Doc: "shares for parts of the rows: the first whose condition holds counts; rows of none have `rate`, or are left out",
			Fields: []Field{
				{Name: "where", Type: "condition", Required: true, Doc: "which rows"},
				{Name: "rate", Type: "number", Required: true, Doc: "the share of them that is kept"},
			}},
		{Name: "ratio", Type: "number", Doc: "instead of rate: about so many rows are kept for each row of `keep`, within each of the strata `by`"},
		{Name: "per_group", Type: "whole number", Doc: "instead of rate: exactly so many rows are kept of each group `by`, or all if there are fewer, besides those of `keep`"},
		{Name: "by", Type: "list of columns", Doc: "the strata of ratio, or the groups of per_group"},
		{Name: "base_weight", Type: "column", Doc: "a weight that rows have already"},
		{Name: "salt", Type: "text", Doc: "draws other rows; default `v1`"},
	},
	Example: `- name: sampled
  sample:
    from: labelled
    key: [impression_id]
    keep: clicked
    rate: 0.1`,
	Notes: "Two columns are added: `sample_rate`, the probability with which the row was kept, and `weight`, its inverse (times `base_weight`): the sum of the weights estimates the number of rows before. " +
		"Train with the weights, or correct the model's output (with r the rate of the negatives, q = p / (p + (1 - p) / r)), not both. " +
		"With the same salt a lower rate keeps a part of what a higher one keeps. Sample after labels are mature and after the split; leave test sets as they are.\n\n" +
		"With `ratio` the rows are counted first, and the rate of a stratum is min(1, ratio × kept / others), rounded down to a multiple of 2⁻³².",
	read: readSample,
}

type rule struct {
	where *jobfile.Tree
	rate  float64
}

type sample struct {
	from, base jobfile.Value
	key, by    []jobfile.Value
	keep       *jobfile.Tree
	mode       string
	rate       float64
	rules      []rule
	ratio      float64
	perGroup   int64
	strata     []string // of the ledger, by number: what is kept in any case comes first
	salt       string
}

func readSample(o *options) planner {
	s := &sample{
		from: o.text("from"), base: o.text("base_weight"), key: o.names("key"), by: o.names("by"), keep: o.expr("keep"), salt: o.seed("salt", "v1"),
		rate: o.real("rate", 0, 1, 0), ratio: o.real("ratio", 0, math.Inf(1), 0), perGroup: o.whole("per_group", 1, math.MaxInt32, 1),
	}
	for _, part := range o.parts("rates", "a rate of sample") {
		s.rules = append(s.rules, rule{part.expr("where"), part.real("rate", 0, 1, 0)})
	}
	if s.mode = "rate"; !o.has("rates") {
		s.mode = o.oneOf("rate", "ratio", "per_group")
	} else if o.has("ratio") || o.has("per_group") {
		o.fail(o.place("rates"), "sample has rates, and ratio or per_group: give one of them")
	}
	switch {
	case s.mode == "per_group" && !o.has("by"):
		o.fail(o.at, "sample: per_group needs the groups: by")
	case s.mode == "ratio" && !o.has("keep"):
		o.fail(o.at, "sample: ratio needs keep, the rows that it is a ratio to")
	case s.mode == "rate" && o.has("by"):
		o.fail(o.place("by"), "sample: by goes with ratio and per_group").WithHint("for rates that differ between rows there is rates")
	}
	return s
}

func (s *sample) plan(p *planning) logical.Node {
	in := p.input(s.from)
	for _, name := range []string{"sample_rate", "weight"} {
		p.free(in, jobfile.Value{Text: name, Span: s.from.Span})
	}
	keep := "false"
	if s.keep != nil {
		keep = "coalesce(" + ident(p.condition(in, s.keep)) + ", false)"
	}
	s.strata = []string{"all"}
	if s.keep != nil {
		s.strata = []string{"keep", "rest"}
	}
	weight := "1D"
	if s.base.Text != "" {
		c := p.column(in, s.base)
		if p.err == nil && !c.Type.IsNumeric() {
			p.fail(s.base, "the weight %q must be a number, and is %s", c.Name, c.Type)
		}
		weight = "CAST(" + ident(c.Name) + " AS DOUBLE)"
	}
	cols := idents("", in.cols)
	hash := fmt.Sprintf("stable_hash('sample', %s, %s)", quote(s.salt), idents("", p.identity(in, s.key)))
	relations := map[string]*relation{"input": in}
	switch s.mode {
	case "ratio":
		return s.drawn(p, s.byRatio(p.keys(in, s.by), hash, keep), weight, cols, relations)
	case "per_group":
		return s.drawn(p, s.byGroup(p, in, hash, keep), weight, cols, relations)
	}
	drawn := fmt.Sprintf("hash_below(%s, `__rate`)", hash)
	if len(s.rules) == 0 { // a rate for all, which need not be looked up to draw rows
		drawn = fmt.Sprintf("%s OR hash_below(%s, %s)", keep, hash, double(s.rate))
	}
	rates := s.rates(p, in, keep)
	text := fmt.Sprintf("SELECT *, %s AS `__kept` FROM (SELECT *, %s FROM input)", drawn, rates)
	if s.base.Text == "" {
		return s.drawnByStratum(p, text, cols, relations)
	}
	return s.drawn(p, text, weight, cols, relations)
}

// drawnByStratum is drawn where a row's stratum says what its rate and weight are: rows that are left out get none.
func (s *sample) drawnByStratum(p *planning, text, cols string, relations map[string]*relation) logical.Node {
	rows := made("input", p.sql(text, relations))
	info := plan.TallyInfo{All: plan.RowsIn, Where: []string{plan.RowsOut}, Else: []string{"left_out"}, Ledger: true, Strata: s.strata, Rates: s.constants()}
	rate, weight := byStratum(info.Rates, double), byStratum(info.Rates, func(r float64) string { return double(inverse(r)) })
	tally := logical.Tally{Input: rows.node, Fixed: true, By: []*plan.Expr{rows.ref("__stratum")}, Where: []*plan.Expr{rows.ref("__kept")}}
	return p.keep(rows, cols+", "+rate+" AS sample_rate, "+weight+" AS weight", info, tally)
}

// byStratum is a constant for each stratum, in SQL.
func byStratum(rates []float64, constant func(rate float64) string) string {
	last := len(rates) - 1
	if last == 0 {
		return constant(rates[0])
	}
	text := "CASE `__stratum`"
	for i, r := range rates[:last] {
		text += fmt.Sprintf(" WHEN %d THEN %s", i, constant(r))
	}
	return text + " ELSE " + constant(rates[last]) + " END"
}

// constants are the rates of the strata.
func (s *sample) constants() (rates []float64) {
	if s.keep != nil {
		rates = append(rates, 1)
	}
	for _, r := range s.rules {
		rates = append(rates, r.rate)
	}
	return append(rates, s.rate)
}

// inverse is the weight of a row of a rate; of no row where the rate is 0.
func inverse(rate float64) float64 {
	if rate == 0 {
		return 0
	}
	return 1 / rate
}

// drawn is the rows that were drawn, of a statement that says of each whether it was and at which rate, and the ledger of it.
func (s *sample) drawn(p *planning, text, weight, cols string, relations map[string]*relation) logical.Node {
	rows := made("input", p.sql("SELECT *, CASE WHEN `__kept` THEN "+weight+" / `__rate` ELSE 0D END AS `__weight` FROM ("+text+")", relations))
	info := plan.TallyInfo{All: plan.RowsIn, Where: []string{plan.RowsOut}, Else: []string{"left_out"}, Ledger: true, Strata: s.strata}
	tally := logical.Tally{
		Input: rows.node, Fixed: true, By: []*plan.Expr{rows.ref("__stratum")}, Where: []*plan.Expr{rows.ref("__kept")}, Sums: []*plan.Expr{rows.ref("__weight")},
	}
	if s.mode == "ratio" {
		for _, c := range p.keys(rows, s.by) {
			info.By, tally.By = append(info.By, c.Name), append(tally.By, c.Ref())
		}
	}
	if info.Rated = s.mode != "per_group"; info.Rated {
		tally.By = append(tally.By, rows.ref("__rate"))
	}
	return p.keep(rows, cols+", `__rate` AS sample_rate, `__weight` AS weight", info, tally)
}

// rates are the rate of a row and the number of its stratum, in SQL.
func (s *sample) rates(p *planning, in *relation, keep string) string {
	rate, stratum, number := "CASE WHEN "+keep+" THEN 1D", "CASE WHEN "+keep+" THEN 0", len(s.strata)-1
	for _, r := range s.rules {
		where := ident(p.condition(in, r.where))
		rate += fmt.Sprintf(" WHEN %s THEN %s", where, double(r.rate))
		stratum += fmt.Sprintf(" WHEN %s THEN %d", where, number)
		s.strata = slices.Insert(s.strata, number, r.where.Text)
		number++
	}
	return fmt.Sprintf("%s ELSE %s END AS `__rate`, %s ELSE %d END AS `__stratum`", rate, double(s.rate), stratum, number)
}

// stratum is the number of a row's stratum where there are rows that are kept and others, in SQL.
func (s *sample) stratum(keep string) string {
	return fmt.Sprintf("CASE WHEN %s THEN 0 ELSE %d END AS `__stratum`", keep, len(s.strata)-1)
}

// double is a number as SQL has it, to the last bit.
func double(v float64) string { return strconv.FormatFloat(v, 'e', -1, 64) + "D" }

func (s *sample) byRatio(by []logical.Column, hash, keep string) string {
	on := "true"
	group, names := "", ""
	if len(by) > 0 {
		var same []string
		for _, c := range by {
			same = append(same, fmt.Sprintf("i.%s <=> r.%s", ident(c.Name), ident(c.Name)))
		}
		names = idents("", by) + ", "
		on, group = strings.Join(same, " AND "), " GROUP BY "+idents("", by)
	}
	counts := fmt.Sprintf("SELECT %scount_if(%s) AS `__kept`, count_if(NOT %s) AS `__others` FROM input%s", names, keep, keep, group)
	rates := fmt.Sprintf("SELECT %sleast(1D, floor(%s * `__kept` / greatest(`__others`, 1) * 4294967296D) / 4294967296D) AS `__others` FROM (%s)",
		names, double(s.ratio), counts)
	return fmt.Sprintf("SELECT *, hash_below(%s, `__rate`) AS `__kept`, %s FROM (SELECT i.*, CASE WHEN %s THEN 1D ELSE r.`__others` END AS `__rate` FROM input i JOIN (%s) r ON %s)",
		hash, s.stratum(keep), keep, rates, on)
}

// byGroup keeps the rows of a group that have the smallest hashes, as unsigned numbers.
func (s *sample) byGroup(p *planning, in *relation, hash, keep string) string {
	by := idents("", p.keys(in, s.by))
	order := p.totalOrder(in, nil, false)
	return fmt.Sprintf(`
SELECT *, %s OR `+"`__n`"+` <= %d AS `+"`__kept`"+`, %s FROM (
  SELECT *, CASE WHEN %s THEN 1D ELSE least(1D, %d / CAST(count(*) OVER (PARTITION BY %s, %s) AS DOUBLE)) END AS `+"`__rate`"+`,
    row_number() OVER (PARTITION BY %s, %s ORDER BY %s ^ (-9223372036854775807L - 1L), %s) AS `+"`__n`"+`
  FROM input)`, keep, s.perGroup, s.stratum(keep), keep, s.perGroup, by, keep, by, keep, hash, order)
}
