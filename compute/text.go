package compute

import (
	"math"
	"slices"
	"strings"
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
			Name: "concat", Aliases: []string{"||"}, Usage: "concat(a, …)", Summary: "The strings one after the other; or the elements of arrays.",
			Example: "concat('Spark', 'SQL')", ExampleResult: "SparkSQL", resolve: resolveConcat, build: buildConcat,
		},
		{
			Name: "concat_ws", Usage: "concat_ws(sep, a, …)", Summary: "The strings that are not NULL, with a separator in between.",
			Example: "concat_ws(' ', 'Spark', NULL, 'SQL')", ExampleResult: "Spark SQL",
			resolve: takesMany(str, 1, textOrList()), refine: refineConcatWs, build: eager(concatWs),
		},
		upperLower("upper", "ucase", "upper('SparkSql')", "SPARKSQL", "The string in upper case.", newUpper),
		upperLower("lower", "lcase", "lower('SparkSql')", "sparksql", "The string in lower case.", newLower),
		upperLower("initcap", "", "initcap('sPark sql')", "Spark Sql", "The string with each word's first letter in upper case.", newInitcap),
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
			Name: "reverse", Usage: "reverse(str)", Summary: "The characters of a string or the elements of an array in reverse order.",
			Example: "reverse('Spark')", ExampleResult: "krapS", resolve: takes(sameAs(0), textOrArray()), build: buildReverse,
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

func upperLower(name, alias, example, res, summary string, mapping func() caseMapping) Function {
	out := Function{
		Name: name, Usage: name + "(str)", Summary: summary, Example: example, ExampleResult: res,
		resolve: takes(returns(plan.String), text()),
		build:   func(b *binding) (node, error) { return total(text1(mapping()))(b) },
	}
	if alias != "" {
		out.Aliases = []string{alias}
	}
	return out
}

// trim takes the characters first, as Spark does and as TRIM(chars FROM str) reads.
func trim(name, side, example, res string, f func(s, cutset string) string) Function {
	return Function{
		Name: name, Usage: name + "([chars,] str)",
		Summary: "The string without certain characters (blanks unless given) at its " + side + ".",
		Example: example, ExampleResult: res, resolve: takesOptional(returns(plan.String), 1, text(), text()),
		build: buildTrim(func(chars, s string) (string, string) { return s, chars }, f),
	}
}

// btrim is trim with the characters last.
func btrim() Function {
	return Function{
		Name: "btrim", Usage: "btrim(str[, chars])", Summary: "As trim, with the characters last.",
		Example: "btrim('xxSparkx', 'x')", ExampleResult: "Spark", resolve: takesOptional(returns(plan.String), 1, text(), text()),
		build: buildTrim(func(s, chars string) (string, string) { return s, chars }, strings.Trim),
	}
}

func buildTrim(order func(a, b string) (s, chars string), f func(s, cutset string) string) builder {
	return func(b *binding) (node, error) {
		if len(b.args) == 1 {
			return total(text1(func(dst []byte, s string) []byte { return append(dst, f(s, " ")...) }))(b)
		}
		return total(text2(func(dst []byte, x, y string) []byte { return append(dst, f(order(x, y))...) }))(b)
	}
}

