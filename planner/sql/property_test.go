package sql

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/internal/source"
)

// FuzzParse makes sure that no text crashes the parser, that mistakes have a place, and that what parses survives
// printing.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"SELECT a, b AS c FROM t JOIN u USING (x) WHERE a > 1 AND s LIKE 'x%' ORDER BY 1 LIMIT 2",
		"WITH a AS (VALUES (1, 2)) SELECT * FROM a, ((SELECT 1) UNION (SELECT 2)) WHERE x IN ((SELECT 1), 2)",
		"SELECT CAST(a AS array<decimal(1,2)>), -1, - (1), position((a IN (b)), c), trim(BOTH 'x' FROM y), ${p}, X'0'",
		"SELECT INTERVAL '1-2' YEAR TO MONTH + INTERVAL -3 DAYS 4 HOURS, `a``b`, 'a' \"b\", r'\\', 1e5BD, 1.5F /* c */ -- d",
		"SELECT CASE a WHEN b THEN c END, count(DISTINCT a) FILTER (WHERE NOT b), EXISTS (SELECT 1), extract('x', y) FROM (a)",
	} {
		f.Add(s)
	}
	for _, s := range fuzzSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := Parse(&source.Text{File: "f", Body: s})
		if err != nil {
			var e *source.Error
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Class == "" || e.Message == "" {
				t.Fatalf("a mistake without a place: %#v", err)
			}
			return
		}
		checkQuery(t, q)
	})
}

// fuzzSeeds use most of the grammar once.
var fuzzSeeds = []string{
	"SELECT a, x -> x + 1, (p, q) -> p[q].r, f(n => 1, m => 2), struct(a AS b, c), s.*, * EXCEPT (a, t.b) FROM t LATERAL VIEW OUTER explode(a) v AS k, v",
	"SELECT sum(a) FILTER (WHERE b) OVER (PARTITION BY c ORDER BY d DESC NULLS FIRST ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING), lag(a) IGNORE NULLS OVER w FROM t WINDOW w AS (ORDER BY a RANGE CURRENT ROW), v AS w QUALIFY a > 1",
	"SELECT 1 FROM t GROUP BY a, ROLLUP(a, (b, c)), GROUPING SETS ((a, b), a, (), CUBE(a)) HAVING x; ",
	"SELECT 1 FROM t GROUP BY a, b WITH CUBE UNION BY NAME SELECT 2 INTERSECT ALL SELECT 3 DISTRIBUTE BY a SORT BY b DESC LIMIT ALL OFFSET 2",
	"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM a TABLESAMPLE (5 PERCENT) REPEATABLE (3) AS x, LATERAL f(x.a) AS y(z), (b CROSS JOIN c) TABLESAMPLE (BUCKET 1 OUT OF 3) d",
	"SELECT * FROM t PIVOT (sum(a) AS s, max(b) FOR (c, d) IN ((1, 2) AS x, (3, 4))) p UNPIVOT INCLUDE NULLS ((v, w) FOR n IN ((a, b) AS ab, (c, d)))",
	"SELECT * FROM l ASOF LEFT JOIN r MATCH_CONDITION (l.t >= r.t) USING (k) TOLERANCE INTERVAL 3 DAYS TIES (r.a, b) SEMI JOIN LATERAL (SELECT 1)",
	"SELECT a << 1 + 2 >>> 3 >> 4 & 5, a = ANY (SELECT 1), b NOT LIKE ALL ('x', 'y'), dateadd(DAY, 1, d), extract(YEAR FROM d), INTERVAL '1' DAY '-2' HOURS, current_date",
	"FROM t |> WHERE a > 1 |> EXTEND b AS c |> AGGREGATE sum(a) AS s GROUP BY b |> ORDER BY s |> LIMIT 3 |> AS u |> JOIN v USING (b) |> DROP s |> SET c = 1",
	"SELECT CAST(a AS struct<x: array<map<string, decimal(5,2)>>, y: interval day to second NOT NULL>), b::timestamp WITHOUT TIME ZONE, IDENTIFIER('a.b')",
}

// FuzzParseScript makes sure that no script crashes the parser, that mistakes have a place, and that statements survive
// printing.
func FuzzParseScript(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add(s + ";" + s)
	}
	for _, s := range []string{
		"CREATE OR REPLACE TEMP VIEW v(a COMMENT 'x', b) AS SELECT 1, 2; SET a.b = 'c;d'; RESET; -- ;\n SET TIME ZONE INTERVAL -3 HOURS",
		"CREATE TABLE IF NOT EXISTS t (a INT NOT NULL DEFAULT 1 COMMENT 'x', b MAP<STRING, INT>) USING parquet PARTITIONED BY (b); DROP TABLE IF EXISTS t",
		"WITH a AS (SELECT 1) INSERT OVERWRITE TABLE t (b) SELECT * FROM a; EXPLAIN EXTENDED VALUES (1); INSERT INTO t TABLE u",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := &source.Text{File: "f", Body: s}
		for _, part := range SplitStatements(text) {
			statement, err := ParseStatement(text, part)
			if err != nil {
				var e *source.Error
				if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Class == "" || e.Message == "" {
					t.Fatalf("a mistake without a place: %#v", err)
				}
				continue
			}
			if set, ok := statement.(*Set); ok && strings.ContainsAny(set.Key+set.Value, "`;'\"\\") {
				continue // settings have no way to quote everything
			}
			checkStatement(t, statement)
		}
	})
}

