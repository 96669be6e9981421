// Package lines keeps what an attempt logs, up to a bound: where it runs, and on the way to where it is stored.
package lines

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/quern-engine/quern/api"
)

// What is kept of an attempt: the beginning, where it says what it sets out to do, and the end, where it says how that went.
const (
	headBytes = 48 << 10
	tailBytes = 16 << 10
)

// mostText bounds each text of a line.
const mostText = 8 << 10

// Buffer is the lines of an attempt. The zero value is empty. It is safe for concurrent use.
type Buffer struct {
	// Begun, if it is set, is called when there is a first line. The buffer's mutex is not held.
	Begun func()

	mu        sync.Mutex // guards the following
	head      []api.LogLine
	tail      []api.LogLine // when head is full
	headBytes int
	tailBytes int
	last      int  // number of the last line
	lost      bool // lines between head and tail were left out
}

// Add numbers a line and takes it in.
func (b *Buffer) Add(l api.LogLine) {
	b.mu.Lock()
	l.Number = b.last + 1
	b.putLocked(l)
	b.mu.Unlock()
	if l.Number == 1 && b.Begun != nil {
		b.Begun()
	}
}

// Put takes in lines that have numbers, those that are new.
func (b *Buffer) Put(list []api.LogLine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range list {
		if l.Number > b.last {
			b.putLocked(l)
		}
	}
}

// putLocked REQUIRES: b.mu is held.
func (b *Buffer) putLocked(l api.LogLine) {
	l = clipped(l)
	b.last = l.Number
	size := Size(&l)
	if len(b.tail) == 0 && b.headBytes+size <= headBytes {
		b.head, b.headBytes = append(b.head, l), b.headBytes+size
		return
	}
	b.tail, b.tailBytes = append(b.tail, l), b.tailBytes+size
	for b.tailBytes > tailBytes && len(b.tail) > 1 {
		b.tailBytes -= Size(&b.tail[0])
		b.tail[0] = api.LogLine{} // the list moves on, and what it has left behind stays for a while
		b.tail, b.lost = b.tail[1:], true
	}
}

// Size is about how many bytes a line takes.
func Size(l *api.LogLine) int {
	n := 150 + len(l.Message) + len(l.Text) + len(l.Worker)
	for name, value := range l.Attributes {
		n += len(name) + len(value)
	}
	return n
}

// clipped is a line with texts that are not too long. Those are user code's.
func clipped(l api.LogLine) api.LogLine {
	l.Message, l.Text = clip(l.Message), clip(l.Text)
	for name, value := range l.Attributes {
		if len(value) > mostText {
			l.Attributes[name] = clip(value)
		}
	}
	return l
}

func clip(text string) string {
	if len(text) <= mostText {
		return text
	}
	return strings.ToValidUTF8(text[:mostText], "") + "…"
}

// Since is the lines with numbers above after. One of them says how many were left out, if there were any.
func (b *Buffer) Since(after int) []api.LogLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	if after >= b.last {
		return nil
	}
	list := above(b.head, after)
	if from := max(after, b.edgeLocked()); b.lost && b.tail[0].Number-1 > from {
		list = append(list, gap(b.tail[0], from))
	}
	return append(list, above(b.tail, after)...)
}

// edgeLocked is the number of the last line before those that were left out. REQUIRES: b.mu is held.
func (b *Buffer) edgeLocked() int {
	if len(b.head) == 0 {
		return 0
	}
	return b.head[len(b.head)-1].Number
}

func above(list []api.LogLine, after int) []api.LogLine {
	i := 0
	for i < len(list) && list[i].Number <= after {
		i++
	}
	return append([]api.LogLine(nil), list[i:]...)
}

// gap is a line in the place of those between a number and a line. It has the number of the last one.
func gap(before api.LogLine, from int) api.LogLine {
	l := api.LogLine{
		Time: before.Time, Level: "WARN", Stage: before.Stage, Task: before.Task, Attempt: before.Attempt, Worker: before.Worker,
		Number: before.Number - 1, Message: "lines left out",
	}
	l.Text = fmt.Sprintf("%d: of an attempt, the first %d KiB and the last %d KiB are kept", l.Number-from, headBytes>>10, tailBytes>>10)
	return l
}

// Last is the number of the last line.
func (b *Buffer) Last() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// Bytes is about how much memory the lines take.
func (b *Buffer) Bytes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.headBytes + b.tailBytes
}

// now is the time of lines.
func now() time.Time { return time.Now().UTC() }
