package textio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The limits of a record: the most bytes that it may have, and how much is read at once.
const (
	maxRecord  = 256 << 20
	windowSize = 256 << 10
)

// errLong says that a record does not end.
var errLong = fmt.Errorf("a record has more than %d bytes", maxRecord)

// lineReader cuts text into lines.
type lineReader struct {
	src    io.Reader
	sep    []byte // nil: \n, \r\n or \r
	window []byte // read, and not handed out yet
	buf    []byte // what window is cut from
	pos    int64  // of the window in the text
	end    error  // what src ended with
}

func newLineReader(src io.Reader, sep string, pos int64) *lineReader {
	r := &lineReader{src: src, pos: pos}
	if sep != "" {
		r.sep = []byte(sep)
	}
	return r
}

// next returns the next line without its end, which holds until the next call, and where it begins. At the end it says
// io.EOF.
func (r *lineReader) next() (line []byte, at int64, err error) {
	at = r.pos
	for searched := 0; ; {
		n, size, more := r.find(searched)
		switch {
		case n >= 0:
			line = r.window[:n]
			r.skip(n + size)
			return line, at, nil
		case len(r.window) > maxRecord:
			return nil, at, errLong
		case r.end == nil:
			searched = more
			r.fill()
			continue
		case !errors.Is(r.end, io.EOF) || len(r.window) == 0:
			return nil, at, r.end
		}
		line = r.window
		r.skip(len(line))
		return line, at, nil
	}
}

// find looks for the end of the line from an offset on: where it is and how long. Without one, more is from where to
// look when there is more text.
func (r *lineReader) find(from int) (n, size, more int) {
	if r.sep != nil {
		if i := bytes.Index(r.window[from:], r.sep); i >= 0 {
			return from + i, len(r.sep), 0
		}
		return -1, 0, max(len(r.window)-len(r.sep)+1, from)
	}
	i := bytes.IndexByte(r.window[from:], '\n')
	head := r.window[from:]
	if i >= 0 {
		head = head[:i]
	}
	if j := bytes.IndexByte(head, '\r'); j >= 0 {
		switch {
		case from+j+1 < len(r.window):
			if r.window[from+j+1] == '\n' {
				return from + j, 2, 0
			}
			return from + j, 1, 0
		case r.end == nil:
			return -1, 0, from + j // a \n may follow
		}
		return from + j, 1, 0
	}
	if i >= 0 {
		return from + i, 1, 0
	}
	return -1, 0, len(r.window)
}

func (r *lineReader) skip(n int) {
	r.window = r.window[n:]
	r.pos += int64(n)
}

// fill reads more text behind the window.
func (r *lineReader) fill() {
	if cap(r.buf) < len(r.window)+windowSize {
		grown := make([]byte, len(r.window), 2*len(r.window)+2*windowSize)
		copy(grown, r.window)
		r.buf = grown
	} else {
		r.buf = r.buf[:copy(r.buf[:cap(r.buf)], r.window)]
	}
	have := len(r.buf)
	for empty := 0; len(r.buf) == have && r.end == nil; empty++ {
		var n int
		n, r.end = r.src.Read(r.buf[have:cap(r.buf)])
		r.buf = r.buf[:have+n]
		if empty > 100 {
			r.end = io.ErrNoProgress
		}
	}
	r.window = r.buf
}
