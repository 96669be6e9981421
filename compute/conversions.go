package compute

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// numberFormatFunctions turn numbers and bytes into text and back by formats.
func numberFormatFunctions() []Function {
	number := func(name string, try bool, summary, example, res string) Function {
		return Function{
			Name: name, Usage: name + "(str, format)", Summary: summary, Example: example, ExampleResult: res,
			resolve: nullable(takes(returns(plan.Decimal(38, 0)), text(), text())), resolveExprs: resolveToNumber, build: buildToNumber(try),
		}
	}
	binary := func(name string, try bool, summary, example, res string) Function {
		return Function{
			Name: name, Usage: name + "(str[, format])", Summary: summary, Example: example, ExampleResult: res,
			resolve: nullable(takesOptional(returns(plan.Binary), 1, text(), text())), build: buildToBinary(try),
		}
	}
	return []Function{
		number("to_number", false, "The number that a text shows by a format ($99,999.99S).", "to_number('12,454.8-', '99,999.9S')", "-12454.8"),
		number("try_to_number", true, "As to_number, or NULL where the text does not match.", "try_to_number('x', '999')", "NULL"),
		{
			Name: "to_char", Aliases: []string{"to_varchar"}, Usage: "to_char(value, format)",
			Summary: "A number, time or bytes written by a format: $99,999.99S, yyyy-MM-dd, or base64, hex and utf-8.",
			Example: "to_char(-12454.8, '99,999.9S')", ExampleResult: "12,454.8-",
			resolve: takes(returns(plan.String), charSource(), text()), resolveExprs: resolveToChar, build: buildToChar,
		},
		{
			Name: "format_number", Usage: "format_number(x, digits)", Summary: "The number with thousands separators, and so many digits behind " +
				"the point or a pattern (#,##0.00).",
			Example: "format_number(12332.123456, 4)", ExampleResult: "12,332.1235",
			resolve: nullable(takes(returns(plan.String), numeric(), oneOf(`("INT" or "STRING")`, plan.Int32, plan.String))), build: buildFormatNumber,
		},
		binary("to_binary", false, "The bytes of a text in hex (the default), utf-8 or base64.", "to_binary('abc', 'utf-8')", "abc"),
		binary("try_to_binary", true, "As to_binary, or NULL where the text is malformed.", "try_to_binary('a!', 'base64')", "NULL"),
		{
			Name: "unhex", Usage: "unhex(str)", Summary: "The bytes that hexadecimal digits stand for, or NULL.", Example: "unhex('537061726B2053514C')",
			ExampleResult: "Spark SQL", resolve: nullable(takes(returns(plan.Binary), text())),
			build: total(textSome1(func(dst []byte, s string) ([]byte, bool, error) {
				dst, ok := appendUnhex(dst, s)
				return dst, ok, nil
			})),
		},
		{
			Name: "bin", Usage: "bin(n)", Summary: "The number in binary digits.", Example: "bin(13)", ExampleResult: "1101",
			resolve: takes(returns(plan.String), of(plan.Int64)),
			build:   total(text1(func(dst []byte, v int64) []byte { return strconv.AppendUint(dst, uint64(v), 2) })),
		},
		{
			Name: "conv", Usage: "conv(number, from, to)", Summary: "A number of one base in another, from 2 to 36; negative for a signed outcome.",
			Example: "conv('100', 2, 10)", ExampleResult: "4",
			resolve: nullable(takes(returns(plan.String), text(), of(plan.Int32), of(plan.Int32))), build: buildConv,
		},
		{
			Name: "width_bucket", Usage: "width_bucket(v, min, max, n)", Summary: "The number of v's bucket, of n equal ones from min to max.",
			Example: "width_bucket(5.3, 0.2, 10.6, 5)", ExampleResult: "3", resolve: nullable(resolveWidthBucket), build: buildWidthBucket,
		},
	}
}

// numeric takes numbers and nothing else.
func numeric() param {
	return param{`"NUMERIC"`, func(t plan.Type) (plan.Type, bool) {
		if t.Kind == plan.KindNull {
			return plan.Float64, true
		}
		return t, t.IsNumeric()
	}}
}

