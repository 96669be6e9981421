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

// words of random statements: enough structure that a good part of them parses.
var fragments = []string{
	"SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "(", ")", "(", ")", ",", ",", "a", "b", "t.c", "*", "1", "-1", "'x'",
	"+", "-", "*", "=", "AND", "OR", "NOT", "IN", "IS NULL", "BETWEEN", "LIKE", "CASE WHEN", "THEN", "ELSE", "END", "UNION", "JOIN",
	"ON", "USING", "AS", "VALUES", "WITH", "f(", "position(", "trim(", "CAST(", "AS INT)", "::int", "EXISTS", "INTERVAL", "DAY", "DATE",
	"interval", "values", "table", "left", "~", "||", "${p}", "`q`", "1.5", "count(*)", "count(DISTINCT",
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
			&Literal{Kind: "interval", Text: "3 day"}, &Literal{Kind: "interval", Text: "-1-2 year to month"},
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
