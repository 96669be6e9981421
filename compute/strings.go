package compute

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/quern-engine/quern/plan"
)

// stringFunctions measure strings and cut them.
func stringFunctions() []Function {
	str, i32 := returns(plan.String), of(plan.Int32)
	return []Function{
		{
			Name: "length", Aliases: []string{"char_length", "character_length", "len"}, Usage: "length(str)",
			Summary: "The number of characters of a string, or of bytes of a binary.", Example: "length('Spark SQL')",
			ExampleResult: "9", resolve: takes(returns(plan.Int32), bytes()), build: buildLength,
		},
		{
			Name: "octet_length", Usage: "octet_length(str)", Summary: "The number of bytes.", Example: "octet_length('ä')",
			ExampleResult: "2", resolve: takes(returns(plan.Int32), bytes()),
			build: total(map1(func(s string) int32 { return int32(len(s)) })),
		},
		{
			Name: "bit_length", Usage: "bit_length(str)", Summary: "The number of bits.", Example: "bit_length('ab')",
			ExampleResult: "16", resolve: takes(returns(plan.Int32), bytes()),
			build: total(map1(func(s string) int32 { return int32(8 * len(s)) })),
		},
		{
			Name: "substring", Aliases: []string{"substr"}, Usage: "substring(str, pos[, len])",
			Summary: "The part from a position (1 is first, negative counts from the end) of a length.",
			Example: "substring('Spark SQL', 5, 3)", ExampleResult: "k S",
			resolve: takesOptional(sameAs(0), 1, bytes(), i32, i32), build: buildSubstring,
		},
		{
			Name: "left", Usage: "left(str, n)", Summary: "The first n characters.", Example: "left('Spark SQL', 3)",
			ExampleResult: "Spa", resolve: takes(sameAs(0), bytes(), i32), build: buildLeft,
		},
		{
			Name: "right", Usage: "right(str, n)", Summary: "The last n characters.", Example: "right('Spark SQL', 3)",
			ExampleResult: "SQL", resolve: takes(str, text(), i32),
			build: total(text2(func(dst []byte, s string, n int32) []byte {
				if n <= 0 {
					return dst
				}
				return append(dst, slice(s, -int64(n), math.MaxInt32)...)
			})),
		},
		{
			Name: "substring_index", Usage: "substring_index(str, delim, count)",
			Summary: "What stands before the count-th delimiter; after it, counted from the end, if negative.",
			Example: "substring_index('www.apache.org', '.', 2)", ExampleResult: "www.apache",
			resolve: takes(str, text(), text(), i32),
			build: total(text3(func(dst []byte, s, delim string, n int32) []byte {
				return append(dst, substringIndex(s, delim, int(n))...)
			})),
		},
		{
			Name: "split_part", Usage: "split_part(str, delim, n)",
			Summary: "The n-th part between delimiters, from the end if negative; empty when there is none.",
			Example: "split_part('11.12.13', '.', 3)", ExampleResult: "13", resolve: takes(str, text(), text(), i32),
			build: partial(textSome3(splitPart)),
		},
		search("instr", "instr(str, substr[, pos[, n]])", "The position of the first occurrence, or the nth from a position on (backwards if negative); 0 if there is none.",
			"instr('SparkSQL', 'SQL')", "6", resolveInstr, buildInstr),
		locateFunction("locate", "locate('bar', 'foobarbar', 5)", "7"),
		locateFunction("position", "position('bar', 'foobarbar')", "4"),
		test("startswith", "startswith('Spark SQL', 'Spark')", "Whether the string begins with another.", strings.HasPrefix),
		test("endswith", "endswith('Spark SQL', 'SQL')", "Whether the string ends with another.", strings.HasSuffix),
		test("contains", "contains('Spark SQL', 'k S')", "Whether the string holds another.", strings.Contains),
		{
			Name: "ascii", Usage: "ascii(str)", Summary: "The code point of the first character; 0 if there is none.",
			Example: "ascii('2')", ExampleResult: "50", resolve: takes(returns(plan.Int32), text()),
			build: total(map1(func(s string) int32 {
				if s == "" {
					return 0
				}
				r, _ := utf8.DecodeRuneInString(s)
				return r
			})),
		},
	}
}

func search(name, usage, summary, example, res string, r resolver, b builder) Function {
	return Function{Name: name, Usage: usage, Summary: summary, Example: example, ExampleResult: res, resolve: r, build: b}
}

func test(name, example, summary string, f func(s, t string) bool) Function {
	return search(name, name+"(str, other)", summary, example, "true", takes(returns(plan.Boolean), bytes(), bytes()),
		total(map2(f)))
}