func resolveToNumber(args []*plan.Expr) (Signature, error) {
	sig, err := nullable(takes(returns(plan.Decimal(38, 0)), text(), text()))(exprTypes(args))
	if err != nil {
		return sig, err
	}
	if !args[1].IsLiteral() {
		return sig, unfoldable(args[1])
	}
	if args[1].Value.Null {
		return sig, nil
	}
	f, err := parseNumberFormat(string(args[1].Value.Bytes))
	if err == nil {
		sig.Returns = plan.Decimal(int32(f.whole+f.fraction), int32(f.fraction))
	}
	return sig, err
}

func unfoldable(e *plan.Expr) error {
	return userError("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "the input should be a foldable \"STRING\" expression; however, got %s.",
		sqlString(e.String()))
}

func buildToNumber(try bool) builder {
	return func(b *binding) (node, error) {
		lit, ok := b.constant(1)
		if !ok || lit.Null {
			return newConst(b.t, plan.Literal{Null: true}), nil
		}
		f, err := parseNumberFormat(string(lit.Bytes))
		if err != nil {
			return nil, err
		}
		return strict(!try, mapSome1(func(s string) (decimal128.Num, bool, error) {
			v, ok := f.read(s)
			if !ok && !try {
				return v, false, userError("INVALID_FORMAT.MISMATCH_INPUT", "The format is invalid: %s. The input \"STRING\" %s does not match the format.", f.text, s)
			}
			return v, ok, nil
		}))(&binding{b.name, b.args[:1], b.t, b.session})
	}
}

// charSource is what to_char writes.
func charSource() param {
	return param{`"DECIMAL"`, func(t plan.Type) (plan.Type, bool) {
		switch {
		case t.Kind == plan.KindBinary:
			return t, true
		case isTime(t):
			return plan.Timestamp, true
		case t.Kind == plan.KindFloat64, t.Kind == plan.KindString, t.Kind == plan.KindNull:
			return plan.Decimal(30, 15), true
		case t.Kind == plan.KindFloat32:
			return plan.Decimal(14, 7), true
		}
		return decimalOf(t)
	}}
}

func resolveToChar(args []*plan.Expr) (Signature, error) {
	sig, err := takes(returns(plan.String), charSource(), text())(exprTypes(args))
	if err == nil && sig.Args[0].Kind != plan.KindTimestamp && !args[1].IsLiteral() {
		err = unfoldable(args[1])
	}
	return sig, err
}

func buildToChar(b *binding) (node, error) {
	t := b.arg(0)
	if t.Kind == plan.KindTimestamp {
		return buildFormat(identity[int64])(b)
	}
	lit, ok := b.constant(1)
	if !ok || lit.Null {
		return newConst(b.t, plan.Literal{Null: true}), nil
	}
	source := &binding{b.name, b.args[:1], b.t, b.session}
	if t.Kind == plan.KindBinary {
		write := bytesWriter(strings.ToLower(string(lit.Bytes)))
		if write == nil {
			return nil, userError("INVALID_PARAMETER_VALUE.BINARY_FORMAT", "The value of parameter(s) `format` in `to_char` is invalid: "+
				"expects one of binary formats 'base64', 'hex', 'utf-8', but got %s.", sqlString(string(lit.Bytes)))
		}
		return total(text1(write))(source)
	}
	f, err := parseNumberFormat(string(lit.Bytes))
	if err != nil {
		return nil, err
	}
	return total(text1(func(dst []byte, v decimal128.Num) []byte { return f.write(dst, v, t.Scale) }))(source)
}

func bytesWriter(format string) func(dst []byte, s string) []byte {
	switch format {
	case "base64":
		return func(dst []byte, s string) []byte { return base64.StdEncoding.AppendEncode(dst, []byte(s)) }
	case "hex":
		return func(dst []byte, s string) []byte { return appendUpper(dst, hex.EncodeToString([]byte(s))) }
	case "utf-8", "utf8":
		return func(dst []byte, s string) []byte {
			return append(dst, strings.ToValidUTF8(s, string(utf8.RuneError))...)
		}
	}
	return nil
}

