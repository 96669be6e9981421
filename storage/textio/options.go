package textio

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"

	"github.com/quern-engine/quern/plan"
)

// mode says what to do about a record that cannot be read.
type mode uint8

const (
	permissive mode = iota // NULL where it cannot be
	dropMalformed
	failFast
)

// options are those of a source.
type options struct {
	json      bool
	multiLine bool
	mode      mode
	corrupt   string // the column that takes records which cannot be read
	lineSep   string // empty: any of \n, \r\n and \r
	times     map[string]string
	charset   encoding.Encoding // nil: UTF-8

	// Of CSV.
	header, infer             bool
	sep                       string
	quote, escape, comment    byte // 0: none
	nullValue, emptyValue     string
	nanValue, posInf, negInf  string
	trimLeading, trimTrailing bool
	preferDate                bool
}

// parseOptions reads the options of a source of a format, "csv" or "json".
func parseOptions(format string, given map[string]string) (*options, error) {
	o := &options{
		json: format == "json", corrupt: "_corrupt_record", times: map[string]string{},
		sep: ",", quote: '"', escape: '\\', nanValue: "NaN", posInf: "Inf", negInf: "-Inf", preferDate: true,
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if err := o.set(strings.ToLower(name), given[name]); err != nil {
			return nil, &plan.OptionError{
				Option: name, Known: o.known(), Failure: plan.Failf(plan.FailureUser, "option %s of %s: %w", name, strings.ToUpper(format), err),
			}
		}
	}
	return o, nil
}

func (o *options) set(name, value string) (err error) {
	if known, err := o.setCommon(name, value); known || err != nil {
		return err
	}
	if o.json {
		return o.unknown()
	}
	switch name {
	case "header":
		o.header, err = strconv.ParseBool(value)
	case "inferschema":
		o.infer, err = strconv.ParseBool(value)
	case "preferdate":
		o.preferDate, err = strconv.ParseBool(value)
	case "sep", "delimiter":
		o.sep, err = separator(value)
	case "quote":
		o.quote, err = character(value)
	case "escape":
		o.escape, err = character(value)
	case "comment":
		o.comment, err = character(value)
	case "nullvalue":
		o.nullValue = value
	case "emptyvalue":
		o.emptyValue = value
	case "nanvalue":
		o.nanValue = value
	case "positiveinf":
		o.posInf = value
	case "negativeinf":
		o.negInf = value
	case "ignoreleadingwhitespace":
		o.trimLeading, err = strconv.ParseBool(value)
	case "ignoretrailingwhitespace":
		o.trimTrailing, err = strconv.ParseBool(value)
	default:
		return o.unknown()
	}
	return err
}

// setCommon sets an option that both formats have.
func (o *options) setCommon(name, value string) (known bool, err error) {
	switch name {
	case "mode":
		o.mode, err = readMode(value)
	case "columnnameofcorruptrecord":
		o.corrupt = value
	case "multiline":
		o.multiLine, err = strconv.ParseBool(value)
	case "linesep":
		if o.lineSep = value; value == "" {
			err = plan.Failf(plan.FailureUser, "it is empty")
		}
	case "encoding", "charset":
		o.charset, err = charset(value)
	case "dateformat", "timestampformat", "timestampntzformat", "timezone":
		o.times[name] = value
	default:
		return false, nil
	}
	return true, err
}

func (o *options) unknown() error {
	return plan.Failf(plan.FailureUser, "[UNSUPPORTED_FEATURE] it is not supported; there are %s", strings.Join(o.known(), ", "))
}

// The names of the options as Spark writes them: those of both formats, and those of CSV.
var (
	commonOptions = []string{
		"mode", "columnNameOfCorruptRecord", "multiLine", "lineSep", "encoding", "dateFormat", "timestampFormat", "timestampNTZFormat", "timeZone",
	}
	csvOptions = []string{
		"header", "inferSchema", "preferDate", "sep", "quote", "escape", "comment", "nullValue", "emptyValue", "nanValue", "positiveInf",
		"negativeInf", "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace",
	}
)

// known lists the options that there are.
func (o *options) known() []string {
	if o.json {
		return commonOptions
	}
	return slices.Concat(commonOptions, csvOptions)
}

func readMode(value string) (mode, error) {
	switch strings.ToUpper(value) {
	case "PERMISSIVE":
		return permissive, nil
	case "DROPMALFORMED":
		return dropMalformed, nil
	case "FAILFAST":
		return failFast, nil
	}
	return 0, plan.Failf(plan.FailureUser, "%q is none of PERMISSIVE, DROPMALFORMED and FAILFAST", value)
}

// character is an option of one character, or none.
func character(value string) (byte, error) {
	switch {
	case value == "" || value == "\\0" || value == "\x00":
		return 0, nil
	case value == `\t`:
		return '\t', nil
	case len(value) == 1 && value[0] < 0x80:
		return value[0], nil
	case value == `\\`:
		return '\\', nil
	}
	return 0, plan.Failf(plan.FailureUser, "%q is not one character of ASCII", value)
}

func separator(value string) (string, error) {
	sep := strings.NewReplacer(`\t`, "\t", `\\`, `\`, `\"`, `"`, `\'`, `'`).Replace(value)
	if sep == "" || strings.ContainsAny(sep, "\r\n\x00") {
		return "", plan.Failf(plan.FailureUser, "%q cannot separate fields", value)
	}
	return sep, nil
}
