package step

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var shuffleKind = &Kind{
	Name:    "shuffle",
	Summary: "Brings rows into a random order that follows from the rows and a seed alone.",
	Fields: []Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows"},
		{Name: "key", Type: "list of columns", Doc: "what identifies a row; default: all columns that can be compared"},
		{Name: "seed", Type: "text or number", Doc: "another seed is another order; default `0`"},
		{Name: "epoch", Type: "text or number", Doc: "as seed: for several orders of the same rows"},
		{Name: "group_by", Type: "list of columns", Doc: "rows with the same values here stay together, as listwise losses want it; their order among themselves is that of order_by"},
		{Name: "order_by", Type: "list of columns", Doc: "of the rows of a group"},
		{Name: "exact", Type: "true or false", Doc: "shards differ by one row (or group) at most, which takes another pass; otherwise sizes vary as chance has it"},
		{Name: "copies", Type: "expression", Doc: "how often a row is there, a whole number: to mix sources by weight; copies lie apart"},
	},
	Example: `- name: shuffled
  shuffle:
    from: examples
    key: [impression_id]
    seed: 42
    epoch: ${ds}`,
	Notes: "The order shows in an output whose `from` is this step: shard i of S has the rows whose hash lies in the i-th of S equal parts, sorted by their hash; `shard_by` and `sort_by` have no place there. " +
		"Reading the shards one after the other gives the same order whatever their number. SQL that reads the step sees the rows in no order.",
	read: readShuffle,
}

type shuffle struct {
	from         jobfile.Value
	key, groupBy []jobfile.Value
	orderBy      []order
	seed         string
	exact        bool
	copies       *jobfile.Tree
}

func readShuffle(o *options) planner {
	s := &shuffle{
		from: o.text("from"), key: o.names("key"), groupBy: o.names("group_by"), orderBy: o.orders("order_by"), exact: o.flag("exact"), copies: o.expr("copies"),
		seed: o.seed("seed", "0"),
	}
	if o.has("epoch") {
		s.seed += "/" + o.seed("epoch", "")
	}
	if o.has("order_by") && !o.has("group_by") {
		o.fail(o.place("order_by"), "shuffle: order_by is the order within groups, and there is no group_by")
	}
	if o.has("group_by") && o.has("copies") {
		o.fail(o.place("copies"), "shuffle: rows of groups cannot have copies")
	}
	return s
}

// plan gives the rows in no order: that is for outputs, see [Step.Arrange].
func (s *shuffle) plan(p *planning) logical.Node {
	in := p.input(s.from)
	rows, _ := s.rows(p, in)
	if s.copies == nil {
		p.identity(in, s.key) // for its errors
		p.keys(in, s.groupBy)
		return p.counted(in.node, plan.RowsOut)
	}
	return p.counted(p.sql("SELECT "+idents("", in.cols)+" FROM "+rows, map[string]*relation{"input": in}), plan.RowsOut)
}

// rows is the relation of the rows, in SQL, and what tells copies apart, "" for none.
func (s *shuffle) rows(p *planning, in *relation) (rows, copyNumber string) {
	if s.copies == nil {
		return "input", ""
	}
	n := ident(p.define(in, s.copies, "a whole number", plan.Type.IsInteger))
	return fmt.Sprintf("(SELECT * FROM input LATERAL VIEW explode(sequence(1L, CAST(%s AS BIGINT))) AS `__copy` WHERE %s > 0)", n, n), "`__copy`"
}

// Arrangement is rows with the shard that each belongs in, and their order within.
type Arrangement struct {
	Node    logical.Node
	Visible int            // how many of the columns, the first, are the user's
	Shard   int            // the column of the shard's number, from 0
	Order   []plan.SortKey // of the rows of a shard
}

// Arrange divides the rows of a step that orders them among the shards of an output; false for other steps.
func (s *Step) Arrange(env *logical.Environment, shards int) (a Arrangement, ok bool, err error) {
	shuffled, ok := s.planner.(*shuffle)
	if !ok {
		return a, false, nil
	}
	p := &planning{file: s.file, step: s.step, env: env, first: s.first}
	a = shuffled.arrange(p, shards)
	a.Node = p.counted(a.Node, plan.RowsOut) // by the same number as Plan
	return a, true, p.err
}

func (s *shuffle) arrange(p *planning, shards int) Arrangement {
	in := p.input(s.from)
	rows, copyNumber := s.rows(p, in)
	identity, first := p.identity(in, s.key), s.orderBy
	if len(s.groupBy) > 0 {
		identity, first = p.keys(in, s.groupBy), nil
		for _, v := range s.groupBy {
			first = append(first, order{column: v})
		}
		first = append(first, s.orderBy...)
	}
	hashed := idents("", identity)
	if copyNumber != "" {
		hashed += ", " + copyNumber
	}
	// Hashes are unsigned: they are sorted by what has the bit turned round that tells signs.
	from := fmt.Sprintf("(SELECT *, `__hash` ^ (-9223372036854775807L - 1L) AS `__order` FROM (SELECT *, stable_hash('shuffle', %s, %s) AS `__hash` FROM %s))",
		quote(s.seed), hashed, rows)
	shard := fmt.Sprintf("hash_bucket(`__hash`, %d)", shards)
	if s.exact {
		from, shard = s.ranked(p, in, from, identity), fmt.Sprintf("`__rank` * %d DIV `__total`", shards)
	}
	node := p.sql(fmt.Sprintf("SELECT %s, %s AS `__shard`, `__order` FROM %s", idents("", in.cols), shard, from), map[string]*relation{"input": in})
	n := len(in.cols)
	return Arrangement{Node: node, Visible: n, Shard: n, Order: append([]plan.SortKey{{Column: n + 1}}, p.sortKeys(in, first)...)}
}

// rankBuckets is into how many parts the hashes are divided to rank each part for itself.
const rankBuckets = 4096

// ranked adds the rank of each row, or group, in the order, and how many there are.
func (s *shuffle) ranked(p *planning, in *relation, from string, identity []logical.Column) string {
	rank, counted := "row_number", "count(*)"
	by := "`__order`, " + p.totalOrder(in, nil, false)
	if len(s.groupBy) > 0 {
		rank, counted, by = "dense_rank", "count(DISTINCT `__order`, struct("+idents("", identity)+"))", "`__order`, "+idents("", identity)
	}
	return strings.NewReplacer("{from}", from, "{rank}", rank, "{counted}", counted, "{by}", by, "{n}", fmt.Sprint(rankBuckets)).Replace(
		"(SELECT r.*, c.`__before` + {rank}() OVER (PARTITION BY r.`__bucket` ORDER BY {by}) - 1 AS `__rank`, c.`__total` " +
			"FROM (SELECT *, hash_bucket(`__hash`, {n}) AS `__bucket` FROM {from}) r JOIN (" +
			"SELECT `__bucket`, sum(`__count`) OVER () AS `__total`, sum(`__count`) OVER (ORDER BY `__bucket`) - `__count` AS `__before` FROM (" +
			"SELECT hash_bucket(`__hash`, {n}) AS `__bucket`, {counted} AS `__count` FROM {from} GROUP BY 1)) c ON r.`__bucket` = c.`__bucket`)")
}