func locateFunction(name, example, res string) Function {
	f := search(name, name+"(substr, str[, from])", "The position of the first occurrence at or after a position; 0 if there is none.",
		example, res, takesOptional(returns(plan.Int32), 1, text(), text(), of(plan.Int32)), nil)
	f.build = func(b *binding) (node, error) {
		if len(b.args) == 2 {
			return total(map2(func(sub, s string) int32 { return locate(sub, s, 1) }))(b)
		}
		return total(mapSome3(func(sub, s string, from int32) (int32, bool, error) { return locate(sub, s, from), true, nil }))(b)
	}
	return f
}

// locate finds a string in another, in characters counted from 1.
func locate(sub, s string, from int32) int32 {
	if from < 1 {
		return 0
	}
	start := runeOffset(s, int64(from)-1)
	if start < 0 {
		return 0
	}
	i := strings.Index(s[start:], sub)
	if i < 0 {
		return 0
	}
	return int32(utf8.RuneCountInString(s[:start+i])) + 1
}

// runeOffset is the byte offset of character n; the length for the character after the last, -1 beyond.
func runeOffset(s string, n int64) int {
	if n > int64(len(s)) {
		return -1
	}
	i := 0
	for ; n > 0; n-- {
		if i >= len(s) {
			return -1
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return i
}

func buildLength(b *binding) (node, error) {
	if b.arg(0).Kind == plan.KindBinary {
		return total(map1(func(s string) int32 { return int32(len(s)) }))(b)
	}
	return total(map1(func(s string) int32 { return int32(utf8.RuneCountInString(s)) }))(b)
}

func buildSubstring(b *binding) (node, error) {
	cut := slice
	if b.arg(0).Kind == plan.KindBinary {
		cut = sliceBytes
	}
	if len(b.args) == 2 {
		return total(text2(func(dst []byte, s string, pos int32) []byte {
			return append(dst, cut(s, int64(pos), math.MaxInt32)...)
		}))(b)
	}
	return total(text3(func(dst []byte, s string, pos, n int32) []byte {
		return append(dst, cut(s, int64(pos), int64(n))...)
	}))(b)
}

func buildLeft(b *binding) (node, error) {
	cut := slice
	if b.arg(0).Kind == plan.KindBinary {
		cut = sliceBytes
	}
	return total(text2(func(dst []byte, s string, n int32) []byte { return append(dst, cut(s, 1, int64(n))...) }))(b)
}

// slice is n characters from a position; a position before the start uses up length.
func slice(s string, pos, n int64) string {
	if isASCII(s) {
		return sliceBytes(s, pos, n)
	}
	from, to := window(pos, n, int64(utf8.RuneCountInString(s)))
	if from >= to {
		return ""
	}
	start := runeOffset(s, from)
	return s[start : start+runeOffset(s[start:], to-from)]
}

func sliceBytes(s string, pos, n int64) string {
	from, to := window(pos, n, int64(len(s)))
	if from >= to {
		return ""
	}
	return s[from:to]
}

// window turns a position and a length into a half-open range of a sequence.
func window(pos, n, length int64) (from, to int64) {
	from = pos - 1
	switch {
	case pos < 0:
		from = length + pos
	case pos == 0:
		from = 0
	}
	return max(from, 0), min(from+n, length)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func substringIndex(s, delim string, count int) string {
	if delim == "" || count == 0 {
		return ""
	}
	if count > 0 {
		at := 0
		for ; count > 0; count-- {
			i := strings.Index(s[at:], delim)
			if i < 0 {
				return s
			}
			at += i + len(delim)
		}
		return s[:at-len(delim)]
	}
	at := len(s)
	for ; count < 0; count++ {
		// Matches may overlap, as in Spark: the search goes one byte to the left each time.
		i := strings.LastIndex(s[:min(at-1+len(delim), len(s))], delim)
		if at == 0 || i < 0 {
			return s
		}
		at = i
	}
	return s[at+len(delim):]
}

func splitPart(dst []byte, s, delim string, n int32) ([]byte, bool, error) {
	if n == 0 {
		return dst, false, userError("INVALID_INDEX_OF_ZERO",
			"The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1).")
	}
	if delim == "" {
		if n == 1 || n == -1 {
			dst = append(dst, s...)
		}
		return dst, true, nil
	}
	i := int64(n) - 1
	if n < 0 {
		i = int64(strings.Count(s, delim)) + 1 + int64(n)
	}
	for ; i > 0; i-- {
		_, rest, found := strings.Cut(s, delim)
		if !found {
			return dst, true, nil
		}
		s = rest
	}
	if i == 0 {
		part, _, _ := strings.Cut(s, delim)
		dst = append(dst, part...)
	}
	return dst, true, nil
}
