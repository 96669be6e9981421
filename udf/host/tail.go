package host

import (
	"bytes"
	"strings"
	"sync"
)

// tailSize is how much of a process's output is kept.
const tailSize = 64 << 10

// tail keeps the end of what is written to it. Safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	buf []byte // the last bytes, up to twice tailSize

	log    func(text string) // nil: nobody wants to know
	logged int               // bytes, to log
}

// mostLogged is how much of a process's output goes into one log.
const mostLogged = 64 << 10

// tellTo has what is written from now on logged.
func (t *tail) tellTo(log func(text string)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log, t.logged = log, 0
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	t.tell(p)
	if len(p) > tailSize {
		p = p[len(p)-tailSize:]
	}
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailSize {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailSize:]...)
	}
	return n, nil
}

// tell logs what has come, until it was enough. REQUIRES: t.mu is held.
func (t *tail) tell(p []byte) {
	text := strings.TrimSpace(strings.ToValidUTF8(string(p[:min(len(p), mostLogged)]), "\ufffd"))
	if t.log == nil || text == "" || t.logged > mostLogged {
		return
	}
	if t.logged += len(text); t.logged > mostLogged {
		text = "(it prints more than is logged)"
	}
	t.log(text)
}

// last is what fits a message of the end: its last bytes, or where Go said why it gave up and what it then printed.
func (t *tail) last(most int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := max(0, len(t.buf)-most)
	for _, mark := range []string{"fatal error: ", "panic: ", "runtime: out of memory"} {
		if bytes.HasPrefix(t.buf, []byte(mark)) {
			from = 0
		} else if i := bytes.LastIndex(t.buf, []byte("\n"+mark)); i >= 0 {
			from = min(from, i)
		}
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(t.buf[from:min(len(t.buf), from+most)]), "\ufffd"))
}