// toBytes makes a character of each byte, so that functions of characters work on bytes.
func toBytes(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

func pad(name, example, res string, left bool) Function {
	side := map[bool]string{true: "left", false: "right"}[left]
	return Function{
		Name: name, Usage: name + "(str, len[, pad])", Summary: "The string cut, or filled on the " + side + ", to a length.",
		Example: example, ExampleResult: res,
		resolve: resolvePad,
		build: func(b *binding) (node, error) {
			if b.t.Kind == plan.KindBinary {
				return padBinary(b, left)
			}
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

// resolvePad pads binaries with binaries, and else strings.
func resolvePad(args []plan.Type) (Signature, error) {
	sig, err := takesOptional(sameAs(0), 1, bytes(), of(plan.Int32), bytes())(args)
	if err == nil && args[0].Kind == plan.KindBinary && (len(args) == 2 || args[2].Kind == plan.KindBinary) {
		return sig, nil
	}
	return takesOptional(returns(plan.String), 1, text(), of(plan.Int32), text())(args)
}

// padBinary counts bytes, and pads with zeros unless told otherwise.
func padBinary(b *binding, left bool) (node, error) {
	pad := func(dst []byte, s string, n int32, with string) ([]byte, bool, error) {
		out, _, err := padded(nil, toBytes(s), n, toBytes(with), left)
		if err != nil {
			return dst, false, err
		}
		for _, r := range view(out) {
			dst = append(dst, byte(r))
		}
		return dst, true, nil
	}
	if len(b.args) == 2 {
		return partial(textSome2(func(dst []byte, s string, n int32) ([]byte, bool, error) { return pad(dst, s, n, "\x00") }))(b)
	}
	return partial(textSome3(pad))(b)
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

// textOrArray takes arrays, and everything else as strings.
func textOrArray() param {
	return param{`("STRING" or "ARRAY")`, func(a plan.Type) (plan.Type, bool) {
		if isArray(a) {
			return a, true
		}
		return text().accept(a)
	}}
}

func buildReverse(b *binding) (node, error) {
	if !isArray(b.t) {
		return total(text1(reverse))(b)
	}
	return total(pickLists(func(_ *context, args []value, p *picks) func(int) error {
		l := loadLists(args[0])
		return func(i int) error {
			from, to := l.span(i)
			for k := to - 1; k >= from; k-- {
				p.add(k)
			}
			return nil
		}
	}))(b)
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

// resolveConcat joins arrays to an array, binaries to a binary, and everything else as strings.
func resolveConcat(args []plan.Type) (Signature, error) {
	if len(args) == 0 {
		return Signature{Returns: plan.String, NeverNull: true}, nil
	}
	if slices.ContainsFunc(args, isArray) {
		return resolveConcatArrays(args)
	}
	t := plan.Binary
	for i, a := range args {
		if !canCoerce(a, plan.String) {
			return Signature{}, argumentError{i, sqlType(plan.String), a}
		}
		if a.Kind != plan.KindBinary {
			t = plan.String
		}
	}
	return Signature{Args: alike(t, len(args)), Returns: t}, nil
}

func resolveConcatArrays(args []plan.Type) (Signature, error) {
	common := args[0]
	for _, a := range args[1:] {
		t, ok := commonWithoutText(common, a)
		if common = t; !ok || a.Kind == plan.KindNull {
			return Signature{}, diffTypes("concat", args)
		}
	}
	if !isArray(common) || args[0].Kind == plan.KindNull {
		return Signature{}, diffTypes("concat", args)
	}
	common = arrayOf(common.Element().Type)
	return Signature{Args: alike(common, len(args)), Returns: common}, nil
}

func buildConcat(b *binding) (node, error) {
	switch {
	case len(b.args) == 0:
		return newConst(b.t, plan.Literal{}), nil
	case len(b.args) == 1:
		return b.args[0], nil
	case isArray(b.t):
		return partial(concatArrays)(b)
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
	sep, pieces := load[string](c.scratch, args[0], 0), make([]textPieces, len(args)-1)
	for k, a := range args[1:] {
		pieces[k] = newTextPieces(c, a, k+1)
	}
	return fillText(c, args[:1], func(dst []byte, i int) ([]byte, bool, error) {
		first := true
		for _, p := range pieces {
			for k, to := p.span(i); k < to; k++ {
				if p.null(k) {
					continue
				}
				if !first {
					dst = append(dst, sep.at(i)...)
				}
				dst, first = append(dst, p.texts.at(k)...), false
			}
		}
		return dst, true, nil
	})
}

// textOrList takes what can be written as a string, and arrays of that.
func textOrList() param {
	return param{`("STRING" or "ARRAY<STRING>")`, func(a plan.Type) (plan.Type, bool) {
		if isArray(a) {
			return textArray().accept(a)
		}
		return text().accept(a)
	}}
}

// textPieces is the strings that an argument has in each row: one, or the elements of its array.
type textPieces struct {
	texts vec[string]
	null  func(int) bool
	span  func(i int) (from, to int)
}

func newTextPieces(c *context, v value, arg int) textPieces {
	if v.arr.DataType().ID() != arrow.LIST {
		return textPieces{load[string](c.scratch, v, arg), nullsOf(v), func(i int) (int, int) { return i, i + 1 }}
	}
	l := loadLists(v)
	return textPieces{load[string](&scratch{}, value{arr: l.Elements}, 0), vector.ValidityOf(l.Elements).IsNull, l.span}
}
