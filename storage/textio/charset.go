package textio

import (
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/quern-engine/quern/plan"
)

// charset is the encoding of a name, of those that Spark has; nil for UTF-8 and for what is a part of it. Where Java
// leaves the order of bytes to the mark at the beginning, it is the high byte first without one.
func charset(name string) (encoding.Encoding, error) {
	switch strings.ToUpper(name) {
	case "UTF-8", "UTF8", "US-ASCII":
		return nil, nil
	case "ISO-8859-1":
		return charmap.ISO8859_1, nil
	case "UTF-16":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), nil
	case "UTF-16LE":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), nil
	case "UTF-16BE":
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), nil
	case "UTF-32":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM), nil
	}
	return nil, plan.Failf(plan.FailureUser, "[INVALID_PARAMETER_VALUE.CHARSET] the encoding %s is not supported; there are "+
		"ISO-8859-1, US-ASCII, UTF-16, UTF-16BE, UTF-16LE, UTF-32 and UTF-8", name)
}
