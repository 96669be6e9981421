package compute

import (
	"strings"
	"unicode/utf8"

	"github.com/quern-engine/quern/plan"
)

// stringExtraFunctions compare and disguise strings, and put them into others.
func stringExtraFunctions() []Function {
	str, i32 := returns(plan.String), of(plan.Int32)
	return []Function{
		{
			Name: "overlay", Usage: "overlay(str, by, pos[, len])",
			Summary: "The string with len characters from a position on (as many as by has, unless given) replaced.",
			Example: "overlay('Spark SQL', '_', 6)", ExampleResult: "Spark_SQL",
			resolve: resolveOverlay, build: buildOverlay,
		},
		{
			Name: "levenshtein", Usage: "levenshtein(a, b[, limit])",
			Summary: "The number of characters to change, add or drop to get from one string to the other; -1 beyond the limit.",
			Example: "levenshtein('kitten', 'sitting')", ExampleResult: "3",
			resolve: takesOptional(returns(plan.Int32), 1, text(), text(), i32), build: buildLevenshtein,
		},
		{
			Name: "soundex", Usage: "soundex(str)", Summary: "The Soundex code of a word, which is alike for words that sound alike.",
			Example: "soundex('Miller')", ExampleResult: "M460", resolve: takes(str, text()), build: total(text1(soundex)),
		},
		{
			Name: "find_in_set", Usage: "find_in_set(str, list)", Summary: "The place of a string in a comma-separated list, from 1; 0 if it is not there.",
			Example: "find_in_set('ab', 'abc,b,ab,c,def')", ExampleResult: "3", resolve: takes(returns(plan.Int32), text(), text()),
			build: total(map2(findInSet)),
		},
		{
			Name: "mask", Usage: "mask(str[, upper[, lower[, digit[, other]]]])",
			Summary: "The string with its letters and digits replaced by X, x and n or the characters given; NULL leaves them.",
			Example: "mask('AbCD123-@$#')", ExampleResult: "XxXXnnn-@$#", resolve: resolveMask, build: buildMask,
		},
		{
			Name: "luhn_check", Usage: "luhn_check(str)", Summary: "Whether a number passes the Luhn algorithm.", Example: "luhn_check('8112189876')",
			ExampleResult: "true", resolve: takes(returns(plan.Boolean), text()), build: total(map1(luhn)),
		},
		{
			Name: "quote", Usage: "quote(str)", Summary: "The string in single quotes, those in it behind a backslash.", Example: "quote('Spark')",
			ExampleResult: "'Spark'", resolve: takes(str, text()),
			build: total(text1(func(dst []byte, s string) []byte {
				return append(append(append(dst, '\''), strings.ReplaceAll(s, "'", `\'`)...), '\'')
			})),
		},
	}
}

// resolveOverlay takes two strings or two binaries.
func resolveOverlay(args []plan.Type) (Signature, error) {
	i32 := of(plan.Int32)
	sig, err := takesOptional(sameAs(0), 1, bytes(), bytes(), i32, i32)(args)
	if err == nil && sig.Args[0].Kind != sig.Args[1].Kind {
		err = diffTypes("overlay", args[:2])
	}
	return sig, err
}

func buildOverlay(b *binding) (node, error) {
	count, cut := utf8.RuneCountInString, slice
	if b.arg(0).Kind == plan.KindBinary {
		count, cut = func(s string) int { return len(s) }, sliceBytes
	}
	put := func(dst []byte, s, by string, pos int32, n int64) []byte {
		if n < 0 {
			n = int64(count(by))
		}
		dst = append(append(dst, cut(s, 1, int64(pos)-1)...), by...)
		return append(dst, cut(s, int64(pos)+n, 1<<31)...)
	}
	if len(b.args) == 3 {
		return total(text3(func(dst []byte, s, by string, pos int32) []byte { return put(dst, s, by, pos, -1) }))(b)
	}
	return total(text4(func(dst []byte, s, by string, pos, n int32) []byte { return put(dst, s, by, pos, int64(n)) }))(b)
}

func buildLevenshtein(b *binding) (node, error) {
	w := &editDistance{}
	if len(b.args) == 2 {
		return total(map2(func(s, t string) int32 { return int32(w.of(s, t)) }))(b)
	}
	return total(mapSome3(func(s, t string, limit int32) (int32, bool, error) {
		d := int32(w.of(s, t))
		if d > limit {
			d = -1
		}
		return d, true, nil
	}))(b)
}

// editDistance keeps its rows from call to call.
type editDistance struct {
	a, b []rune
	row  []int
}

func (w *editDistance) of(s, t string) int {
	w.a, w.b = appendRunes(w.a[:0], s), appendRunes(w.b[:0], t)
	w.row = w.row[:0]
	for j := range len(w.b) + 1 {
		w.row = append(w.row, j)
	}
	for i, x := range w.a {
		diagonal := w.row[0]
		w.row[0] = i + 1
		for j, y := range w.b {
			cost := diagonal
			if x != y {
				cost = 1 + min(diagonal, w.row[j], w.row[j+1])
			}
			diagonal, w.row[j+1] = w.row[j+1], cost
		}
	}
	return w.row[len(w.b)]
}

func appendRunes(dst []rune, s string) []rune {
	for _, r := range s {
		dst = append(dst, r)
	}
	return dst
}

// soundexCodes has the digit of each letter; 0 for vowels, 7 for H and W, which do not part equal digits.
const soundexCodes = "01230127022455012623017202"

// soundex leaves what does not begin with a letter as it is.
func soundex(dst []byte, s string) []byte {
	upper := func(c byte) byte {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		return c
	}
	if s == "" || upper(s[0]) < 'A' || upper(s[0]) > 'Z' {
		return append(dst, s...)
	}
	code := [4]byte{upper(s[0]), '0', '0', '0'}
	last, n := soundexCodes[code[0]-'A'], 1
	for i := 1; i < len(s) && n < 4; i++ {
		c := upper(s[i])
		if c < 'A' || c > 'Z' {
			last = '0'
			continue
		}
		digit := soundexCodes[c-'A']
		if digit >= '1' && digit <= '6' && digit != last {
			code[n] = digit
			n++
		}
		if digit != '7' {
			last = digit
		}
	}
	return append(dst, code[:]...)
}

func findInSet(s, list string) int32 {
	if strings.Contains(s, ",") {
		return 0
	}
	for n := int32(1); ; n++ {
		item, rest, more := strings.Cut(list, ",")
		if item == s {
			return n
		}
		if !more {
			return 0
		}
		list = rest
	}
}

func luhn(s string) bool {
	if s == "" {
		return false
	}
	sum := 0
	for i := range len(s) {
		c := s[len(s)-1-i]
		if c < '0' || c > '9' {
			return false
		}
		d := int(c - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
