package textio

import (
	"context"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// inferCSV names the columns after the first record, or by their places, and types them by the sample if that is asked
// for.
func inferCSV(ctx context.Context, o *options, r *recordReader, values *compute.TextReader) ([]plan.Field, error) {
	fields := fieldReader{o: o}
	var names []string
	var types []plan.Type
	err := sample(ctx, o, r, func(rec []byte) bool {
		parts := fields.split(rec)
		if names == nil {
			names = columnNames(o, parts)
			types = make([]plan.Type, len(names))
			for i := range types {
				types[i] = plan.Null
			}
			if o.header {
				return o.infer
			}
		}
		if !o.infer {
			return false
		}
		for i, p := range parts[:min(len(parts), len(types))] {
			if text := string(p.text); text != o.nullValue && text != "" {
				types[i] = compute.MergeInferred(types[i], narrowest(o, values, text, types[i]))
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, plan.Failf(plan.FailureUser, "file %s: [UNABLE_TO_INFER_SCHEMA] Unable to infer schema for CSV. It must be specified manually.",
			storage.Display(r.url))
	}
	out := make([]plan.Field, len(names))
	for i, name := range names {
		if types[i].Kind == plan.KindNull {
			types[i] = plan.String
		}
		out[i] = plan.Field{Name: name, Type: types[i], Nullable: true}
	}
	return out, nil
}

// columnNames are those of the header; names that are missing are made of the column's place, and names that come twice
// have it added.
func columnNames(o *options, parts []fieldText) []string {
	names := make([]string, len(parts))
	count := map[string]int{}
	for _, p := range parts {
		count[strings.ToLower(string(p.text))]++
	}
	for i, p := range parts {
		switch name := string(p.text); {
		case !o.header || name == "" || name == o.nullValue:
			names[i] = "_c" + strconv.Itoa(i)
		case count[strings.ToLower(name)] > 1:
			names[i] = name + strconv.Itoa(i)
		default:
			names[i] = name
		}
	}
	return names
}

// narrowest is the first type in Spark's order that a text is a value of, of those that are not narrower than what the
// column is already known to need.
func narrowest(o *options, values *compute.TextReader, text string, so plan.Type) plan.Type {
	if so.Kind == plan.KindString {
		return so
	}
	fits := func(t plan.Type) bool {
		_, ok := values.CSVValue(text, t)
		return ok
	}
	switch {
	case fits(plan.Int32):
		return plan.Int32
	case fits(plan.Int64):
		return plan.Int64
	}
	if digits := strings.TrimLeft(text, "+-"); isDigits(digits) && len(digits) <= plan.MaxPrecision {
		return plan.Decimal(int32(len(digits)), 0)
	}
	switch {
	case text == o.nanValue || text == o.posInf || text == o.negInf || fits(plan.Float64):
		return plan.Float64
	case o.preferDate && fits(plan.Date) && len(text) <= len("2006-01-02"):
		return plan.Date
	case fits(plan.Timestamp):
		return plan.Timestamp
	case fits(plan.Boolean):
		return plan.Boolean
	}
	return plan.String
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
