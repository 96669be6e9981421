package compute

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The kinds of JSON value.
const (
	jsonNull = iota
	jsonTrue
	jsonFalse
	jsonInteger
	jsonFloat
	jsonString
	jsonArray
	jsonObject
	jsonNaN // NaN or an infinity, without quotes
)

// jsonNode is a value of a document. Nodes stand in document order; a member of an object is its name, a string, and
// the value behind it.
type jsonNode struct {
	kind     byte
	escaped  bool // of a string: it holds escapes
	from, to int  // the text; of a string without the quotes
	next     int  // the node behind the value and all it holds
}

// jsonDoc is a document laid out as nodes. It is used again for one document after the other.
type jsonDoc struct {
	text  string
	nodes []jsonNode
	at    int
	depth int
	buf   []byte
}

// maxJSONDepth bounds the nesting of documents, and with it the depth of recursion.
const maxJSONDepth = 1000

// parse reads the value that the text begins with, in Jackson's terms: names and strings may stand in single quotes,
// and strings may hold control characters. What follows the value is not looked at. It is false for malformed text.
func (d *jsonDoc) parse(text string) bool {
	d.text, d.nodes, d.at, d.depth = text, d.nodes[:0], 0, 0
	return d.value()
}

func (d *jsonDoc) space() {
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

func (d *jsonDoc) value() bool {
	d.space()
	if d.at == len(d.text) {
		return false
	}
	switch c := d.text[d.at]; c {
	case '{':
		return d.container(jsonObject, '}')
	case '[':
		return d.container(jsonArray, ']')
	case '"', '\'':
		return d.str(c)
	case 't':
		return d.word("true", jsonTrue)
	case 'f':
		return d.word("false", jsonFalse)
	case 'n':
		return d.word("null", jsonNull)
	case 'N', 'I':
		return d.words(nonNumbers[:2])
	case '+':
		return d.words(nonNumbers[2:4])
	case '-':
		if strings.HasPrefix(d.text[d.at:], "-I") {
			return d.words(nonNumbers[4:])
		}
	}
	return d.number()
}

func (d *jsonDoc) push(kind byte, from, to int) {
	d.nodes = append(d.nodes, jsonNode{kind: kind, from: from, to: to, next: len(d.nodes) + 1})
}

func (d *jsonDoc) container(kind, end byte) bool {
	if d.depth++; d.depth > maxJSONDepth {
		return false
	}
	self, from := len(d.nodes), d.at
	d.push(kind, from, from)
	d.at++
	for first := true; ; first = false {
		d.space()
		if d.at == len(d.text) {
			return false
		}
		if first && d.text[d.at] == end {
			break
		}
		if !first {
			if d.text[d.at] == end {
				break
			}
			if d.text[d.at] != ',' {
				return false
			}
			d.at++
			d.space()
		}
		if kind == jsonObject && !d.name() || !d.value() {
			return false
		}
	}
	d.at++
	d.depth--
	d.nodes[self].to, d.nodes[self].next = d.at, len(d.nodes)
	return true
}

// name reads a member's name and the colon.
func (d *jsonDoc) name() bool {
	if d.at == len(d.text) || d.text[d.at] != '"' && d.text[d.at] != '\'' || !d.str(d.text[d.at]) {
		return false
	}
	d.space()
	if d.at == len(d.text) || d.text[d.at] != ':' {
		return false
	}
	d.at++
	return true
}

func (d *jsonDoc) str(quote byte) bool {
	d.at++
	from, escaped := d.at, false
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case quote:
			d.push(jsonString, from, d.at)
			d.nodes[len(d.nodes)-1].escaped = escaped
			d.at++
			return true
		case '\\':
			escaped = true
			size := d.escape()
			if size == 0 {
				return false
			}
			d.at += size
		default:
			d.at++
		}
	}
	return false
}

// escape is the length of the escape at hand, 0 for a malformed one.
func (d *jsonDoc) escape() int {
	if d.at+1 >= len(d.text) {
		return 0
	}
	switch d.text[d.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't', '\'':
		return 2
	case 'u':
		if d.at+6 <= len(d.text) {
			if _, err := strconv.ParseUint(d.text[d.at+2:d.at+6], 16, 16); err == nil {
				return 6
			}
		}
	}
	return 0
}

