package assembly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// Block is a statement with what it gave, as in the golden files of Spark's SQL tests.
type Block struct {
	Query  string
	Schema string // struct<…>; struct<> of an error or of a statement without rows
	// Output is the rows, columns between tabs, sorted as text unless the statement orders them; of an error the kind
	// of exception that Spark raises and the error's class as JSON.
	Output string
	Err    error
}

// String is the block as golden files have it, without the empty lines between blocks.
func (b Block) String() string {
	return "-- !query\n" + b.Query + "\n-- !query schema\n" + b.Schema + "\n-- !query output\n" + b.Output
}

// Golden runs one statement and writes down what it gave. Only a context that is done ends it with an error.
func (s *Session) Golden(ctx context.Context, e *Embedded, text *source.Text, span source.Span) (Block, error) {
	b := Block{Query: withoutComments(text.Body[span.Start:span.End]), Schema: "struct<>"}
	result, err := s.Execute(ctx, text, span)
	var rows []string
	if err == nil {
		b.Schema, rows, err = s.rows(ctx, e, result)
	}
	switch {
	case ctx.Err() != nil:
		return b, context.Cause(ctx)
	case err != nil:
		b.Schema, b.Output, b.Err = "struct<>", errorText(err), err
		return b, nil
	}
	if !result.Ordered {
		slices.Sort(rows)
	}
	b.Output = strings.TrimRight(strings.Join(rows, "\n"), " \t\n")
	return b, nil
}

// withoutComments leaves out lines that are nothing but a comment.
func withoutComments(statement string) string {
	lines := slices.DeleteFunc(strings.Split(statement, "\n"), func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), "--") })
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// rows is a result as text, columns between tabs.
func (s *Session) rows(ctx context.Context, e *Embedded, r Result) (schema string, rows []string, err error) {
	if r.Status == nil {
		for _, row := range r.Rows {
			if r.golden != nil {
				rows = append(rows, r.golden(row))
				continue
			}
			rows = append(rows, strings.Join(row, "\t"))
		}
		return plan.Struct(r.Schema.Fields...).String(), rows, nil
	}
	zone, err := s.TimeZone()
	if err != nil {
		return "", nil, err
	}
	stream := e.Rows(r.Status)
	defer stream.Close()
	for {
		rec, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return plan.Struct(r.Status.ResultSchema.Fields...).String(), rows, nil
		}
		if err != nil {
			return "", nil, err
		}
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for c, col := range rec.Columns() {
				cells[c] = string([]rune(vector.FormatIn(col, i, zone))) // � for bytes that are no UTF-8
			}
			rows = append(rows, strings.Join(cells, "\t"))
		}
		rec.Release()
	}
}

// errorText is an error as golden files have it.
func errorText(err error) string {
	class, context := classOf(err), []map[string]any(nil)
	exception := "org.apache.spark.SparkRuntimeException"
	var mistake *source.Error
	if errors.As(err, &mistake) {
		exception = "org.apache.spark.sql.AnalysisException"
		if strings.HasPrefix(class, "PARSE_") {
			exception = "org.apache.spark.sql.catalyst.parser.ParseException"
		}
		context = []map[string]any{{"line": mistake.Line, "column": mistake.Column, "message": mistake.Message}}
	}
	if class == "" {
		return exception + "\n" + firstLine(err.Error())
	}
	detail := struct {
		ErrorClass   string           `json:"errorClass"`
		QueryContext []map[string]any `json:"queryContext,omitempty"`
		Message      string           `json:"message,omitempty"`
	}{ErrorClass: class, QueryContext: context}
	if mistake == nil {
		detail.Message = firstLine(err.Error())
	}
	encoded, jsonErr := json.MarshalIndent(detail, "", "  ")
	if jsonErr != nil {
		return fmt.Sprintf("%s\n%s", exception, class)
	}
	return exception + "\n" + strings.ReplaceAll(string(encoded), `": `, `" : `)
}

// classOf is Spark's class of an error; "" where it has none.
func classOf(err error) string {
	var mistake *source.Error
	if errors.As(err, &mistake) {
		return mistake.Class
	}
	_, rest, found := strings.Cut(err.Error(), "[")
	class, _, closed := strings.Cut(rest, "]")
	if !found || !closed || strings.ToUpper(class) != class || strings.ContainsAny(class, " \n") {
		return ""
	}
	return class
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
