package textio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/quern-engine/quern/storage"
)

// SplitBytes is the size of a split of a file that can be read from the middle. It is a part of what a plan says about a
// file: row group i of such a file is the records that begin in its i-th piece of this size.
const SplitBytes = 8 << 20

// recordReader reads the records of a part of a file.
type recordReader struct {
	o     *options
	url   string
	text  *text
	lines *lineReader
	end   int64 // where records that are another's begin
	whole bool  // the file is one record
	done  bool

	joined []byte // a record of several lines
	valid  []byte // a record without bytes that are no text
}

// splittable reports whether a file can be read from the middle.
func (o *options) splittable(url string) bool {
	_, compression := storage.FormatOf(url)
	return compression == "" && !o.multiLine && o.charset == nil
}

// openRecords opens the records that begin from an offset up to, not including, another.
func openRecords(ctx context.Context, store *storage.Store, o *options, url string, size, from, to int64) (*recordReader, error) {
	start := max(from-1, 0)
	t, err := openText(ctx, store, o, url, size, start)
	if err != nil {
		return nil, err
	}
	r := &recordReader{o: o, url: url, text: t, lines: newLineReader(t, o.lineSep, start), end: to, whole: o.json && o.multiLine}
	if from > 0 {
		// Up to the end of the line that the split before this one has; that line may end right here.
		if _, _, err := r.lines.next(); err != nil && !errors.Is(err, io.EOF) {
			r.close()
			return nil, corrupt(url, err)
		}
	}
	return r, nil
}

func (r *recordReader) close() error { return r.text.Close() }

// next returns the next record, which holds until the next call, and where it begins. It says io.EOF at the end.
func (r *recordReader) next() (rec []byte, at int64, err error) {
	switch {
	case r.done:
		return nil, 0, io.EOF
	case r.whole:
		rec, err = r.everything()
		r.done = true
	case !r.o.json && r.o.multiLine:
		rec, at, err = r.joinLines()
	default:
		rec, at, err = r.lines.next()
	}
	if err != nil {
		if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = corrupt(r.url, err)
		}
		return nil, 0, err
	}
	if at >= r.end {
		return nil, 0, io.EOF
	}
	if at == 0 {
		rec = bytes.TrimPrefix(rec, []byte("\xef\xbb\xbf"))
	}
	if !utf8.Valid(rec) {
		r.valid = append(r.valid[:0], bytes.ToValidUTF8(rec, []byte("\ufffd"))...)
		rec = r.valid
	}
	return rec, at, nil
}

// everything is all of the file.
func (r *recordReader) everything() ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r.text, maxRecord+1))
	if err == nil && len(data) > maxRecord {
		err = errLong
	}
	return data, err
}

// joinLines reads lines until the quotes of a record are closed.
func (r *recordReader) joinLines() ([]byte, int64, error) {
	line, at, err := r.lines.next()
	if err != nil {
		return nil, 0, err
	}
	state := quoteState{o: r.o}
	if state.line(line) {
		return line, at, nil
	}
	r.joined = append(r.joined[:0], line...)
	for {
		line, _, err := r.lines.next()
		if errors.Is(err, io.EOF) {
			return r.joined, at, nil
		}
		if err != nil {
			return nil, 0, err
		}
		if len(r.joined)+len(line) > maxRecord {
			return nil, 0, errLong
		}
		r.joined = append(append(r.joined, '\n'), line...)
		if state.line(line) {
			return r.joined, at, nil
		}
	}
}
