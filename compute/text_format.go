package compute

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func formatStringFunction() Function {
	return Function{
		Name: "format_string", Aliases: []string{"printf"}, Usage: "format_string(format, a, …)",
		Summary: "The format with its %s, %d, %.2f … replaced by the arguments, as Java's String.format does.",
		Example: "format_string('%s has %5.1f%%', 'Spark', 99.95D)", ExampleResult: "Spark has 100.0%",
		resolve: resolveFormatString, build: buildFormatString,
	}
}

func resolveFormatString(args []plan.Type) (Signature, error) {
	if len(args) == 0 {
		return Signature{}, arityError{"> 0", 0}
	}
	if !canCoerce(args[0], plan.String) {
		return Signature{}, argumentError{0, sqlType(plan.String), args[0]}
	}
	return Signature{Args: append([]plan.Type{plan.String}, args[1:]...), Returns: plan.String}, nil
}

func buildFormatString(b *binding) (node, error) {
	cache := &formatCache{}
	return &eagerNode{args: b.args, t: b.t, mayFail: true, run: func(c *context, args []value) (arrow.Array, error) {
		if args[0].isNull() {
			return vector.FromLiteral(c.mem, c.t, plan.Literal{Null: true}, c.n), nil
		}
		formats := load[string](c.scratch, args[0], 0)
		return fillText(c, args[:1], func(dst []byte, i int) ([]byte, bool, error) {
			pieces, err := cache.get(formats.at(i))
			if err != nil {
				return dst, false, err
			}
			dst, err = appendFormatted(dst, pieces, args[1:], i)
			return dst, true, err
		})
	}}, nil
}

// formatPiece is text, or a specifier: %[index$][flags][width][.precision]conversion.
type formatPiece struct {
	text       string
	spec       string // as written; empty for text
	index      int    // of the argument, from 0; -1: the one before again
	flags      string
	width      int // -1: none
	precision  int // -1: none
	conversion byte
}

// formatCache remembers the format it read last.
type formatCache struct {
	format string
	pieces []formatPiece
	ready  bool
}

func (f *formatCache) get(format string) ([]formatPiece, error) {
	if f.ready && format == f.format {
		return f.pieces, nil
	}
	f.ready = false
	pieces, err := readFormat(strings.Clone(format))
	if err == nil {
		f.format, f.pieces, f.ready = strings.Clone(format), pieces, true
	}
	return pieces, err
}

func specifierError(format string, args ...any) error {
	return plan.Failf(plan.FailureUser, format, args...)
}

func readFormat(s string) ([]formatPiece, error) {
	var pieces []formatPiece
	next := 0
	for s != "" {
		at := strings.IndexByte(s, '%')
		if at < 0 {
			return append(pieces, formatPiece{text: s}), nil
		}
		if at > 0 {
			pieces = append(pieces, formatPiece{text: s[:at]})
		}
		p, size, err := readSpecifier(s[at:])
		if err != nil {
			return nil, err
		}
		if p.index == -2 && p.conversion != 'n' && p.conversion != '%' {
			p.index = next
			next++
		}
		pieces = append(pieces, p)
		s = s[at+size:]
	}
	return pieces, nil
}

// readSpecifier gives an argument that is not named the index -2.
func readSpecifier(s string) (formatPiece, int, error) {
	p := formatPiece{index: -2, width: -1, precision: -1}
	i := 1
	number := func() int {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		n, err := strconv.Atoi(s[from:i])
		if err != nil {
			return -1
		}
		return n
	}
	switch n := number(); {
	case n < 0 || i == len(s) || s[i] != '$':
		i = 1
	case n == 0:
		return p, 0, userError("INVALID_PARAMETER_VALUE.ZERO_INDEX",
			"The value of parameter(s) `strfmt` in `format_string` is invalid: expects %%1$, %%2$ and so on, but got %%0$.")
	default:
		p.index = n - 1
		i++
	}
	for from := i; i < len(s) && strings.IndexByte("-#+ 0,(<", s[i]) >= 0; i++ {
		if s[i] == '<' {
			p.index = -1
		}
		p.flags = s[from : i+1]
	}
	p.width = number()
	if i < len(s) && s[i] == '.' {
		i++
		if p.precision = number(); p.precision < 0 {
			return p, 0, specifierError("Conversion = '%s'", "%")
		}
	}
	if i == len(s) {
		return p, 0, specifierError("Conversion = '%s'", "%")
	}
	p.conversion = s[i]
	p.spec = s[:i+1]
	switch {
	case strings.IndexByte("bBhHsScCdoxXeEfgGn%", p.conversion) < 0:
		return p, 0, specifierError("Conversion = '%c'", p.conversion)
	case p.has('-') && p.width < 0:
		return p, 0, specifierError("%s", p.spec)
	case p.has('0') && strings.IndexByte("doxXeEfgG", p.conversion) < 0:
		return p, 0, specifierError("Conversion = %c, Flags = 0", p.conversion)
	}
	return p, i + 1, nil
}

func (p formatPiece) has(flag byte) bool { return strings.IndexByte(p.flags, flag) >= 0 }