func buildToBinary(try bool) builder {
	return func(b *binding) (node, error) {
		if len(b.args) == 1 {
			b.args = append(b.args, newConst(plan.String, plan.Literal{Bytes: []byte("hex")}))
		}
		lit, ok := b.constant(1)
		if !ok {
			return nil, userError("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "the format of to_binary should be a foldable \"STRING\" expression.")
		}
		if lit.Null {
			return newConst(b.t, plan.Literal{Null: true}), nil
		}
		format := strings.ToLower(string(lit.Bytes))
		read := bytesReader(format)
		if read == nil {
			if try {
				return newConst(b.t, plan.Literal{Null: true}), nil
			}
			return nil, userError("DATATYPE_MISMATCH.INVALID_ARG_VALUE",
				"The fmt value must to be a case-insensitive \"STRING\" literal of 'hex', 'utf-8', 'utf8', or 'base64', but got %s.", sqlString(string(lit.Bytes)))
		}
		return strict(!try, textSome1(func(dst []byte, s string) ([]byte, bool, error) {
			dst, ok := read(dst, s)
			if !ok && !try {
				return dst, false, userError("CONVERSION_INVALID_INPUT", "The value %s (%s) cannot be converted to \"BINARY\" because it is malformed. "+
					"Correct the value as per the syntax, or change its format. Use `try_to_binary` to tolerate malformed input and return NULL "+
					"instead.", sqlString(s), sqlString(strings.ToUpper(format)))
			}
			return dst, ok, nil
		}))(&binding{b.name, b.args[:1], b.t, b.session})
	}
}

func bytesReader(format string) func(dst []byte, s string) ([]byte, bool) {
	switch format {
	case "hex":
		return appendUnhex
	case "utf-8", "utf8":
		return func(dst []byte, s string) ([]byte, bool) { return append(dst, s...), true }
	case "base64":
		return func(dst []byte, s string) ([]byte, bool) {
			if i := strings.IndexByte(s, '='); i >= 0 && strings.Trim(strings.TrimRight(s[i:], " \t\r\n"), "=") != "" {
				return dst, false // blanks may stand between letters, but not inside the padding
			}
			s = strings.Map(func(r rune) rune {
				if r <= ' ' {
					return -1
				}
				return r
			}, s)
			encoding := base64.StdEncoding
			if len(s)%4 != 0 {
				encoding = base64.RawStdEncoding
			}
			out, err := encoding.AppendDecode(dst, []byte(s))
			return out, err == nil
		}
	}
	return nil
}

// appendUnhex reads hexadecimal digits; an odd number of them begins with half a byte.
func appendUnhex(dst []byte, s string) ([]byte, bool) {
	if len(s)%2 == 1 {
		s = "0" + s
	}
	out, err := hex.AppendDecode(dst, []byte(s))
	return out, err == nil
}

func buildConv(b *binding) (node, error) {
	quiet := b.legacy
	return partial(textSome3(func(dst []byte, s string, from, to int32) ([]byte, bool, error) {
		base := to
		if base < 0 {
			base = -base
		}
		s = strings.Trim(s, " ")
		if from < 2 || from > 36 || base < 2 || base > 36 || s == "" {
			return dst, false, nil
		}
		digits, negative := strings.CutPrefix(s, "-")
		v, overflow := leadingNumber(digits, uint64(from))
		if overflow {
			if !quiet {
				return dst, false, userError("ARITHMETIC_OVERFLOW", "Overflow in function conv().")
			}
			v = math.MaxUint64
		}
		if negative && to > 0 { // as if the number wrapped around, except for what a bigint cannot hold
			if v = -v; int64(v) >= 0 && v != 0 {
				v = math.MaxUint64
			}
		}
		if to < 0 {
			if int64(v) < 0 && !negative {
				v, negative = -v, true
			}
			if negative && v != 0 {
				dst = append(dst, '-')
			}
		}
		return appendUpper(dst, strconv.FormatUint(v, int(base))), true, nil
	}))(b)
}

// leadingNumber reads as many digits of a base as there are.
func leadingNumber(s string, base uint64) (v uint64, overflow bool) {
	for i := range len(s) {
		d := uint64(36)
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			d = uint64(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			d = uint64(c|0x20-'a') + 10
		}
		if d >= base {
			break
		}
		next := v*base + d
		if v > (math.MaxUint64-d)/base {
			return v, true
		}
		v = next
	}
	return v, false
}

