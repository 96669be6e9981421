package textio

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
)

// writerOptions are those of an output.
type writerOptions struct {
	json        bool
	compression string // "none", "gzip" or "zstd"
	level       int    // of the compression; 0 is its default
	lineSep     string
	text        map[string]string // of compute.TextWriter

	// Of CSV.
	header, quoteAll      bool
	sep                   string
	quote, escape         byte
	nullValue, emptyValue string
}

// The names of an output's options as Spark writes them, and one of ours: those of both formats, of CSV and of JSON.
var (
	commonWriterOptions = []string{"compressionLevel", "lineSep", "dateFormat", "timestampFormat", "timestampNTZFormat", "timeZone"}
	csvWriterOptions    = []string{"header", "sep", "quote", "escape", "quoteAll", "nullValue", "emptyValue"}
	jsonWriterOptions   = []string{"ignoreNullFields"}
)

func (o *writerOptions) known() []string {
	if o.json {
		return slices.Concat(commonWriterOptions, jsonWriterOptions)
	}
	return slices.Concat(commonWriterOptions, csvWriterOptions)
}

// parseWriterOptions reads the options of an output of text.
func parseWriterOptions(out plan.Output) (*writerOptions, error) {
	o := &writerOptions{
		json: out.Format == "json", compression: out.Compression, text: map[string]string{}, lineSep: "\n",
		sep: ",", quote: '"', escape: '\\',
	}
	switch o.compression {
	case "":
		o.compression = "none"
	case "none", "gzip", "zstd":
	default:
		return nil, plan.Failf(plan.FailureUser, "output %s: text is written with the compression none, gzip or zstd, not %s", out.Name, out.Compression)
	}
	for _, name := range slices.Sorted(maps.Keys(out.Options)) {
		if err := o.set(strings.ToLower(name), out.Options[name]); err != nil {
			return nil, &plan.OptionError{
				Option: name, Known: o.known(),
				Failure: plan.Failf(plan.FailureUser, "option %s of %s: %w", name, strings.ToUpper(out.Format), err),
			}
		}
	}
	return o, nil
}

func (o *writerOptions) set(name, value string) (err error) {
	switch name {
	case "compressionlevel":
		o.level, err = compressionLevel(o.compression, value)
		return err
	case "linesep":
		if o.lineSep = value; value == "" {
			err = plan.Failf(plan.FailureUser, "it is empty")
		}
		return err
	case "dateformat", "timestampformat", "timestampntzformat", "timezone":
		o.text[name] = value
		_, err = compute.NewTextWriter(map[string]string{name: value}, plan.Session{})
		return err
	case "ignorenullfields":
		if o.json {
			o.text[name] = value
			_, err = strconv.ParseBool(value)
			return err
		}
	}
	if o.json {
		return o.unknown()
	}
	return o.setCSV(name, value)
}

func (o *writerOptions) setCSV(name, value string) (err error) {
	switch name {
	case "header":
		o.header, err = strconv.ParseBool(value)
	case "quoteall":
		o.quoteAll, err = strconv.ParseBool(value)
	case "sep", "delimiter":
		o.sep, err = separator(value)
	case "quote":
		if o.quote, err = character(value); err == nil && o.quote == 0 {
			err = plan.Failf(plan.FailureUser, "without quotes a value that holds a separator could not be written")
		}
	case "escape":
		if o.escape, err = character(value); err == nil && o.escape == 0 {
			err = plan.Failf(plan.FailureUser, "without an escape a value that holds a quote could not be written")
		}
	case "nullvalue":
		o.nullValue = value
	case "emptyvalue":
		o.emptyValue = value
	default:
		return o.unknown()
	}
	return err
}

func (o *writerOptions) unknown() error {
	return plan.Failf(plan.FailureUser, "[UNSUPPORTED_FEATURE] it is not supported; there are %s", strings.Join(o.known(), ", "))
}

func compressionLevel(compression, value string) (int, error) {
	most := map[string]int{"gzip": 9, "zstd": 22}[compression]
	if most == 0 {
		return 0, plan.Failf(plan.FailureUser, "the compression is %s, which has no level", compression)
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, plan.Failf(plan.FailureUser, "%q is no whole number from 1 to %d", value, most)
	}
	return n, nil
}

// CheckOutput finds out whether a file of an output's columns can be written with its options.
func CheckOutput(out plan.Output) error {
	o, err := parseWriterOptions(out)
	if err != nil {
		return err
	}
	for _, f := range out.Schema.Fields {
		if problem := o.refuses(f.Type); problem != "" {
			return plan.Failf(plan.FailureUser, "[UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE] The %s datasource doesn't support the column `%s` of the type %q: %s.",
				strings.ToUpper(out.Format), f.Name, strings.ToUpper(f.Type.String()), problem)
		}
	}
	return nil
}

// refuses says why a type has no form in the format, or "".
func (o *writerOptions) refuses(t plan.Type) string {
	switch {
	case t.Kind == plan.KindInterval:
		return "write its parts as numbers"
	case !o.json && t.IsNested():
		return "use to_json, or the format json, parquet or arrow"
	case !o.json && t.Kind == plan.KindBinary:
		return "use base64 or hex, or the format json, parquet or arrow"
	}
	for _, c := range t.Children {
		if problem := o.refuses(c.Type); problem != "" {
			return problem
		}
	}
	return ""
}