func (d *jsonDoc) word(w string, kind byte) bool {
	end := d.at + len(w)
	if !strings.HasPrefix(d.text[d.at:], w) || end < len(d.text) && isNameByte(d.text[end]) {
		return false
	}
	d.push(kind, d.at, end)
	d.at = end
	return true
}

// nonNumbers are what stands for numbers that JSON has no form for, by first characters.
var nonNumbers = [...]string{"NaN", "Infinity", "+INF", "+Infinity", "-INF", "-Infinity"}

func (d *jsonDoc) words(any []string) bool {
	for _, w := range any {
		if d.word(w, jsonNaN) {
			return true
		}
	}
	return false
}

func nonNumber(text string) float64 {
	switch text[0] {
	case 'N':
		return math.NaN()
	case '-':
		return math.Inf(-1)
	}
	return math.Inf(1)
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func (d *jsonDoc) digits() int {
	from := d.at
	for d.at < len(d.text) && d.text[d.at] >= '0' && d.text[d.at] <= '9' {
		d.at++
	}
	return d.at - from
}

func (d *jsonDoc) number() bool {
	from, kind := d.at, byte(jsonInteger)
	if d.text[d.at] == '-' {
		d.at++
	}
	first := d.at
	if n := d.digits(); n == 0 || n > 1 && d.text[first] == '0' {
		return false
	}
	if d.at < len(d.text) && d.text[d.at] == '.' {
		kind = jsonFloat
		d.at++
		if d.digits() == 0 {
			return false
		}
	}
	if d.at < len(d.text) && (d.text[d.at] == 'e' || d.text[d.at] == 'E') {
		kind = jsonFloat
		d.at++
		if d.at < len(d.text) && (d.text[d.at] == '+' || d.text[d.at] == '-') {
			d.at++
		}
		if d.digits() == 0 {
			return false
		}
	}
	if d.at < len(d.text) && isNameByte(d.text[d.at]) {
		return false
	}
	d.push(kind, from, d.at)
	return true
}

// raw is a node's text.
func (d *jsonDoc) raw(n int) string { return d.text[d.nodes[n].from:d.nodes[n].to] }

// string is a string's value. It holds until the next call.
func (d *jsonDoc) string(n int) string {
	if !d.nodes[n].escaped {
		return d.raw(n)
	}
	d.buf = appendUnescaped(d.buf[:0], d.raw(n))
	return view(d.buf)
}

func appendUnescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			var size int
			dst, size = appendCodeUnits(dst, s[i-1:])
			i += size - 2
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}

// appendCodeUnits appends the character of a \u escape, or of two that are a pair, and gives their length. Half a pair
// alone is no character.
func appendCodeUnits(dst []byte, s string) ([]byte, int) {
	high := hexUnit(s)
	if high < 0xd800 || high > 0xdfff {
		return utf8.AppendRune(dst, high), 6
	}
	if high < 0xdc00 && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
		if low := hexUnit(s[6:]); low >= 0xdc00 && low <= 0xdfff {
			return utf8.AppendRune(dst, (high-0xd800)<<10+(low-0xdc00)+0x10000), 12
		}
	}
	return append(dst, '?'), 6
}

func hexUnit(s string) rune {
	v, _ := strconv.ParseUint(s[2:6], 16, 16)
	return rune(v)
}

// appendJSON writes a node without white space, as Jackson copies it: strings with the escapes they need, fractions as
// doubles.
func (d *jsonDoc) appendJSON(dst []byte, n int) []byte {
	switch node := d.nodes[n]; node.kind {
	case jsonString:
		return appendJSONString(dst, d.string(n))
	case jsonFloat:
		return append(dst, javaDouble(d.raw(n))...)
	case jsonArray, jsonObject:
		dst = append(dst, d.text[node.from])
		for at := n + 1; at < node.next; at = d.nodes[at].next {
			if at > n+1 {
				dst = append(dst, ',')
			}
			if node.kind == jsonObject {
				dst = append(appendJSONString(dst, d.string(at)), ':')
				at++
			}
			dst = d.appendJSON(dst, at)
		}
		return append(dst, d.text[node.to-1])
	}
	return append(dst, d.raw(n)...)
}

const hexDigits = "0123456789ABCDEF"

// appendJSONString writes a string in quotes.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			if c < ' ' {
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			} else {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, '"')
}

// javaDouble is a number as Java prints the double it stands for.
func javaDouble(s string) string {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(v, 0) {
		return s
	}
	return formatDouble(v)
}
