package textio

import (
	"bytes"
)

// fieldReader cuts records of CSV into fields.
type fieldReader struct {
	o      *options
	fields []fieldText
	buf    []byte // of fields that are not a part of the record as it stands
}

// fieldText is a field of a record.
type fieldText struct {
	text   []byte
	quoted bool
}

// split cuts a record. The fields hold until the next call. Quotes follow the rules of the parser that Spark has: a
// quoted field ends at a quote before a separator or the end, a field with any other quote in it that no escape precedes
// is text as it stands, and one without an end goes on to the end of the record.
func (r *fieldReader) split(rec []byte) []fieldText {
	r.fields, r.buf = r.fields[:0], r.buf[:0]
	for {
		f, rest, more := r.cut(rec)
		r.fields = append(r.fields, f)
		if !more {
			return r.fields
		}
		rec = rest
	}
}

// cut takes the first field.
func (r *fieldReader) cut(rec []byte) (f fieldText, rest []byte, more bool) {
	start := rec
	if r.o.trimLeading {
		start = bytes.TrimLeft(rec, " \t")
	}
	if r.o.quote != 0 && len(start) > 0 && start[0] == r.o.quote {
		return r.quoted(start)
	}
	return r.plain(rec, 0)
}

// plain takes a field up to the first separator at an offset or behind it.
func (r *fieldReader) plain(rec []byte, from int) (f fieldText, rest []byte, more bool) {
	at := -1
	if len(r.o.sep) == 1 {
		at = bytes.IndexByte(rec[from:], r.o.sep[0])
	} else {
		at = bytes.Index(rec[from:], []byte(r.o.sep))
	}
	text := rec
	if at >= 0 {
		text, rest, more = rec[:from+at], rec[from+at+len(r.o.sep):], true
	}
	if r.o.trimLeading {
		text = bytes.TrimLeft(text, " \t")
	}
	if r.o.trimTrailing {
		text = bytes.TrimRight(text, " \t")
	}
	return fieldText{text: text}, rest, more
}

// quoted takes a field that begins with a quote.
func (r *fieldReader) quoted(rec []byte) (f fieldText, rest []byte, more bool) {
	quote, escape := r.o.quote, r.o.escape
	from, begin := 1, len(r.buf)
	flush := func(to int) { r.buf = append(r.buf, rec[from:to]...) }
	for i := 1; i < len(rec); i++ {
		c := rec[i]
		switch {
		case c == escape && escape != 0 && i+1 < len(rec) && (rec[i+1] == quote || rec[i+1] == escape && escape != quote):
			flush(i)
			from = i + 1
			i++
		case c != quote:
		default:
			end, closes := r.closes(rec, i+1)
			if !closes && from == 1 {
				return r.plain(rec, i)
			}
			if !closes {
				return r.broken(rec, from, i, begin)
			}
			if from == 1 {
				f = fieldText{text: rec[1:i], quoted: true}
			} else {
				flush(i)
				f = fieldText{text: r.buf[begin:], quoted: true}
			}
			if end == len(rec) {
				return f, nil, false
			}
			return f, rec[end+len(r.o.sep):], true
		}
	}
	flush(len(rec))
	return fieldText{text: r.buf[begin:], quoted: true}, nil, false
}

// closes reports whether a quote before an offset ends its field: but for blanks, which do not count, a separator or the
// end follows, and where.
func (r *fieldReader) closes(rec []byte, at int) (end int, ok bool) {
	for end = at; end < len(rec); end++ {
		if bytes.HasPrefix(rec[end:], []byte(r.o.sep)) {
			return end, true
		}
		if rec[end] > ' ' {
			return 0, false
		}
	}
	return end, true
}

// broken takes a field that began with a quote, but has another in its middle at an offset: it is text with its quotes.
// Escapes before that place have been seen to; what they made begins at begin, the rest of it at from.
func (r *fieldReader) broken(rec []byte, from, at, begin int) (f fieldText, rest []byte, more bool) {
	_, rest, more = r.plain(rec, at)
	end := len(rec)
	if more {
		end -= len(rest) + len(r.o.sep)
	}
	whole := append([]byte{r.o.quote}, r.buf[begin:]...)
	whole = append(whole, rec[from:end]...)
	r.buf = append(r.buf[:begin], whole...)
	return fieldText{text: r.buf[begin:]}, rest, more
}

// quoteState follows quotes through a record that may span lines.
type quoteState struct {
	o     *options
	open  bool // in a quoted field
	begun bool // in a field that is not quoted, or no longer
}

// line takes the next line of the record, and reports whether the record ends with it.
func (s *quoteState) line(line []byte) bool {
	if s.o.quote == 0 {
		return true
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case s.open && s.o.escape != 0 && c == s.o.escape && i+1 < len(line) && (line[i+1] == s.o.quote || line[i+1] == c && c != s.o.quote):
			i++
		case s.open && c == s.o.quote:
			s.open, s.begun = false, true
		case s.open:
		case c == s.o.sep[0] && bytes.HasPrefix(line[i:], []byte(s.o.sep)):
			s.begun = false
			i += len(s.o.sep) - 1
		case !s.begun && c == s.o.quote:
			s.open = true
		case !s.begun && s.o.trimLeading && (c == ' ' || c == '\t'):
		default:
			s.begun = true
		}
	}
	return !s.open
}
