package compute

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// urlFunctions read and write URLs.
func urlFunctions() []Function {
	str := returns(plan.String)
	parse := func(name, summary string, r func(resolver) resolver) Function {
		return Function{
			Name: name, Usage: name + "(url, part[, key])", Summary: summary,
			Example: name + "('http://spark.apache.org/path?query=1', 'HOST')", ExampleResult: "spark.apache.org",
			resolve: r(takesOptional(str, 1, text(), text(), text())), build: buildParseURL,
		}
	}
	return []Function{
		{
			Name: "url_encode", Usage: "url_encode(str)", Summary: "The string as a value in a URL.", Example: "url_encode('https://spark.apache.org')",
			ExampleResult: "https%3A%2F%2Fspark.apache.org", resolve: takes(str, text()), build: total(text1(urlEncode)),
		},
		{
			Name: "url_decode", Usage: "url_decode(str)", Summary: "The string that a value in a URL stands for.",
			Example: "url_decode('https%3A%2F%2Fspark.apache.org')", ExampleResult: "https://spark.apache.org", resolve: takes(str, text()),
			build: partial(textSome1(func(dst []byte, s string) ([]byte, bool, error) {
				out, err := url.QueryUnescape(s)
				if err != nil {
					return dst, false, userError("CANNOT_DECODE_URL",
						"The provided URL cannot be decoded: %s. Please ensure that the URL is properly formatted and try again.", s)
				}
				return append(dst, out...), true, nil
			})),
		},
		{
			Name: "try_url_decode", Usage: "try_url_decode(str)", Summary: "As url_decode, with NULL in place of errors.",
			Example: "try_url_decode('http%3A%2F%2spark')", ExampleResult: "NULL", resolve: nullable(takes(str, text())),
			build: total(textSome1(func(dst []byte, s string) ([]byte, bool, error) {
				out, err := url.QueryUnescape(s)
				return append(dst, out...), err == nil, nil
			})),
		},
		parse("parse_url", "A part of a URL: HOST, PATH, QUERY, REF, PROTOCOL, FILE, AUTHORITY or USERINFO; with a key, a value of the query.", nullable),
		parse("try_parse_url", "As parse_url, with NULL in place of errors.", nullable),
	}
}

// urlEncode leaves *, which Java does not write as %2A, and writes ~, which Go leaves.
func urlEncode(dst []byte, s string) []byte {
	return append(dst, strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "%2A", "*"), "~", "%7E")...)
}

// uriParts is how RFC 3986 takes a URL apart: scheme, authority, path, query, fragment.
const uriParts = `^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$`

// uriCharacters is all that may stand in a URL.
const uriCharacters = "-._~:/?#[]@!$&'()*+,;=%"

func buildParseURL(b *binding) (node, error) {
	u := &urlReader{parts: regexp.MustCompile(uriParts), try: b.name == "try_parse_url" || b.legacy}
	if len(b.args) == 2 {
		return strict(!u.try, textSome2(func(dst []byte, s, part string) ([]byte, bool, error) { return u.read(dst, s, part, "", false) }))(b)
	}
	return strict(!u.try, textSome3(func(dst []byte, s, part, key string) ([]byte, bool, error) {
		return u.read(dst, s, part, key, true)
	}))(b)
}

type urlReader struct {
	parts *regexp.Regexp
	try   bool
}

func validURL(s string) bool {
	for i, r := range s {
		plain := r > 0x7f || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(uriCharacters, r)
		if !plain || r == '%' && !isHexPair(s[i+1:]) {
			return false
		}
	}
	return true
}

func isHexPair(s string) bool {
	hex := func(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }
	return len(s) >= 2 && hex(s[0]) && hex(s[1])
}

func (u *urlReader) read(dst []byte, s, part, key string, keyed bool) ([]byte, bool, error) {
	m := u.parts.FindStringSubmatchIndex(s)
	if m == nil || !validURL(s) {
		if u.try {
			return dst, false, nil
		}
		return dst, false, userError("INVALID_URL",
			"The url is invalid: %s. Use `try_parse_url` to tolerate invalid URL and return NULL instead.", s)
	}
	piece := func(k int) (string, bool) {
		if m[2*k] < 0 {
			return "", false
		}
		return s[m[2*k]:m[2*k+1]], true
	}
	if keyed && part != "QUERY" {
		return dst, false, nil
	}
	text, ok := u.piece(part, piece)
	if ok && keyed {
		text, ok = queryValue(text, key)
	}
	return append(dst, text...), ok, nil
}

func (u *urlReader) piece(part string, piece func(int) (string, bool)) (string, bool) {
	authority, hasAuthority := piece(2)
	user, server, hasUser := cutLast(authority, "@")
	path, _ := piece(3)
	query, hasQuery := piece(4)
	switch part {
	case "HOST":
		host := server
		if at := strings.LastIndexByte(server, ':'); at >= 0 && !strings.HasSuffix(server, "]") {
			host = server[:at]
		}
		return host, hasAuthority && host != ""
	case "PATH":
		return path, true
	case "QUERY":
		return query, hasQuery
	case "REF":
		return piece(5)
	case "PROTOCOL":
		return piece(1)
	case "FILE":
		if hasQuery {
			path += "?" + query
		}
		return path, true
	case "AUTHORITY":
		return authority, hasAuthority && authority != ""
	case "USERINFO":
		return user, hasUser
	}
	return "", false
}

// cutLast splits at the last separator; without one all is the second part.
func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return "", s, false
	}
	return s[:at], s[at+len(sep):], true
}

// queryValue is the value of a key's first appearance.
func queryValue(query, key string) (string, bool) {
	for pair := range strings.SplitSeq(query, "&") {
		if name, val, ok := strings.Cut(pair, "="); ok && name == key {
			return val, true
		}
	}
	return "", false
}