func appendFormatted(dst []byte, pieces []formatPiece, args []value, i int) ([]byte, error) {
	last := -1
	for _, p := range pieces {
		switch {
		case p.spec == "":
			dst = append(dst, p.text...)
			continue
		case p.conversion == 'n':
			dst = append(dst, '\n')
			continue
		case p.conversion == '%':
			dst = p.pad(dst, "%")
			continue
		}
		at := p.index
		if at < 0 {
			at = last
		}
		if at < 0 || at >= len(args) {
			return dst, specifierError("Format specifier '%s'", p.spec)
		}
		last = at
		text, err := p.format(args[at].arr, rowOf(args[at], i))
		if err != nil {
			return dst, err
		}
		if p.conversion >= 'A' && p.conversion <= 'Z' {
			text = strings.ToUpper(text)
		}
		dst = p.pad(dst, text)
	}
	return dst, nil
}

// pad fills text with blanks to the width.
func (p formatPiece) pad(dst []byte, text string) []byte {
	missing := p.width - utf8.RuneCountInString(text)
	if missing > 0 && !p.has('-') {
		dst = append(dst, strings.Repeat(" ", missing)...)
	}
	dst = append(dst, text...)
	if missing > 0 && p.has('-') {
		dst = append(dst, strings.Repeat(" ", missing)...)
	}
	return dst
}

// cutTo keeps as many characters as the precision says.
func (p formatPiece) cutTo(s string) string {
	if p.precision < 0 {
		return s
	}
	return slice(s, 1, int64(p.precision))
}

func (p formatPiece) format(arr arrow.Array, i int) (string, error) {
	null := vector.ValidityOf(arr).IsNull(i)
	lower := p.conversion | 0x20
	switch {
	case lower == 'b':
		if arr.DataType().ID() == arrow.BOOL && !null {
			return p.cutTo(vector.Format(arr, i)), nil
		}
		return p.cutTo(strconv.FormatBool(!null)), nil
	case null:
		return p.cutTo("null"), nil
	}
	switch lower {
	case 's':
		return p.cutTo(javaText(arr, i)), nil
	case 'c':
		return p.character(arr, i)
	case 'd', 'o', 'x':
		return p.integer(arr, i)
	case 'h':
		return p.hash(arr, i)
	}
	return p.float(arr, i)
}

func (p formatPiece) mismatch(arr arrow.Array) error {
	return specifierError("%c != %s", p.conversion, arr.DataType())
}

// javaText is a value as Java writes it where Spark hands its own form over: dates as days, timestamps as microseconds.
func javaText(arr arrow.Array, i int) string {
	switch arr.DataType().ID() {
	case arrow.DATE32, arrow.INTERVAL_MONTHS:
		return strconv.Itoa(int(vector.Int32s(arr)[i]))
	case arrow.TIMESTAMP, arrow.DURATION:
		return strconv.FormatInt(vector.Int64s(arr)[i], 10)
	}
	return vector.Format(arr, i)
}

// wholeAt is a value of a whole-number type, and its width in bits; 0 for others.
func wholeAt(arr arrow.Array, i int) (v int64, bits int) {
	switch arr.DataType().ID() {
	case arrow.INT8:
		return int64(vector.Int8s(arr)[i]), 8
	case arrow.INT16:
		return int64(vector.Int16s(arr)[i]), 16
	case arrow.INT32, arrow.DATE32:
		return int64(vector.Int32s(arr)[i]), 32
	case arrow.INT64, arrow.TIMESTAMP:
		return vector.Int64s(arr)[i], 64
	}
	return 0, 0
}

func (p formatPiece) character(arr arrow.Array, i int) (string, error) {
	v, bits := wholeAt(arr, i)
	if bits == 0 || bits == 64 {
		return "", p.mismatch(arr)
	}
	if v < 0 || v > utf8.MaxRune {
		return "", specifierError("Code point = 0x%x", v)
	}
	return string(rune(v)), nil
}

func (p formatPiece) integer(arr arrow.Array, i int) (string, error) {
	v, bits := wholeAt(arr, i)
	if bits == 0 {
		return "", p.mismatch(arr)
	}
	if p.conversion == 'd' {
		return p.signed(v < 0, p.group(strings.TrimPrefix(strconv.FormatInt(v, 10), "-"))), nil
	}
	u := uint64(v)
	if bits < 64 {
		u &= 1<<bits - 1
	}
	base, prefix := 16, "0x"
	if p.conversion == 'o' {
		base, prefix = 8, "0"
	}
	digits := strconv.FormatUint(u, base)
	if !p.has('#') {
		prefix = ""
	}
	return prefix + p.zeros(digits, len(prefix)), nil
}

