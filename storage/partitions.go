package storage

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// nullPartition is how Hive writes NULL into a path.
const nullPartition = "__HIVE_DEFAULT_PARTITION__"

// partitionFiles finds the name=value elements of each file's path below the source, types them, fills in the files'
// partition values, and returns the partition columns in path order.
func partitionFiles(source string, files []plan.File, declared map[string]plan.Type) ([]plan.Field, error) {
	if len(files) == 0 {
		return nil, nil
	}
	base := Display(Base(source))
	names, _, err := pathPartitions(base, files[0].URL)
	if err != nil {
		return nil, err
	}
	values, err := pathValues(base, files, names, files[0].URL)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return nil, plan.Failf(plan.FailureUser, "%s has no partition column %s; its paths have (%s)", base, name, strings.Join(names, ", "))
		}
	}
	fields := make([]plan.Field, len(names))
	for c, name := range names {
		t, ok := declaredType(declared, name)
		if !ok {
			t = inferPartition(values, c)
		}
		// A declared column below others may be NULL in a folder that is not looked at: it can be anyway, so that what the columns
		// are does not depend on conditions.
		fields[c] = plan.Field{Name: name, Type: t, Nullable: ok && c > 0}
	}
	if err := setPartitions(files, values, fields); err != nil {
		return nil, err
	}
	for c := range fields {
		fields[c].Nullable = fields[c].Nullable || slices.ContainsFunc(files, func(f plan.File) bool { return f.Partition[c].Null })
	}
	return fields, nil
}

// pathValues reads the partition values in the paths of files, as text. All have to have the columns of the file at first.
func pathValues(base string, files []plan.File, names []string, first string) ([][]string, error) {
	values := make([][]string, len(files))
	for i, f := range files {
		have, vals, err := pathPartitions(base, f.URL)
		if err != nil {
			return nil, err
		}
		if !slices.EqualFunc(have, names, strings.EqualFold) {
			return nil, plan.Failf(plan.FailureUser, "%s has partition columns (%s), but %s has (%s); all files of a source need the same",
				Display(f.URL), strings.Join(have, ", "), Display(first), strings.Join(names, ", "))
		}
		values[i] = vals
	}
	return values, nil
}

// setPartitions gives files their partition values.
func setPartitions(files []plan.File, values [][]string, fields []plan.Field) error {
	for i := range files {
		files[i].Partition = make([]plan.Literal, len(fields))
		for c, f := range fields {
			v, err := parsePartition(f.Type, values[i][c])
			if err != nil {
				return plan.Failf(plan.FailureUser, "%s: partition %s=%s is no %s", Display(files[i].URL), f.Name, values[i][c], f.Type)
			}
			files[i].Partition[c] = v
		}
	}
	return nil
}

// pathPartitions reads the name=value folders between base and the file.
func pathPartitions(base, fileURL string) (names, values []string, err error) {
	rest, below := strings.CutPrefix(Display(fileURL), strings.TrimSuffix(base, "/")+"/")
	if !below {
		return nil, nil, nil // the source is this file
	}
	folders := strings.Split(rest, "/")
	for _, folder := range folders[:len(folders)-1] {
		name, value, ok := strings.Cut(folder, "=")
		if !ok || name == "" {
			continue
		}
		for _, s := range []*string{&name, &value} {
			if *s, err = url.PathUnescape(*s); err != nil {
				return nil, nil, plan.Failf(plan.FailureUser, "%s: folder %q: %w", Display(fileURL), folder, err)
			}
		}
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return nil, nil, plan.Failf(plan.FailureUser, "%s: partition column %s appears twice", Display(fileURL), name)
		}
		names, values = append(names, name), append(values, value)
	}
	return names, values, nil
}

func declaredType(declared map[string]plan.Type, name string) (plan.Type, bool) {
	for _, n := range slices.Sorted(maps.Keys(declared)) {
		if strings.EqualFold(n, name) {
			return declared[n], true
		}
	}
	return plan.Type{}, false
}

// inferPartition gives column c of the values a type that all of them have: bigint, date, or else string.
func inferPartition(values [][]string, c int) plan.Type {
	for _, t := range []plan.Type{plan.Int64, plan.Date} {
		fits, some := true, false
		for _, row := range values {
			if row[c] == nullPartition {
				continue
			}
			some = true
			if _, err := parsePartition(t, row[c]); err != nil {
				fits = false
				break
			}
		}
		if fits && some {
			return t
		}
	}
	return plan.String
}

// parsePartition reads a value from a path.
func parsePartition(t plan.Type, s string) (plan.Literal, error) {
	if s == nullPartition {
		return plan.Literal{Null: true}, nil
	}
	switch t.Kind {
	case plan.KindString, plan.KindBinary:
		return plan.Literal{Bytes: []byte(s)}, nil
	case plan.KindBoolean:
		v, err := strconv.ParseBool(strings.ToLower(s))
		e, _ := plan.LiteralExpr(t, v)
		return e.Value, err
	case plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64:
		bits := map[plan.Kind]int{plan.KindInt8: 8, plan.KindInt16: 16, plan.KindInt32: 32, plan.KindInt64: 64}[t.Kind]
		v, err := strconv.ParseInt(s, 10, bits)
		return plan.Literal{Int: v}, err
	case plan.KindFloat32, plan.KindFloat64:
		v, err := strconv.ParseFloat(s, 64)
		e, _ := plan.LiteralExpr(t, v)
		return e.Value, err
	case plan.KindDecimal:
		v, err := decimal128.FromString(s, t.Precision, t.Scale)
		return plan.Literal{Int: int64(v.LowBits()), High: v.HighBits()}, err
	case plan.KindDate:
		v, err := time.Parse("2006-01-02", s)
		return plan.Literal{Int: v.Unix() / 86400}, err
	case plan.KindTimestamp, plan.KindTimestampNTZ:
		return parseTimestamp(s)
	}
	return plan.Literal{}, plan.Failf(plan.FailureUser, "%s is no type for a partition column", t)
}

func parseTimestamp(s string) (plan.Literal, error) {
	var v time.Time
	var err error
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02"} {
		if v, err = time.Parse(layout, strings.TrimSuffix(s, "Z")); err == nil {
			break
		}
	}
	return plan.Literal{Int: v.UnixMicro()}, err
}
