package columns

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// ParseSchema reads "k string, v decimal(10,2) not null"; columns are nullable unless they say otherwise. Elements of
// arrays are nullable unless they end in "!", as in "array<int!>", values of maps are; the spans of time are months and micros.
func ParseSchema(text string) (plan.Schema, error) {
	var s plan.Schema
	depth := 0
	columns := strings.FieldsFunc(text, func(r rune) bool { // commas inside of parentheses do not separate
		switch r {
		case '(', '<':
			depth++
		case ')', '>':
			depth--
		}
		return r == ',' && depth == 0
	})
	for _, column := range columns {
		words := strings.Fields(column)
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 && !(len(words) == 4 && words[2] == "not" && words[3] == "null") {
			return s, fmt.Errorf("column %q: want name and type", column)
		}
		typ, err := parseType(words[1])
		if err != nil {
			return s, err
		}
		s.Fields = append(s.Fields, plan.Field{Name: words[0], Type: typ, Nullable: len(words) == 2})
	}
	return s, nil
}

func parseType(text string) (plan.Type, error) {
	var p, s int32
	if n, _ := fmt.Sscanf(text, "decimal(%d,%d)", &p, &s); n == 2 {
		return plan.Decimal(p, s), nil
	}
	if element, ok := strings.CutPrefix(text, "array<"); ok && strings.HasSuffix(element, ">") {
		element, strict := strings.CutSuffix(strings.TrimSuffix(element, ">"), "!")
		t, err := parseType(element)
		return plan.Array(t, !strict), err
	}
	if entry, ok := strings.CutPrefix(text, "map<"); ok && strings.HasSuffix(entry, ">") {
		key, value, _ := strings.Cut(strings.TrimSuffix(entry, ">"), ",")
		k, err := parseType(key)
		if err != nil {
			return k, err
		}
		v, err := parseType(value)
		return plan.Map(k, v, true), err
	}
	switch text {
	case "months":
		return plan.YearMonthInterval, nil
	case "micros":
		return plan.DayTimeInterval, nil
	}
	if t, ok := plan.ParseTypeName(text); ok {
		return t, nil
	}
	return plan.Type{}, fmt.Errorf("no type %q", text)
}

// ParseLiteral reads a value in the text form that vector.Format writes; two quotes are the empty string.
func ParseLiteral(t plan.Type, text string) (plan.Literal, error) {
	if text == "NULL" {
		return plan.Literal{Null: true}, nil
	}
	switch t.Kind {
	case plan.KindBoolean:
		b, err := strconv.ParseBool(text)
		if b {
			return plan.Literal{Int: 1}, err
		}
		return plan.Literal{}, err
	case plan.KindFloat32, plan.KindFloat64:
		f, err := strconv.ParseFloat(text, 64)
		if t.Kind == plan.KindFloat32 {
			f = float64(float32(f))
		}
		return plan.Literal{Bits: math.Float64bits(f)}, err
	case plan.KindDecimal:
		d, err := decimal128.FromString(text, t.Precision, t.Scale)
		return plan.Literal{Int: int64(d.LowBits()), High: d.HighBits()}, err
	case plan.KindString, plan.KindBinary:
		if text == "''" {
			text = ""
		}
		return plan.Literal{Bytes: []byte(text)}, nil
	case plan.KindDate:
		d, err := time.Parse(time.DateOnly, text)
		return plan.Literal{Int: d.Unix() / 86400}, err
	case plan.KindArray:
		return parseArray(t.Element().Type, text)
	case plan.KindTimestamp, plan.KindTimestampNTZ:
		d, err := time.Parse("2006-01-02 15:04:05.999999", text)
		return plan.Literal{Int: d.UnixMicro()}, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return plan.Literal{Int: n}, err
}

func parseArray(element plan.Type, text string) (plan.Literal, error) {
	items := strings.FieldsFunc(strings.Trim(text, "[]"), func(r rune) bool { return r == ',' })
	var out plan.Literal
	for _, item := range items {
		lit, err := ParseLiteral(element, item)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, lit)
	}
	return out, nil
}

// Record is a plain batch from rows of text, values separated by '|'.
func Record(mem memory.Allocator, schema plan.Schema, rows []string) (arrow.Record, error) {
	values := make([][]plan.Literal, len(schema.Fields))
	for i, row := range rows {
		var cells []string
		if len(schema.Fields) > 0 {
			cells = strings.Split(row, "|")
		}
		if len(cells) != len(schema.Fields) {
			return nil, fmt.Errorf("row %d: %q has not %d values", i, row, len(schema.Fields))
		}
		for c, f := range schema.Fields {
			lit, err := ParseLiteral(f.Type, strings.TrimSpace(cells[c]))
			if err != nil {
				return nil, fmt.Errorf("row %d, column %s: %w", i, f.Name, err)
			}
			values[c] = append(values[c], lit)
		}
	}
	cols := make([]arrow.Array, len(schema.Fields))
	for c, f := range schema.Fields {
		cols[c] = Build(mem, f.Type, values[c])
		defer cols[c].Release()
	}
	return vector.NewRecord(schema, cols, len(rows)), nil
}

// Rows is a batch as rows of text, values separated by '|'.
func Rows(rec arrow.Record) []string {
	rows := make([]string, rec.NumRows())
	for i := range rows {
		cells := make([]string, rec.NumCols())
		for c, col := range rec.Columns() {
			if cells[c] = vector.Format(col, i); cells[c] == "" {
				cells[c] = "''"
			}
		}
		rows[i] = strings.Join(cells, "|")
	}
	return rows
}
