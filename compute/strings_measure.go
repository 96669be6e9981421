package compute

import (
	"encoding/base32"

	"github.com/quern-engine/quern/plan"
)

// resolveInstr is instr(str, substr[, position[, occurrence]]).
var resolveInstr = takesOptional(returns(plan.Int32), 2, text(), text(), of(plan.Int32), of(plan.Int32))

func buildInstr(b *binding) (node, error) {
	if len(b.args) == 2 {
		return total(map2(func(s, sub string) int32 { return locate(sub, s, 1) }))(b)
	}
	return partial(mapRow(func(r tuple) (int32, bool, error) {
		nth := int32(1)
		if r.has(3) {
			nth = r.int(3)
		}
		if nth < 1 {
			return 0, false, userError("INVALID_PARAMETER_VALUE.OCCURRENCE",
				"The value of parameter(s) `occurrence` in `instr` is invalid: expects a positive number, but got %d.", nth)
		}
		return occurrence(r.text(0), r.text(1), int(r.int(2)), int(nth)), true, nil
	}))(b)
}

// occurrence is the place, from 1, of the nth occurrence of a string from a position on: backwards from one that is
// negative, which counts from the end. Occurrences may overlap.
func occurrence(s, sub string, position, nth int) int32 {
	switch {
	case position == 0:
		return 0
	case sub == "":
		return 1
	}
	text, part := []rune(s), []rune(sub)
	at, step := position-1, 1
	if position < 0 {
		at, step = len(text)+position, -1
	}
	for ; at >= 0 && at < len(text); at += step {
		if at+len(part) > len(text) || string(text[at:at+len(part)]) != sub {
			continue
		}
		if nth--; nth == 0 {
			return int32(at + 1)
		}
	}
	return 0
}

// likenessFunctions measure how alike strings are, and write bytes in the alphabet of base 32.
func likenessFunctions() []Function {
	return []Function{
		{
			Name: "jaro_winkler_similarity", Usage: "jaro_winkler_similarity(a, b)",
			Summary: "How alike two strings are, from 0 to 1, by their common characters and their common beginning.",
			Example: "jaro_winkler_similarity('MARTHA', 'MARHTA')", ExampleResult: "0.9611111111111111",
			resolve: takes(returns(plan.Float64), text(), text()), build: total(map2(jaroWinkler)),
		},
		{
			Name: "to_base32", Usage: "to_base32(bytes)", Summary: "The bytes in base 32.", Example: "to_base32('foobar')",
			ExampleResult: "MZXW6YTBOI======", resolve: takes(returns(plan.String), bytes()),
			build: total(text1(func(dst []byte, s string) []byte { return base32.StdEncoding.AppendEncode(dst, []byte(s)) })),
		},
		{
			Name: "from_base32", Usage: "from_base32(str)", Summary: "The bytes that a text in base 32 stands for; other characters do not count.",
			Example: "from_base32('MZXW6YTBOI======')", ExampleResult: "foobar", resolve: takes(returns(plan.Binary), text()),
			build: total(text1(fromBase32)),
		},
	}
}

// fromBase32 skips what is not of the alphabet, and drops the bits of an unfinished byte.
func fromBase32(dst []byte, s string) []byte {
	bits, n := uint64(0), 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '=':
			return dst
		case c >= 'A' && c <= 'Z':
			c -= 'A'
		case c >= 'a' && c <= 'z':
			c -= 'a'
		case c >= '2' && c <= '7':
			c -= '2' - 26
		default:
			continue
		}
		bits, n = bits<<5|uint64(c), n+5
		if n >= 8 {
			n -= 8
			dst = append(dst, byte(bits>>n))
		}
	}
	return dst
}

// jaroWinkler gives characters the same place if they are less than half the longer string apart.
func jaroWinkler(a, b string) float64 {
	if a == b {
		return 1
	}
	x, y := []rune(a), []rune(b)
	left, right := commonRunes(x, y), commonRunes(y, x)
	m := float64(len(left))
	if m == 0 {
		return 0
	}
	swaps := 0
	for i := range left {
		if left[i] != right[i] {
			swaps++
		}
	}
	jaro := (m/float64(len(x)) + m/float64(len(y)) + (m-float64(swaps)/2)/m) / 3
	prefix := 0
	for prefix < min(4, len(x), len(y)) && x[prefix] == y[prefix] {
		prefix++
	}
	return jaro + float64(prefix)*0.1*(1-jaro)
}

// commonRunes is the characters of a that b has near their place, each of b's once.
func commonRunes(a, b []rune) []rune {
	reach := max(0, max(len(a), len(b))/2-1)
	used := make([]bool, len(b))
	var out []rune
	for i, r := range a {
		for j := max(0, i-reach); j < min(len(b), i+reach+1); j++ {
			if !used[j] && b[j] == r {
				used[j] = true
				out = append(out, r)
				break
			}
		}
	}
	return out
}