// words of random statements: enough structure that a good part of them parses.
var fragments = []string{
	"SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "(", ")", "(", ")", ",", ",", "a", "b", "t.c", "*", "1", "-1", "'x'",
	"+", "-", "*", "=", "AND", "OR", "NOT", "IN", "IS NULL", "BETWEEN", "LIKE", "CASE WHEN", "THEN", "ELSE", "END", "UNION", "JOIN",
	"ON", "USING", "AS", "VALUES", "WITH", "f(", "position(", "trim(", "CAST(", "AS INT)", "::int", "EXISTS", "INTERVAL", "DAY", "DATE",
	"interval", "values", "table", "left", "~", "||", "${p}", "`q`", "1.5", "count(*)", "count(DISTINCT",
	"->", "[", "]", ".", "OVER (", "OVER w", "PARTITION BY", "ROWS", "PRECEDING", "LATERAL", "LATERAL VIEW", "GROUPING SETS (", "ROLLUP(", "PIVOT (",
	"UNPIVOT (", "FOR", "TABLESAMPLE (", "PERCENT", "ASOF JOIN", "QUALIFY", "WINDOW w AS", "FILTER (WHERE", "IGNORE NULLS", "ANY (", "=>", "struct(",
	"EXCEPT", "dateadd(DAY,", "<<", ">>", "|>", "EXTEND", "AGGREGATE", "current_date", "end", "from", "TIES (", "TOLERANCE", "MATCH_CONDITION (",
}

// TestRandomWords throws shuffled words at the parser.
func TestRandomWords(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom(fragments), 1, 14).Draw(r, "words")
		text := &source.Text{Body: "SELECT " + strings.Join(words, " ")}
		if q, err := Parse(text); err == nil {
			checkQuery(r, q)
		}
	})
}

// TestRandomExpressions prints random trees and reads them back: the printer must set every parenthesis that the
// parser needs.
func TestRandomExpressions(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		e := drawExpr(r, rapid.IntRange(0, 5).Draw(r, "depth"))
		printed := FormatExpr(e)
		again, err := ParseExpr(&source.Text{Body: printed})
		if err != nil {
			r.Fatalf("%s: %v", printed, err)
		}
		if a, b := dump(e), dump(again); a != b {
			r.Fatalf("%s\n%s\n%s", printed, a, b)
		}
	})
}

func drawExpr(r *rapid.T, depth int) Expr {
	if depth == 0 {
		return rapid.SampledFrom([]Expr{
			&Name{Parts: []Ident{{Name: "a"}}}, &Name{Parts: []Ident{{Name: "t"}, {Name: "from", Quoted: true}}},
			&Literal{Kind: "integer", Text: "1"}, &Literal{Kind: "integer", Text: "-1"}, &Literal{Kind: "string", Text: "it's \\ ${x}\n\x01"},
			&Literal{Kind: "null", Text: "null"}, &Literal{Kind: "decimal", Text: "1.", Suffix: "BD"}, &Param{Name: "p"},
			&Interval{Parts: []IntervalPart{{Value: &Literal{Kind: "string", Text: "3 days"}}}},
			&Interval{Parts: []IntervalPart{{Value: &Literal{Kind: "string", Text: "-1-2"}, Unit: "year", To: "month"}}},
			&Interval{Parts: []IntervalPart{{Value: &Literal{Kind: "integer", Text: "-3"}, Unit: "day"}, {Value: &Literal{Kind: "decimal", Text: "4.5"}, Unit: "second"}}},
			&ScalarSubquery{Query: &Query{Body: &Select{Items: []SelectItem{{Expr: &Star{}}}}}},
		}).Draw(r, "leaf")
	}
	sub := func() Expr { return drawExpr(r, rapid.IntRange(0, depth-1).Draw(r, "depth")) }
	not := rapid.Bool().Draw(r, "not")
	switch rapid.IntRange(0, 10).Draw(r, "kind") {
	case 0, 1, 2:
		op := rapid.SampledFrom([]string{"or", "and", "=", "<=>", "<", "|", "^", "&", "+", "-", "||", "*", "div", "%"}).Draw(r, "op")
		return &Binary{Op: op, L: sub(), R: sub()}
	case 3:
		return &Unary{Op: rapid.SampledFrom([]string{"-", "+", "~", "not"}).Draw(r, "op"), X: sub()}
	case 4:
		return &Between{X: sub(), Low: sub(), High: sub(), Not: not}
	case 5:
		return &In{X: sub(), List: []Expr{sub(), sub()}, Not: not}
	case 6:
		return &Like{Op: rapid.SampledFrom([]string{"like", "ilike", "rlike"}).Draw(r, "op"), X: sub(), Pattern: sub(), Not: not}
	case 7:
		if not {
			return &Is{X: sub(), What: "distinct", Other: sub(), Not: true}
		}
		return &Is{X: sub(), What: "null"}
	case 8:
		return &Case{Operand: sub(), Whens: []When{{Cond: sub(), Then: sub()}}, Else: sub()}
	case 9:
		name := rapid.SampledFrom([]string{"f", "position", "substring", "trim", "count"}).Draw(r, "name")
		return &Call{Name: Ident{Name: name}, Args: []Expr{sub(), sub()}}
	}
	return &Cast{X: sub(), Type: TypeName{Name: "decimal", Args: []int{5, 2}}, Try: not}
}

