package compute

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/quern-engine/quern/plan"
)

// codingFunctions turn strings into binaries and back.
func codingFunctions() []Function {
	str, bin := returns(plan.String), returns(plan.Binary)
	return []Function{
		{
			Name: "base64", Usage: "base64(bin)", Summary: "The bytes in base 64, in lines of 76 characters.", Example: "base64('Spark SQL')",
			ExampleResult: "U3BhcmsgU1FM", resolve: takes(str, of(plan.Binary)), build: total(text1(appendBase64)),
		},
		{
			Name: "unbase64", Usage: "unbase64(str)", Summary: "The bytes that base 64 stands for; what is no digit of it is passed over.",
			Example: "unbase64('U3BhcmsgU1FM')", ExampleResult: "Spark SQL", resolve: takes(bin, text()), build: partial(textSome1(unbase64)),
		},
		{
			Name: "encode", Usage: "encode(str, charset)",
			Summary: "The string in a character set: utf-8, us-ascii, iso-8859-1, utf-16, utf-16be, utf-16le or utf-32.",
			Example: "hex(encode('é', 'ISO-8859-1'))", ExampleResult: "E9", resolve: takes(bin, text(), text()), build: buildEncode,
		},
		{
			Name: "decode", Usage: "decode(bin, charset), decode(a, search, result, …[, otherwise])",
			Summary: "The string that a binary is in a character set; or the result behind the first value that equals a, NULL equalling NULL.",
			Example: "decode(encode('abc', 'utf-8'), 'utf-8')", ExampleResult: "abc", resolve: resolveDecode, build: buildDecode,
		},
		{
			Name: "is_valid_utf8", Usage: "is_valid_utf8(str)", Summary: "Whether the bytes are valid UTF-8.", Example: "is_valid_utf8('Spark')",
			ExampleResult: "true", resolve: takes(returns(plan.Boolean), utf8Param()), build: total(map1(utf8.ValidString)),
		},
		{
			Name: "make_valid_utf8", Usage: "make_valid_utf8(str)", Summary: "The bytes with every malformed sequence replaced by �.",
			Example: "make_valid_utf8('Spark')", ExampleResult: "Spark", resolve: takes(str, utf8Param()), build: total(text1(appendValid)),
		},
		{
			Name: "validate_utf8", Usage: "validate_utf8(str)", Summary: "The string; malformed UTF-8 is an error.",
			Example: "validate_utf8('Spark')", ExampleResult: "Spark", resolve: takes(str, utf8Param()), build: partial(textSome1(validateUTF8)),
		},
		{
			Name: "try_validate_utf8", Usage: "try_validate_utf8(str)", Summary: "The string; NULL of malformed UTF-8.",
			Example: "try_validate_utf8('Spark')", ExampleResult: "Spark", resolve: nullable(takes(str, utf8Param())),
			build: total(textSome1(func(dst []byte, s string) ([]byte, bool, error) { return append(dst, s...), utf8.ValidString(s), nil })),
		},
	}
}

// utf8Param takes binaries for the strings they are to be.
func utf8Param() param { return bytes() }

const base64Line = 57 // bytes of a line of 76 characters

func appendBase64(dst []byte, s string) []byte {
	for first := true; first || s != ""; first = false {
		if !first {
			dst = append(dst, "\r\n"...)
		}
		line := s[:min(len(s), base64Line)]
		dst = base64.StdEncoding.AppendEncode(dst, []byte(line))
		s = s[len(line):]
	}
	return dst
}

// unbase64 reads as MIME has it: everything but digits is passed over, up to the padding.
func unbase64(dst []byte, s string) ([]byte, bool, error) {
	digits := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		if c == '=' {
			break
		}
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '+' || c == '/' {
			digits = append(digits, c)
		}
	}
	padded := strings.Contains(s, "=")
	if r := len(digits) % 4; r == 1 || padded && r == 0 && len(digits) > 0 {
		return dst, false, userError("CONVERSION_INVALID_INPUT", "The value %s (\"STRING\") cannot be "+
			"converted to \"BINARY\" because the value is malformed: its last digits are no whole byte.", sqlString(s))
	}
	out, err := base64.RawStdEncoding.AppendDecode(dst, digits)
	return out, err == nil, err
}

func appendCoded(dst []byte, r rune, set charset) []byte {
	switch set {
	case charsetASCII, charsetLatin1:
		return append(dst, byte(r))
	case charsetWindows:
		return append(dst, windowsByte(r))
	case charsetUTF16, charsetUTF16BE, charsetUTF16LE:
		units := [2]uint16{uint16(r)}
		n := 1
		if r > 0xffff {
			high, low := utf16.EncodeRune(r)
			units, n = [2]uint16{uint16(high), uint16(low)}, 2
		}
		for _, u := range units[:n] {
			if set == charsetUTF16LE {
				dst = append(dst, byte(u), byte(u>>8))
			} else {
				dst = append(dst, byte(u>>8), byte(u))
			}
		}
		return dst
	case charsetUTF32:
		return append(dst, byte(r>>24), byte(r>>16), byte(r>>8), byte(r))
	}
	return utf8.AppendRune(dst, r)
}

