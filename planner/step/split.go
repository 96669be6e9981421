package step

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var splitKind = &Kind{
	Name:    "split",
	Summary: "Divides rows into training, validation and test sets by an entity, by time, or by both.",
	Fields: []Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows"},
		{Name: "by", Type: "list of columns", Doc: "the entity that must not be in two sets: a user, a household; all its rows go the same way"},
		{Name: "shares", Type: "mapping of set to share", Doc: "how much of the entities each set gets, `{train: 0.9, validation: 0.05, test: 0.05}`, in ten-thousandths; what is left over is left out"},
		{Name: "time", Type: "column", Doc: "the time of a row"},
		{Name: "train_until", Type: "expression", Doc: "training rows lie before this time; a constant, such as `${ds} - 7`"},
		{Name: "validation_until", Type: "expression", Doc: "validation rows lie before this time, test rows after it; without it the rows after `train_until` are the test set"},
		{Name: "embargo", Type: "duration", Doc: "rows this close behind a bound are left out; at least as long as the labels that the rows have from a step of this job look ahead"},
		{Name: "salt", Type: "text", Doc: "divides entities otherwise; default `v1`"},
		{Name: "column", Type: "name", Doc: "the column that names the set; default `split`"},
	},
	Example: `- name: divided
  split:
    from: labelled
    by: [user_id]
    shares: {train: 0.8, validation: 0.1, test: 0.1}
    time: shown_at
    train_until: ${ds} - 7
    validation_until: ${ds} - 3
    embargo: 1d`,
	Notes: "An entity's place is a hash of the salt and its values. The test set has the first places, then come validation and other sets, and training " +
		"the last: making the training set larger moves no row into or out of the test set. With `by` and `time`, a row is in a set if both say so; other rows are left out. " +
		"Rows that have labels from a step of the job need an `embargo` no shorter than `within`: else a training row would know what happened in the time of the validation set.",
	read: readSplit,
}

// places is how finely entities are divided.
const places = 10_000

type share struct {
	name  string
	width int
}

type split struct {
	from, time     jobfile.Value
	by             []jobfile.Value
	shares         []share
	train, valid   *jobfile.Tree
	embargo        int64
	embargoAt      jobfile.Value
	salt           string
	column         jobfile.Value
	hashed, timely bool
}

func readSplit(o *options) planner {
	s := &split{
		from: o.text("from"), by: o.names("by"), time: o.text("time"), train: o.expr("train_until"), valid: o.expr("validation_until"),
		embargo: o.duration("embargo", 0), salt: o.seed("salt", "v1"), column: jobfile.Value{Text: "split", Span: o.at.Span},
		hashed: o.has("by") || o.has("shares"), timely: o.has("time") || o.has("train_until") || o.has("validation_until") || o.has("embargo"),
	}
	if s.embargoAt = s.time; o.has("embargo") {
		s.embargoAt = o.place("embargo")
	}
	if o.has("column") {
		s.column = o.text("column")
	}
	switch {
	case !s.hashed && !s.timely:
		o.fail(o.at, "split needs by and shares, or time and train_until, or all of them")
	case o.has("by") != o.has("shares"):
		o.fail(o.at, "split: by and shares go together")
	case s.timely && (!o.has("time") || !o.has("train_until")):
		o.fail(o.at, "split: a split by time needs time and train_until")
	}
	s.readShares(o)
	return s
}

// readShares puts the sets in the order of their places: test first, so that nothing moves it.
func (s *split) readShares(o *options) {
	t := o.get("shares")
	if t == nil {
		return
	}
	if t.Form != jobfile.Mapping || len(t.Entries) == 0 {
		o.fail(t.Value, "shares of split must be a mapping of sets to shares, found %s", t).WithHint("{train: 0.8, validation: 0.1, test: 0.1}")
	}
	total := 0
	for _, e := range t.Entries {
		v := o.asReal(e.Value, "the share of "+e.Key.Text, 0, 1)
		width := int(math.Round(v * places))
		if math.Abs(float64(width)-v*places) > 1e-6 {
			o.fail(e.Value.Value, "the share of %s must be a number of ten-thousandths, found %s", e.Key.Text, e.Value.Text)
		}
		if total += width; total > places {
			o.fail(e.Value.Value, "the shares are more than 1 together")
		}
		s.shares = append(s.shares, share{e.Key.Text, width})
	}
	if s.timely {
		for _, e := range t.Entries {
			if setOf := []string{"train", "validation", "test"}; !slices.Contains(setOf, e.Key.Text) {
				hint(o.fail(e.Key, "with a split by time the sets are train, validation and test, not %q", e.Key.Text), e.Key.Text, setOf, "")
			}
		}
	}
	rank := func(sh share) int {
		switch sh.name {
		case "test":
			return 0
		case "validation", "val", "valid", "dev":
			return 1
		case "train":
			return 3
		}
		return 2
	}
	slices.SortStableFunc(s.shares, func(a, b share) int { return rank(a) - rank(b) })
}

