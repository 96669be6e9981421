package step

import (
	"fmt"
	"math"
	"strconv"
	"strings"

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
	kept, keep := "false", "false"
	if s.keep != nil {
		kept = ident(p.condition(in, s.keep))
		keep = "coalesce(" + kept + ", false)"
	}
	weight := "1D"
	if s.base.Text != "" {
		c := p.column(in, s.base)
		if p.err == nil && !c.Type.IsNumeric() {
			p.fail(s.base, "the weight %q must be a number, and is %s", c.Name, c.Type)
		}
		weight = "CAST(" + ident(c.Name) + " AS DOUBLE)"
	}
	out := idents("", in.cols) + ", `__rate` AS sample_rate, " + weight + " / `__rate` AS weight"
	hash := fmt.Sprintf("stable_hash('sample', %s, %s)", quote(s.salt), idents("", p.identity(in, s.key)))
	relations := map[string]*relation{"input": in}
	switch s.mode {
	case "ratio":
		return p.sql(s.byRatio(p.keys(in, s.by), out, hash, keep), relations)
	case "per_group":
		return p.sql(s.byGroup(p, in, out, hash, keep), relations)
	}
	drawn := fmt.Sprintf("hash_below(%s, `__rate`)", hash)
	if len(s.rules) == 0 { // a rate for all, which need not be looked up to draw rows
		drawn = fmt.Sprintf("%s OR hash_below(%s, %s)", kept, hash, double(s.rate))
	}
	return p.sql(fmt.Sprintf("SELECT %s FROM (SELECT *, CASE WHEN %s THEN 1D%s END AS `__rate` FROM input) WHERE %s",
		out, keep, s.rates(p, in), drawn), relations)
}

func (s *sample) rates(p *planning, in *relation) string {
	var b strings.Builder
	for _, r := range s.rules {
		fmt.Fprintf(&b, " WHEN %s THEN %s", ident(p.condition(in, r.where)), double(r.rate))
	}
	fmt.Fprintf(&b, " ELSE %s", double(s.rate))
	return b.String()
}

// double is a number as SQL has it, to the last bit.
func double(v float64) string { return strconv.FormatFloat(v, 'e', -1, 64) + "D" }

func (s *sample) byRatio(by []logical.Column, out, hash, keep string) string {
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
	rates := fmt.Sprintf("SELECT %sleast(1D, floor(%s * `__kept` / greatest(`__others`, 1) * 4294967296D) / 4294967296D) AS `__stratum` FROM (%s)",
		names, double(s.ratio), counts)
	return fmt.Sprintf("SELECT %s FROM (SELECT i.*, CASE WHEN %s THEN 1D ELSE r.`__stratum` END AS `__rate` FROM input i JOIN (%s) r ON %s) WHERE hash_below(%s, `__rate`)",
		out, keep, rates, on, hash)
}

// byGroup keeps the rows of a group that have the smallest hashes, as unsigned numbers.
func (s *sample) byGroup(p *planning, in *relation, out, hash, keep string) string {
	by := idents("", p.keys(in, s.by))
	order := p.totalOrder(in, nil, false)
	return fmt.Sprintf(`
SELECT %s FROM (
  SELECT *, CASE WHEN %s THEN 1D ELSE least(1D, %d / CAST(count(*) OVER (PARTITION BY %s, %s) AS DOUBLE)) END AS `+"`__rate`"+`,
    row_number() OVER (PARTITION BY %s, %s ORDER BY %s ^ (-9223372036854775807L - 1L), %s) AS `+"`__n`"+`
  FROM input)
WHERE %s OR `+"`__n`"+` <= %d`, out, keep, s.perGroup, by, keep, by, keep, hash, order, keep, s.perGroup)
}