// resolveDecode tells the two functions of that name by the number of arguments.
func resolveDecode(args []plan.Type) (Signature, error) {
	if len(args) == 2 {
		return takes(returns(plan.String), of(plan.Binary), text())(args)
	}
	if len(args) < 2 {
		return Signature{}, arityError{"> 1", len(args)}
	}
	keys, results := []plan.Type{args[0]}, []plan.Type(nil)
	for i := 1; i < len(args); i++ {
		if i%2 == 1 && i != len(args)-1 {
			keys = append(keys, args[i])
		} else {
			results = append(results, args[i])
		}
	}
	key, err := commonOf(keys)
	if err != nil {
		return Signature{}, err
	}
	out, err := commonOf(results)
	cast := alike(out, len(args))
	for i := range cast {
		if i == 0 || i%2 == 1 && i != len(args)-1 {
			cast[i] = key
		}
	}
	return Signature{Args: cast, Returns: out, AlwaysNullable: len(args)%2 == 1}, err
}

func buildDecode(b *binding) (node, error) {
	if len(b.args) == 2 {
		return partial(textSome2(coderOf(b).decode))(b)
	}
	n := &caseNode{t: b.t}
	for i := 1; i < len(b.args); i += 2 {
		if i == len(b.args)-1 {
			n.values = append(n.values, b.args[i])
			break
		}
		equal, err := buildNullSafeEqual(&binding{name: "<=>", args: []node{b.args[0], b.args[i]}, t: plan.Boolean, session: b.session})
		if err != nil {
			return nil, err
		}
		n.conditions, n.values = append(n.conditions, equal), append(n.values, b.args[i+1])
	}
	return n, nil
}

func appendDecoded(dst []byte, s string, set charset) ([]byte, bool) {
	switch set {
	case charsetUTF8:
		return append(dst, s...), utf8.ValidString(s)
	case charsetASCII:
		return append(dst, s...), isASCII(s)
	case charsetLatin1:
		for i := range len(s) {
			dst = utf8.AppendRune(dst, rune(s[i]))
		}
		return dst, true
	case charsetWindows:
		for i := range len(s) {
			dst = utf8.AppendRune(dst, windowsRune(s[i]))
		}
		return dst, true
	case charsetUTF32:
		return appendUTF32(dst, s)
	}
	return appendUTF16(dst, s, set)
}

func appendUTF32(dst []byte, s string) ([]byte, bool) {
	for ; len(s) >= 4; s = s[4:] {
		r := rune(s[0])<<24 | rune(s[1])<<16 | rune(s[2])<<8 | rune(s[3])
		if !utf8.ValidRune(r) {
			return dst, false
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, s == ""
}

func appendUTF16(dst []byte, s string, set charset) ([]byte, bool) {
	little := set == charsetUTF16LE
	if set == charsetUTF16 && len(s) >= 2 {
		switch s[:2] {
		case "\xfe\xff":
			s = s[2:]
		case "\xff\xfe":
			s, little = s[2:], true
		}
	}
	unit := func(at int) rune {
		if little {
			return rune(s[at]) | rune(s[at+1])<<8
		}
		return rune(s[at])<<8 | rune(s[at+1])
	}
	if len(s)%2 != 0 {
		return dst, false
	}
	for at := 0; at < len(s); at += 2 {
		r := unit(at)
		if utf16.IsSurrogate(r) {
			if at+4 > len(s) {
				return dst, false
			}
			at += 2
			if r = utf16.DecodeRune(r, unit(at)); r == utf8.RuneError {
				return dst, false
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, true
}

// appendValid replaces what is malformed as Unicode recommends: the longest part that could begin a character becomes
// one �.
func appendValid(dst []byte, s string) []byte {
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			size = malformedPrefix(s)
		}
		dst = utf8.AppendRune(dst, r)
		s = s[size:]
	}
	return dst
}

// malformedPrefix is the length of the longest beginning of s that could be that of a character.
func malformedPrefix(s string) int {
	for n := min(3, len(s)); n > 1; n-- {
		if !utf8.FullRuneInString(s[:n]) {
			return n
		}
	}
	return 1
}

func validateUTF8(dst []byte, s string) ([]byte, bool, error) {
	if utf8.ValidString(s) {
		return append(dst, s...), true, nil
	}
	var shown strings.Builder
	for i := range len(s) {
		shown.WriteString(`\x`)
		shown.WriteByte(hexDigits[s[i]>>4])
		shown.WriteByte(hexDigits[s[i]&15])
	}
	return dst, false, userError("INVALID_UTF8_STRING", "Invalid UTF8 byte sequence found in string: %s.", shown.String())
}