func isTime(t plan.Type) bool {
	return t.Kind == plan.KindTimestamp || t.Kind == plan.KindTimestampNTZ || t.Kind == plan.KindDate
}

func (s *split) plan(p *planning) logical.Node {
	in := p.input(s.from)
	p.free(in, s.column)
	var set string
	if s.hashed {
		set = s.byHash(p.keys(in, s.by))
	}
	if s.timely {
		s.keepApart(p)
		byTime := s.byTime(p, in)
		if s.hashed {
			set = fmt.Sprintf("nullif(%s, CASE WHEN %s <=> %s THEN '' ELSE %s END)", set, set, byTime, set)
		} else {
			set = byTime
		}
	}
	cols := idents("", in.cols)
	text, counts := "SELECT *, `__set` IS NOT NULL AS `__kept`", []counting{out("__kept", "left_out")}
	for i, name := range s.sets() {
		column := fmt.Sprintf("__set%d", i)
		text += fmt.Sprintf(", `__set` = %s AS %s", quote(name), ident(column))
		counts = append(counts, counting{column: column, name: name})
	}
	return p.kept(text+" FROM (SELECT *, "+set+" AS `__set` FROM input)", cols+", `__set` AS "+ident(s.column.Text), map[string]*relation{"input": in}, counts...)
}

// keepApart refuses an embargo that is shorter than the labels look ahead: what happened in the time of the next set would be
// in the labels of this one.
func (s *split) keepApart(p *planning) {
	if s.embargo >= p.looksAhead {
		return
	}
	need, is := plan.FormatDuration(p.looksAhead), "there is no embargo"
	if s.embargo > 0 {
		is = "the embargo is " + plan.FormatDuration(s.embargo)
	}
	p.fail(s.embargoAt, "the labels of %s look %s ahead, and %s: rows of one set would know what happened in the time of the next", s.from.Text, need, is).
		WithHint("embargo: %s", need)
}

// sets are the names of the sets that rows may be in.
func (s *split) sets() (names []string) {
	switch {
	case s.hashed:
		for _, sh := range s.shares {
			names = append(names, sh.name)
		}
		return names
	case s.valid != nil:
		return []string{"train", "validation", "test"}
	}
	return []string{"train", "test"}
}

// byHash names the set of a row's entity.
func (s *split) byHash(by []logical.Column) string {
	place := fmt.Sprintf("hash_bucket(stable_hash('split', %s, %s), %d)", quote(s.salt), idents("", by), places)
	if s.shares[0].width == places {
		return quote(s.shares[0].name)
	}
	var b strings.Builder
	b.WriteString("CASE")
	end := 0
	for _, sh := range s.shares {
		if end += sh.width; end == places { // so that every row is seen to have a set
			fmt.Fprintf(&b, " ELSE %s", quote(sh.name))
			break
		}
		fmt.Fprintf(&b, " WHEN %s < %d THEN %s", place, end, quote(sh.name))
	}
	b.WriteString(" END")
	return b.String()
}

// byTime names the set of a row's time; rows of no set, and those without a time, have none.
func (s *split) byTime(p *planning, in *relation) string {
	t := ident(p.time(in, s.time).Name)
	bound := func(e *jobfile.Tree) string { return ident(p.define(in, e, "a time", isTime)) }
	after := func(b string) string {
		if s.embargo == 0 {
			return fmt.Sprintf("%s >= %s", t, b)
		}
		return fmt.Sprintf("%s >= timestampadd(MICROSECOND, %d, %s)", t, s.embargo, b)
	}
	train := bound(s.train)
	if s.valid == nil {
		return fmt.Sprintf("CASE WHEN %s < %s THEN 'train' WHEN %s THEN 'test' END", t, train, after(train))
	}
	valid := bound(s.valid)
	return fmt.Sprintf("CASE WHEN %s < %s THEN 'train' WHEN %s AND %s < %s THEN 'validation' WHEN %s AND %s >= %s THEN 'test' END",
		t, train, after(train), t, valid, after(valid), t, valid)
}
