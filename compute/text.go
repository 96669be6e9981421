package compute

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// textFunctions make new strings.
func textFunctions() []Function {
	str, i32 := returns(plan.String), of(plan.Int32)
	return []Function{
		{
			Name: "concat", Aliases: []string{"||"}, Usage: "concat(a, …)", Summary: "The strings one after the other.",
			Example: "concat('Spark', 'SQL')", ExampleResult: "SparkSQL", resolve: resolveConcat, build: buildConcat,
		},
		{
			Name: "concat_ws", Usage: "concat_ws(sep, a, …)", Summary: "The strings that are not NULL, with a separator in between.",
			Example: "concat_ws(' ', 'Spark', NULL, 'SQL')", ExampleResult: "Spark SQL",
			resolve: takesMany(str, 1, text()), refine: refineConcatWs, build: eager(concatWs),
		},
		upperLower("upper", "ucase", "upper('SparkSql')", "SPARKSQL", "The string in upper case.", appendUpper),
		upperLower("lower", "lcase", "lower('SparkSql')", "sparksql", "The string in lower case.", appendLower),
		upperLower("initcap", "", "initcap('sPark sql')", "Spark Sql", "The string with each word's first letter in upper case.", initcap),
		trim("trim", "ends", "trim('x', 'xxSparkx')", "Spark", strings.Trim),
		trim("ltrim", "start", "ltrim('x', 'xxSparkx')", "Sparkx", strings.TrimLeft),
		trim("rtrim", "end", "rtrim('x', 'xxSparkx')", "xxSpark", strings.TrimRight),
		btrim(),
		pad("lpad", "lpad('hi', 5, 'ab')", "abahi", true),
		pad("rpad", "rpad('hi', 5, 'ab')", "hiaba", false),
		{
			Name: "repeat", Usage: "repeat(str, n)", Summary: "The string n times.", Example: "repeat('ab', 2)", ExampleResult: "abab",
			resolve: takes(str, text(), i32), build: partial(textSome2(repeat)),
		},
		{
			Name: "space", Usage: "space(n)", Summary: "n blanks.", Example: "concat('[', space(2), ']')", ExampleResult: "[  ]",
			resolve: takes(str, i32),
			build:   partial(textSome1(func(dst []byte, n int32) ([]byte, bool, error) { return repeat(dst, " ", n) })),
		},
		{
			Name: "replace", Usage: "replace(str, search[, by])", Summary: "The string with every occurrence replaced.",
			Example: "replace('ABCabc', 'abc', 'DEF')", ExampleResult: "ABCDEF",
			resolve: takesOptional(str, 1, text(), text(), text()), build: buildReplace,
		},
		{
			Name: "reverse", Usage: "reverse(str)", Summary: "The characters in reverse order.", Example: "reverse('Spark')",
			ExampleResult: "krapS", resolve: takes(str, text()), build: total(text1(reverse)),
		},
		{
			Name: "translate", Usage: "translate(str, from, to)",
			Summary: "Each character found in from replaced by the one at its place in to, or dropped.",
			Example: "translate('AaBbCc', 'abc', '12')", ExampleResult: "A1B2C", resolve: takes(str, text(), text(), text()),
			build: total(text3(translate)),
		},
		{
			Name: "chr", Aliases: []string{"char"}, Usage: "chr(n)", Summary: "The character of a code, modulo 256.",
			Example: "chr(65)", ExampleResult: "A", resolve: takes(str, of(plan.Int64)), build: total(text1(chr)),
		},
	}
}

func upperLower(name, alias, example, res, summary string, f func(dst []byte, s string) []byte) Function {
	out := Function{
		Name: name, Usage: name + "(str)", Summary: summary, Example: example, ExampleResult: res,
		resolve: takes(returns(plan.String), text()), build: total(text1(f)),
	}
	if alias != "" {
		out.Aliases = []string{alias}
	}
	return out
}