// TestLimits feeds the parser what would overflow a stack or fill the memory.
func TestLimits(t *testing.T) {
	const many = 100_000
	for name, test := range map[string]struct{ sql, want string }{
		"parentheses": {"SELECT " + strings.Repeat("(", many) + "1" + strings.Repeat(")", many), "levels deep"},
		"open":        {"SELECT " + strings.Repeat("(", many), "levels deep"},
		"relations":   {"SELECT 1 FROM " + strings.Repeat("(", many) + "t", "levels deep"},
		"queries":     {strings.Repeat("(", many) + "SELECT 1", "levels deep"},
		"subqueries":  {strings.Repeat("SELECT (", many/2), "levels deep"},
		"minus":       {"SELECT " + strings.Repeat("- ", many) + "a", "levels deep"},
		"not":         {"SELECT " + strings.Repeat("NOT ", many) + "a", "levels deep"},
		"case":        {"SELECT " + strings.Repeat("CASE ", many), "levels deep"},
		"calls":       {"SELECT " + strings.Repeat("f(", many), "levels deep"},
		"types":       {"SELECT CAST(a AS " + strings.Repeat("array<", many), "levels deep"},
		"in":          {"SELECT " + strings.Repeat("a IN (", many), "levels deep"},
		"chain":       {"SELECT 1" + strings.Repeat("+1", many), "chains more than"},
		"casts":       {"SELECT 1" + strings.Repeat("::int", many), "chains more than"},
		"unions":      {"SELECT 1" + strings.Repeat(" UNION SELECT 1", many/2), "chains more than"},
		"joins":       {"SELECT 1 FROM t" + strings.Repeat(" JOIN t", many), "chains more than"},
		"indexes":     {"SELECT a" + strings.Repeat("[0]", many), "chains more than"},
		"fields":      {"SELECT f()" + strings.Repeat(".a", many), "chains more than"},
		"pipes":       {"FROM t" + strings.Repeat(" |> AS u", many), "chains more than"},
		"pivots":      {"SELECT 1 FROM t" + strings.Repeat(" PIVOT (f() FOR a IN (1))", many/4), "chains more than"},
		"lambdas":     {"SELECT f(" + strings.Repeat("x -> ", many), "levels deep"},
		"grouping":    {"SELECT 1 GROUP BY " + strings.Repeat("GROUPING SETS (", many/2), "levels deep"},
		"windows":     {"SELECT " + strings.Repeat("f() OVER (ORDER BY ", many/4), "levels deep"},
		"name":        {"SELECT " + strings.Repeat("a", 1<<19), "at most 1024"},
		"quoted":      {"SELECT `" + strings.Repeat("a", 1<<19) + "`", "at most 1024"},
		"size":        {"SELECT '" + strings.Repeat("a", MaxTextBytes) + "'", "at most 1048576"},
		"bytes":       {"SELECT '\xff'", "not UTF-8"},
		"nul":         {"SELECT \x00", "unexpected character"},
		"list":        {"SELECT a IN (1" + strings.Repeat(",1", many) + ")", ""},
		"deep enough": {"SELECT " + strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200), ""},
		"wide enough": {"SELECT a = 1" + strings.Repeat(" OR a = 1", 5000), ""},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := Parse(&source.Text{Body: test.sql})
			switch {
			case err == nil && test.want == "": // dumps of deep trees are too long to compare
				again, err := Parse(&source.Text{Body: Format(q)})
				if err != nil || Format(again) != Format(q) {
					t.Fatalf("does not survive printing: %v", err)
				}
			case err == nil || test.want == "" || !strings.Contains(err.Error(), test.want):
				t.Fatalf("got %.200v, want %q", err, test.want)
			}
		})
	}
}

// TestSpans makes sure that each expression knows its own text.
func TestSpans(t *testing.T) {
	text := &source.Text{Body: "SELECT (a + b) * c, f(x) FILTER (WHERE y), x IS NULL, CASE WHEN p THEN q END, -1, s.t, ${p}, d::int FROM u"}
	q, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range q.Body.(*Select).Items {
		span := item.Expr.Pos()
		got = append(got, text.Body[span.Start:span.End])
	}
	want := "[(a + b) * c|f(x) FILTER (WHERE y)|x IS NULL|CASE WHEN p THEN q END|-1|s.t|${p}|d::int]"
	if s := fmt.Sprintf("[%s]", strings.Join(got, "|")); s != want {
		t.Errorf("got %s\nwant %s", s, want)
	}
}
