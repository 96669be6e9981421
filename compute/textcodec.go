package compute

import (
	"encoding/base64"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// textOptions are the options of functions that read and write JSON and CSV, by lower-case name.
type textOptions map[string]string

// optionsParam takes a map of options, which must be constant.
func optionsParam() param {
	return param{`"MAP<STRING, STRING>"`, func(a plan.Type) (plan.Type, bool) {
		m := mapOf(plan.String, plan.String)
		return m, true // checkOptions judges
	}}
}

// checkOptions refuses options that are no map of strings.
func checkOptions(r resolver, at int) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) == at+1 {
			switch a := args[at]; {
			case !isMap(a):
				return Signature{}, notOptions()
			case a.MapKey().Type.Kind != plan.KindNull && !sameShape(a, mapOf(plan.String, plan.String)):
				return Signature{}, userError("INVALID_OPTIONS.NON_STRING_TYPE",
					"Invalid options: A type of keys and values in `map()` must be string, but got %s.", sqlType(a))
			}
		}
		return r(args)
	}
}

func notOptions() error {
	return userError("INVALID_OPTIONS.NON_MAP_FUNCTION", "Invalid options: Must use the `map()` function for options.")
}

// is reads an option that is true or false.
func (o textOptions) is(name string, unless bool) bool {
	v, ok := o[name]
	if !ok {
		return unless
	}
	return strings.EqualFold(v, "true")
}

// readOptions reads the constant argument at a place, if there is one, and refuses options not known to the function.
func readOptions(b *binding, at int, known ...string) (textOptions, error) {
	out := textOptions{}
	if at >= len(b.args) {
		return out, nil
	}
	lit, ok := b.constant(at)
	if !ok {
		return nil, notOptions()
	}
	for i := 0; i+1 < len(lit.Items); i += 2 {
		name := strings.ToLower(string(lit.Items[i].Bytes))
		if !containsFold(known, name) {
			return nil, userError("UNSUPPORTED_FEATURE", "%s: the option %s is not supported; there are %s.",
				b.name, lit.Items[i].Bytes, strings.Join(known, ", "))
		}
		out[name] = string(lit.Items[i+1].Bytes)
	}
	return out, nil
}

func containsFold(list []string, s string) bool {
	for _, x := range list {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}

// timeOptions are the options that say how dates and times are written.
var timeOptions = []string{"timestampFormat", "timestampNTZFormat", "dateFormat", "timeZone"}

// textCodec writes and reads values other than nested ones as JSON and CSV have them.
type textCodec struct {
	session
	write [3][]patternItem // timestamps, timestamps without time zone, dates; nil: as casts do
	read  [3][]patternItem
}

func newTextCodec(s session, o textOptions) (*textCodec, error) {
	t := &textCodec{session: s}
	if name, ok := o["timezone"]; ok {
		if t.zone, ok = s.zones.find(name); !ok {
			return nil, userError("INVALID_TIMEZONE", "The timezone: %s is invalid.", name)
		}
	}
	patterns := [3]string{"yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "yyyy-MM-dd'T'HH:mm:ss.SSS", ""}
	for k, name := range []string{"timestampformat", "timestampntzformat", "dateformat"} {
		pattern, given := o[name]
		if !given {
			pattern = patterns[k]
		}
		if pattern == "" {
			continue
		}
		var err error
		if t.write[k], err = compilePattern(pattern, false); err != nil {
			return nil, err
		}
		if !given {
			continue
		}
		if t.read[k], err = compilePattern(pattern, true); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// appendText writes a value that is not NULL, without quotes; quoted reports whether JSON has it as a string.
func (t *textCodec) appendText(dst []byte, arr arrow.Array, i int, of plan.Type) (out []byte, quoted bool, err error) {
	switch of.Kind {
	case plan.KindTimestamp:
		dst, err = appendTime(dst, t.write[0], newStamp(vector.Int64s(arr)[i], t.zone))
		return dst, true, err
	case plan.KindTimestampNTZ:
		dst, err = appendTime(dst, t.write[1], newStamp(vector.Int64s(arr)[i], fixedZone("UTC", 0)))
		return dst, true, err
	case plan.KindDate:
		days := int64(vector.Int32s(arr)[i])
		if t.write[2] == nil {
			return appendDate(dst, days), true, nil
		}
		dst, err = appendTime(dst, t.write[2], newStamp(days*microsPerDay, fixedZone("UTC", 0)))
		return dst, true, err
	case plan.KindYearMonthInterval:
		return appendInterval(dst, int64(vector.Int32s(arr)[i]), of), true, nil
	case plan.KindDayTimeInterval:
		return appendInterval(dst, vector.Int64s(arr)[i], of), true, nil
	case plan.KindBinary:
		return base64.StdEncoding.AppendEncode(dst, rawBytes(arr, i)), true, nil
	case plan.KindString:
		return append(dst, rawBytes(arr, i)...), true, nil
	case plan.KindInterval:
		return append(dst, vector.Format(arr, i)...), true, nil
	case plan.KindFloat32, plan.KindFloat64:
		text := vector.Format(arr, i)
		return append(dst, text...), text == "NaN" || strings.HasSuffix(text, "Infinity"), nil
	}
	return append(dst, vector.Format(arr, i)...), false, nil
}

// rawBytes is a string's or binary's bytes, whatever its layout.
func rawBytes(arr arrow.Array, i int) []byte {
	if d, ok := vector.DictionaryOf(arr); ok {
		return d.Values.At(int(d.Codes[i]))
	}
	return vector.StringsOf(arr).At(i)
}

// parseText reads text as a value of a type other than a number; false if it is none.
func (t *textCodec) parseText(s string, of plan.Type) (plan.Literal, bool) {
	switch of.Kind {
	case plan.KindString:
		return plan.Literal{Bytes: []byte(s)}, true
	case plan.KindTimestamp:
		if t.read[0] != nil {
			v, ok := parseTime(t.read[0], s, t.session)
			return plan.Literal{Int: v}, ok
		}
		v, ok := t.parseTimestamp(s)
		return plan.Literal{Int: v}, ok
	case plan.KindTimestampNTZ:
		if t.read[1] != nil {
			v, ok := parseTime(t.read[1], s, t.session)
			return plan.Literal{Int: t.zone.local(v)}, ok
		}
		if c, ok := scanClock(s); !ok || c.zone != "" { // other than in a cast
			return plan.Literal{}, false
		}
		v, ok := t.parseNTZ(s)
		return plan.Literal{Int: v}, ok
	case plan.KindDate:
		if t.read[2] != nil {
			v, ok := parseTime(t.read[2], s, t.session)
			return plan.Literal{Int: floorDiv(t.zone.local(v), microsPerDay)}, ok
		}
		v, ok := parseDate(s)
		return plan.Literal{Int: int64(v)}, ok
	case plan.KindYearMonthInterval, plan.KindDayTimeInterval:
		v, err := ParseInterval(s, of)
		return v, err == nil
	case plan.KindDecimal:
		if strings.TrimSpace(s) != s { // other than in a cast, and commas group digits
			return plan.Literal{}, false
		}
		d, err := parseDecimal(strings.ReplaceAll(s, ",", ""), of)
		return plan.Literal{Int: int64(d.LowBits()), High: d.HighBits()}, err == nil
	case plan.KindBinary:
		v, err := base64.StdEncoding.DecodeString(s)
		return plan.Literal{Bytes: v}, err == nil
	}
	return plan.Literal{}, false
}