func appendUpper(dst []byte, s string) []byte {
	if !isASCII(s) {
		return append(dst, strings.ReplaceAll(strings.ToUpper(s), "ß", "SS")...) // Go maps single characters only
	}
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func appendLower(dst []byte, s string) []byte {
	if !isASCII(s) {
		return append(dst, strings.ToLower(s)...)
	}
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// trim takes the characters first, as Spark does and as TRIM(chars FROM str) reads.
func trim(name, side, example, res string, f func(s, cutset string) string) Function {
	return Function{
		Name: name, Usage: name + "([chars,] str)",
		Summary: "The string without certain characters (blanks unless given) at its " + side + ".",
		Example: example, ExampleResult: res, resolve: takesOptional(returns(plan.String), 1, text(), text()),
		build: func(b *binding) (node, error) {
			if len(b.args) == 1 {
				return total(text1(func(dst []byte, s string) []byte { return append(dst, f(s, " ")...) }))(b)
			}
			return total(text2(func(dst []byte, chars, s string) []byte { return append(dst, f(s, chars)...) }))(b)
		},
	}
}

// btrim is trim with the characters last.
func btrim() Function {
	return Function{
		Name: "btrim", Usage: "btrim(str[, chars])", Summary: "As trim, with the characters last.",
		Example: "btrim('xxSparkx', 'x')", ExampleResult: "Spark", resolve: takesOptional(returns(plan.String), 1, text(), text()),
		build: func(b *binding) (node, error) {
			if len(b.args) == 1 {
				return total(text1(func(dst []byte, s string) []byte { return append(dst, strings.Trim(s, " ")...) }))(b)
			}
			return total(text2(func(dst []byte, s, chars string) []byte { return append(dst, strings.Trim(s, chars)...) }))(b)
		},
	}
}

func pad(name, example, res string, left bool) Function {
	side := map[bool]string{true: "left", false: "right"}[left]
	return Function{
		Name: name, Usage: name + "(str, len[, pad])", Summary: "The string cut, or filled on the " + side + ", to a length.",
		Example: example, ExampleResult: res,
		resolve: takesOptional(returns(plan.String), 1, text(), of(plan.Int32), text()),
		build: func(b *binding) (node, error) {
			if len(b.args) == 2 {
				return partial(textSome2(func(dst []byte, s string, n int32) ([]byte, bool, error) {
					return padded(dst, s, n, " ", left)
				}))(b)
			}
			return partial(textSome3(func(dst []byte, s string, n int32, with string) ([]byte, bool, error) {
				return padded(dst, s, n, with, left)
			}))(b)
		},
	}
}

func padded(dst []byte, s string, n int32, with string, left bool) ([]byte, bool, error) {
	missing := int64(n) - int64(utf8.RuneCountInString(s))
	if missing <= 0 || with == "" {
		return append(dst, slice(s, 1, int64(n))...), true, nil
	}
	if int64(len(dst))+missing > math.MaxInt32 {
		return dst, false, errTooMuchText()
	}
	if !left {
		dst = append(dst, s...)
	}
	for width := int64(utf8.RuneCountInString(with)); missing > 0; missing -= width {
		dst = append(dst, slice(with, 1, missing)...)
	}
	if left {
		dst = append(dst, s...)
	}
	return dst, true, nil
}

func repeat(dst []byte, s string, n int32) ([]byte, bool, error) {
	if int64(len(dst))+int64(len(s))*int64(n) > math.MaxInt32 {
		return dst, false, errTooMuchText()
	}
	for ; n > 0 && s != ""; n-- {
		dst = append(dst, s...)
	}
	return dst, true, nil
}

func buildReplace(b *binding) (node, error) {
	if len(b.args) == 2 {
		return total(text2(func(dst []byte, s, old string) []byte { return replaced(dst, s, old, "") }))(b)
	}
	return total(text3(replaced))(b)
}

func replaced(dst []byte, s, old, by string) []byte {
	if old == "" {
		return append(dst, s...)
	}
	for {
		i := strings.Index(s, old)
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(append(dst, s[:i]...), by...)
		s = s[i+len(old):]
	}
}

func reverse(dst []byte, s string) []byte {
	for s != "" {
		_, size := utf8.DecodeLastRuneInString(s)
		dst = append(dst, s[len(s)-size:]...)
		s = s[:len(s)-size]
	}
	return dst
}

func translate(dst []byte, s, from, to string) []byte {
	for _, r := range s {
		at := strings.IndexRune(from, r)
		if at < 0 {
			dst = utf8.AppendRune(dst, r)
			continue
		}
		offset := runeOffset(to, int64(utf8.RuneCountInString(from[:at])))
		if offset >= 0 && offset < len(to) {
			by, _ := utf8.DecodeRuneInString(to[offset:])
			dst = utf8.AppendRune(dst, by)
		}
	}
	return dst
}

func chr(dst []byte, n int64) []byte {
	if n < 0 {
		return dst
	}
	return utf8.AppendRune(dst, rune(n&0xff))
}

// initcap begins words after blanks only, as Spark does.
func initcap(dst []byte, s string) []byte {
	start := true
	for _, r := range s {
		if start {
			r = unicode.ToTitle(r)
		} else {
			r = unicode.ToLower(r)
		}
		start = r == ' '
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// resolveConcat joins binaries to a binary, and everything else as strings.
func resolveConcat(args []plan.Type) (Signature, error) {
	if len(args) == 0 {
		return Signature{}, arityError{"> 0", 0}
	}
	t := plan.Binary
	for i, a := range args {
		if !canCoerce(a, plan.String) {
			return Signature{}, argumentError{i, sqlType(plan.String), a}
		}
		if a.Kind != plan.KindBinary && a.Kind != plan.KindNull {
			t = plan.String
		}
	}
	if args[0].Kind == plan.KindNull && t.Kind == plan.KindBinary {
		t = plan.String
		for _, a := range args {
			if a.Kind == plan.KindBinary {
				t = plan.Binary
			}
		}
	}
	return Signature{Args: alike(t, len(args)), Returns: t}, nil
}

func buildConcat(b *binding) (node, error) {
	if len(b.args) == 1 {
		return b.args[0], nil
	}
	return total(func(c *context, args []value) (arrow.Array, error) {
		cols := loadAll(c, args)
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) {
			for _, col := range cols {
				dst = append(dst, col.at(i)...)
			}
			return dst, true, nil
		})
	})(b)
}

func loadAll(c *context, args []value) []vec[string] {
	cols := make([]vec[string], len(args))
	for i, a := range args {
		cols[i] = load[string](c.scratch, a, i)
	}
	return cols
}

// refineConcatWs knows that only a NULL separator makes NULL.
func refineConcatWs(sig Signature, args []*plan.Expr) Signature {
	sig.NeverNull = !args[0].Nullable
	return sig
}

func concatWs(c *context, args []value) (arrow.Array, error) {
	if args[0].isNull() {
		return vector.FromLiteral(c.mem, c.t, plan.Literal{Null: true}, c.n), nil
	}
	cols, null := loadAll(c, args), make([]func(int) bool, len(args))
	for i, a := range args {
		null[i] = nullsOf(a)
	}
	return fillText(c, args[:1], func(dst []byte, i int) ([]byte, bool, error) {
		first := true
		for k := 1; k < len(cols); k++ {
			if null[k](i) {
				continue
			}
			if !first {
				dst = append(dst, cols[0].at(i)...)
			}
			dst, first = append(dst, cols[k].at(i)...), false
		}
		return dst, true, nil
	})
}