func resolveWidthBucket(args []plan.Type) (Signature, error) {
	if len(args) != 4 {
		return Signature{}, arityError{"4", len(args)}
	}
	count := of(plan.Int64)
	for _, t := range args[:3] {
		if isAnsiInterval(t) {
			common, err := commonOf(args[:3])
			if err != nil {
				return Signature{}, err
			}
			return takes(returns(plan.Int64), of(common), of(common), of(common), count)(args)
		}
	}
	double := of(plan.Float64)
	return takes(returns(plan.Int64), double, double, double, count)(args)
}

func buildWidthBucket(b *binding) (node, error) {
	kind := b.arg(0).Kind
	return total(mapRow(func(r tuple) (int64, bool, error) {
		var v [3]float64
		for i := range v {
			switch kind {
			case plan.KindFloat64:
				v[i] = r.double(i)
			case plan.KindYearMonthInterval:
				v[i] = float64(r.int(i))
			default:
				v[i] = float64(r.long(i))
			}
		}
		n, ok := widthBucket(v[0], v[1], v[2], r.long(3))
		return n, ok, nil
	}))(b)
}

func widthBucket(v, low, high float64, n int64) (int64, bool) {
	switch {
	case n <= 0 || n == math.MaxInt64 || v != v || low == high, math.IsNaN(low) || math.IsInf(low, 0), math.IsNaN(high) || math.IsInf(high, 0):
		return 0, false
	case low < high && v < low, low > high && v > low:
		return 0, true
	case low < high && v >= high, low > high && v <= high:
		return n + 1, true
	case low < high:
		return int64(float64(n)*(v-low)/(high-low)) + 1, true
	}
	return int64(float64(n)*(low-v)/(low-high)) + 1, true
}

// buildFormatNumber rounds half to even, as Java's DecimalFormat does.
func buildFormatNumber(b *binding) (node, error) {
	write := func(dst []byte, unscaled *big.Int, scale int32, digits int32) []byte {
		return appendGrouped(dst, unscaled, scale, numberPattern{grouping: 3, least: 1, zeros: int(digits), most: int(digits)})
	}
	byDigits := b.arg(1).Kind == plan.KindInt32
	source := b.arg(0)
	pattern := &numberPatternCache{}
	one := func(dst []byte, unscaled *big.Int, scale int32, digits int32, format string) ([]byte, bool, error) {
		if byDigits && digits < 0 {
			return dst, false, nil
		}
		if byDigits {
			return write(dst, unscaled, scale, digits), true, nil
		}
		p, err := pattern.get(format)
		if err != nil {
			return dst, false, err
		}
		return appendGrouped(dst, unscaled, scale, p), true, nil
	}
	arg := func(r tuple) (digits int32, format string) {
		if byDigits {
			return r.int(1), ""
		}
		return 0, r.text(1)
	}
	switch {
	case source.Kind == plan.KindDecimal:
		return partial(textRow(func(dst []byte, r tuple) ([]byte, bool, error) {
			digits, format := arg(r)
			return one(dst, r.decimal(0).BigInt(), source.Scale, digits, format)
		}))(b)
	case source.IsInteger():
		wide, err := castNode(b.session, b.args[0], plan.Int64, false)
		if err != nil {
			return nil, err
		}
		return partial(textRow(func(dst []byte, r tuple) ([]byte, bool, error) {
			digits, format := arg(r)
			return one(dst, big.NewInt(r.long(0)), 0, digits, format)
		}))(&binding{b.name, []node{wide, b.args[1]}, b.t, b.session})
	}
	wide, err := castNode(b.session, b.args[0], plan.Float64, false)
	if err != nil {
		return nil, err
	}
	return partial(textRow(func(dst []byte, r tuple) ([]byte, bool, error) {
		digits, format := arg(r)
		v := r.double(0)
		switch {
		case v != v:
			return append(dst, "NaN"...), true, nil
		case math.IsInf(v, 0):
			if v < 0 {
				dst = append(dst, '-')
			}
			return append(dst, "∞"...), true, nil
		}
		text, scale, _ := scanDecimal(strconv.FormatFloat(v, 'e', -1, 64))
		unscaled, _ := new(big.Int).SetString(text, 10)
		if scale < 0 {
			unscaled.Mul(unscaled, bigPow10(int32(-scale)))
			scale = 0
		}
		if math.Signbit(v) && unscaled.Sign() == 0 {
			dst = append(dst, '-')
		}
		return one(dst, unscaled, int32(scale), digits, format)
	}))(&binding{b.name, []node{wide, b.args[1]}, b.t, b.session})
}
