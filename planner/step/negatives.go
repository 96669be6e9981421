package step

import (
	"fmt"
	"math"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var negativesKind = &Kind{
	Name:    "negatives",
	Summary: "Draws items of a catalogue for each row, by popularity: the negatives of a retrieval model.",
	Fields: []Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows, each with an item that is a positive"},
		{Name: "key", Type: "list of columns", Doc: "what identifies a row: what is drawn for it follows from these; default: all columns that can be compared"},
		{Name: "item", Type: "column", Required: true, Doc: "the item of a row; in the rows that come out it is the one that was drawn"},
		{Name: "n", Type: "whole number", Required: true, Doc: "how many items are drawn for each row, with replacement"},
		{Name: "catalogue", Type: "step or source", Required: true, Doc: "the items, each once"},
		{Name: "catalogue_item", Type: "column", Doc: "the item in the catalogue; default: named as in `from`"},
		{Name: "frequency", Type: "column", Required: true, Doc: "how frequent an item is, a number; items that are not, or are NULL, are never drawn"},
		{Name: "alpha", Type: "number", Doc: "items are drawn with a probability in proportion to frequency to the power of alpha; default 0.75; 0 draws all alike"},
		{Name: "positives_of", Type: "list of columns", Doc: "draws of an item that is a positive of a row with the same values here are left out: such as the user"},
		{Name: "salt", Type: "text", Doc: "draws other items; default `v1`"},
	},
	Example: `- name: drawn
  negatives:
    from: clicks
    key: [event_id]
    item: item_id
    n: 8
    catalogue: item_counts
    frequency: clicks
    positives_of: [user_id]`,
	Notes: "Each draw is a row with the columns of its row in `from`, the item aside, and `draw`, its number from 0, and `log_q`, the natural logarithm of the probability with which the item is drawn: " +
		"subtract it from the model's score in the loss (logQ correction). An item's probability is a whole number of units over the sum of all items' units, the most frequent having 2³⁰: " +
		"what is drawn does not depend on how a sum of fractions was rounded. Freeze the frequencies (read them from a table of before `${ds}`) if nights are to draw alike.",
	read: readNegatives,
}

type negatives struct {
	from, item, catalogue, catalogueItem, frequency jobfile.Value
	key, positivesOf                                []jobfile.Value
	n                                               int64
	alpha                                           float64
	salt                                            string
}

// maxDraws bounds how many items are drawn for a row.
const maxDraws = 10_000

func readNegatives(o *options) planner {
	s := &negatives{
		from: o.text("from"), item: o.text("item"), catalogue: o.text("catalogue"), catalogueItem: o.text("catalogue_item"), frequency: o.text("frequency"),
		key: o.names("key"), positivesOf: o.names("positives_of"),
		n: o.whole("n", 1, maxDraws, 1), alpha: o.real("alpha", 0, math.Inf(1), 0.75), salt: o.seed("salt", "v1"),
	}
	if !o.has("catalogue_item") {
		s.catalogueItem = s.item
	}
	return s
}

// drawBuckets is into how many equal parts the units of all items are divided, so that draws and items meet part by part.
const drawBuckets = 256

func (s *negatives) plan(p *planning) logical.Node {
	in, catalogue := p.input(s.from), p.input(s.catalogue)
	item, drawn, frequency := p.key(in, s.item), p.key(catalogue, s.catalogueItem), p.column(catalogue, s.frequency)
	for _, name := range []string{"draw", "log_q"} {
		p.free(in, jobfile.Value{Text: name, Span: s.from.Span})
	}
	switch {
	case p.err != nil:
	case !frequency.Type.IsNumeric():
		p.fail(s.frequency, "the frequency %q must be a number, and is %s", frequency.Name, frequency.Type)
	case !item.Type.Equal(drawn.Type):
		p.fail(s.catalogueItem, "the item is of type %s in %s, and of type %s in %s", item.Type, in.name, drawn.Type, catalogue.name).
			WithHint("CAST one of them in a step before")
	}
	var cols []string
	for _, c := range in.cols {
		if c.ID == item.ID {
			cols = append(cols, "c.`__item` AS "+ident(c.Name))
		} else {
			cols = append(cols, "d."+ident(c.Name))
		}
	}
	out := "SELECT {cols}, d.`__draw` AS draw, ln(c.`__units` / CAST(d.`__total` AS DOUBLE)) AS log_q" +
		" FROM ({draws}) d ASOF JOIN ({parts}) c MATCH_CONDITION (d.`__at` >= c.`__start`) ON d.`__bucket` = c.`__bucket`"
	if len(s.positivesOf) > 0 {
		by := p.keys(in, s.positivesOf)
		out += " LEFT ANTI JOIN (SELECT DISTINCT {by}, {item} FROM input) i ON c.`__item` = i.{item}"
		for _, c := range by {
			out += fmt.Sprintf(" AND d.%s = i.%s", ident(c.Name), ident(c.Name))
		}
		out = strings.ReplaceAll(out, "{by}", idents("", by))
	}
	const (
		// The most frequent item has 2^30 units, every other at least one.
		units = "SELECT `__item`, greatest(1L, CAST(round(`__power` / max(`__power`) OVER () * 1073741824D) AS BIGINT)) AS `__units`" +
			" FROM (SELECT {drawn} AS `__item`, pow(CAST({frequency} AS DOUBLE), {alpha}) AS `__power` FROM catalogue WHERE {frequency} > 0)"
		ranges = "SELECT *, sum(`__units`) OVER (ORDER BY `__item` ROWS UNBOUNDED PRECEDING) - `__units` AS `__start`, sum(`__units`) OVER () AS `__total` FROM ({units})"
		parts  = "SELECT `__item`, `__units`, `__start`, `__bucket` FROM ({ranges})" +
			" LATERAL VIEW explode(sequence(`__start` * {buckets} DIV `__total`, (`__start` + `__units` - 1) * {buckets} DIV `__total`)) AS `__bucket`"
		draws = "SELECT *, `__at` * {buckets} DIV `__total` AS `__bucket` FROM (" +
			"SELECT *, hash_bucket(stable_hash('sample', {salt}, {key}, `__draw`), `__total`) AS `__at` FROM" +
			" (SELECT * FROM input LATERAL VIEW explode(sequence(0, {last})) AS `__draw`) CROSS JOIN (SELECT max(`__total`) AS `__total` FROM ({ranges})))"
	)
	for _, part := range []struct{ name, text string }{
		{"{draws}", draws}, {"{parts}", parts}, {"{ranges}", ranges}, {"{units}", units},
		{"{cols}", strings.Join(cols, ", ")}, {"{item}", ident(item.Name)}, {"{drawn}", ident(drawn.Name)}, {"{frequency}", ident(frequency.Name)},
		{"{alpha}", double(s.alpha)}, {"{buckets}", fmt.Sprint(drawBuckets)}, {"{last}", fmt.Sprint(s.n - 1)},
		{"{salt}", quote(s.salt)}, {"{key}", idents("", p.identity(in, s.key))},
	} {
		out = strings.ReplaceAll(out, part.name, part.text)
	}
	in.node = p.counted(in.node, plan.RowsIn)
	return p.counted(p.sql(out, map[string]*relation{"input": in, "catalogue": catalogue}), plan.RowsOut)
}