// hash is Java's hash code of numbers and booleans. That of a string would be the engine's own.
func (p formatPiece) hash(arr arrow.Array, i int) (string, error) {
	v, bits := wholeAt(arr, i)
	switch id := arr.DataType().ID(); {
	case bits == 64:
		v ^= int64(uint64(v) >> 32)
	case id == arrow.BOOL:
		if v = 1237; vector.Bools(arr).At(i) {
			v = 1231
		}
	case id == arrow.FLOAT64:
		b := math.Float64bits(vector.Float64s(arr)[i])
		v = int64(b ^ b>>32)
	case bits == 0:
		return "", userError("UNSUPPORTED_FEATURE", "format_string: %s writes hash codes of numbers only.", p.spec)
	}
	return p.cutTo(strconv.FormatUint(uint64(uint32(v)), 16)), nil
}

// signed puts the sign in front, and zeros between if asked for.
func (p formatPiece) signed(negative bool, digits string) string {
	before, after := "", ""
	switch {
	case negative && p.has('('):
		before, after = "(", ")"
	case negative:
		before = "-"
	case p.has('+'):
		before = "+"
	case p.has(' '):
		before = " "
	}
	return before + p.zeros(digits, len(before)+len(after)) + after
}

func (p formatPiece) zeros(digits string, taken int) string {
	if missing := p.width - taken - len(digits); p.has('0') && missing > 0 {
		return strings.Repeat("0", missing) + digits
	}
	return digits
}

// group puts commas between thousands.
func (p formatPiece) group(digits string) string {
	if !p.has(',') {
		return digits
	}
	whole, _, _ := strings.Cut(digits, ".")
	rest := digits[len(whole):]
	var b strings.Builder
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String() + rest
}

func (p formatPiece) float(arr arrow.Array, i int) (string, error) {
	var v float64
	bits := 64
	switch arr.DataType().ID() {
	case arrow.FLOAT64:
		v = vector.Float64s(arr)[i]
	case arrow.FLOAT32:
		v, bits = float64(vector.Float32s(arr)[i]), 32
	default:
		return "", p.mismatch(arr)
	}
	negative := math.Signbit(v)
	if math.IsNaN(v) {
		return "NaN", nil
	}
	if math.IsInf(v, 0) {
		plain := p
		plain.flags = strings.ReplaceAll(p.flags, "0", "")
		return plain.signed(negative, "Infinity"), nil
	}
	precision := p.precision
	if precision < 0 {
		precision = 6
	}
	digits := strconv.FormatFloat(math.Abs(v), 'e', -1, bits)
	switch p.conversion | 0x20 {
	case 'f':
		digits = p.group(fixedDigits(digits, precision))
	case 'e':
		digits = scientificDigits(digits, precision)
	default:
		digits = p.group(generalDigits(digits, precision))
	}
	return p.signed(negative, digits), nil
}

// decimalDigits is a number in scientific notation as its digits and the place of the point among them.
func decimalDigits(s string) (digits string, point int) {
	mantissa, exponent, _ := strings.Cut(s, "e")
	e, _ := strconv.Atoi(exponent)
	digits = strings.Replace(mantissa, ".", "", 1)
	return digits, e + 1
}

// roundedAt keeps n digits, the last one rounded half up; it may carry into a new digit in front.
func roundedAt(digits string, n int) (out string, carried bool) {
	if n >= len(digits) {
		return digits + strings.Repeat("0", n-len(digits)), false
	}
	if n < 0 {
		return "", false
	}
	kept, _ := new(big.Int).SetString("0"+digits[:n], 10)
	if digits[n] >= '5' {
		kept.Add(kept, big.NewInt(1))
	}
	out = kept.String()
	if n == 0 && kept.Sign() == 0 {
		return "", false
	}
	if len(out) < n {
		out = strings.Repeat("0", n-len(out)) + out
	}
	return out, len(out) > n
}

// fixedDigits rounds the shortest digits of a number, as Java does: 1.005 is 1.01.
func fixedDigits(s string, precision int) string {
	digits, point := decimalDigits(s)
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	out, carried := roundedAt(digits, point+precision)
	if carried {
		point++
	}
	whole := out[:min(point, len(out))]
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if precision == 0 {
		return whole
	}
	fraction := out[min(point, len(out)):]
	return whole + "." + fraction + strings.Repeat("0", precision-len(fraction))
}

func scientificDigits(s string, precision int) string {
	digits, point := decimalDigits(s)
	out, carried := roundedAt(digits, precision+1)
	if carried {
		point++
		out = out[:precision+1]
	}
	exponent := point - 1
	if strings.Trim(out, "0") == "" {
		exponent = 0
	}
	sign := "+"
	if exponent < 0 {
		sign, exponent = "-", -exponent
	}
	text := out[:1]
	if precision > 0 {
		text += "." + out[1:]
	}
	if exponent < 10 {
		sign += "0"
	}
	return text + "e" + sign + strconv.Itoa(exponent)
}

// generalDigits writes numbers from 0.0001 up to 10^precision plainly, others in scientific notation.
func generalDigits(s string, precision int) string {
	precision = max(precision, 1)
	digits, point := decimalDigits(s)
	if strings.Trim(digits, "0") == "" {
		return fixedDigits(s, precision-1)
	}
	if _, carried := roundedAt(digits, precision); carried {
		point++
	}
	if point > -4 && point <= precision {
		return fixedDigits(s, precision-point)
	}
	return scientificDigits(s, precision-1)
}
