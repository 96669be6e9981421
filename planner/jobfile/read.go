package jobfile

import (
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// file reads the whole job.
func (r *reader) file(f *File, root *yaml.Node) {
	fields := r.fields(root, "a job file", "name", "params", "sources", "functions", "steps", "outputs", "checks")
	if n := r.required(fields, "name", root, "the job"); n != nil {
		f.Name = r.id(n, "the job's name")
	}
	if n := fields["params"]; n != nil {
		for _, p := range r.pairs(n, "params") {
			f.Params = append(f.Params, r.param(p))
		}
	}
	if n := fields["sources"]; n != nil {
		for _, p := range r.pairs(n, "sources") {
			f.Sources = append(f.Sources, r.source(p))
		}
	}
	if n := fields["functions"]; n != nil {
		for _, p := range r.pairs(n, "functions") {
			f.Functions = append(f.Functions, r.function(p))
		}
	}
	if n := fields["steps"]; n != nil {
		for _, item := range r.items(n, "steps") {
			f.Steps = append(f.Steps, r.step(item))
		}
	}
	if n := r.required(fields, "outputs", root, "the job"); n != nil {
		items := r.items(n, "outputs")
		if len(items) == 0 {
			r.fail(r.span(n), "the job has no outputs")
		}
		for _, item := range items {
			f.Outputs = append(f.Outputs, r.output(item))
		}
	}
	if n := fields["checks"]; n != nil {
		for _, item := range r.items(n, "checks") {
			f.Checks = append(f.Checks, r.outputCheck(f, item))
		}
	}
}

// required is a field that must be there.
func (r *reader) required(fields map[string]*yaml.Node, key string, parent *yaml.Node, what string) *yaml.Node {
	n := fields[key]
	if n == nil && r.err == nil {
		r.fail(r.span(parent), "%s has no %q", what, key)
	}
	return n
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// name checks a name that SQL uses without quotes.
func (r *reader) name(v Value, what string) Value {
	if !namePattern.MatchString(v.Text) {
		r.fail(v.Span, "%s %q: use letters, digits and _, beginning with a letter, at most 128", what, v.Text)
	}
	return v
}

// id reads a name that becomes part of paths and messages.
func (r *reader) id(n *yaml.Node, what string) Value {
	v := r.str(n, what)
	if err := plan.ValidateID(what, v.Text); err != nil {
		r.fail(v.Span, "%s", err.Error())
	}
	return v
}

func (r *reader) key(p pair, what string) Value {
	return r.name(Value{Text: p.key.Value, Span: r.span(p.key)}, what)
}

// param reads "ds: date" or "ds: {type: date, doc: …, default: …}".
func (r *reader) param(p pair) Param {
	out := Param{Name: r.key(p, "the parameter")}
	if p.value.Kind == yaml.ScalarNode {
		out.Type = r.paramType(p.value)
		return out
	}
	what := "the parameter " + strconv.Quote(p.key.Value)
	fields := r.fields(p.value, what, "type", "doc", "default")
	if n := r.required(fields, "type", p.key, what); n != nil {
		out.Type = r.paramType(n)
	}
	if n := fields["doc"]; n != nil {
		out.Doc = strings.TrimSpace(r.str(n, "doc").Text)
	}
	if n := fields["default"]; n != nil && r.err == nil {
		r.defaultValue(&out, n)
	}
	return out
}

// defaultValue reads a parameter's default. Its type is the parameter's, whatever YAML takes it for.
func (r *reader) defaultValue(p *Param, n *yaml.Node) {
	v := Value{Text: n.Value, Span: r.span(n)}
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		r.fail(v.Span, "the default of the parameter %q must be a single value, found %s", p.Name.Text, describe(n)).
			WithHint("leave it out if the parameter must be given")
		return
	}
	p.Default = &v
	if _, err := parseValue(p.Type, v.Text); err != nil {
		r.fail(v.Span, "the default of the parameter %q: %s", p.Name.Text, err)
	}
}

// paramType reads a type that a parameter can have.
func (r *reader) paramType(n *yaml.Node) plan.Type {
	v := r.str(n, "the type")
	t, ok := parseType(v.Text)
	switch {
	case r.err != nil:
	case !ok, valueForm(t) == "":
		names := []string{"boolean", "int", "bigint", "double", "decimal(p,s)", "string", "date", "timestamp"}
		hint := "the types are " + strings.Join(names, ", ")
		if near := source.Nearest(v.Text, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		r.fail(v.Span, "%q is not a type that a parameter can have", v.Text).WithHint("%s", hint)
	}
	return t
}

var decimalPattern = regexp.MustCompile(`^(?i:decimal|dec|numeric) *\( *([0-9]{1,2}) *(?:, *([0-9]{1,2}) *)?\)$`)

// parseType reads a SQL type's name.
func parseType(s string) (plan.Type, bool) {
	m := decimalPattern.FindStringSubmatch(s)
	if m == nil {
		return plan.ParseTypeName(s)
	}
	precision, err := strconv.Atoi(m[1])
	scale := 0
	if err == nil && m[2] != "" {
		scale, err = strconv.Atoi(m[2])
	}
	if err != nil || precision < 1 || precision > plan.MaxPrecision || scale > precision {
		return plan.Type{}, false
	}
	return plan.Decimal(int32(precision), int32(scale)), true
}

// source reads "flights: path", "flights: {path: …, format: …, …}" or "flights: {function: …}".
func (r *reader) source(p pair) Source {
	what := "the source " + strconv.Quote(p.key.Value)
	s := Source{Name: r.key(p, "the source")}
	if p.value.Kind == yaml.ScalarNode {
		s.Path = r.path(p.value, "the path of "+what)
		return s
	}
	fields := r.fields(p.value, what, "path", "function", "format", "options", "columns", "partitions")
	if n := fields["function"]; n != nil {
		s.Function = r.str(n, "the function of "+what)
		for _, other := range []string{"path", "format", "options", "columns", "partitions"} {
			if n := fields[other]; n != nil {
				r.fail(r.span(n), "a function makes %s, which has no %s of its own", what, other).WithHint("options are those of the function, under functions:")
			}
		}
		return s
	}
	if n := r.required(fields, "path", p.key, what); n != nil {
		s.Path = r.path(n, "the path of "+what)
	}
	if n := fields["format"]; n != nil {
		s.Format = r.oneOf(n, "the format", "parquet", "csv", "json", "arrow")
	}
	if n := fields["options"]; n != nil {
		s.Options = r.options(n)
	}
	if n := fields["columns"]; n != nil {
		s.Columns = r.columns(n)
	}
	if n := fields["partitions"]; n != nil {
		for _, p := range r.pairs(n, "partitions") {
			column := Value{Text: p.key.Value, Span: r.span(p.key)}
			if column.Text == "" || strings.ContainsAny(column.Text, "/=") {
				r.fail(column.Span, "%q cannot be a partition column", column.Text)
			}
			s.Partitions = append(s.Partitions, Partition{Column: column, Type: r.partitionType(p.value)})
		}
	}
	return s
}

func (r *reader) partitionType(n *yaml.Node) plan.Type {
	v := r.str(n, "the type")
	t, ok := parseType(v.Text)
	if !ok || t.Kind == plan.KindNull || t.Kind == plan.KindBinary {
		r.fail(v.Span, "%q is not a type that a partition column can have", v.Text).
			WithHint("the types are boolean, tinyint, smallint, int, bigint, float, double, decimal(p,s), string, date, timestamp")
	}
	return t
}

// path reads a path or URL.
func (r *reader) path(n *yaml.Node, what string) Value {
	v := r.str(n, what)
	if strings.ContainsAny(v.Text, "\x00\n\r\t") {
		r.fail(v.Span, "%s contains a control character", what)
	}
	return v
}

// oneOf reads one of a few words.
func (r *reader) oneOf(n *yaml.Node, what string, words ...string) string {
	v := r.str(n, what)
	for _, w := range words {
		if v.Text == w {
			return w
		}
	}
	e := r.fail(v.Span, "%s must be %s, found %q", what, quoted(words), v.Text)
	if near := source.Nearest(v.Text, words); near != "" {
		e.WithHint("did you mean %q?", near)
	}
	return v.Text
}

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (r *reader) function(p pair) Function {
	what := "the function " + strconv.Quote(p.key.Value)
	f := Function{Name: r.key(p, "the function")}
	f.Export = f.Name
	fields := r.fields(p.value, what, "plugin", "python", "export", "sha256", "options", "files", "on_error", "memory", "cpus", "timeout", "network")
	if n := r.required(fields, "plugin", p.key, what); n != nil {
		f.Plugin = r.path(n, "the plugin of "+what)
		if strings.Contains(f.Plugin.Text, "${") {
			r.fail(f.Plugin.Span, "parameters cannot be used in the path of a plugin")
		}
	}
	if n := fields["python"]; n != nil {
		if f.Python = r.path(n, "the python of "+what); strings.Contains(f.Python.Text, "${") {
			r.fail(f.Python.Span, "parameters cannot be used in the path of an interpreter")
		}
	}
	if n := fields["export"]; n != nil {
		f.Export = r.name(r.str(n, "export"), "export")
	}
	if n := fields["sha256"]; n != nil {
		f.SHA256 = r.str(n, "sha256")
		if f.SHA256.Text = strings.ToLower(f.SHA256.Text); !digestPattern.MatchString(f.SHA256.Text) {
			r.fail(f.SHA256.Span, "sha256 must have 64 hexadecimal digits")
		}
	}
	if n := fields["options"]; n != nil {
		if f.Options = r.tree(n); f.Options.Form != Mapping {
			r.fail(f.Options.Span, "the options of %s must be a mapping, found %s", what, f.Options)
		}
	}
	if n := fields["files"]; n != nil {
		for _, file := range r.pairs(n, "the files of "+what) {
			f.Files = append(f.Files, SideFile{
				Name: Value{Text: file.key.Value, Span: r.span(file.key)}, Path: r.path(file.value, "the file "+file.key.Value),
			})
		}
	}
	f.Treatment = r.treatment(fields)
	return f
}

// step reads "{name: …, sql: …}" or "{name: …, OPERATOR: {…}}".
func (r *reader) step(n *yaml.Node) Step {
	var s Step
	for _, p := range r.pairs(n, "a step") {
		switch {
		case p.key.Value == "name":
			s.Name = r.name(r.str(p.value, "the step's name"), "the step")
		case s.SQL != nil || s.Options != nil:
			first := "sql"
			if s.Options != nil {
				first = s.Operator.Text
			}
			r.fail(r.span(p.key), "a step has either sql or one operator, and this one has %s and %s", first, p.key.Value).
				WithHint("make it two steps: the second reads the first by its name")
		case p.key.Value == "sql":
			s.SQL = r.sql(p.value)
		default:
			s.Operator = Value{Text: p.key.Value, Span: r.span(p.key)}
			s.Options = r.tree(p.value)
		}
	}
	if s.Name.Text == "" {
		r.fail(r.span(n), `the step has no "name"`)
	}
	if s.SQL == nil && s.Options == nil {
		r.fail(r.span(n), `the step has neither "sql" nor an operator`)
	}
	return s
}

// sql is a query's text with its place in the file. Only forms in which each character of the query is a character of
// the file are taken, so that a mistake can be shown where it is.
func (r *reader) sql(n *yaml.Node) *source.Text {
	v := r.str(n, "sql")
	if r.err == nil && n.Style&yaml.LiteralStyle != 0 {
		return &source.Text{File: r.text.File, Body: n.Value, Line: n.Line, Column: r.indent(n)}
	}
	text, ok := r.inline(n, v)
	if !ok {
		r.fail(v.Span, "SQL over several lines, or with escapes, must be a literal block").
			WithHint("write \"sql: |\" and the query indented below it")
	}
	return text
}

// indent is by how many blanks the lines of a literal block are indented in the file.
func (r *reader) indent(n *yaml.Node) int {
	for i, line := range strings.Split(n.Value, "\n") {
		at := n.Line + i
		if strings.TrimLeft(line, " ") == "" || at >= len(r.lines) {
			continue
		}
		inFile, _, _ := strings.Cut(r.text.Body[r.lines[at]:], "\n")
		blanks := func(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
		return max(0, blanks(inFile)-blanks(line))
	}
	return 0
}

// outputCheck reads "{output: …, KIND: …, severity: …}". The output goes without saying where the job has only one.
func (r *reader) outputCheck(f *File, n *yaml.Node) Check {
	c := Check{Place: Value{Span: r.span(n)}}
	for _, p := range r.pairs(n, "a check") {
		switch {
		case p.key.Value == "output":
			c.Output = r.str(p.value, "the output of a check")
		case p.key.Value == "name":
			c.Name = r.str(p.value, "the name of a check")
		case p.key.Value == "severity":
			c.Warn = r.oneOf(p.value, "the severity", "block", "warn") == "warn"
		case c.Options != nil:
			r.fail(r.span(p.key), "a check is of one kind, and this one has %s and %s", c.Kind.Text, p.key.Value).
				WithHint("make it two checks")
		default:
			c.Kind = Value{Text: p.key.Value, Span: r.span(p.key)}
			c.Options = r.tree(p.value)
		}
	}
	if c.Options == nil {
		r.fail(c.Place.Span, "the check does not say what is checked").WithHint("such as rows: {min: 1}")
	}
	if c.Output.Text == "" && len(f.Outputs) == 1 {
		c.Output = Value{Text: f.Outputs[0].Name.Text, Span: c.Place.Span}
	}
	if c.Output.Text == "" {
		r.fail(c.Place.Span, `the check has no "output", and the job has several`)
	}
	return c
}

func (r *reader) output(n *yaml.Node) Output {
	o := Output{Format: "parquet", Shards: 1}
	fields := r.fields(n, "an output", "name", "from", "path", "format", "compression", "options", "shards", "shard_by",
		"partition_by", "rows_per_file", "sort_by", "time")
	if name := r.required(fields, "name", n, "the output"); name != nil {
		o.Name = r.id(name, "the output's name")
		o.From = o.Name
	}
	if from := fields["from"]; from != nil {
		o.From = r.str(from, "from")
	}
	if path := fields["path"]; path != nil {
		o.Path = r.path(path, "the output's path")
	}
	if format := fields["format"]; format != nil {
		o.Format = r.oneOf(format, "the format", outputFormats...)
	}
	o.Compression = r.compression(fields["compression"], o.Format)
	if options := fields["options"]; options != nil {
		o.Options = r.options(options)
		r.compressionOption(&o)
	}
	if shards := fields["shards"]; shards != nil {
		o.Shards = r.shards(shards)
	}
	if by := fields["shard_by"]; by != nil {
		o.ShardBy = r.columnNames(by, "shard_by")
	}
	if by := fields["partition_by"]; by != nil {
		o.PartitionBy = r.columnNames(by, "partition_by")
	}
	if rows := fields["rows_per_file"]; rows != nil {
		o.RowsPerFile = r.rowsPerFile(rows)
	}
	if by := fields["sort_by"]; by != nil {
		o.SortBy = r.sortBy(by)
	}
	if column := fields["time"]; column != nil {
		o.Time = r.str(column, "time")
	}
	return o
}

// outputFormats are those that can be written, and compressions what each can be compressed by, the default first.
var (
	outputFormats = []string{"parquet", "csv", "json", "arrow"}
	compressions  = map[string][]string{
		"parquet": {"zstd", "snappy", "gzip", "lz4", "brotli", "none"},
		"csv":     {"none", "gzip", "zstd"},
		"json":    {"none", "gzip", "zstd"},
		"arrow":   {"lz4", "zstd", "none"},
	}
)

// compression reads how an output of a format is compressed.
func (r *reader) compression(n *yaml.Node, format string) string {
	known := compressions[format]
	switch {
	case len(known) == 0: // the format has been refused
		return ""
	case n == nil:
		return known[0]
	}
	return r.oneOf(n, "the compression of "+format, known...)
}

func (r *reader) shards(n *yaml.Node) int {
	v, err := strconv.Atoi(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode, n.ShortTag() != "!!int":
		r.fail(r.span(n), "shards must be a whole number, found %s", describe(n))
	case err != nil, v < 1, v > MaxShards:
		r.fail(r.span(n), "shards must be from 1 to %d, found %s", MaxShards, n.Value)
	}
	return v
}

// columnNames reads a list of columns; field is where it stands.
func (r *reader) columnNames(n *yaml.Node, field string) []Value {
	var columns []Value
	for _, item := range r.items(n, field) {
		v := r.str(item, "a column of "+field)
		for _, other := range columns {
			if equalName(other.Text, v.Text) {
				r.fail(v.Span, "%s has %q twice", field, v.Text)
			}
		}
		columns = append(columns, v)
	}
	return columns
}

func (r *reader) rowsPerFile(n *yaml.Node) int64 {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	switch {
	case n.Kind != yaml.ScalarNode, n.ShortTag() != "!!int":
		r.fail(r.span(n), "rows_per_file must be a whole number, found %s", describe(n))
	case err != nil, v < 1:
		r.fail(r.span(n), "rows_per_file must be at least 1, found %s", n.Value)
	}
	return v
}

var sortPattern = regexp.MustCompile(`^(?i)(.*?)(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?$`)

// sortBy reads a list of "column [asc|desc] [nulls first|last]". NULL is smaller than all else unless told otherwise.
func (r *reader) sortBy(n *yaml.Node) []SortColumn {
	var list []SortColumn
	for _, item := range r.items(n, "sort_by") {
		v := r.str(item, "a column of sort_by")
		m := sortPattern.FindStringSubmatch(strings.TrimSpace(v.Text))
		if m == nil { // a line end
			r.fail(v.Span, "%q is no column to sort by", v.Text)
			continue
		}
		by := SortColumn{Column: Value{Text: m[1], Span: v.Span}, Descending: strings.EqualFold(m[2], "desc")}
		by.NullsLast = strings.EqualFold(m[3], "last") || m[3] == "" && by.Descending
		for _, other := range list {
			if equalName(other.Column.Text, by.Column.Text) {
				r.fail(v.Span, "sort_by has %q twice", by.Column.Text)
			}
		}
		list = append(list, by)
	}
	return list
}
