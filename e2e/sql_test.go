package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"

	"golang.org/x/sync/errgroup"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/golden"
)

// TestSQL runs every statement of testdata/sql through the whole engine, on a cluster where nothing happens at the same
// time and on one where much does; both must give the rows that are written there.
//
// A file is a list of blocks: "query", or "query type, type" to check the result's types too; the statement; "----"; and
// the rows, values between bars, or "error: " and the first line of what went wrong. Without an ORDER BY the rows are
// sorted as text. Text with something invisible in it is quoted as in Go.
func TestSQL(t *testing.T) {
	tables := sqlTables(t)
	files, err := filepath.Glob("../testdata/sql/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("statements: %v, %v", files, err)
	}
	for _, w := range []struct{ workers, slots int }{{1, 1}, {2, 2}} {
		t.Run(fmt.Sprintf("%dx%d", w.workers, w.slots), func(t *testing.T) {
			c := startWorld(t, tables, w.workers, w.slots)
			for _, file := range files {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { c.runFile(t, file) })
			}
		})
	}
}

// world is an embedded cluster with tables.
type world struct {
	cluster *assembly.Embedded
	tables  map[string]string
	atOnce  int
	runs    atomic.Int64
}

func startWorld(t *testing.T, tables map[string]string, workers, slots int) *world {
	t.Helper()
	opts := assembly.Options{Workers: workers, Slots: slots, Memory: 1 << 30}
	if workers > 1 {
		// Every row group is a task, so that there is something to exchange, and buffers turn to nonsense when freed.
		opts.Planner.Stage.MinSplit = 1
		opts.Allocator = recycle.Poison()
	}
	e, err := assembly.StartEmbedded(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{cluster: e, tables: tables, atOnce: workers * slots}
}

// sqlBlock is one statement of a file and what it should give.
type sqlBlock struct {
	line            int
	header          string // "query" and the types
	statement, want string
	comment         string // what stands before the block, kept by -rewrite
}

// runFile runs a file's statements, as many at once as the cluster has slots.
func (w *world) runFile(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := sqlBlocks(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	got := make([]string, len(blocks))
	var group errgroup.Group
	group.SetLimit(w.atOnce)
	for i, b := range blocks {
		group.Go(func() error {
			got[i] = w.outcome(t.Context(), b)
			return nil
		})
	}
	_ = group.Wait() // outcomes are text, errors included
	for i := range blocks {
		b := &blocks[i]
		if got[i] == b.want || w.atOnce > 1 && anyRow(got[i]) == anyRow(b.want) {
			continue
		}
		if golden.Rewriting() {
			b.want = got[i]
			continue
		}
		t.Errorf("%s:%d\n%s\n got:\n%s\nwant:\n%s", file, b.line, b.statement, indent(got[i]), indent(b.want))
	}
	if golden.Rewriting() {
		var out strings.Builder
		for _, b := range blocks {
			fmt.Fprintf(&out, "%s%s\n%s\n----\n%s\n", b.comment, b.header, b.statement, b.want)
			if b.want != "" {
				out.WriteString("\n")
			}
		}
		if err := os.WriteFile(file, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// anyRow leaves an error's class alone, without the value that it is about: of several tasks with a bad row, whichever
// comes to it first ends the run.
func anyRow(outcome string) string {
	if class, _, found := strings.Cut(outcome, "]"); found && strings.HasPrefix(outcome, "error: [") {
		return class
	}
	return outcome
}

func indent(s string) string { return "\t" + strings.ReplaceAll(s, "\n", "\n\t") }

// sqlBlocks reads a file of statements.
func sqlBlocks(text string) (blocks []sqlBlock, err error) {
	lines := strings.Split(text, "\n")
	comment := ""
	for i := 0; i < len(lines); {
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			comment += lines[i] + "\n"
			if lines[i] == "" && strings.TrimSpace(comment) == "" {
				comment = ""
			}
			i++
			continue
		}
		if lines[i] != "query" && !strings.HasPrefix(lines[i], "query ") {
			return nil, fmt.Errorf("line %d: want query, a comment or an empty line", i+1)
		}
		b := sqlBlock{line: i + 2, header: lines[i], comment: comment}
		end := i + slices.Index(lines[i:], "----")
		if end < i {
			return nil, fmt.Errorf("line %d: no ---- behind the statement", i+1)
		}
		b.statement = strings.Join(lines[i+1:end], "\n")
		last := end + 1
		for last < len(lines) && lines[last] != "" {
			last++
		}
		b.want = strings.Join(lines[end+1:last], "\n")
		blocks, comment, i = append(blocks, b), "", last
	}
	return blocks, nil
}

// outcome runs a statement and gives its result as text.
func (w *world) outcome(ctx context.Context, b sqlBlock) string {
	types, rows, err := w.run(ctx, b.statement)
	if err != nil {
		return "error: " + firstLine(err.Error())
	}
	if want, ok := strings.CutPrefix(b.header, "query "); ok && want != types {
		return "types: " + types
	}
	if !ordered(b.statement) {
		slices.Sort(rows)
	}
	return strings.Join(rows, "\n")
}

// run gives the types and the rows of a statement's result.
func (w *world) run(ctx context.Context, statement string) (types string, lines []string, err error) {
	q := &api.Query{SQL: statement}
	for _, name := range namesIn(statement) {
		if path, ok := w.tables[name]; ok {
			q.Tables = append(q.Tables, api.Table{Name: name, Path: path})
		}
	}
	return w.query(ctx, q)
}

// query is run for a query with its tables.
func (w *world) query(ctx context.Context, q *api.Query) (types string, lines []string, err error) {
	id := fmt.Sprintf("q%d", w.runs.Add(1))
	if _, err := w.cluster.Client.Submit(ctx, api.SubmitRequest{RunID: id, Query: q}); err != nil {
		return "", nil, err
	}
	status, err := assembly.Wait(ctx, w.cluster.Client, id, nil)
	if err != nil {
		return "", nil, err
	}
	if status.Failure != nil {
		return "", nil, status.Failure
	}
	var names []string
	for _, f := range status.ResultSchema.Fields {
		names = append(names, f.Type.String())
	}
	lines, err = w.lines(ctx, status)
	return strings.Join(names, ", "), lines, err
}

func (w *world) lines(ctx context.Context, status *api.RunStatus) (lines []string, err error) {
	rows := w.cluster.Rows(status)
	defer rows.Close()
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for c, col := range rec.Columns() {
				cells[c] = vector.Format(col, i)
				if cells[c] != "NULL" || col.DataType().ID() == arrow.STRING && !col.IsNull(i) {
					cells[c] = visible(cells[c])
				}
			}
			lines = append(lines, strings.Join(cells, " | "))
		}
		rec.Release()
	}
}

// visible quotes text that would not show what it is.
func visible(s string) string {
	hidden := func(r rune) bool { return r == '|' || r == unicode.ReplacementChar || !unicode.IsPrint(r) }
	if s == "" || s == "NULL" || s[0] == '"' || s[0] == '#' || strings.TrimSpace(s) != s || strings.IndexFunc(s, hidden) >= 0 {
		return strconv.Quote(s)
	}
	return s
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

var sqlWord = regexp.MustCompile(`[a-z_][a-z_0-9]*`)

// namesIn lists the words of a statement, each once.
func namesIn(statement string) []string {
	words := sqlWord.FindAllString(strings.ToLower(statement), -1)
	slices.Sort(words)
	return slices.Compact(words)
}

// ordered reports an ORDER BY outside of parentheses.
func ordered(statement string) bool {
	depth, quoted := 0, false
	for i, c := range statement {
		switch {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth == 0 && len(statement)-i > 8 && strings.EqualFold(statement[i:i+8], "order by"):
			return true
		}
	}
	return false
}
