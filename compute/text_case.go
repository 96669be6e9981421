package compute

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// caseMapping turns strings into another case, by Unicode's rules for all languages: ß becomes SS, a Σ at the end of a
// word ς.
type caseMapping func(dst []byte, s string) []byte

// newUpper and newLower make mappings of one goroutine: the library's keep state.
func newUpper() caseMapping {
	caser := cases.Upper(language.Und)
	return func(dst []byte, s string) []byte {
		if isASCII(s) {
			return appendUpper(dst, s)
		}
		return append(dst, caser.String(s)...)
	}
}

func newLower() caseMapping {
	caser := cases.Lower(language.Und)
	return func(dst []byte, s string) []byte {
		if isASCII(s) {
			return appendLower(dst, s)
		}
		return append(dst, caser.String(s)...)
	}
}

// newInitcap begins words after blanks only, as Spark does.
func newInitcap() caseMapping {
	lower, title := newLower(), cases.Title(language.Und, cases.NoLower)
	return func(dst []byte, s string) []byte {
		for i, word := range strings.Split(s, " ") {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = appendTitled(dst, word, lower, title)
		}
		return dst
	}
}

func appendTitled(dst []byte, word string, lower caseMapping, title cases.Caser) []byte {
	if word == "" {
		return dst
	}
	r, size := utf8.DecodeRuneInString(word)
	if r < utf8.RuneSelf {
		dst = append(dst, byte(unicode.ToUpper(r)))
	} else {
		dst = append(dst, title.String(word[:size])...)
	}
	return lower(dst, word[size:])
}

func appendUpper(dst []byte, s string) []byte {
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
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
