package compute

import (
	"strings"
	"unicode/utf8"

	"github.com/quern-engine/quern/plan"
)

type charset int

const (
	charsetUTF8 charset = iota
	charsetASCII
	charsetLatin1
	charsetUTF16
	charsetUTF16BE
	charsetUTF16LE
	charsetUTF32
	charsetWindows // 1252
)

var charsets = map[string]charset{
	"utf-8": charsetUTF8, "us-ascii": charsetASCII, "iso-8859-1": charsetLatin1, "utf-16": charsetUTF16, "utf-16be": charsetUTF16BE,
	"utf-16le": charsetUTF16LE, "utf-32": charsetUTF32,
}

// javaCharsets are more names, for sessions that allow those of Java.
var javaCharsets = map[string]charset{
	"utf8": charsetUTF8, "ascii": charsetASCII, "latin1": charsetLatin1, "iso8859_1": charsetLatin1, "iso_8859-1": charsetLatin1,
	"utf16": charsetUTF16, "utf_16": charsetUTF16, "utf32": charsetUTF32, "utf_32": charsetUTF32, "utf-32be": charsetUTF32,
	"windows-1252": charsetWindows, "cp1252": charsetWindows,
}

// coder codes text as a session asks: with the names of Java's charsets too, and with a replacement for what a charset
// cannot say instead of an error.
type coder struct{ java, replaces bool }

func coderOf(b *binding) coder {
	return coder{java: b.is(plan.JavaCharsets), replaces: b.is(plan.CodingErrorAction)}
}

func buildEncode(b *binding) (node, error) { return partial(textSome2(coderOf(b).encode))(b) }

func (c coder) find(function, name string) (charset, error) {
	set, ok := charsets[strings.ToLower(name)]
	if !ok && c.java {
		set, ok = javaCharsets[strings.ToLower(name)]
	}
	if !ok {
		return set, userError("INVALID_PARAMETER_VALUE.CHARSET", "The value of parameter(s) `charset` in `%s` is invalid: expects one of "+
			"the iso-8859-1, us-ascii, utf-16, utf-16be, utf-16le, utf-32, utf-8, but got %s.", function, name)
	}
	return set, nil
}

func malformedCoding(function, charset string) error {
	return userError("MALFORMED_CHARACTER_CODING", "Invalid value found when performing `%s` with %s", function, charset)
}

func (c coder) encode(dst []byte, s, name string) ([]byte, bool, error) {
	set, err := c.find("encode", name)
	if err != nil {
		return dst, false, err
	}
	if set == charsetUTF16 && s != "" {
		dst = append(dst, 0xfe, 0xff)
	}
	for _, r := range s {
		if !holds(set, r) {
			if !c.replaces {
				return dst, false, malformedCoding("encode", name)
			}
			r = '?'
		}
		dst = appendCoded(dst, r, set)
	}
	return dst, true, nil
}

// holds reports whether a charset has a character.
func holds(set charset, r rune) bool {
	switch set {
	case charsetASCII:
		return r <= 0x7f
	case charsetLatin1:
		return r <= 0xff
	case charsetWindows:
		return r == '?' || windowsByte(r) != '?'
	}
	return true
}

func (c coder) decode(dst []byte, s, name string) ([]byte, bool, error) {
	set, err := c.find("decode", name)
	if err != nil {
		return dst, false, err
	}
	out, ok := appendDecoded(dst, s, set)
	switch {
	case ok:
		return out, true, nil
	case !c.replaces:
		return dst, false, malformedCoding("decode", name)
	case set == charsetASCII:
		return appendReplaced(dst, s, func(r rune, _ int) bool { return r < utf8.RuneSelf }, true), true, nil
	case set == charsetUTF8:
		return appendReplaced(dst, s, func(r rune, size int) bool { return r != utf8.RuneError || size > 1 }, false), true, nil
	}
	return utf8.AppendRune(out, utf8.RuneError), true, nil
}

// appendReplaced appends what is good of a text, and a replacement for all else: one for each byte, or each sequence.
func appendReplaced(dst []byte, s string, good func(r rune, size int) bool, bytewise bool) []byte {
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if good(r, size) {
			dst, s = append(dst, s[:size]...), s[size:]
			continue
		}
		if bytewise {
			size = 1
		}
		dst, s = utf8.AppendRune(dst, utf8.RuneError), s[size:]
	}
	return dst
}

// windowsHigh are the characters 0x80 to 0x9f of windows-1252; 0xfffd is none.
var windowsHigh = [32]rune{
	0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
	0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178,
}

// windowsByte is a character in windows-1252, ? for one that it does not have.
func windowsByte(r rune) byte {
	if r < 0x80 || r >= 0xa0 && r <= 0xff {
		return byte(r)
	}
	for i, w := range windowsHigh {
		if w == r && r != utf8.RuneError {
			return byte(0x80 + i)
		}
	}
	return '?'
}

func windowsRune(b byte) rune {
	if b >= 0x80 && b < 0xa0 {
		return windowsHigh[b-0x80]
	}
	return rune(b)
}
